//! Records reports about a camera itself: a message, and restart state if its positions are now stale.

use serde::{Deserialize, Serialize};

use super::recorder::Recorder;
use crate::base::CameraId;
use crate::config::CameraConfig;
use crate::outbox::Batch;
use crate::scene::TamperReport;
use crate::tamper::TamperKind;
use crate::wire::{CameraRef, TamperData, tamper_message};

/// Prefix of a camera's key in the outbox's state.
pub(crate) const TAMPER_PREFIX: &str = "tamper/";

/// The part that survives a restart.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct TamperState {
    /// Positions are wrong until a person confirms them.
    pub stale: bool,
}

impl TamperState {
    pub fn key(camera: &CameraId) -> String {
        format!("{TAMPER_PREFIX}{camera}")
    }
}

impl Recorder {
    /// Commits a report about the camera.
    pub(crate) fn record_tamper(&self, camera: &CameraConfig, report: TamperReport) {
        let TamperReport { incident, kind, at, calibration, shift_px, turn_deg, reason } = report;
        let round = |v: f64| (v * 100.0).round() / 100.0;
        let data = TamperData {
            incident,
            camera: CameraRef {
                id: camera.id.to_string(),
                name: camera.name.clone(),
                gb_id: camera.gb_id.clone(),
            },
            kind,
            at: at.to_string(),
            calibration,
            shift_px: shift_px.map(|shift| shift.map(round)),
            turn_deg: turn_deg.map(round),
            reason,
        };
        let state = (kind == TamperKind::Moved)
            .then(|| (TamperState::key(&camera.id), serde_json::to_vec(&TamperState { stale: true }).ok()));
        let batch = Batch {
            messages: vec![tamper_message(&self.journal.topics, &self.settings().config.node.id, at, data)],
            state: state.into_iter().collect(),
            ..Batch::default()
        };
        self.journal.commit(self.journal.lock(), batch);
    }
}
