//! The scene of one camera: its tracker and its rules. Pure; time comes with the pictures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::backdrop_file::BackdropFile;
use super::drone::{DroneScene, Moved};
use super::drone_log::FlightLogs;
use super::ground::{Site, Sites};
use super::place_context::PlaceMemoryContext;
use super::place_memory::PlaceMemory;
use super::placing::Placing;
use super::second_looks::SecondLooks;
use super::tamper::{TamperMonitor, TamperReport};
use crate::base::{CameraId, Capture, ClassName, Rect, WallTime};
use crate::change::Seen;
use crate::config::{CameraConfig, Config, MapConfig, NodeConfig, ZoneArea};
use crate::decode::Picture;
use crate::detect::Detections;
use crate::geo::{CalibrationState, EventPlace};
use crate::observation::{Observation, Observer, Visibility};
use crate::rules::{CameraRules, Decision, EventSight, Ignored, RulesState, Seen as SeenPicture, Violation};
use crate::second_look::{CropAnswer, CropQuestion, Models};
use crate::track::{Track, Tracker};

pub(crate) struct Scene {
    pub config: Arc<CameraConfig>,
    observer: Observer,
    /// `None`: no files are kept, or the camera moves.
    backdrop_file: Option<BackdropFile>,
    tracker: Tracker,
    rules: CameraRules,
    /// `None`: there are none.
    second_looks: Option<SecondLooks>,
    /// `None`: the camera is fixed.
    airborne: Option<DroneScene>,
    /// Its calibrated position; `None`: not calibrated.
    site: Option<Arc<Site>>,
    tamper: TamperMonitor,
    /// How its place usually looks; `None`: no rule needs it.
    memory: Option<PlaceMemory>,
    /// Capture time of the newest picture.
    newest: Option<WallTime>,
    /// Tracks after the newest picture.
    tracks: Vec<Track>,
    /// Of the newest picture.
    visibility: Option<Visibility>,
    /// By how much its capture times have jumped, by the newest picture.
    clock_moved: Option<i64>,
    /// Capture time at which `is_far_from_checkpoint` last asked for a checkpoint.
    stored: Option<WallTime>,
}

/// The result of one picture.
pub(crate) struct Analysed {
    /// A report that the camera is covered, blinded or moved, or well again.
    pub tamper: Option<TamperReport>,
    /// The picture is to be kept: it is the first to show something that could become an event.
    pub shows_first: bool,
    /// For a second look. The answers go to [`Scene::answer`].
    pub questions: Vec<CropQuestion>,
    /// `None`: the rules made no step.
    pub decided: Option<Decided>,
}

/// Steps of violations, and the state of the rules after them. Both go into one transaction.
pub(crate) struct Decided {
    pub steps: Vec<PlacedViolation>,
    /// The person's decision that made the steps; `None`: pictures made them.
    pub decision: Option<Decision>,
    pub state: RulesState,
}

/// A step with its position on the map. A permit that covers it is filled in.
pub(crate) struct PlacedViolation {
    pub violation: Violation,
    pub place: Option<EventPlace>,
}

/// How a person's decision about an event changes the rules.
pub(crate) enum RulesChange {
    Reject { class: String, places: Vec<Rect>, during: Duration, why: String },
    Lift,
    Permit { permit: String },
}

/// All cameras of a node, by id.
pub(crate) type Scenes = BTreeMap<CameraId, Scene>;

pub(crate) fn build_all(
    config: &Config,
    models: &Models,
    sites: &Sites,
    flights: &FlightLogs,
    memory: &PlaceMemoryContext,
) -> Scenes {
    let scene = |camera: &CameraConfig| build(config, camera, models, sites, flights, memory);
    config.cameras.iter().map(|camera| (camera.id.clone(), scene(camera))).collect()
}

/// The scene of a camera that the config no longer has, without zones and rules, to end what is open of it.
/// `None`: no other camera is there to take the rest of its settings from.
pub(crate) fn departed(
    config: &Config,
    id: &CameraId,
    models: &Models,
    flights: &FlightLogs,
    memory: &PlaceMemoryContext,
) -> Option<Scene> {
    let camera = CameraConfig {
        id: id.clone(),
        name: id.to_string(),
        drone: None,
        position: None,
        calibration: None,
        gb_id: None,
        zones: Vec::new(),
        rules: Vec::new(),
        ..config.cameras.first()?.clone()
    };
    Some(build(config, &camera, models, &Sites::default(), flights, memory))
}

