//! The durable queue between the events and the broker.
//!
//! Takes: batches of messages, media files and restart state from `app`, each as one transaction.
//! Gives: one record after another to `publish`: messages before media; of the events that wait the newest first,
//! each event's messages in their order; media older before newer.
//! When full: files lie on the disk anyway, so none is refused. Messages that the broker has and no platform
//! confirms go by the broker's word above `max_bytes`, the oldest first, and are counted. A full disk gives
//! [`OutboxError::Full`]: the caller tries again, while reads and acknowledgements continue.
//! On failure: a file that SQLite cannot read is moved aside. A new one starts with its readable records.
//! Media that is gone or changed is given up with its own message, and the queue continues.
//! Not here: topics of media, MQTT, and what is worth sending.
//!
//! A record leaves by [`Outbox::confirm`] (a platform's word), or by [`Outbox::ack`] where the broker's word
//! counts. Which records are in flight is known in memory only, so after a restart every unacknowledged record
//! is handed out again.

mod answers;
mod custody;
mod look;
mod media;
mod open;
mod record;
mod space;
mod store;
mod tables;
mod turn;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::base::WallTime;
use crate::config::OutboxConfig;

use media::MediaReader;
use store::Store;

/// Lies in the folder of an event whose files are all delivered.
pub const DELIVERED_MARK: &str = "delivered";

pub use record::{
    Batch, Confirmed, DiskTrouble, LostMedia, MediaChunk, Next, OutMedia, OutMessage, RecordId,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct OutboxStats {
    pub messages: u64,
    pub message_bytes: u64,
    /// Files with at least one chunk left to send.
    pub media: u64,
    /// Whole size of those files.
    pub media_bytes: u64,
    /// When the oldest waiting record came in.
    pub oldest: Option<WallTime>,
    /// Of all these, records that the broker has and no platform has confirmed.
    pub unconfirmed: u64,
    /// How long they have waited since a platform last confirmed anything, in seconds.
    pub silent_s: u64,
    /// Messages and pieces that the broker had nobody to hand on to.
    pub told_nobody: u64,
    /// Since the start: records that a platform confirmed, and of these, those that it refused to store.
    pub confirmed: u64,
    pub platform_refused: u64,
    /// Records sent again since the start because nobody confirmed them.
    pub sent_again: u64,
    /// Messages that went by the broker's word since the start because they took more than `max_bytes`.
    pub released: u64,
    /// The outbox was damaged or gone when it was opened.
    pub damaged: bool,
    /// Files given up since the start because they were gone or changed.
    pub media_lost: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    #[error("no space left for the outbox {}: free some, nothing is lost while the caller tries again", path.display())]
    Full { path: PathBuf },
    #[error(
        "the outbox {} cannot be written: its file system is read-only, as it is after an error of the disk: check \
         the disk", path.display()
    )]
    ReadOnly { path: PathBuf },
    #[error("the outbox {} is in use: another lintel runs on the same data_dir", path.display())]
    InUse { path: PathBuf },
    #[error(
        "the outbox {} is of layout {found}, this program knows up to {known}: start the newer lintel",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("cannot use the folder of the outbox {}: {cause}; check that it exists and is writable", path.display())]
    Folder { path: PathBuf, cause: std::io::Error },
    #[error("cannot open the outbox {}", path.display())]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("the outbox {} failed", path.display())]
    Database { path: PathBuf, source: rusqlite::Error },
}

/// The queue itself. One writer; every call holds a lock for a few milliseconds at most (the disk's fsync).
#[derive(Debug)]
pub struct Outbox {
    path: PathBuf,
    max_bytes: u64,
    store: Mutex<Store>,
    /// Open file of the medium on the way; apart from the store, so that reading 8 MB never holds up an
    /// append.
    reader: Mutex<MediaReader>,
    changed: Notify,
    damaged: AtomicBool,
    lost: AtomicU64,
}

impl Outbox {
    /// Opens `data_dir/outbox.db`, or creates it.
    ///
    /// # Errors
    /// Folder not usable, in use by another process, written by a newer program. A corrupt file is no error:
    /// it is moved aside and logged.
    pub fn open(data_dir: &Path, config: &OutboxConfig) -> Result<Self, OutboxError> {
        let path = data_dir.join("outbox.db");
        let (store, damaged) = open::open(data_dir, &path)?;
        Ok(Self {
            path,
            max_bytes: config.max_bytes,
            store: Mutex::new(store),
            reader: Mutex::new(MediaReader::default()),
            changed: Notify::new(),
            damaged: AtomicBool::new(damaged),
            lost: AtomicU64::new(0),
        })
    }

    /// Makes the whole batch durable (one fsync), or nothing of it. Appending the same medium again is
    /// harmless.
    ///
    /// # Errors
    /// [`OutboxError::Full`] when the disk is; try again later.
    pub fn append(&self, batch: &Batch) -> Result<(), OutboxError> {
        // Before the record: after a crash in between, the files are delivered twice and not never.
        for folder in batch.media.iter().filter_map(|media| media.path.parent()) {
            drop(std::fs::remove_file(folder.join(DELIVERED_MARK)));
        }
        self.db(|store| store.append(batch))?;
        self.changed.notify_one();
        Ok(())
    }

