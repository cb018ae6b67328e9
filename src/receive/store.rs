//! Stores one message after another. Knows topics and hashes; the folders are written by the stores of events,
//! nodes and pieces.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use jiff::tz::TimeZone;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::asking::Upkeep;
use super::error::{Refusal, StoreError};
use super::events::{EventStore, Stored};
use super::files::{OutputFolder, lock, make_dir};
use super::nodes::NodeStore;
use super::parts::{Parts, Piece};
use super::report::Line;
use crate::wire::{
    About, ChunkHeader, CloudEvent, Confirmation, FileConfirmed, MessageConfirmed, Origin, Outcome,
    decode_chunk, is_storable,
};

/// Counts since the start.
#[derive(Debug, Default)]
pub struct ReceiveStats {
    /// New event messages (each revision counts).
    pub events: AtomicU64,
    /// Messages and pieces that were here before.
    pub repeats: AtomicU64,
    pub pieces: AtomicU64,
    /// Files that were completed.
    pub files: AtomicU64,
    /// Invalid messages, and files with a wrong hash.
    pub refused: AtomicU64,
    /// What contradicts the stored, and is kept apart.
    pub quarantined: AtomicU64,
    /// Events whose node was asked for files that have not come.
    pub asked: AtomicU64,
    /// Events that wait for files now.
    pub waiting: AtomicU64,
    /// Events that were deleted because they are old.
    pub deleted: AtomicU64,
}

/// What a node is told of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Confirmed {
    Message(MessageConfirmed),
    File(FileConfirmed),
}

/// The result of one message.
#[derive(Debug, Default)]
pub(super) struct Pushed {
    pub lines: Vec<Line>,
    /// The node, and what it is told.
    pub confirmed: Option<(String, Confirmed)>,
    pub refusal: Option<Refusal>,
}

/// Stores messages. Single-threaded, so their order is kept.
#[derive(Debug)]
pub struct Store {
    prefix: String,
    pub(super) folder: OutputFolder,
    pub(super) events: EventStore,
    nodes: NodeStore,
    parts: Parts,
    pub(super) stats: Arc<ReceiveStats>,
    pub(super) upkeep: Upkeep,
    /// Held while this lives.
    _lock: File,
}

impl Store {
    /// # Errors
    /// The folder cannot be made or written, or another process stores there.
    pub fn open(
        out: PathBuf,
        prefix: &str,
        time_zone: TimeZone,
        stats: Arc<ReceiveStats>,
    ) -> Result<Self, StoreError> {
        make_dir(&out).map_err(StoreError::io(&out))?;
        let held = lock(&out).map_err(StoreError::io(&out))?;
        let held = held.ok_or_else(|| StoreError::InUse { path: out.clone() })?;
        let folder = OutputFolder::new(out, time_zone);
        let parts = Parts::open(folder.clone())?;
        let (events, nodes) = (EventStore::new(folder.clone()), NodeStore::new(folder.clone()));
        Ok(Self {
            prefix: prefix.to_owned(),
            folder,
            events,
            nodes,
            parts,
            stats,
            upkeep: Upkeep::default(),
            _lock: held,
        })
    }

    /// First part of all topics.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Makes one message durable and returns what is new, and what its node is told. An invalid message is told
    /// too; nothing of it was kept.
    ///
    /// # Errors
    /// The disk failed; the same message may be pushed again.
    pub(super) fn push(&mut self, topic: &str, payload: &Bytes) -> Result<Pushed, StoreError> {
        let Some(origin) = Origin::of(&self.prefix, topic) else {
            return Ok(self.refuse(Refusal::Topic(topic.to_owned()), None));
        };
        // No message may end the receiver, also not by a fault of this program.
        let result = match catch_unwind(AssertUnwindSafe(|| self.store(&origin, payload))) {
            Ok(result) => result,
            Err(panic) => {
                let told = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
                let told = told.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
                // What is in memory may be half changed: it is read again.
                self.events = EventStore::new(self.folder.clone());
                self.nodes = NodeStore::new(self.folder.clone());
                self.parts = Parts::open(self.folder.clone())?;
                Err(Refusal::Panic(told).into())
            }
        };
        match result {
            Ok((lines, confirmed)) => {
                self.count(&lines);
                self.watch(&origin, payload, &lines)?;
                Ok(Pushed { lines, confirmed: confirmed.map(|c| (origin.node, c)), refusal: None })
            }
            // A wrong hash is not told: the node sends the file again, because nobody confirms it.
            Err(StoreError::Refused(refusal @ Refusal::Hash { .. })) => Ok(self.refuse(refusal, None)),
            Err(StoreError::Refused(refusal)) => {
                let told = match origin.about {
                    // It would come again for ever.
                    About::Piece { .. } if matches!(refusal, Refusal::Quarantine(_)) => {
                        let header = decode_chunk(payload).ok().map(|(header, _)| header);
                        header.map(|h| (origin.node, file_confirmed(h).with(Outcome::Refused)))
                    }
                    About::Piece { .. } | About::State | About::Health | About::CameraState { .. } => None,
                    _ => Some((origin.node, message_confirmed(payload, Outcome::Refused))),
                };
                Ok(self.refuse(refusal, told))
            }
            Err(e) => Err(e),
        }
    }

