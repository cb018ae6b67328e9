//! The state of each area, shared by the thread that compares flights and by the commands and reports.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use super::state::{AreaState, OpenEvent, PREFIX};
use crate::base::error_chain;
use crate::base::{AreaId, CameraId, Shutdown, wall_now};
use crate::config::FlightArea;
use crate::detect::{Detector, ModelManifest, Runtime};
use crate::events::feedback::KnownEvent;
use crate::events::{FlightEventStep, Recorder};
use crate::evidence::Stills;
use crate::monitor::FlightsSnapshot;
use crate::outbox::{Outbox, OutboxError};
use crate::rules::{Decision, Transition};
use crate::scene::RulesChange;
use crate::scene::Sites;

/// State that the thread shares with the commands and reports.
pub(crate) struct FlightService {
    pub(super) recorder: Arc<Recorder>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) sites: Arc<Sites>,
    pub(super) model: ModelManifest,
    pub(super) data_dir: PathBuf,
    /// Locked while an area's state is read, changed and stored; not while pictures are compared.
    pub(super) states: Mutex<()>,
    pub(super) counts: Mutex<BTreeMap<AreaId, FlightsSnapshot>>,
    pub(super) stop: Shutdown,
}

impl FlightService {
    /// The figures by area.
    pub fn snapshot(&self) -> BTreeMap<AreaId, FlightsSnapshot> {
        self.counts().clone()
    }

    /// Is this the id of an area, and not of a camera?
    pub fn has(&self, id: &CameraId) -> bool {
        self.recorder.settings().config.flight_areas.iter().any(|area| area.id.to_camera() == *id)
    }

    /// Applies what people decided about an event. False: the event is not of a flight area.
    pub fn decide(&self, known: &KnownEvent, event: Uuid, change: &RulesChange, decision: &Decision) -> bool {
        let config = Arc::clone(&self.recorder.settings().config);
        let Some(area) = config.flight_areas.iter().find(|area| area.id.to_camera() == known.camera) else {
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
        let step = FlightEventStep {
            violation: v.clone(),
            place: open.place.clone(),
            stills: Stills::default(),
            size: None,
            decision: Some(decision.clone()),
        };
        if v.rejected {
            state.events.remove(n);
            // From now on the ground counts as normal as it is.
            state.pictures.iter_mut().for_each(|kept| kept.patches.retain(|patch| patch.event != event));
        }
        self.recorder.record_flight(area, vec![step], state.stored(&area.id));
        true
    }

    /// Expires the open events of areas that are no longer in the config. Their pictures stay, in case the
    /// area comes back.
    pub(super) fn retire(&self, areas: &[AreaId]) {
        let _held = self.lock();
        for (key, _) in self.outbox.states(PREFIX).unwrap_or_default() {
            let id = AreaId::from(&key[PREFIX.len()..]);
            let Ok(mut state) = self.state(&id) else { continue };
            if areas.contains(&id) || state.events.is_empty() {
                continue;
            }
            let expired = |open: OpenEvent| {
                let mut v = open.violation;
                v.revision += 1;
                (v.transition, v.at) = (Transition::Expired, wall_now());
                v.reason = "unknown: the area was removed from the config".to_owned();
                FlightEventStep {
                    violation: v,
                    place: open.place,
                    stills: Stills::default(),
                    size: None,
                    decision: None,
                }
            };
            let steps = std::mem::take(&mut state.events).into_iter().map(expired).collect();
            state.pictures.iter_mut().for_each(|kept| kept.patches.clear());
            let (name, folder) = (id.to_string(), PathBuf::new());
            let gone = FlightArea {
                id: id.clone(),
                name,
                folder,
                settle: Duration::ZERO,
                fov_deg: None,
                takeoff_alt_m: None,
                zones: Vec::new(),
                rules: Vec::new(),
            };
            self.recorder.record_flight(&gone, steps, state.stored(&id));
        }
    }

    /// Opens a detector for one flight. Without it flights are compared by colours and shapes alone.
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

    pub(super) fn state(&self, area: &AreaId) -> Result<AreaState, OutboxError> {
        let stored = self.outbox.state(&AreaState::key(area))?;
        let read = stored.map(|bytes| serde_json::from_slice(&bytes));
        Ok(read.transpose().unwrap_or_else(|error| {
            tracing::error!(%area, error = %error_chain(&error), "the state of earlier flights cannot be read: the next flight counts as the first");
            None
        }).unwrap_or_default())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.states.lock()
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, BTreeMap<AreaId, FlightsSnapshot>> {
        self.counts.lock()
    }

    pub(super) fn count(&self, area: &FlightArea, change: impl FnOnce(&mut FlightsSnapshot)) {
        change(self.counts().entry(area.id.clone()).or_default());
    }
}
