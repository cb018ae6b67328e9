//! Restores the state of an earlier run from the outbox before the stages start.

use std::time::Duration;

use uuid::Uuid;

use super::AppError;
use crate::base::{CameraId, error_chain, wall_now};
use crate::events::cross_camera::SHARED_EVENT_PREFIX;
use crate::events::feedback::{KNOWN_DAYS, KNOWN_PREFIX};
use crate::events::pending_evidence;
use crate::events::{RULES_PREFIX, Recorder};
use crate::events::{TAMPER_PREFIX, TamperState};
use crate::evidence::ClipRequest;
use crate::outbox::{Batch, Outbox, OutboxError};
use crate::scene::{Scene, Scenes, Sites};

/// What an earlier run has left to do.
pub(super) struct Left {
    /// Clips that must still be cut.
    pub clips: Vec<ClipRequest>,
    /// Cameras that the config no longer has. Their scenes hold what is open of them.
    pub departed: Vec<CameraId>,
}

/// Restores the rules of each camera and the pending evidence of its events. `departed`: the scene of a camera
/// that is not in the config any more.
pub(super) fn restore(
    outbox: &Outbox,
    recorder: &Recorder,
    scenes: &mut Scenes,
    sites: &Sites,
    departed: impl Fn(&CameraId) -> Option<Scene>,
) -> Result<Left, AppError> {
    let mut gone = Vec::new();
    for (key, value) in outbox.states(RULES_PREFIX)? {
        let camera = CameraId::from(&key[RULES_PREFIX.len()..]);
        if !scenes.contains_key(&camera) {
            tracing::info!(%camera, "the camera is not in the config any more: what is open of it expires");
            scenes.extend(departed(&camera).map(|scene| (camera.clone(), scene)));
            gone.push(camera.clone());
        }
        match (scenes.get_mut(&camera), serde_json::from_slice(&value)) {
            (Some(scene), Ok(state)) => scene.restore(state),
            (Some(_), Err(error)) => {
                tracing::error!(%camera, %error, "the stored state of the rules cannot be read: they start from nothing");
            }
            (None, _) => {}
        }
    }
    for (key, value) in outbox.states(TAMPER_PREFIX)? {
        let camera = CameraId::from(&key[TAMPER_PREFIX.len()..]);
        if let (Some(site), Ok(TamperState { stale: true })) =
            (sites.get(&camera), serde_json::from_slice(&value))
        {
            site.set_stale(true);
            tracing::warn!(%camera, "the camera was moved and its positions have not been confirmed since");
        }
    }
    let mut shared = Vec::new();
    for (key, value) in outbox.states(SHARED_EVENT_PREFIX)? {
        match serde_json::from_slice(&value) {
            Ok(event) => shared.push(event),
            Err(error) => {
                tracing::error!(key, %error, "a stored shared event cannot be read: it is reported as one camera's event")
            }
        }
    }
    recorder.restore_shared(shared);
    match forget_old(outbox) {
        // A full disk must not keep the node from the start: it frees old evidence itself.
        Err(AppError::Outbox(error @ OutboxError::Full { .. })) => {
            tracing::warn!("cannot forget old events: {}", error_chain(&error));
        }
        other => other?,
    }
    let mut all_pending = Vec::new();
    for (key, value) in outbox.states(pending_evidence::PREFIX)? {
        match serde_json::from_slice(&value) {
            Ok(pending) => all_pending.push(pending),
            Err(error) => {
                tracing::error!(key, %error, "stored pending evidence cannot be read: its event gets no manifest")
            }
        }
    }
    Ok(Left { clips: recorder.restore(all_pending), departed: gone })
}

/// Forgets events that are too old for feedback.
pub(super) fn forget_old(outbox: &Outbox) -> Result<(), AppError> {
    let oldest = wall_now() - Duration::from_secs(KNOWN_DAYS * 86_400);
    let is_old = |key: &str| {
        let event: Option<Uuid> = key[KNOWN_PREFIX.len()..].parse().ok();
        let started = event.and_then(|e| e.get_timestamp()).map(|t| t.to_unix().0);
        started.is_none_or(|seconds| i64::try_from(seconds).is_ok_and(|s| s < oldest.0 / 1_000_000))
    };
    let known = outbox.states(KNOWN_PREFIX)?;
    let state: Vec<_> =
        known.into_iter().filter(|(key, _)| is_old(key)).map(|(key, _)| (key, None)).collect();
    if !state.is_empty() {
        outbox.append(&Batch { state, ..Batch::default() })?;
    }
    Ok(())
}
