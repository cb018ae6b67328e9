//! Stills of events: which are owed, and what became of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::MutexGuard;
use uuid::Uuid;

use super::journal::{Journal, media, store_pending};
use super::pending_evidence::PendingEvidence;
use crate::config::{CameraConfig, ViolationClass};
use crate::decode::Picture;
use crate::evidence::still_service::{StillOutcome, StillQueue, StillTask, kinds};
use crate::evidence::{EvidenceKind, Missing, StillWriter};
use crate::outbox::Batch;
use crate::rules::{Transition, Violation};
use crate::scene::{PlacedViolation, memory_folder};

/// One transition with what surrounds it.
pub(crate) struct Step<'a> {
    pub stills: &'a Arc<StillWriter>,
    pub camera: &'a Arc<CameraConfig>,
    pub class: &'a ViolationClass,
    pub violation: &'a Violation,
    /// The event's folder.
    pub dir: PathBuf,
}

/// The stills of one picture's events, from the first step to the moment when all of them are recorded.
pub(crate) struct StillBatch<'a> {
    /// `None`: they are written at once, by the calling thread.
    queue: Option<&'a StillQueue>,
    /// The queue takes them.
    room: bool,
    picture: Option<&'a Arc<Picture>>,
    tasks: Vec<StillTask>,
}

impl<'a> StillBatch<'a> {
    /// Waits for room in the queue. To be called before the journal is locked: the still thread locks it too.
    ///
    /// Without a queue the stills are written at once, by the calling thread.
    pub fn new(
        queue: Option<&'a StillQueue>,
        steps: &[PlacedViolation],
        picture: Option<&'a Arc<Picture>>,
    ) -> Self {
        let wanted = steps.iter().filter(|step| !kinds(step.violation.transition).is_empty()).count();
        let room = match (queue, picture) {
            (Some(queue), Some(picture)) if wanted > 0 => queue.wait_for_room(wanted, picture),
            _ => true,
        };
        Self { queue, room, picture, tasks: Vec::new() }
    }

    /// Writes what the step needs, or notes what is owed or missing; adds the manifest where nothing else can come.
    pub fn push(
        &mut self,
        journal: &Journal,
        step: Step<'_>,
        pending: &mut PendingEvidence,
        batch: &mut Batch,
    ) {
        let Step { stills, camera, class, violation, dir } = step;
        let opened = violation.transition == Transition::Opened;
        if violation.transition == Transition::Updated {
            return;
        }
        pending.ended = !opened;
        let kinds = kinds(violation.transition);
        match (self.picture, self.queue) {
            (None, _) => {
                let kind = if opened { EvidenceKind::Still } else { EvidenceKind::Closed };
                let reason = "the camera has not shown the place since the event was last seen";
                journal.give_up(pending, &[kind], reason);
            }
            (Some(_), Some(_)) if !self.room => {
                tracing::error!(
                    camera = %camera.id, event = %violation.id,
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
        // While a clip or a still is owed, the manifest waits for it: one message with everything instead of two.
        if pending.complete() {
            journal.add_manifest(pending, violation.at, batch);
        }
    }

    /// Once the events are durable.
    pub fn submit(self) {
        let Some(queue) = self.queue else { return };
        self.tasks.into_iter().for_each(|task| queue.push(task));
    }
}

impl Journal {
    /// What the still thread has written, several events in one transaction.
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
            // Also when the clip was quicker: its manifest did not know the stills.
            if pending.owed.is_empty() && pending.clip.is_none() {
                self.add_manifest(pending, outcome.at, &mut batch);
            }
            store_pending(&mut held, outcome.event, &mut batch);
        }
        self.commit(&batch);
    }

    /// Stills that an earlier run owed: their pictures died with it.
    pub fn give_up_stills(&self, held: &mut MutexGuard<'_, BTreeMap<Uuid, PendingEvidence>>) {
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
            store_pending(held, event, &mut batch);
        }
        if !batch.state.is_empty() {
            self.commit(&batch);
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
