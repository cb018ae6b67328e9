//! What an earlier run left in the outbox's state, put back before the stages start.

use super::AppError;
use crate::app::dossier;
use crate::app::recorder::{RULES_PREFIX, Recorder};
use crate::app::scene::Scenes;
use crate::base::CameraId;
use crate::evidence::ClipRequest;
use crate::outbox::Outbox;

/// Puts back what an earlier run left: the rules of each camera, and the dossiers of its events.
pub(super) fn restore(
    outbox: &Outbox,
    recorder: &Recorder,
    scenes: &mut Scenes,
) -> Result<Vec<ClipRequest>, AppError> {
    for (key, value) in outbox.states(RULES_PREFIX)? {
        let camera = CameraId::from(&key[RULES_PREFIX.len()..]);
        match (scenes.get_mut(&camera), serde_json::from_slice(&value)) {
            (Some(scene), Ok(state)) => scene.restore(state),
            (Some(_), Err(error)) => {
                tracing::error!(%camera, %error, "the stored state of the rules is not readable: they begin anew");
            }
            (None, _) => {
                tracing::warn!(%camera, "the camera has stored rules but is not in the config any more")
            }
        }
    }
    let mut dossiers = Vec::new();
    for (key, value) in outbox.states(dossier::PREFIX)? {
        match serde_json::from_slice(&value) {
            Ok(dossier) => dossiers.push(dossier),
            Err(error) => {
                tracing::error!(key, %error, "a stored dossier is not readable: its event gets no manifest")
            }
        }
    }
    Ok(recorder.restore(dossiers))
}
