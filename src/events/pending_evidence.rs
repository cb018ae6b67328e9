//! The evidence that an event still waits for, kept in the outbox's state until it is complete.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::evidence::{ClipRequest, EvidenceKind, EvidenceManifest};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PendingEvidence {
    pub manifest: EvidenceManifest,
    /// The requested clip, until it is cut.
    pub clip: Option<ClipRequest>,
    /// Stills that are being written.
    #[serde(default)]
    pub owed: Vec<EvidenceKind>,
    /// The clip stays here until a platform asks for it.
    #[serde(default)]
    pub clip_on_request: bool,
    /// The event has ended, so nothing follows the clip.
    pub ended: bool,
}

impl PendingEvidence {
    pub fn key(event: Uuid) -> String {
        format!("{PREFIX}{event}")
    }

    /// Whether all evidence is there or given up.
    pub fn complete(&self) -> bool {
        self.ended && self.clip.is_none() && self.owed.is_empty()
    }
}

/// Prefix of the key in the outbox's state. The name is older than the type.
pub(crate) const PREFIX: &str = "dossier/";
