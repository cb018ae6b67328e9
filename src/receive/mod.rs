//! The platform's side: stores events and reassembles evidence.
//!
//! Takes: messages of a [`Subscriber`], each acknowledged only once its content is on the disk.
//! Gives: `DIR/<date>/<event id>/` with event.json (newest revision), events.jsonl (all messages), the files
//! of the evidence, and a line per new event and finished file.
//! When full: the sink of messages is bounded; the broker keeps the rest.
//! On failure: on a full disk or an unwritable folder it retries and acknowledges nothing. An invalid message
//! is refused, counted and acknowledged; otherwise it would come back for ever.
//! Not here: MQTT itself (`publish`), what an event means.

mod events;
mod files;
mod parts;
mod report;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tracing::{error, warn};
use uuid::Uuid;

use crate::base::{Shutdown, error_chain};
use crate::publish::{Delivery, Subscriber, SubscriberError};
use crate::wire::{ChunkError, decode_chunk};

use events::EventStore;
use parts::{Parts, Piece};
pub use report::Line;

/// The largest packet that the broker may send, in bytes.
pub const MAX_PACKET_BYTES: u32 = 16 << 20;
/// Pause between two attempts while the disk cannot be written.
const DISK_PAUSE: Duration = Duration::from_secs(1);

/// Why a message was not stored.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("not a CloudEvent that we know: {0}")]
    NotAnEvent(String),
    #[error("its subject {0:?} is not a UUIDv7")]
    Subject(String),
    #[error("it is not about the event in its subject")]
    Mismatch,
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    #[error("topic {0:?} is none of ours")]
    Topic(String),
    #[error(
        "the pieces of {file} of {event} are complete but their SHA-256 is {found} instead of {promised}"
    )]
    Hash { event: Uuid, file: String, found: String, promised: String },
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("cannot write {}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

impl StoreError {
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> StoreError {
        let path = path.into();
        move |source| StoreError::Io { path, source }
    }
}

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
}

/// Stores messages. Single-threaded, so their order is kept.
#[derive(Debug)]
pub struct Store {
    events: EventStore,
    parts: Parts,
    stats: Arc<ReceiveStats>,
}

impl Store {
    /// # Errors
    /// The folder cannot be made or written.
    pub fn open(out: PathBuf, time_zone: TimeZone, stats: Arc<ReceiveStats>) -> Result<Self, StoreError> {
        std::fs::create_dir_all(&out).map_err(StoreError::io(&out))?;
        let folder = files::OutputFolder::new(out, time_zone);
        Ok(Self { events: EventStore::new(folder.clone()), parts: Parts::open(folder)?, stats })
    }

    /// Makes one message durable and returns what is new.
    ///
    /// # Errors
    /// [`StoreError::Refused`]: the message is invalid, nothing of it was kept. [`StoreError::Io`]: the disk
    /// failed; the same message may be pushed again.
    pub fn push(&mut self, topic: &str, payload: &bytes::Bytes) -> Result<Vec<Line>, StoreError> {
        let counted = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        let result = match Topic::of(topic) {
            Topic::Event => self.events.push(payload),
            Topic::Media => self.piece(payload),
            Topic::Unknown => Err(Refusal::Topic(topic.to_owned()).into()),
        };
        match &result {
            Ok(lines) => {
                for line in lines {
                    match line {
                        Line::Event { .. } => counted(&self.stats.events),
                        Line::File { .. } => counted(&self.stats.files),
                        Line::Complete { .. } | Line::Lost { .. } => 0,
                        Line::Repeat => counted(&self.stats.repeats),
                    };
                }
            }
            Err(StoreError::Refused(_)) => {
                counted(&self.stats.refused);
            }
            Err(StoreError::Io { .. }) => {}
        }
        result
    }

    fn piece(&mut self, payload: &bytes::Bytes) -> Result<Vec<Line>, StoreError> {
        let (header, data) = decode_chunk(payload).map_err(Refusal::from)?;
        self.stats.pieces.fetch_add(1, Ordering::Relaxed);
        match self.parts.push(&header, &data)? {
            Piece::Kept => Ok(Vec::new()),
            Piece::Repeat => Ok(vec![Line::Repeat]),
            Piece::Whole(path) => {
                let line = Line::File { event: header.event, path, bytes: header.total };
                Ok(std::iter::once(line)
                    .chain(self.events.completed_by(header.event, &header.file)?)
                    .collect())
            }
        }
    }
}

enum Topic {
    Event,
    Media,
    Unknown,
}

impl Topic {
    /// By its last levels; the prefix is the operator's own and may have any number of levels.
    fn of(topic: &str) -> Self {
        let mut words = topic.rsplit('/');
        match words.next() {
            Some("event" | "evidence" | "lost") => Topic::Event,
            // .../media/<event>/<kind>/<n>
            Some(_) if words.nth(2) == Some("media") => Topic::Media,
            _ => Topic::Unknown,
        }
    }
}

/// Subscribes and stores until `shutdown`; passes each new line to `print`.
///
/// # Errors
/// The settings are unusable, the broker refuses the subscription, or the folder cannot be used.
pub async fn run(
    subscriber: Subscriber,
    mut store: Store,
    shutdown: Shutdown,
    print: impl Fn(&Line) + Send + 'static,
) -> Result<(), ReceiveError> {
    let (sink, mut messages) = mpsc::channel::<Delivery>(32);
    let stopped = shutdown.clone();
    let storing = std::thread::Builder::new()
        .name("receive-store".to_owned())
        .spawn(move || {
            while let Some(delivery) = messages.blocking_recv() {
                // The rest is not acknowledged after the stop, so it comes again.
                if stopped.is_stopped() || !settle(&mut store, &delivery, &stopped, &print) {
                    return;
                }
            }
        })
        .map_err(ReceiveError::Thread)?;
    let result = subscriber.run(sink, shutdown).await;
    // The sink is dropped, so the thread ends after its current message.
    if tokio::task::spawn_blocking(move || storing.join()).await.is_ok_and(|joined| joined.is_err()) {
        error!("the storing thread panicked; what it had not acknowledged comes again");
    }
    Ok(result?)
}

/// Stores a message, with retries while the disk fails. False if the stop came first.
fn settle(store: &mut Store, delivery: &Delivery, stopped: &Shutdown, print: &impl Fn(&Line)) -> bool {
    let topic = delivery.topic();
    let mut logged = false;
    loop {
        match store.push(&topic, delivery.payload()) {
            Ok(lines) => {
                lines.iter().filter(|line| !matches!(line, Line::Repeat)).for_each(print);
                delivery.done();
                return true;
            }
            Err(StoreError::Refused(refusal)) => {
                warn!(topic, %refusal, "message refused");
                delivery.done();
                return true;
            }
            Err(e @ StoreError::Io { .. }) => {
                if !std::mem::replace(&mut logged, true) {
                    error!(error = %error_chain(&e), "cannot store; trying again, the broker keeps what comes");
                }
                if stopped.wait(DISK_PAUSE) {
                    return false;
                }
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error(transparent)]
    Subscriber(#[from] SubscriberError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
