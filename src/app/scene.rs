//! One camera's view of the world: its tracker and its rules. Pure; time comes with the pictures.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{CameraId, ClassName, WallTime};
use crate::config::{CameraConfig, Config};
use crate::detect::{Detections, Manifest};
use crate::rules::{CameraRules, RulesState, Violation};
use crate::track::Tracker;

pub(super) struct Scene {
    pub config: Arc<CameraConfig>,
    tracker: Tracker,
    rules: CameraRules,
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
        Scene { config: Arc::new(camera.clone()), tracker: Tracker::new(camera.track), rules }
    };
    config.cameras.iter().map(|camera| (camera.id.clone(), scene(camera))).collect()
}

impl Scene {
    /// What one analysed picture changes.
    pub fn analyse(&mut self, seen: &Detections) -> Vec<Violation> {
        let at = seen.picture.capture.at;
        let tracks = self.tracker.update(at, &seen.items);
        self.rules.step(at, &tracks)
    }

    /// What the mere passing of time changes: events of a place that nobody shows any more expire.
    pub fn tick(&mut self, now: WallTime) -> Vec<Violation> {
        self.rules.tick(now)
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
