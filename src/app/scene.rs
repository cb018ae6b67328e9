//! One camera's view of the world: its tracker and its rules. Pure; time comes with the pictures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{CameraId, ClassName, WallTime};
use crate::config::{CameraConfig, Config};
use crate::detect::{Detections, Manifest};
use crate::rules::{CameraRules, RulesState, Violation};
use crate::track::Tracker;

pub(super) struct Scene {
    pub config: Arc<CameraConfig>,
    tracker: Tracker,
    rules: CameraRules,
    /// Capture time of the newest picture.
    newest: Option<WallTime>,
}

/// All cameras of a node, by id.
pub(super) type Scenes = BTreeMap<CameraId, Scene>;

pub(super) fn build(config: &Config, model: &Manifest) -> Scenes {
    let thresholds: BTreeMap<ClassName, f32> = model
        .class_names()
        .iter()
        .filter_map(|class| Some((class.clone(), model.threshold(class)?)))
        .collect();
    let scene = |camera: &CameraConfig| {
        let rules = CameraRules::new(
            &config.node.id,
            camera.id.clone(),
            camera.rules.clone(),
            thresholds.clone(),
            camera.max_events_per_hour,
        )
        .with_time_zone(config.node.time_zone.clone());
        Scene { config: Arc::new(camera.clone()), tracker: Tracker::new(camera.track), rules, newest: None }
    };
    config.cameras.iter().map(|camera| (camera.id.clone(), scene(camera))).collect()
}

impl Scene {
    /// What one analysed picture changes.
    pub fn analyse(&mut self, seen: &Detections) -> Vec<Violation> {
        let at = seen.picture.capture.at;
        self.newest = Some(at);
        let tracks = self.tracker.update(at, &seen.items);
        self.rules.step(at, &tracks)
    }

    /// What the mere passing of time changes: events of a place that nobody shows any more expire. `silent` is how long
    /// ago the newest picture came, or the node started where there is none yet.
    pub fn tick(&mut self, silent: Duration) -> Vec<Violation> {
        // On the camera's own clock, which may be far from the node's.
        match self.newest.or(self.rules.last_picture()) {
            Some(newest) => self.rules.tick(newest + silent),
            None => Vec::new(),
        }
    }

    pub fn state(&self) -> RulesState {
        self.rules.state()
    }

    pub fn restore(&mut self, state: RulesState) {
        self.rules.restore(state);
    }

    pub fn suppressed(&self) -> u64 {
        self.rules.suppressed()
    }

    pub fn open_events(&self) -> usize {
        self.rules.open_events()
    }
}
