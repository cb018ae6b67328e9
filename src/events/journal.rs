//! Commits batches of events to the outbox, and keeps the evidence that events still wait for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use super::pending_evidence::PendingEvidence;
use crate::base::{Shutdown, WallTime, error_chain};
use crate::evidence::{EvidenceFile, EvidenceKind, Missing, event_dir, write_manifest};
use crate::monitor::EventCounts;
use crate::outbox::{Appended, Batch, OutMedia, Outbox, OutboxError};
use crate::rules::Transition;
use crate::wire::{EvidenceState, MissingEvidence, Topics, evidence_message};

/// Where batches go: the outbox of a node, or a replay's standard output.
pub(crate) trait Store: Send + Sync {
    /// # Errors
    /// As [`Outbox::append`].
    fn append(&self, batch: &Batch) -> Result<Appended, OutboxError>;
}

impl Store for Outbox {
    fn append(&self, batch: &Batch) -> Result<Appended, OutboxError> {
        Outbox::append(self, batch)
    }
}

/// Shared by everything that records a part of an event. One lock covers reading, changing and storing pending
/// evidence, so that the rules, stills and clips never overwrite each other's part.
pub(crate) struct Journal {
    pub topics: Topics,
    store: Arc<dyn Store>,
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
    outbox_full_seconds: AtomicU64,
    waits_for_disk: AtomicBool,
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
        Self { topics, store, media_dir, generator, pending, counts, shutdown }
    }

    /// True while a record waits for room on the disk. The rules wait too, and a restart would not help.
    pub fn waits_for_disk(&self) -> bool {
        self.counts.waits_for_disk.load(Ordering::Relaxed)
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
            outbox_full_seconds: get(&self.counts.outbox_full_seconds),
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
        batch.messages.push(evidence_message(
            &self.topics,
            &manifest.node,
            &manifest.camera,
            manifest.event,
            at,
            content,
            &all,
        ));
    }

    /// Retries until the outbox accepts the batch, and gives up only when the node stops. The stored state of the
    /// rules is then older than this step, so the next start repeats the step with the same id.
    ///
    /// Returns whether the batch was stored.
    pub fn commit(&self, batch: &Batch) -> bool {
        let mut logged = false;
        loop {
            match self.store.append(batch) {
                Ok(appended) => {
                    self.counts.waits_for_disk.store(false, Ordering::Relaxed);
                    self.missing(appended.refused.len());
                    for media in &appended.refused {
                        tracing::error!(event = %media.event, kind = media.kind, "outbox.max_mb is reached: not sent");
                    }
                    return true;
                }
                Err(error) => {
                    self.counts.waits_for_disk.store(true, Ordering::Relaxed);
                    if !logged {
                        tracing::error!(
                            "cannot store a record, retrying every second: {}",
                            error_chain(&error)
                        );
                        logged = true;
                    }
                }
            }
            if self.shutdown.wait(Duration::from_secs(1)) {
                tracing::error!("stopped before the outbox could store a step: the next start repeats it");
                return false;
            }
            self.counts.outbox_full_seconds.fetch_add(1, Ordering::Relaxed);
        }
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

    pub fn lock(&self) -> MutexGuard<'_, BTreeMap<Uuid, PendingEvidence>> {
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
