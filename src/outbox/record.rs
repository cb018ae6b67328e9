//! What goes into the outbox, and what comes out of it.

use std::path::PathBuf;

use bytes::Bytes;
use uuid::Uuid;

/// A message as sent over the wire, published once, not retained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutMessage {
    pub topic: String,
    pub content_type: String,
    pub payload: Vec<u8>,
    /// Messages of one event go in their order; of the events that wait, the newest goes first.
    pub event: Option<Uuid>,
    /// The answer to a request, with the request's correlation data (MQTT 5, 4.10), which may be empty. The
    /// request named the topic, so a broker that refuses the answer must hold up nothing else.
    pub reply_to: Option<Vec<u8>>,
}

/// A file that is sent in chunks. It must stay in place until it is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutMedia {
    pub event: Uuid,
    /// What it is to the event: `still`, `annotated`, `clip`, `closed`, `manifest`. One of each per event: a
    /// second one takes the place of the first.
    pub kind: String,
    pub path: PathBuf,
    pub media_type: String,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// Records that become durable together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub messages: Vec<OutMessage>,
    pub media: Vec<OutMedia>,
    /// `None` removes the key.
    pub state: Vec<(String, Option<Vec<u8>>)>,
}

/// A record that a platform says it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// Of a message's payload, or of a whole file. Lower-case hex.
    pub sha256: String,
    /// Event and kind of a file; `None` for a message.
    pub file: Option<(Uuid, String)>,
    /// The platform does not store it. Sending it again would not help.
    pub refused: bool,
}

/// Why records cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskTrouble {
    /// No room. It is made, by deleting delivered evidence, or by the operator; a restart would not help.
    Full,
    /// The file system takes no writes, as after an error of the disk.
    ReadOnly,
    /// Writing fails though there is room.
    Fails,
}

impl std::fmt::Display for DiskTrouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Full => "there is no room for records; they wait in memory",
            Self::ReadOnly => {
                "the file system of node.data_dir is read-only; records wait in memory. Check the disk"
            }
            Self::Fails => "writing to node.data_dir fails; records wait in memory. Check the disk",
        })
    }
}

/// Names a record until it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordId {
    Message(i64),
    Chunk { media: i64, index: u32 },
}

/// The next item to send.
#[derive(Clone, Debug)]
pub enum Next {
    Message {
        id: RecordId,
        message: OutMessage,
    },
    Chunk {
        id: RecordId,
        chunk: MediaChunk,
    },
    /// A file that can no longer be sent: report it to the platform, then call
    /// [`Outbox::give_up`](super::Outbox::give_up).
    Lost(LostMedia),
}

/// A piece of a file with all that the receiver needs to place it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaChunk {
    pub event: Uuid,
    pub kind: String,
    /// Name without folder.
    pub file: String,
    pub media_type: String,
    /// From 0.
    pub index: u32,
    pub count: u32,
    /// Of the first byte within the file.
    pub offset: u64,
    /// Bytes of the whole file.
    pub total: u64,
    /// Of the whole file, lower-case hex.
    pub sha256: String,
    pub data: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostMedia {
    pub(crate) id: i64,
    pub event: Uuid,
    pub kind: String,
    pub file: String,
    pub bytes: u64,
    pub sha256: String,
    /// For the operator: what is wrong with the file.
    pub reason: String,
}
