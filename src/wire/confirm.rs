//! What a platform says that it has stored. Until then a record stays with the node.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::outbox::Confirmed;

/// The longest confirmation that a node reads.
pub const MAX_CONFIRMATION_BYTES: usize = 256 << 10;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Confirmation of a platform")]
pub struct Confirmation {
    /// Who has stored it, for logs.
    pub by: String,
    /// CloudEvents, by the hash of their payload.
    #[serde(default)]
    pub messages: Vec<MessageConfirmed>,
    /// Whole files, each checked against its hash.
    #[serde(default)]
    pub files: Vec<FileConfirmed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageConfirmed {
    /// SHA-256 of the payload.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileConfirmed {
    pub event: Uuid,
    /// As in the header of its pieces.
    pub kind: String,
    /// SHA-256 of the whole file.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,
    pub outcome: Outcome,
}

/// What the platform did with a record. Each of them ends the node's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Stored,
    /// Kept apart, because it contradicts what was stored before.
    Quarantined,
    /// Not stored: it breaks the rules of docs/mqtt.md.
    Refused,
}

impl Confirmation {
    /// # Errors
    /// Why it cannot be read.
    pub fn parse(payload: &[u8]) -> Result<Self, String> {
        if payload.len() > MAX_CONFIRMATION_BYTES {
            return Err(format!("it has {} bytes, more than {MAX_CONFIRMATION_BYTES}", payload.len()));
        }
        serde_json::from_slice(payload).map_err(|e| e.to_string())
    }

    /// What it says to the outbox.
    pub fn records(self) -> Vec<Confirmed> {
        let refused = |outcome: Outcome| outcome == Outcome::Refused;
        let messages = self.messages.into_iter().map(|message| Confirmed {
            sha256: message.sha256,
            file: None,
            refused: refused(message.outcome),
        });
        let files = self.files.into_iter().map(|file| Confirmed {
            sha256: file.sha256,
            file: Some((file.event, file.kind)),
            refused: refused(file.outcome),
        });
        messages.chain(files).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.files.is_empty()
    }
}
