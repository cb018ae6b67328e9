//! Takes: finished flights that people drop in an area's folder. Gives: events about what was built, cleared or piled up
//! since the last accepted flight of the area, through the outbox like any other.
//! When full: one flight at a time, one pair of pictures at a time, on a thread that gives way to all others; what waits
//! stays in its folder. Of an area only the last accepted flight is kept.
//! On failure: a flight that cannot be read or laid over the last one is named in the log and in the node's health, and
//! moved to `failed` with the reason; the next one goes on. A kill at any moment leaves the flight in its folder, and it
//! is compared again with the same result, or recorded whole.
//! Not here: how two pictures are compared (`compare`). The watchdog does not ask after this thread: a pair takes seconds
//! to minutes by its size, no camera waits for it, and a restart would only begin it anew.

mod flight;
mod inbox;
mod judge;
mod state;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::base::error_chain;
use crate::base::{CameraId, Shutdown, wall_now};
use crate::config::FlightArea;
use crate::detect::{Detector, ModelManifest, Runtime};
use crate::events::Recorder;
use crate::events::feedback::Known;
use crate::evidence::Stills;
use crate::monitor::{FlightFailure, FlightsSnapshot};
use crate::outbox::{Outbox, OutboxError};
use crate::rules::Transition;
use crate::scene::RulesChange;
use crate::scene::Sites;
use flight::NotTaken;
use inbox::{Dropped, Inbox};
pub(crate) use judge::Step;
use state::{AreaState, OpenEvent, PREFIX};

/// How often the folders are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// A tenth of the weight of the other threads where all want to run (sched(7)): cameras do not notice it, and a full box
/// still gets through its flights.
const NICE: i32 = 10;

/// What the thread and those who ask it share.
pub(crate) struct Survey {
    recorder: Arc<Recorder>,
    outbox: Arc<Outbox>,
    sites: Arc<Sites>,
    model: ModelManifest,
    data_dir: PathBuf,
    /// Held while an area's state is read, changed and stored; not while pictures are compared.
    states: Mutex<()>,
    counts: Mutex<BTreeMap<CameraId, FlightsSnapshot>>,
    stop: Shutdown,
}

/// The thread `flights`.
pub(crate) struct SurveyThread {
    thread: JoinHandle<()>,
    stop: Shutdown,
}

impl SurveyThread {
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// Finishes the pair of pictures that is under way and ends; its flight is compared anew at the next start.
    pub fn join(self) {
        self.stop.stop();
        if self.thread.join().is_err() {
            tracing::error!("the flights thread panicked; the flight is compared again at the next start");
        }
    }
}