    fn store(
        &mut self,
        origin: &Origin,
        payload: &Bytes,
    ) -> Result<(Vec<Line>, Option<Confirmed>), StoreError> {
        let node = &origin.node;
        let ((lines, outcome), confirmed): (Stored, _) = match &origin.about {
            About::State => return Ok((self.nodes.state(node, "state.json", payload)?.0, None)),
            About::Health => return Ok((self.nodes.state(node, "health.json", payload)?.0, None)),
            About::CameraState { camera } => {
                return Ok((self.nodes.state(node, &format!("camera-{camera}.json"), payload)?.0, None));
            }
            About::Piece { event, kind, index } => {
                let (header, data) = decode_chunk(payload).map_err(Refusal::from)?;
                if (header.event, &header.kind, header.index) != (*event, kind, *index) {
                    return Err(Refusal::PieceTopic.into());
                }
                let stored = self.piece(node, &header, &data)?;
                (stored, file_confirmed(header))
            }
            about => {
                let (message, line) = read_message(origin, payload)?;
                let stored = match about {
                    About::Tamper { .. } => self.nodes.append(node, "tamper.jsonl", &message, &line)?,
                    About::Reply => self.nodes.append(node, "replies.jsonl", &message, &line)?,
                    _ => self.events.push(node, &message, &line)?,
                };
                (stored, message_confirmed(payload, Outcome::Stored))
            }
        };
        Ok((lines, outcome.map(|outcome| confirmed.with(outcome))))
    }

    fn piece(&mut self, node: &str, header: &ChunkHeader, data: &[u8]) -> Result<Stored, StoreError> {
        if !is_storable(&header.kind, &header.file) {
            return Err(Refusal::FileType(header.file.clone()).into());
        }
        if self.folder.event_dir(header.event).is_none() {
            return Err(Refusal::Subject(header.event.to_string()).into());
        }
        self.stats.pieces.fetch_add(1, Ordering::Relaxed);
        let (event, file, hash) = (header.event, &header.file, &header.sha256);
        if !self.parts.has_begun(node, header, data) && self.events.holds(node, event, file, hash)? {
            return Ok((vec![Line::Repeat], Some(Outcome::Stored)));
        }
        match self.parts.push(node, header, data)? {
            Piece::Kept => Ok((Vec::new(), None)),
            Piece::Repeat => Ok((vec![Line::Repeat], None)),
            Piece::Whole(part) => self.events.place(node, event, file, hash, &part),
        }
    }

    fn count(&self, lines: &[Line]) {
        for line in lines {
            let counter = match line {
                Line::Event { .. } => &self.stats.events,
                Line::File { .. } => &self.stats.files,
                Line::Quarantined { .. } => &self.stats.quarantined,
                Line::Repeat => &self.stats.repeats,
                Line::Complete { .. } | Line::Lost { .. } | Line::Node { .. } => continue,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn refuse(&self, refusal: Refusal, confirmed: Option<(String, Confirmed)>) -> Pushed {
        self.stats.refused.fetch_add(1, Ordering::Relaxed);
        Pushed { lines: Vec::new(), confirmed, refusal: Some(refusal) }
    }
}

/// The message, and the line that stands for it in a log: as it came, so that a signature over it stays valid.
fn read_message(origin: &Origin, payload: &Bytes) -> Result<(CloudEvent<Value>, Vec<u8>), Refusal> {
    let wrong = |e: String| Refusal::NotAnEvent(e);
    let message: CloudEvent<Value> = serde_json::from_slice(payload).map_err(|e| wrong(e.to_string()))?;
    if message.specversion != "1.0" {
        return Err(wrong(format!("specversion {:?}", message.specversion)));
    }
    if message.source != origin.source() {
        return Err(Refusal::Source { found: message.source, topic: origin.source() });
    }
    let line = if payload.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        // Spread over lines by a bridge or by hand.
        let whole: Value = serde_json::from_slice(payload).map_err(|e| wrong(e.to_string()))?;
        serde_json::to_vec(&whole).map_err(|e| wrong(e.to_string()))?
    } else {
        payload.to_vec()
    };
    Ok((message, line))
}

impl Confirmed {
    fn with(self, outcome: Outcome) -> Self {
        match self {
            Self::Message(message) => Self::Message(MessageConfirmed { outcome, ..message }),
            Self::File(file) => Self::File(FileConfirmed { outcome, ..file }),
        }
    }

    pub fn is_quarantined(&self) -> bool {
        let (Self::Message(MessageConfirmed { outcome, .. }) | Self::File(FileConfirmed { outcome, .. })) =
            self;
        *outcome == Outcome::Quarantined
    }

    pub fn add_to(self, confirmation: &mut Confirmation) {
        match self {
            Self::Message(message) => confirmation.messages.push(message),
            Self::File(file) => confirmation.files.push(file),
        }
    }
}

fn message_confirmed(payload: &[u8], outcome: Outcome) -> Confirmed {
    Confirmed::Message(MessageConfirmed { sha256: sha256(payload), outcome })
}

fn file_confirmed(header: ChunkHeader) -> Confirmed {
    let ChunkHeader { event, kind, sha256, .. } = header;
    Confirmed::File(FileConfirmed { event, kind, sha256, outcome: Outcome::Stored })
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
