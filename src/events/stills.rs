//! The recorder's part in stills: which are owed, and what became of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::MutexGuard;
use uuid::Uuid;

use super::pending_evidence::PendingEvidence;
use super::recorder::{Recorder, RecorderSettings, media, store_pending};
use crate::config::{CameraConfig, ViolationClass};
use crate::decode::Picture;
use crate::evidence::before as lookback;
use crate::evidence::still_service::{StillOutcome, StillQueue, StillTask, kinds};
use crate::evidence::{EvidenceKind, Missing};
use crate::outbox::Batch;
use crate::rules::{Transition, Violation};

/// One transition with what surrounds it.
pub(crate) struct Step<'a> {
    pub settings: &'a Arc<RecorderSettings>,
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

impl StillBatch<'_> {
    /// Writes what the step needs, or notes what is owed or missing; adds the manifest where nothing else can come.
    pub fn take(
        &mut self,
        recorder: &Recorder,
        step: Step<'_>,
        pending: &mut PendingEvidence,
        batch: &mut Batch,
    ) {
        let Step { settings, camera, class, violation, dir } = step;
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
                recorder.give_up(pending, &[kind], reason);
            }
            (Some(_), Some(_)) if !self.room => {
                tracing::error!(
                    camera = %camera.id, event = %violation.id,
                    "no still: those of earlier events are not written yet; is the disk slow or hanging?"
                );
                recorder.give_up(pending, kinds, "too many stills of earlier events waited to be written");
            }
            (Some(picture), queue) => {
                if opened {
                    pending.manifest = pending.manifest.clone().with_picture(&picture.capture);
                }
                let task = StillTask {
                    settings: Arc::clone(settings),
                    dir,
                    class: class.clone(),
                    camera: Arc::clone(camera),
                    violation: violation.clone(),
                    picture: Arc::clone(picture),
                    kept: recorder.media_dir.as_ref().map(|dir| lookback::folder(dir, &camera.id)),
                };
                if kinds.is_empty() {
                    // Nothing to show.
                } else if queue.is_some() {
                    pending.owed.extend(kinds);
                    self.tasks.push(task);
                } else {
                    recorder.add_stills(pending, batch, &task.write());
                }
            }
        }
        // While a clip or a still is owed, the manifest waits for it: one message with everything instead of two.
        if pending.complete() {
            recorder.add_manifest(pending, violation.at, batch);
        }
    }

    /// Once the events are durable.
    pub fn hand_over(self) {
        let Some(queue) = self.queue else { return };
        self.tasks.into_iter().for_each(|task| queue.put(task));
    }
}

impl Recorder {
    /// Stills are left to the queue from now on. Once, before the first event.
    pub(crate) fn leave_stills_to(&self, queue: Arc<StillQueue>) {
        if self.stills.set(queue).is_err() {
            tracing::error!("a second queue for stills is not used: please report it");
        }
    }

    /// Before the recorder is locked: the thread that makes room for these stills locks it too.
    pub(crate) fn shots<'a>(
        &'a self,
        violations: &[Violation],
        picture: Option<&'a Arc<Picture>>,
    ) -> StillBatch<'a> {
        let queue = self.stills.get().filter(|_| self.media_dir.is_some()).map(Arc::as_ref);
        let wanted = violations.iter().filter(|v| !kinds(v.transition).is_empty()).count();
        let room = match (queue, picture) {
            (Some(queue), Some(picture)) if wanted > 0 => queue.wait_for_room(wanted, picture),
            _ => true,
        };
        StillBatch { queue, room, picture, tasks: Vec::new() }
    }

    /// What the still thread has written, several events in one transaction.
    pub(crate) fn record_stills(&self, done: Vec<StillOutcome>) {
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
    pub(crate) fn give_up_stills(&self, held: &mut MutexGuard<'_, BTreeMap<Uuid, PendingEvidence>>) {
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