/// Builds the scene of one camera, before its first picture. `sites` must be loaded from this config.
pub(crate) fn build(
    config: &Config,
    camera: &CameraConfig,
    models: &Models,
    sites: &Sites,
    flights: &FlightLogs,
    memory: &PlaceMemoryContext,
) -> Scene {
    let _camera = camera.id.span().entered();
    let model = &models.detector;
    let thresholds: BTreeMap<ClassName, f32> = model
        .class_names()
        .iter()
        .filter_map(|class| Some((class.clone(), model.threshold(class)?)))
        .collect();
    let (id, rules) = (camera.id.clone(), camera.rules.clone());
    let most = camera.max_events_per_hour;
    let rules = CameraRules::new(&config.node.id, id.clone(), rules, thresholds.clone(), most)
        .with_time_zone(config.node.time_zone.clone())
        .with_class_kinds(model.class_kinds().clone())
        .with_second_look(models.second_look.clone())
        .with_confidences(model.confidences().clone());
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
    let tamper = TamperMonitor::new(site.clone());
    let place_memory =
        PlaceMemory::new(&camera, model.class_kinds().clone(), config.node.time_zone.clone(), memory);
    Scene {
        observer: Observer::new(drone.is_none(), camera.interval),
        backdrop_file: if drone.is_none() { BackdropFile::new(&id, memory) } else { None },
        tracker: Tracker::new(camera.track)
            .with_class_kinds(model.class_kinds().clone())
            .with_thresholds(thresholds),
        config: Arc::new(camera),
        rules,
        second_looks: models
            .second_look
            .clone()
            .map(|manifest| SecondLooks::new(manifest, model.class_kinds().clone(), drone.is_none())),
        airborne: drone.map(|drone| DroneScene::new(drone, flights.of(&id), sites.dem())),
        site,
        tamper,
        memory: place_memory,
        newest: None,
        clock_moved: None,
        tracks: Vec::new(),
        visibility: None,
        stored: None,
    }
}

impl Scene {
    /// Analyses one picture with its detections.
    pub fn analyse(&mut self, config: &Config, seen: &Detections) -> Analysed {
        let mut observation = self.observer.observe(seen);
        let size = (seen.picture.width, seen.picture.height);
        if let Some(looks) = &mut self.second_looks {
            looks.follow(&mut observation, self.observer.backdrop(), self.site.as_deref(), size);
        }
        self.follow_clock(&seen.picture.capture);
        self.newest = Some(observation.at);
        match self.airborne.as_mut().map_or(Moved::Not, |drone| drone.follow(&seen.picture)) {
            Moved::Not => {}
            Moved::By(motion) => {
                self.tracker.compensate(&motion);
                self.rules.follow(Some(&motion));
            }
            Moved::Unknown => {
                self.tracker.forget();
                self.rules.follow(None);
            }
        }
        self.tracks = self.tracker.observe(&observation);
        if let Some(drone) = &self.airborne {
            drone.place(&mut self.tracks, &self.config.zones);
        } else if let Some(site) = &self.site {
            site.place(&mut self.tracks, size);
        }
        let mut changes = self.memory.as_mut().and_then(|memory| memory.inspect(&seen.picture, &self.tracks));
        if let (Some(site), Some(changes)) = (&self.site, &mut changes) {
            site.place_changes(changes, size);
        }
        let picture = SeenPicture {
            changes: changes.as_ref(),
            picture: Some(&seen.picture),
            backdrop: self.observer.backdrop(),
        };
        let steps = self.rules.observe(&observation, &self.tracks, &picture);
        let questions = self.rules.take_questions();
        let questions = self.second_looks.as_mut().map_or_else(Vec::new, |looks| {
            looks.questions(questions, &self.tracks, &seen.picture, observation.is_new)
        });
        let things: Vec<Rect> = self.tracks.iter().map(|track| track.rect).collect();
        self.observer.learn(&observation, &things);
        if let Some(file) = &mut self.backdrop_file {
            file.save_if_due(&self.observer, observation.at);
        }
        // Before the steps are placed, because the positions of a moved camera are stale.
        let tamper = self.inspect_camera(&config.node, &seen.picture, &observation);
        self.visibility = Some(observation.visibility);
        Analysed {
            tamper,
            questions,
            shows_first: self.rules.shows_first(),
            decided: (!steps.is_empty()).then(|| self.decided(steps, &config.map)),
        }
    }

    /// Takes a jump of the capture times out of what the rules remember, and lets events wait for the clocks.
    fn follow_clock(&mut self, capture: &Capture) {
        /// A new connection takes less. Else another clock began, with times of its own.
        const RECONNECTS_US: u64 = 3_600_000_000;
        let Some(clock) = capture.clock else { return };
        let by_us = clock.moved_us - self.clock_moved.replace(clock.moved_us).unwrap_or(clock.moved_us);
        let passed_us = self.newest.map_or(0, |newest| capture.at.0.saturating_sub(newest.0));
        if by_us != 0 && passed_us.abs_diff(by_us) <= RECONNECTS_US {
            self.rules.move_times(by_us);
        }
        self.rules.wait_for_clock(clock.stepped);
    }

