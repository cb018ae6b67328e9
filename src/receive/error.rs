//! Why a message is not stored.

use std::path::PathBuf;

use uuid::Uuid;

use crate::carry::CarryError;
use crate::publish::SubscriberError;
use crate::wire::ChunkError;

/// Why a message was not stored.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("not a CloudEvent that we know: {0}")]
    NotAnEvent(String),
    #[error("its subject {0:?} is not a UUIDv7")]
    Subject(String),
    #[error("it is not about the event in its subject")]
    Mismatch,
    #[error("its source is {found:?}, but it came on a topic of {topic}")]
    Source { found: String, topic: String },
    #[error("its topic names another piece than its header")]
    PieceTopic,
    #[error("files called {0:?} are not stored")]
    FileType(String),
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    #[error("topic {0:?} is none of ours")]
    Topic(String),
    #[error(
        "the pieces of {file} of {event} are complete but their SHA-256 is {found} instead of {promised}"
    )]
    Hash { event: Uuid, file: String, found: String, promised: String },
    #[error("{0} has no room for more")]
    Quarantine(String),
    #[error("storing it failed in a way that nobody foresaw: {0}")]
    Panic(String),
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("cannot write {}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("another `lintel receive` writes to {}: stop it first, the broker keeps what comes meanwhile", path.display())]
    InUse { path: PathBuf },
}

impl StoreError {
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> StoreError {
        let path = path.into();
        move |source| StoreError::Io { path, source }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error(transparent)]
    Subscriber(#[from] SubscriberError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Carried(#[from] CarryError),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
