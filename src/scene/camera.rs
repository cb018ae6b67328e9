//! One camera's view of the world: its tracker and its rules. Pure; time comes with the pictures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::drone::{DroneScene, Moved};
use super::drone_log::FlightLogs;
use super::ground::{Site, Sites};
use super::place_memory::{PlaceMemory, PlaceMemoryContext};
use super::placing::Placing;
use super::tamper::{TamperMonitor, TamperReport};
use crate::base::{CameraId, ClassName, Rect, WallTime};
use crate::change::Seen;
use crate::config::{CameraConfig, Config, NodeConfig, ZoneArea};
use crate::decode::Picture;
use crate::detect::{Detections, ModelManifest};
use crate::rules::{CameraRules, RulesState, Violation};
use crate::track::{Track, Tracker};
use crate::wire::CalibrationState;

pub(crate) struct Scene {
    pub config: Arc<CameraConfig>,
    tracker: Tracker,
    rules: CameraRules,
    /// Of a camera that moves.
    airborne: Option<DroneScene>,
    /// Where the camera stands, if it is calibrated.
    site: Option<Arc<Site>>,
    guard: TamperMonitor,
    /// Its memory of its place, where a rule is about that.
    watch: Option<PlaceMemory>,
    /// Capture time of the newest picture.
    newest: Option<WallTime>,
    /// As of the newest picture.
    tracks: Vec<Track>,
    /// Capture time up to which the rules' progress was last made durable for running far ahead of the clock.
    stored: Option<WallTime>,
}

/// What people decided about an event, and what it changes in the rules.
pub(crate) enum RulesChange {
    Reject { class: String, places: Vec<Rect>, during: Duration, why: String },
    Lift,
    Permit { permit: String },
}

/// All cameras of a node, by id.
pub(crate) type Scenes = BTreeMap<CameraId, Scene>;

pub(crate) fn build_all(
    config: &Config,
    model: &ModelManifest,
    sites: &Sites,
    flights: &FlightLogs,
    memory: &PlaceMemoryContext,
) -> Scenes {
    let scene = |camera: &CameraConfig| build(config, camera, model, sites, flights, memory);
    config.cameras.iter().map(|camera| (camera.id.clone(), scene(camera))).collect()
}

/// One camera's scene, which has seen nothing yet. `sites` must know the camera as it is in this config.
pub(crate) fn build(
    config: &Config,
    camera: &CameraConfig,
    model: &ModelManifest,
    sites: &Sites,
    flights: &FlightLogs,
    memory: &PlaceMemoryContext,
) -> Scene {
    let thresholds: BTreeMap<ClassName, f32> = model
        .class_names()
        .iter()
        .filter_map(|class| Some((class.clone(), model.threshold(class)?)))
        .collect();
    let (id, rules) = (camera.id.clone(), camera.rules.clone());
    let rules = CameraRules::new(&config.node.id, id.clone(), rules, thresholds, camera.max_events_per_hour)
        .with_time_zone(config.node.time_zone.clone());
    let drone = camera.drone.clone();
    let site = sites.get(&camera.id);
    let mut camera = camera.clone();
    if let Some(site) = &site {
        for zone in &mut camera.zones {
            if let ZoneArea::Ground { area, drawn } = &mut zone.area {
                *drawn = site.draw(area, zone.height_m);
            }
        }
    }
    let guard = TamperMonitor::new(&camera.id, site.clone());
    let watch = PlaceMemory::new(&camera, config.node.time_zone.clone(), memory);
    Scene {
        tracker: Tracker::new(camera.track),
        config: Arc::new(camera),
        rules,
        airborne: drone.map(|drone| DroneScene::new(drone, flights.of(&id), sites.dem())),
        site,
        guard,
        watch,
        newest: None,
        tracks: Vec::new(),
        stored: None,
    }
}

impl Scene {
    /// What one analysed picture changes.
    pub fn analyse(&mut self, seen: &Detections) -> Vec<Violation> {
        let at = seen.picture.capture.at;
        self.newest = Some(at);
        match self.airborne.as_mut().map_or(Moved::Not, |drone| drone.follow(&seen.picture)) {
            Moved::Not => {}
            Moved::By(motion) => {
                self.tracker.follow(&motion);
                self.rules.follow(Some(&motion));
            }
            Moved::Unknown => {
                self.tracker.forget();
                self.rules.follow(None);
            }
        }
        self.tracks = self.tracker.update(at, &seen.items);
        let size = (seen.picture.width, seen.picture.height);
        if let Some(drone) = &self.airborne {
            drone.place(&mut self.tracks, &self.config.zones);
        } else if let Some(site) = &self.site {
            site.place(&mut self.tracks, size);
        }
        let mut changes = self.watch.as_mut().and_then(|watch| watch.look(&seen.picture, &self.tracks));
        if let (Some(site), Some(changes)) = (&self.site, &mut changes) {
            site.place_changes(changes, size);
        }
        self.rules.step_with(at, &self.tracks, changes.as_ref(), Some(&seen.picture))
    }