impl Survey {
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        recorder: Arc<Recorder>,
        outbox: Arc<Outbox>,
        sites: Arc<Sites>,
        model: ModelManifest,
        data_dir: PathBuf,
    ) -> std::io::Result<(Arc<Self>, SurveyThread)> {
        let stop = Shutdown::new();
        let (states, counts) = (Mutex::default(), Mutex::default());
        let survey =
            Arc::new(Self { recorder, outbox, sites, model, data_dir, states, counts, stop: stop.clone() });
        let run = Arc::clone(&survey);
        let thread = std::thread::Builder::new().name("flights".into()).spawn(move || run.run())?;
        Ok((survey, SurveyThread { thread, stop }))
    }

    /// By area.
    pub fn snapshot(&self) -> BTreeMap<CameraId, FlightsSnapshot> {
        self.counts().clone()
    }

    fn run(&self) {
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::warn!("flights are compared at the same priority as all else: {error}");
        }
        let mut inbox = Inbox::default();
        let mut told: BTreeMap<PathBuf, String> = BTreeMap::new();
        let mut areas = None;
        while !self.stop.is_stopped() {
            let config = Arc::clone(&self.recorder.settings().config);
            let ids: Vec<CameraId> = config.flight_areas.iter().map(|area| area.id.clone()).collect();
            if areas.as_ref() != Some(&ids) {
                self.retire(&ids);
                areas = Some(ids);
            }
            self.counts().retain(|id, _| config.flight_areas.iter().any(|area| area.id == *id));
            let mut worked = false;
            for area in &config.flight_areas {
                let looked = std::fs::create_dir_all(&area.folder)
                    .and_then(|()| inbox.look(&area.folder, area.settle));
                match looked {
                    Ok((ready, all)) => {
                        told.remove(&area.folder);
                        self.count(area, |count| count.waiting = all as u64);
                        if let Some(flight) = ready.first() {
                            self.take(area, flight, &mut inbox);
                            worked = true;
                        }
                    }
                    Err(error) => {
                        let words = error.to_string();
                        if told.insert(area.folder.clone(), words.clone()).as_ref() != Some(&words) {
                            tracing::error!(area = %area.id, folder = %area.folder.display(), "flights cannot be looked for: {words}");
                        }
                    }
                }
            }
            if !worked {
                self.stop.wait(LOOK);
            }
        }
    }

    fn take(&self, area: &FlightArea, flight: &Dropped, inbox: &mut Inbox) {
        tracing::info!(area = %area.id, flight = flight.name, "comparing a flight");
        self.count(area, |count| count.comparing = Some(flight.name.clone()));
        let taken = self.compare(area, flight);
        self.count(area, |count| count.comparing = None);
        match taken {
            Ok(words) => {
                tracing::info!(area = %area.id, flight = flight.name, "{}", words.replace('\n', "; "));
                inbox::finish(flight, &words);
                self.count(area, |count| count.done += 1);
            }
            Err(NotTaken::Stopped) => {}
            Err(error) => {
                let reason = error_chain(&error);
                tracing::error!(area = %area.id, flight = flight.name, "the flight is not taken: {reason}");
                if let Err(error) = inbox::put_aside(flight, &reason) {
                    tracing::warn!(flight = %flight.path.display(), "it stays where it is: {error}");
                    inbox.leave(flight);
                }
                let failure = FlightFailure { flight: flight.name.clone(), reason, at: wall_now() };
                self.count(area, |count| {
                    count.failed += 1;
                    count.last_failure = Some(failure);
                });
            }
        }
    }

    /// Is this the id of an area, and not of a camera?
    pub fn has(&self, id: &CameraId) -> bool {
        self.recorder.settings().config.flight_areas.iter().any(|area| area.id == *id)
    }

    /// What people decided about an event of an area. False: it is of none.
    pub fn decide(&self, known: &Known, event: Uuid, change: &RulesChange) -> bool {
        let config = Arc::clone(&self.recorder.settings().config);
        let Some(area) = config.flight_areas.iter().find(|area| area.id == known.camera) else {
            return false;
        };
        let _held = self.lock();
        let mut state = match self.state(&area.id) {
            Ok(state) => state,
            Err(error) => {
                tracing::error!(area = %area.id, %event, "the decision is kept but not acted on: {}", error_chain(&error));
                return true;
            }
        };
        let Some(n) = state.events.iter().position(|open| open.violation.id == event) else { return true };
        let open = &mut state.events[n];
        let v = &mut open.violation;
        match change {
            RulesChange::Lift => return true,
            RulesChange::Permit { permit } => {
                (v.transition, v.permit) = (Transition::Updated, Some(permit.clone()));
            }
            RulesChange::Reject { why, .. } => {
                (v.transition, v.rejected) = (Transition::Closed, true);
                v.reason = if why.is_empty() {
                    "People said that it is none".to_owned()
                } else {
                    format!("People said that it is none: {why}")
                };
            }
        }
        v.revision += 1;
        v.at = wall_now();
        let step =
            Step { violation: v.clone(), place: open.place.clone(), stills: Stills::default(), size: None };
        if v.rejected {
            state.events.remove(n);
            // From now on its ground is to look as it does.
            state.pictures.iter_mut().for_each(|kept| kept.looks.retain(|look| look.event != event));
        }
        self.recorder.record_flight(area, vec![step], state.stored(&area.id));
        true
    }

    /// Nobody flies over areas any more that the config does not have: their open events expire. Their pictures stay, in case
    /// the area comes back.
    fn retire(&self, areas: &[CameraId]) {
        let _held = self.lock();
        for (key, _) in self.outbox.states(PREFIX).unwrap_or_default() {
            let id = CameraId::from(&key[PREFIX.len()..]);
            let Ok(mut state) = self.state(&id) else { continue };
            if areas.contains(&id) || state.events.is_empty() {
                continue;
            }
            let expired = |open: OpenEvent| {
                let mut v = open.violation;
                v.revision += 1;
                (v.transition, v.at) = (Transition::Expired, wall_now());
                v.reason = "The area is not in the config any more".to_owned();
                Step { violation: v, place: open.place, stills: Stills::default(), size: None }
            };
            let steps = std::mem::take(&mut state.events).into_iter().map(expired).collect();
            state.pictures.iter_mut().for_each(|kept| kept.looks.clear());
            let (name, folder) = (id.to_string(), PathBuf::new());
            let gone = FlightArea {
                id: id.clone(),
                name,
                folder,
                settle: LOOK,
                zones: Vec::new(),
                rules: Vec::new(),
            };
            self.recorder.record_flight(&gone, steps, state.stored(&id));
        }
    }

    /// One of its own, for a flight's time. Without it flights are compared by colours and shapes alone.
    fn detector(&self) -> Option<Detector> {
        let config = Arc::clone(&self.recorder.settings().config);
        let open = || {
            let runtime = Runtime::load(config.runtime.onnxruntime.as_deref())?;
            Detector::open(&runtime, &self.model, Some(1), config.detect.provider)
        };
        open()
            .inspect_err(|error| {
                tracing::warn!("a flight is compared without the detector: {}", error_chain(error))
            })
            .ok()
    }

    fn state(&self, area: &CameraId) -> Result<AreaState, OutboxError> {
        let stored = self.outbox.state(&AreaState::key(area))?;
        let read = stored.map(|bytes| serde_json::from_slice(&bytes));
        Ok(read.transpose().unwrap_or_else(|error| {
            tracing::error!(%area, %error, "what is known of earlier flights cannot be read: the next one is the first");
            None
        }).unwrap_or_default())
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.states.lock()
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<CameraId, FlightsSnapshot>> {
        self.counts.lock()
    }

    fn count(&self, area: &FlightArea, change: impl FnOnce(&mut FlightsSnapshot)) {
        change(self.counts().entry(area.id.clone()).or_default());
    }
}