    /// Checks whether the camera was covered, blinded or moved.
    fn inspect_camera(
        &mut self,
        node: &NodeConfig,
        picture: &Picture,
        observation: &Observation,
    ) -> Option<TamperReport> {
        let stats = observation.stats.as_ref();
        let report = stats.and_then(|stats| self.tamper.inspect(node, &self.config, picture, stats));
        let alignment = self.memory.as_ref().map(PlaceMemory::alignment);
        let at = picture.capture.at;
        report.or_else(|| match alignment {
            Some(alignment) => self.tamper.inspect_place(node, &self.config, at, alignment),
            None => self.tamper.inspect_view(node, &self.config, at, self.observer.astray(at)),
        })
    }

    /// Places the steps on the map by the newest picture, and fills in permits.
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
        Decided { steps, decision: None, state: self.rules.state() }
    }

    /// Calls `place` with the placing of the newest picture, or `None` if it has none.
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

    /// All live tracks after the newest picture.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// What the newest observation says about the places of an open event. `None`: the event is not open
    /// here.
    pub fn place_of(&self, event: Uuid) -> Option<EventSight> {
        self.rules.sight_of(event)
    }

    /// Whether the newest picture could be judged; `None` before the first.
    pub fn visibility(&self) -> Option<Visibility> {
        self.visibility
    }

    /// The lasting changes found by the last inspection. `None`: the place could not be judged, or no rule
    /// needs it.
    pub fn standing(&self) -> Option<&[(Rect, Seen)]> {
        self.memory.as_ref().and_then(PlaceMemory::standing)
    }

    /// Takes what a second look at one of the things shows.
    pub fn answer(&mut self, answer: &CropAnswer) {
        let taken = self.second_looks.as_mut().is_some_and(|looks| looks.answer(answer));
        if !taken {
            self.rules.answer(answer);
        }
    }

    /// Applies a person's decision about an event.
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

    /// Learns a rejected or permitted change as the usual look of the place.
    fn accept(&mut self, event: Uuid) {
        if let Some(memory) = &mut self.memory {
            self.rules.changes_of(event).into_iter().for_each(|region| memory.accept(region));
        }
    }

    /// Whether the pictures' time has moved far since the last checkpoint, so that another one is due.
    pub fn is_far_from_checkpoint(&mut self, at: WallTime) -> bool {
        const FAR: Duration = Duration::from_secs(600);
        let stored = *self.stored.get_or_insert(at);
        let far = at < stored || at.since(stored) >= FAR;
        if far {
            self.stored = Some(at);
        }
        far
    }

    /// Advances the time without a picture: events that no picture shows any more expire. `silent` is the
    /// time since the newest picture, or since the node started if there was none.
    pub fn tick(&mut self, silent: Duration, map: &MapConfig) -> Option<Decided> {
        // On the camera's own clock, which may be far from the node's.
        let newest = self.newest.or(self.rules.last_picture())?;
        let steps = self.rules.tick(newest + silent);
        (!steps.is_empty()).then(|| self.decided(steps, map))
    }

    /// Continues from the scene of the same camera under an earlier config. Tracks stay, and so do dwell and
    /// open events of rules that did not change. Events of other rules expire.
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
        self.clock_moved = old.clock_moved;
        self.observer = old.observer;
        self.visibility = old.visibility;
        self.rules.restore(old.rules.state());
        // The memory stays valid unless its settings changed.
        if let (Some(memory), Some(old_memory)) = (&mut self.memory, old.memory)
            && old.config.change == self.config.change
        {
            *memory = old_memory;
        }
    }

    /// Expires all open events, because the camera is removed.
    pub fn retire(&mut self, map: &MapConfig) -> Decided {
        self.rules.disarm();
        let at = self.newest.or(self.rules.last_picture());
        let steps = at.map_or_else(Vec::new, |at| self.rules.tick(at));
        self.decided(steps, map)
    }

    /// Loads the place memory from disk.
    pub fn recall(&mut self) {
        let _camera = self.config.id.span().entered();
        if let Some(memory) = &self.memory {
            memory.load();
        }
        if let Some(file) = &self.backdrop_file {
            file.load(&mut self.observer);
        }
    }

    /// Saves the place memory to disk.
    pub fn remember(&self) {
        let _camera = self.config.id.span().entered();
        if let Some(memory) = &self.memory {
            memory.save();
        }
        if let Some(file) = &self.backdrop_file {
            file.save(&self.observer);
        }
    }

    pub fn state(&self) -> RulesState {
        self.rules.state()
    }

    pub fn restore(&mut self, state: RulesState) {
        self.rules.restore(state);
    }

    /// Places that are ignored because of rejected events.
    pub fn ignored(&self) -> &[Ignored] {
        self.rules.ignored()
    }

    pub fn suppressed(&self) -> u64 {
        self.rules.suppressed()
    }

    /// How many things were there when the camera began and are not reported.
    pub fn present_at_start(&self) -> u64 {
        self.rules.present_at_start()
    }

    pub fn open_events(&self) -> usize {
        self.rules.open_events()
    }
}