    /// Was the camera covered, blinded or moved?
    pub fn guard(&mut self, node: &NodeConfig, picture: &Picture) -> Option<TamperReport> {
        let told = self.guard.look(node, &self.config, picture);
        let view = self.watch.as_ref().map(PlaceMemory::alignment);
        told.or_else(|| self.guard.look_at_place(node, &self.config, picture.capture.at, view?))
    }

    /// Gives to `tell` how the newest picture is placed on the map.
    pub fn placed<T>(&self, tell: impl FnOnce(Option<Placing<'_>>) -> T) -> T {
        if let Some(drone) = &self.airborne {
            let placing = |(locator, frame)| Placing { frame, locator, state: CalibrationState::Valid };
            return tell(drone.placing().map(placing));
        }
        let Some(site) = &self.site else { return tell(None) };
        let locator = site.locator();
        let state = if site.is_stale() { CalibrationState::Stale } else { CalibrationState::Valid };
        tell(Some(Placing { frame: site.frame(), locator: &locator, state }))
    }

    /// All live tracks, as of the newest picture.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// The place's lasting changes as of the last look at them. `None`: it could not judge the place, or nothing asks for it.
    pub fn standing(&self) -> Option<&[(Rect, Seen)]> {
        self.watch.as_ref().and_then(PlaceMemory::standing)
    }

    /// Applies what people decided about an event.
    pub fn apply(&mut self, event: Uuid, change: RulesChange) -> Vec<Violation> {
        match change {
            RulesChange::Reject { class, places, during, why } => {
                self.accept(event);
                self.rules.reject(event, &class, places, during, &why)
            }
            RulesChange::Lift => {
                self.rules.lift(event);
                Vec::new()
            }
            RulesChange::Permit { permit } => {
                self.accept(event);
                self.rules.permit(event, &permit)
            }
        }
    }

    /// A lasting change that is nothing, or is allowed, is how the place looks from now on.
    fn accept(&mut self, event: Uuid) {
        if let Some(watch) = &mut self.watch {
            self.rules.changes_of(event).into_iter().for_each(|region| watch.accept(region));
        }
    }

    /// Has so much of the pictures' time passed since this last said so that the rules' progress should be kept?
    pub fn is_far_from_checkpoint(&mut self, at: WallTime) -> bool {
        const FAR: Duration = Duration::from_secs(600);
        let stored = *self.stored.get_or_insert(at);
        let far = at < stored || at.since(stored) >= FAR;
        if far {
            self.stored = Some(at);
        }
        far
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

    /// Goes on where the scene of the same camera under an earlier config stopped: tracks, dwell, and open events of rules
    /// that still mean the same; the others' events expire.
    pub fn take_over(&mut self, old: Scene) {
        if old.config.track == self.config.track {
            self.tracker = old.tracker;
            self.tracks = old.tracks;
        }
        if old.config.drone == self.config.drone
            && let Some((new, old)) = self.airborne.as_mut().zip(old.airborne)
        {
            new.take_over(old);
        }
        self.newest = old.newest;
        self.rules.restore(old.rules.state());
        // The place is what it was, unless the operator wants it learnt otherwise.
        if let (Some(watch), Some(old_watch)) = (&mut self.watch, old.watch)
            && old.config.change == self.config.change
        {
            *watch = old_watch;
        }
    }

    /// The camera is watched no more: all its open events expire.
    pub fn retire(&mut self) -> Vec<Violation> {
        self.rules.disarm();
        let at = self.newest.or(self.rules.last_picture());
        at.map_or_else(Vec::new, |at| self.rules.tick(at))
    }

    /// Puts back what the camera remembers of its place.
    pub fn recall(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.load();
        }
    }

    /// Writes down what the camera remembers of its place.
    pub fn remember(&self) {
        if let Some(watch) = &self.watch {
            watch.save();
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
