//! Commits batches of events to the outbox, and keeps the evidence that events still wait for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use super::backlog::{Backlog, Store};
use super::pending_evidence::PendingEvidence;
use crate::base::{Shutdown, WallTime, error_chain};
use crate::evidence::{EvidenceFile, EvidenceKind, Missing, event_dir, write_manifest};
use crate::monitor::EventCounts;
use crate::outbox::{Batch, DiskTrouble, OutMedia};
use crate::rules::Transition;
use crate::wire::{EvidenceState, MediaFile, MissingEvidence, Topics, evidence_message};

/// The evidence that events wait for, locked.
pub(crate) type Held<'a> = MutexGuard<'a, BTreeMap<Uuid, PendingEvidence>>;

/// Shared by everything that records a part of an event. One lock covers changing pending evidence and
/// queueing the batch with it, so that the rules, stills and clips never overwrite each other's part. The
/// lock is free while a batch waits for the disk.
pub(crate) struct Journal {
    pub topics: Topics,
    backlog: Backlog,
    /// The data folder; `None` in a replay that only lists events and writes no evidence.
    pub media_dir: Option<PathBuf>,
    /// Program and model that made the evidence, for its manifest.
    pub generator: serde_json::Value,
    pending: Mutex<BTreeMap<Uuid, PendingEvidence>>,
    counts: JournalCounts,
    shutdown: Shutdown,
}

#[derive(Default)]
struct JournalCounts {
    opened: AtomicU64,
    updated: AtomicU64,
    closed: AtomicU64,
    expired: AtomicU64,
    evidence_missing: AtomicU64,
}

impl Journal {
    pub fn new(
        topics: Topics,
        store: Arc<dyn Store>,
        media_dir: Option<PathBuf>,
        generator: serde_json::Value,
        shutdown: Shutdown,
    ) -> Self {
        let (pending, counts) = (Mutex::default(), JournalCounts::default());
        Self { topics, backlog: Backlog::new(store), media_dir, generator, pending, counts, shutdown }
    }

    /// True while a record waits for room on the disk. The rules wait too, and a restart would not help.
    pub fn waits_for_room(&self) -> bool {
        self.backlog.trouble() == Some(DiskTrouble::Full)
    }

    /// Whether a clip of this event is still to be cut. Its folder must stay until then.
    pub fn owes_clip(&self, event: Uuid) -> bool {
        self.lock().get(&event).is_some_and(|pending| pending.clip.is_some())
    }

    /// Whether the event's evidence can still grow. Until it cannot, age does not delete it.
    pub fn is_under_way(&self, event: Uuid) -> bool {
        self.lock().contains_key(&event)
    }

    pub fn counts(&self) -> EventCounts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        EventCounts {
            opened: get(&self.counts.opened),
            updated: get(&self.counts.updated),
            closed: get(&self.counts.closed),
            expired: get(&self.counts.expired),
            evidence_missing: get(&self.counts.evidence_missing),
            outbox_full_seconds: self.backlog.full_seconds(),
            disk: self.backlog.trouble(),
        }
    }

    /// Writes the manifest file, and adds the message that lists all media of the event, sent earlier or not.
    pub fn add_manifest(&self, pending: &PendingEvidence, at: WallTime, batch: &mut Batch) {
        let Some(dir) = &self.media_dir else { return };
        let manifest = &pending.manifest;
        let dir = event_dir(dir, manifest.event);
        let mut all: Vec<OutMedia> = manifest
            .files
            .iter()
            .map(|file| OutMedia {
                event: manifest.event,
                kind: kind_name(file.kind),
                path: dir.join(&file.name),
                media_type: file.media_type.clone(),
                bytes: file.bytes,
                sha256: file.sha256.clone(),
            })
            .collect();
        match write_manifest(&dir, manifest) {
            Ok(file) => {
                all.push(media(manifest.event, &file));
                batch.media.push(media(manifest.event, &file));
            }
            Err(error) => {
                self.missing(1);
                tracing::error!(event = %manifest.event, "no manifest file: {}", error_chain(&error));
            }
        }
        let content = serde_json::to_value(manifest).unwrap_or_default();
        let clip = kind_name(EvidenceKind::Clip);
        let file = |media: &OutMedia| MediaFile {
            on_request: pending.clip_on_request && media.kind == clip,
            ..MediaFile::from(media)
        };
        batch.messages.push(evidence_message(
            &self.topics,
            &manifest.node,
            &manifest.camera,
            manifest.event,
            at,
            content,
            all.iter().map(file).collect(),
        ));
    }

    /// Stores the batch and frees the lock. Waits while the disk is full, and gives up only when the node
    /// stops. Then the batch stays queued before all later ones: [`flush`](Self::flush) may still store it,
    /// and otherwise the next start continues from the state before it and repeats the step with the same id.
    ///
    /// Returns whether the batch was stored.
    pub fn commit(&self, held: Held<'_>, batch: Batch) -> bool {
        let ticket = self.backlog.push(batch);
        drop(held);
        let stored = self.backlog.wait(ticket, &self.shutdown, &self.shutdown);
        if !stored {
            tracing::error!(
                "the node stops before a record could be stored: it is tried once more at the end"
            );
        }
        stored
    }

    /// As [`commit`](Self::commit), for a batch that no later one builds on. It also gives up when `stop`
    /// asks for it, and then nothing was stored and nothing will be.
    pub fn commit_or_withdraw(&self, held: Held<'_>, batch: Batch, stop: &Shutdown) -> bool {
        let ticket = self.backlog.push(batch);
        drop(held);
        self.backlog.wait(ticket, &self.shutdown, stop) || !self.backlog.withdraw(ticket)
    }

    /// As [`commit_or_withdraw`](Self::commit_or_withdraw), until the node stops.
    pub fn commit_or_nothing(&self, held: Held<'_>, batch: Batch) -> bool {
        self.commit_or_withdraw(held, batch, &self.shutdown)
    }

    /// Stores the batch if the disk has room now. Otherwise it is stored with the next one, without waiting
    /// for it.
    pub fn queue(&self, held: Held<'_>, batch: Batch) {
        let ticket = self.backlog.push(batch);
        drop(held);
        self.backlog.store(ticket);
    }

    /// Tries once more to store what waits. Returns the number of records that still wait.
    pub fn flush(&self) -> usize {
        self.backlog.flush()
    }

    pub fn count(&self, transition: Transition) {
        let count = match transition {
            Transition::Opened => &self.counts.opened,
            Transition::Updated => &self.counts.updated,
            Transition::Closed => &self.counts.closed,
            Transition::Expired => &self.counts.expired,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub fn missing(&self, parts: usize) {
        self.counts.evidence_missing.fetch_add(parts as u64, Ordering::Relaxed);
    }

    pub fn lock(&self) -> Held<'_> {
        self.pending.lock()
    }
}

