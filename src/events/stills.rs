//! Stills of events: requests them, and records the outcomes.

use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use super::journal::{Held, Journal, media, store_pending};
use super::pending_evidence::PendingEvidence;
use crate::config::{CameraConfig, ViolationClass};
use crate::decode::Picture;
use crate::evidence::first_sight::FirstSights;
use crate::evidence::still_service::{StillOutcome, StillQueue, StillTask, kinds};
use crate::evidence::{EvidenceKind, Missing, StillWriter};
use crate::outbox::Batch;
use crate::rules::{Transition, Violation};
use crate::scene::{PlacedViolation, memory_folder};

/// One transition and the settings for its stills.
pub(crate) struct StillStep<'a> {
    pub stills: &'a Arc<StillWriter>,
    pub camera: &'a Arc<CameraConfig>,
    pub class: &'a ViolationClass,
    pub violation: &'a Violation,
    /// The event's folder.
    pub dir: PathBuf,
    pub first_sights: &'a FirstSights,
}

/// The stills of one picture's events, collected until all steps are recorded.
pub(crate) struct StillBatch<'a> {
    /// `None`: the calling thread writes the stills itself.
    queue: Option<&'a StillQueue>,
    /// Whether the queue has room for them.
    room: bool,
    picture: Option<&'a Arc<Picture>>,
    tasks: Vec<StillTask>,
}

impl<'a> StillBatch<'a> {
    /// Waits for room in the queue. Call it before locking the journal, because the still thread locks it
    /// too.
    ///
    /// Without a queue the calling thread writes the stills.
    pub fn new(
        queue: Option<&'a StillQueue>,
        steps: &[PlacedViolation],
        picture: Option<&'a Arc<Picture>>,
    ) -> Self {
        let wanted = steps.iter().filter(|step| !kinds(&step.violation).is_empty()).count();
        let room = match (queue, picture) {
            (Some(queue), Some(picture)) if wanted > 0 => queue.wait_for_room(wanted, picture),
            _ => true,
        };
        Self { queue, room, picture, tasks: Vec::new() }
    }

    /// Requests the stills of a step, or records why there are none. Adds the manifest if nothing else can
    /// follow.
    pub fn push(
        &mut self,
        journal: &Journal,
        step: StillStep<'_>,
        pending: &mut PendingEvidence,
        batch: &mut Batch,
    ) {
        let StillStep { stills, camera, class, violation, dir, first_sights } = step;
        let first = |violation: &Violation| first_sights.get(&camera.id, violation.shown?);
        let opened = violation.transition == Transition::Opened;
        if violation.transition == Transition::Updated {
            return;
        }
        pending.ended = !opened;
        let kinds = kinds(violation);
        match (self.picture, self.queue) {
            (None, _) => {
                let kind = if opened { EvidenceKind::Still } else { EvidenceKind::Closed };
                let reason = "the camera has not shown the place since the event was last seen";
                journal.give_up(pending, &[kind], reason);
            }
            (Some(_), Some(_)) if !self.room => {
                tracing::error!(
                    event = %violation.id,
                    "no still: those of earlier events are not written yet; is the disk slow or hanging?"
                );
                journal.give_up(pending, kinds, "too many stills of earlier events waited to be written");
            }
            (Some(picture), queue) => {
                if opened {
                    pending.manifest = pending.manifest.clone().with_picture(&picture.capture);
                }
                let task = StillTask {
                    stills: Arc::clone(stills),
                    dir,
                    class: class.clone(),
                    camera: Arc::clone(camera),
                    violation: violation.clone(),
                    picture: Arc::clone(picture),
                    first: first(violation),
                    kept: journal.media_dir.as_ref().map(|dir| memory_folder(dir, &camera.id)),
                };
                if kinds.is_empty() {
                    // Nothing to show.
                } else if queue.is_some() {
                    pending.owed.extend(kinds);
                    self.tasks.push(task);
                } else {
                    journal.add_stills(pending, batch, &task.write());
                }
            }
        }
        // The manifest waits for a pending clip or still, so that one message lists everything.
        if pending.complete() {
            journal.add_manifest(pending, violation.at, batch);
        }
    }

    /// Queues the stills. Call it once the events are durable.
    pub fn submit(self) {
        let Some(queue) = self.queue else { return };
        self.tasks.into_iter().for_each(|task| queue.push(task));
    }
}

impl Journal {
    /// Records the still thread's outcomes, several events in one transaction.
    pub fn record_stills(&self, done: Vec<StillOutcome>) {
        let mut held = self.lock();
        let mut batch = Batch::default();
        for outcome in done {
            let Some(pending) = held.get_mut(&outcome.event) else {
                tracing::warn!(event = %outcome.event, "stills of an event that is not known any more");
                continue;
            };
            self.add_stills(pending, &mut batch, &outcome);
            pending.owed.retain(|kind| !outcome.kinds.contains(kind));
            // Also if the clip came first: its manifest did not list the stills.
            if pending.owed.is_empty() && pending.clip.is_none() {
                self.add_manifest(pending, outcome.at, &mut batch);
            }
            store_pending(&mut held, outcome.event, &mut batch);
        }
        self.commit(held, batch);
    }

    /// Marks stills that an earlier run still had to write as missing: their pictures are gone.
    ///
    /// Does not wait for a full disk: the node is only starting.
    pub fn give_up_stills(&self, mut held: Held<'_>) {
        let mut batch = Batch::default();
        let owing: Vec<Uuid> = held.iter().filter(|(_, d)| !d.owed.is_empty()).map(|(id, _)| *id).collect();
        for event in owing {
            let Some(pending) = held.get_mut(&event) else { continue };
            let owed = std::mem::take(&mut pending.owed);
            tracing::error!(%event, "no still: lintel ended before it was written");
            self.give_up(pending, &owed, "the node ended before the picture was written");
            if pending.complete() {
                self.add_manifest(pending, crate::base::wall_now(), &mut batch);
            }
            store_pending(&mut held, event, &mut batch);
        }
        if !batch.state.is_empty() {
            self.queue(held, batch);
        }
    }

    fn add_stills(&self, pending: &mut PendingEvidence, batch: &mut Batch, outcome: &StillOutcome) {
        let stills = &outcome.stills;
        self.missing(stills.missing.len());
        batch.media.extend(stills.files.iter().map(|file| media(outcome.event, file)));
        pending.manifest = pending.manifest.clone().with_files(&stills.files, &stills.missing);
    }

    fn give_up(&self, pending: &mut PendingEvidence, kinds: &[EvidenceKind], reason: &str) {
        self.missing(kinds.len());
        let missing = kinds.iter().map(|&kind| Missing { kind, reason: reason.to_owned() });
        pending.manifest.missing.extend(missing);
    }
}
