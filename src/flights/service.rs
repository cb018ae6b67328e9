//! What is known of each area, shared by the thread that compares flights and by those who ask about them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use super::judge::Step;
use super::state::{AreaState, OpenEvent, PREFIX};
use crate::base::error_chain;
use crate::base::{CameraId, Shutdown, wall_now};
use crate::config::FlightArea;
use crate::detect::{Detector, ModelManifest, Runtime};
use crate::events::Recorder;
use crate::events::feedback::Known;
use crate::evidence::Stills;
use crate::monitor::FlightsSnapshot;
use crate::outbox::{Outbox, OutboxError};
use crate::rules::Transition;
use crate::scene::RulesChange;
use crate::scene::Sites;

/// What the thread and those who ask it share.
pub(crate) struct FlightService {
    pub(super) recorder: Arc<Recorder>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) sites: Arc<Sites>,
    pub(super) model: ModelManifest,
    pub(super) data_dir: PathBuf,
    /// Held while an area's state is read, changed and stored; not while pictures are compared.
    pub(super) states: Mutex<()>,
    pub(super) counts: Mutex<BTreeMap<CameraId, FlightsSnapshot>>,
    pub(super) stop: Shutdown,
}

impl FlightService {
    /// By area.
    pub fn snapshot(&self) -> BTreeMap<CameraId, FlightsSnapshot> {
        self.counts().clone()
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
                v.reason = if why.is_empty() { "rejected".to_owned() } else { format!("rejected: {why}") };
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
    pub(super) fn retire(&self, areas: &[CameraId]) {
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
                v.reason = "unknown: the area was removed from the config".to_owned();
                Step { violation: v, place: open.place, stills: Stills::default(), size: None }
            };
            let steps = std::mem::take(&mut state.events).into_iter().map(expired).collect();
            state.pictures.iter_mut().for_each(|kept| kept.looks.clear());
            let (name, folder) = (id.to_string(), PathBuf::new());
            let gone = FlightArea {
                id: id.clone(),
                name,
                folder,
                settle: Duration::ZERO,
                zones: Vec::new(),
                rules: Vec::new(),
            };
            self.recorder.record_flight(&gone, steps, state.stored(&id));
        }
    }

    /// One of its own, for a flight's time. Without it flights are compared by colours and shapes alone.
    pub(super) fn detector(&self) -> Option<Detector> {
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

    pub(super) fn state(&self, area: &CameraId) -> Result<AreaState, OutboxError> {
        let stored = self.outbox.state(&AreaState::key(area))?;
        let read = stored.map(|bytes| serde_json::from_slice(&bytes));
        Ok(read.transpose().unwrap_or_else(|error| {
            tracing::error!(%area, %error, "what is known of earlier flights cannot be read: the next one is the first");
            None
        }).unwrap_or_default())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.states.lock()
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, BTreeMap<CameraId, FlightsSnapshot>> {
        self.counts.lock()
    }

    pub(super) fn count(&self, area: &FlightArea, change: impl FnOnce(&mut FlightsSnapshot)) {
        change(self.counts().entry(area.id.clone()).or_default());
    }
}
