//! One camera's view of the world: its tracker and its rules. Pure; time comes with the pictures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::drone::{DroneScene, Moved};
use super::drone_log::FlightLogs;
use super::ground::{Site, Sites};
use super::place_memory::{BeforePicture, PlaceMemory, PlaceMemoryContext};
use super::placing::Placing;
use super::tamper::{TamperMonitor, TamperReport};
use crate::base::{CameraId, ClassName, Rect, WallTime};
use crate::change::Seen;
use crate::config::{CameraConfig, Config, MapConfig, NodeConfig, ZoneArea};
use crate::decode::Picture;
use crate::detect::{Detections, ModelManifest};
use crate::geo::{CalibrationState, EventPlace};
use crate::rules::{CameraRules, RulesState, Violation};
use crate::track::{Track, Tracker};

pub(crate) struct Scene {
    pub config: Arc<CameraConfig>,
    tracker: Tracker,
    rules: CameraRules,
    /// Of a camera that moves.
    airborne: Option<DroneScene>,
    /// Where the camera stands, if it is calibrated.
    site: Option<Arc<Site>>,
    tamper: TamperMonitor,
    /// Its memory of its place, where a rule is about that.
    memory: Option<PlaceMemory>,
    /// Capture time of the newest picture.
    newest: Option<WallTime>,
    /// As of the newest picture.
    tracks: Vec<Track>,
    /// Capture time up to which the rules' progress was last made durable for running far ahead of the clock.
    stored: Option<WallTime>,
}

/// What one analysed picture brings.
pub(crate) struct Analysed {
    /// The camera itself is in trouble, or well again.
    pub tamper: Option<TamperReport>,
    /// The picture is to be kept as the place's look from before a change.
    pub before: Option<BeforePicture>,
    /// `None`: nothing was decided.
    pub decided: Option<Decided>,
}

/// Steps of violations, and the state of the rules after them; both become durable together.
pub(crate) struct Decided {
    pub steps: Vec<PlacedViolation>,
    pub state: RulesState,
}

/// A step with its place on the map, and with the permit that covers it.
pub(crate) struct PlacedViolation {
    pub violation: Violation,
    pub place: Option<EventPlace>,
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
        .with_time_zone(config.node.time_zone.clone())
        .with_class_kinds(model.class_kinds().clone());
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
    let tamper = TamperMonitor::new(&camera.id, site.clone());
    let place_memory =
        PlaceMemory::new(&camera, model.class_kinds().clone(), config.node.time_zone.clone(), memory);
    Scene {
        tracker: Tracker::new(camera.track).with_class_kinds(model.class_kinds().clone()),
        config: Arc::new(camera),
        rules,
        airborne: drone.map(|drone| DroneScene::new(drone, flights.of(&id), sites.dem())),
        site,
        tamper,
        memory: place_memory,
        newest: None,
        tracks: Vec::new(),
        stored: None,
    }
}

impl Scene {
    /// Analyses one picture with its detections.
    pub fn analyse(&mut self, config: &Config, seen: &Detections) -> Analysed {
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
        let mut changes = self.memory.as_mut().and_then(|memory| memory.inspect(&seen.picture, &self.tracks));
        if let (Some(site), Some(changes)) = (&self.site, &mut changes) {
            site.place_changes(changes, size);
        }
        let steps = self.rules.step_with(at, &self.tracks, changes.as_ref(), Some(&seen.picture));
        // Before the steps are placed: a camera that was moved has no valid places.
        let tamper = self.inspect_camera(&config.node, &seen.picture);
        Analysed {
            tamper,
            before: self.memory.as_mut().and_then(PlaceMemory::take_before),
            decided: (!steps.is_empty()).then(|| self.decided(steps, &config.map)),
        }
    }

    /// Was the camera covered, blinded or moved?
    fn inspect_camera(&mut self, node: &NodeConfig, picture: &Picture) -> Option<TamperReport> {
        let report = self.tamper.inspect(node, &self.config, picture);
        let alignment = self.memory.as_ref().map(PlaceMemory::alignment);
        report.or_else(|| self.tamper.inspect_place(node, &self.config, picture.capture.at, alignment?))
    }

    /// Places the steps on the map as the newest picture is placed, and fills in permits.
    fn decided(&self, violations: Vec<Violation>, map: &MapConfig) -> Decided {
        let steps = self.with_placing(|placing| {
            let place = |mut violation: Violation| {
                let place = placing.as_ref().and_then(|placing| placing.place(&violation, map));
                let permit = placing.as_ref().and_then(|placing| placing.permit(&violation, map));
                let permit = permit.map(|permit| permit.id.clone());
                violation.permit = violation.permit.or(permit);
                PlacedViolation { violation, place }
            };
            violations.into_iter().map(place).collect()
        });
        Decided { steps, state: self.rules.state() }
    }

    /// Lends how the newest picture is placed on the map.
    fn with_placing<T>(&self, place: impl FnOnce(Option<Placing<'_>>) -> T) -> T {
        if let Some(drone) = &self.airborne {
            let placing = |(locator, frame)| Placing { frame, locator, state: CalibrationState::Valid };
            return place(drone.placing().map(placing));
        }
        let Some(site) = &self.site else { return place(None) };
        let locator = site.locator();
        let state = if site.is_stale() { CalibrationState::Stale } else { CalibrationState::Valid };
        place(Some(Placing { frame: site.frame(), locator: &locator, state }))
    }

    /// All live tracks, as of the newest picture.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// The place's lasting changes as of the last look at them. `None`: it could not judge the place, or nothing asks for it.
    pub fn standing(&self) -> Option<&[(Rect, Seen)]> {
        self.memory.as_ref().and_then(PlaceMemory::standing)
    }

    /// Applies what people decided about an event.
    pub fn apply(&mut self, event: Uuid, change: RulesChange, map: &MapConfig) -> Decided {
        let steps = match change {
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
        };
        self.decided(steps, map)
    }

    /// A lasting change that is nothing, or is allowed, is how the place looks from now on.
    fn accept(&mut self, event: Uuid) {
        if let Some(memory) = &mut self.memory {
            self.rules.changes_of(event).into_iter().for_each(|region| memory.accept(region));
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
    pub fn tick(&mut self, silent: Duration, map: &MapConfig) -> Option<Decided> {
        // On the camera's own clock, which may be far from the node's.
        let newest = self.newest.or(self.rules.last_picture())?;
        let steps = self.rules.tick(newest + silent);
        (!steps.is_empty()).then(|| self.decided(steps, map))
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
        if let (Some(memory), Some(old_memory)) = (&mut self.memory, old.memory)
            && old.config.change == self.config.change
        {
            *memory = old_memory;
        }
    }

    /// The camera is watched no more: all its open events expire.
    pub fn retire(&mut self, map: &MapConfig) -> Decided {
        self.rules.disarm();
        let at = self.newest.or(self.rules.last_picture());
        let steps = at.map_or_else(Vec::new, |at| self.rules.tick(at));
        self.decided(steps, map)
    }

    /// Puts back what the camera remembers of its place.
    pub fn recall(&mut self) {
        if let Some(memory) = &mut self.memory {
            memory.load();
        }
    }

    /// Writes down what the camera remembers of its place.
    pub fn remember(&self) {
        if let Some(memory) = &self.memory {
            memory.save();
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