    /// Returns the next record and marks it as in flight. Messages come first; media only if `media`, cut
    /// into pieces of `chunk_bytes`.
    ///
    /// # Errors
    /// The database.
    pub fn next(&self, media: bool, chunk_bytes: usize) -> Result<Option<Next>, OutboxError> {
        if let Some((id, message)) = self.db(Store::next_message)? {
            return Ok(Some(Next::Message { id, message }));
        }
        if !media {
            return Ok(None);
        }
        let chunk_bytes = u32::try_from(chunk_bytes.max(1)).unwrap_or(u32::MAX);
        let Some((row, index)) = self.db(|store| store.next_chunk(chunk_bytes))? else { return Ok(None) };
        let mut reader = self.reader.lock();
        Ok(Some(match reader.read(&row, index, chunk_bytes) {
            Ok(chunk) => Next::Chunk { id: RecordId::Chunk { media: row.id, index }, chunk },
            Err(reason) => Next::Lost(row.lost(reason)),
        }))
    }

    /// Removes acknowledged records. Repeated and unknown ids are harmless. On a full disk the ids stay in
    /// memory until a later call can write them.
    ///
    /// # Errors
    /// The database.
    pub fn ack(&self, ids: &[RecordId]) -> Result<(), OutboxError> {
        self.db(|store| match store.ack_by_broker(ids) {
            Err(e) if space::is_full(&self.path, &e) => Ok(()),
            other => other,
        })
    }

    /// The broker has these records. They stay until a platform confirms them.
    ///
    /// # Errors
    /// The database, or a full disk.
    pub fn sent(&self, ids: &[RecordId]) -> Result<(), OutboxError> {
        self.db(|store| store.sent(ids, self.max_bytes))?;
        self.changed.notify_one();
        Ok(())
    }

    /// The broker took these records and had nobody to hand them on to. They stay, and are tried again by
    /// [`Outbox::look_again`].
    ///
    /// # Errors
    /// The database.
    pub fn nobody(&self, ids: &[RecordId]) -> Result<(), OutboxError> {
        self.db(|store| store.nobody(ids))
    }

    /// Removes records that a platform has. Repeated and unknown ones are harmless.
    ///
    /// # Errors
    /// The database, or a full disk.
    pub fn confirm(&self, confirmed: &[Confirmed]) -> Result<(), OutboxError> {
        self.db(|store| store.confirm(confirmed)).map(drop)
    }

    /// Finds records to be sent again: those lost on the way, and one of each kind that was told to nobody. To
    /// be called every half minute or so. Returns how many were lost.
    ///
    /// # Errors
    /// The database, or a full disk.
    pub fn look_again(&self) -> Result<u64, OutboxError> {
        let again = self.db(Store::look_again)?;
        self.changed.notify_one();
        Ok(again)
    }

    /// Removes the records that the broker has: from now on its word counts. Returns how many.
    ///
    /// # Errors
    /// The database, or a full disk.
    pub fn trust_broker(&self) -> Result<u64, OutboxError> {
        self.db(Store::trust_broker)
    }

    /// Forgets what is in flight after the connection ended: unacknowledged records are handed out again.
    pub fn release(&self) {
        self.lock().release();
        self.changed.notify_one();
    }

    /// Removes a lost medium and queues the message that reports it, in one transaction.
    ///
    /// # Errors
    /// The database, or a full disk.
    pub fn give_up(&self, lost: &LostMedia, message: &OutMessage) -> Result<(), OutboxError> {
        self.db(|store| store.give_up(lost, message))?;
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
        Ok(())
    }

    /// Whether a file of the event waits, or all of them are delivered.
    ///
    /// # Errors
    /// The database.
    pub fn knows(&self, event: Uuid) -> Result<bool, OutboxError> {
        self.db(|store| store.knows(event))
    }

    /// Remembers that the outbox was damaged or gone at the start, for the health of the node.
    pub fn note_damage(&self) {
        self.damaged.store(true, Ordering::Relaxed);
    }

    /// True once all media of the event was acknowledged or given up, and none is waiting.
    ///
    /// # Errors
    /// The database.
    pub fn is_delivered(&self, event: Uuid) -> Result<bool, OutboxError> {
        self.db(|store| store.is_delivered(event))
    }

    /// Drops the delivered mark of an event whose files are deleted.
    ///
    /// # Errors
    /// The database.
    pub fn forget(&self, event: Uuid) -> Result<(), OutboxError> {
        self.db(|store| store.forget(event))
    }

    /// # Errors
    /// The database.
    pub fn state(&self, key: &str) -> Result<Option<Vec<u8>>, OutboxError> {
        self.db(|store| store.state(key))
    }

    /// All keys that begin with `prefix`, in order.
    ///
    /// # Errors
    /// The database.
    pub fn states(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, OutboxError> {
        self.db(|store| store.states(prefix))
    }

    pub fn stats(&self) -> OutboxStats {
        OutboxStats {
            damaged: self.damaged.load(Ordering::Relaxed),
            media_lost: self.lost.load(Ordering::Relaxed),
            ..self.lock().stats()
        }
    }

    /// Resolves when a record may be ready. For one waiter; a change before the call is not missed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock()
    }

    fn db<T>(&self, work: impl FnOnce(&mut Store) -> rusqlite::Result<T>) -> Result<T, OutboxError> {
        let mut store = self.lock();
        let result = work(&mut store);
        let delivered = std::mem::take(&mut store.custody.delivered);
        drop(store);
        for folder in delivered {
            // Only spares a later start to send the files again, so it needs no fsync and may fail.
            drop(std::fs::write(folder.join(DELIVERED_MARK), b""));
        }
        result.map_err(|source| space::explain(&self.path, source))
    }
}
