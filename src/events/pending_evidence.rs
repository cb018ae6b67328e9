//! What is known of one event's evidence from its opening on, kept in the outbox's state until nothing more can come.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::evidence::{ClipRequest, EvidenceKind, EvidenceManifest};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PendingEvidence {
    pub manifest: EvidenceManifest,
    /// Asked for and not there yet.
    pub clip: Option<ClipRequest>,
    /// Stills that are being written.
    #[serde(default)]
    pub owed: Vec<EvidenceKind>,
    /// The event has ended: nothing comes after the clip.
    pub ended: bool,
}

impl PendingEvidence {
    pub fn key(event: Uuid) -> String {
        format!("{PREFIX}{event}")
    }

    /// Is there nothing left to wait for?
    pub fn complete(&self) -> bool {
        self.ended && self.clip.is_none() && self.owed.is_empty()
    }
}

/// In front of every pending's key in the outbox's state.
pub(crate) const PREFIX: &str = "dossier/";
