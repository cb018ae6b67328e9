//! The evidence of an event, and evidence that was lost before it was sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::CloudEvent;
use super::Topics;
use crate::base::{CameraId, WallTime};
use crate::outbox::{LostMedia, OutMedia, OutMessage};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "cn.lintel.evidence.ready: data")]
pub struct EvidenceData {
    pub event: Uuid,
    /// The files on the media topic. The evidence is complete once all of them have arrived but those on request.
    pub media: Vec<MediaFile>,
    /// The content of manifest.json.
    pub manifest: serde_json::Value,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MediaFile {
    /// `still`, `annotated`, `clip`, `closed` or `manifest`.
    #[schemars(regex(pattern = "^[a-z0-9_]{1,32}$"))]
    pub kind: String,
    #[schemars(regex(pattern = "^[a-z0-9][a-z0-9_-]{0,31}\\.[a-z0-9]{1,8}$"))]
    pub file: String,
    pub media_type: String,
    pub bytes: u64,
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// It stays on the node until `command/resend` asks for it, or its room is needed there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_request: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "cn.lintel.evidence.lost: data")]
pub struct LostData {
    pub event: Uuid,
    pub kind: String,
    pub file: String,
    pub bytes: u64,
    pub sha256: String,
    pub reason: String,
}

impl From<&OutMedia> for MediaFile {
    fn from(media: &OutMedia) -> Self {
        Self {
            kind: media.kind.clone(),
            file: media.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            media_type: media.media_type.clone(),
            bytes: media.bytes,
            sha256: media.sha256.clone(),
            on_request: false,
        }
    }
}

/// The message with the manifest and all media of the event, whether already sent or not. `at`: when the
/// evidence was complete.
pub fn evidence_message(
    topics: &Topics,
    node: &str,
    camera: &CameraId,
    event: Uuid,
    at: WallTime,
    manifest: serde_json::Value,
    media: Vec<MediaFile>,
) -> OutMessage {
    let data = EvidenceData { event, media, manifest };
    // The same files told again, after a restart, are another message: its time is another one.
    let told = serde_json::to_vec(&(&data, at.to_string())).expect("string keys only");
    let digest = format!("{:x}", Sha256::digest(told));
    CloudEvent::new(
        format!("{event}/evidence/{}", &digest[..16]),
        format!("/lintel/{node}/{camera}"),
        "cn.lintel.evidence.ready",
        event.to_string(),
        at.to_string(),
        data,
    )
    .schema("urn:lintel:schema:evidence:1")
    .into_message(topics.evidence(camera))
}

/// The message that a file was missing or changed before it could be sent.
pub fn lost_message(topics: &Topics, node: &str, at: WallTime, lost: &LostMedia) -> OutMessage {
    let hash: String = lost.sha256.chars().take(16).collect();
    CloudEvent::new(
        format!("{}/lost/{}/{hash}", lost.event, lost.kind),
        format!("/lintel/{node}"),
        "cn.lintel.evidence.lost",
        lost.event.to_string(),
        at.to_string(),
        LostData {
            event: lost.event,
            kind: lost.kind.clone(),
            file: lost.file.clone(),
            bytes: lost.bytes,
            sha256: lost.sha256.clone(),
            reason: lost.reason.clone(),
        },
    )
    .schema("urn:lintel:schema:evidence-lost:1")
    .into_message(topics.lost())
}