/// The evidence part of an event's message: what to expect, and what is missing.
pub(crate) fn evidence_state(pending: &PendingEvidence) -> EvidenceState {
    let mut expected: Vec<String> = pending.manifest.files.iter().map(|file| kind_name(file.kind)).collect();
    expected.extend(pending.owed.iter().map(|&kind| kind_name(kind)));
    if pending.clip.is_some() {
        expected.push(kind_name(EvidenceKind::Clip));
    }
    expected.push(kind_name(EvidenceKind::Manifest));
    let missing =
        |missing: &Missing| MissingEvidence { kind: kind_name(missing.kind), reason: missing.reason.clone() };
    EvidenceState { expected, missing: pending.manifest.missing.iter().map(missing).collect() }
}

/// Adds the pending evidence of an event to the batch, and drops it once it is complete.
pub(crate) fn store_pending(held: &mut BTreeMap<Uuid, PendingEvidence>, event: Uuid, batch: &mut Batch) {
    let Some(pending) = held.get(&event) else { return };
    let complete = pending.complete();
    let value = if complete { None } else { serde_json::to_vec(pending).ok() };
    batch.state.push((PendingEvidence::key(event), value));
    if complete {
        held.remove(&event);
    }
}

pub(crate) fn media(event: Uuid, file: &EvidenceFile) -> OutMedia {
    OutMedia {
        event,
        kind: kind_name(file.kind),
        path: file.path.clone(),
        media_type: file.media_type.clone(),
        bytes: file.bytes,
        sha256: file.sha256.clone(),
    }
}

/// The kind's name in messages: `still`, `annotated`, `clip`, `closed`, `manifest`.
fn kind_name(kind: EvidenceKind) -> String {
    kind.file_name().split('.').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::OutboxError;

    struct FullDisk;

    impl Store for FullDisk {
        fn append(&self, _: &Batch) -> Result<(), OutboxError> {
            Err(OutboxError::Full { path: "outbox.db".into() })
        }
    }

    #[test]
    fn pending_evidence_can_be_read_while_a_record_waits_for_the_disk_and_the_wait_ends_at_the_stop() {
        let stop = Shutdown::new();
        let topics = Topics::new("lintel", "node");
        let journal = Journal::new(topics, Arc::new(FullDisk), None, serde_json::Value::Null, stop.clone());
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| journal.commit(journal.lock(), Batch::default()));
            while !journal.waits_for_room() {
                std::thread::yield_now();
            }
            // As retention asks before it deletes delivered evidence.
            assert!(!journal.owes_clip(Uuid::nil()) && !journal.is_under_way(Uuid::nil()));
            stop.stop();
            assert!(!waits.join().expect("no panic"), "not stored");
        });
        assert!(!journal.commit_or_nothing(journal.lock(), Batch::default()));
        journal.queue(journal.lock(), Batch::default());
        assert_eq!(journal.flush(), 2, "what gave up for good is not among them");
    }
}
