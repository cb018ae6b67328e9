//! The recorder's part in stills: which are owed, and what became of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::MutexGuard;
use uuid::Uuid;

use super::dossier::Dossier;
use super::lookback;
use super::recorder::{Recorder, RecorderSettings, media, store_dossier};
use super::stills::{StillOutcome, StillQueue, StillTask, kinds};
use crate::config::{CameraConfig, ViolationClass};
use crate::decode::Picture;
use crate::evidence::{EvidenceKind, Missing};
use crate::outbox::Batch;
use crate::rules::{Transition, Violation};

/// One transition with what surrounds it.
pub(super) struct Step<'a> {
    pub settings: &'a Arc<RecorderSettings>,
    pub camera: &'a Arc<CameraConfig>,
    pub class: &'a ViolationClass,
    pub violation: &'a Violation,
    /// The event's folder.
    pub dir: PathBuf,
}

/// The stills of one picture's events, from the first step to the moment when all of them are recorded.
pub(super) struct Shots<'a> {
    /// `None`: they are written at once, by the calling thread.
    queue: Option<&'a StillQueue>,
    /// The queue takes them.
    room: bool,
    picture: Option<&'a Arc<Picture>>,
    tasks: Vec<StillTask>,
}

impl Shots<'_> {
    /// Writes what the step needs, or notes what is owed or missing; adds the manifest where nothing else can come.
    pub fn take(&mut self, recorder: &Recorder, step: Step<'_>, dossier: &mut Dossier, batch: &mut Batch) {
        let Step { settings, camera, class, violation, dir } = step;
        let opened = violation.transition == Transition::Opened;
        if violation.transition == Transition::Updated {
            return;
        }
        dossier.ended = !opened;
        let kinds = kinds(violation.transition);
        match (self.picture, self.queue) {
            (None, _) => {
                let kind = if opened { EvidenceKind::Still } else { EvidenceKind::Closed };
                let reason = "the camera has not shown the place since the event was last seen";
                recorder.give_up(dossier, &[kind], reason);
            }
            (Some(_), Some(_)) if !self.room => {
                tracing::error!(
                    camera = %camera.id, event = %violation.id,
                    "no still: those of earlier events are not written yet; is the disk slow or hanging?"
                );
                recorder.give_up(dossier, kinds, "too many stills of earlier events waited to be written");
            }
            (Some(picture), queue) => {
                if opened {
                    dossier.manifest = dossier.manifest.clone().with_picture(&picture.capture);
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
                    dossier.owed.extend(kinds);
                    self.tasks.push(task);
                } else {
                    recorder.add_stills(dossier, batch, &task.write());
                }
            }
        }
        // While a clip or a still is owed, the manifest waits for it: one message with everything instead of two.
        if dossier.complete() {
            recorder.add_manifest(dossier, violation.at, batch);
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
    pub(super) fn leave_stills_to(&self, queue: Arc<StillQueue>) {
        if self.stills.set(queue).is_err() {
            tracing::error!("a second queue for stills is not used: please report it");
        }
    }

    /// Before the recorder is locked: the thread that makes room for these stills locks it too.
    pub(super) fn shots<'a>(
        &'a self,
        violations: &[Violation],
        picture: Option<&'a Arc<Picture>>,
    ) -> Shots<'a> {
        let queue = self.stills.get().filter(|_| self.media_dir.is_some()).map(Arc::as_ref);
        let wanted = violations.iter().filter(|v| !kinds(v.transition).is_empty()).count();
        let room = match (queue, picture) {
            (Some(queue), Some(picture)) if wanted > 0 => queue.wait_for_room(wanted, picture),
            _ => true,
        };
        Shots { queue, room, picture, tasks: Vec::new() }
    }

    /// What the still thread has written, several events in one transaction.
    pub(super) fn record_stills(&self, done: Vec<StillOutcome>) {
        let mut held = self.lock();
        let mut batch = Batch::default();
        for outcome in done {
            let Some(dossier) = held.get_mut(&outcome.event) else {
                tracing::warn!(event = %outcome.event, "stills of an event that is not known any more");
                continue;
            };
            self.add_stills(dossier, &mut batch, &outcome);
            dossier.owed.retain(|kind| !outcome.kinds.contains(kind));
            // Also when the clip was quicker: its manifest did not know the stills.
            if dossier.owed.is_empty() && dossier.clip.is_none() {
                self.add_manifest(dossier, outcome.at, &mut batch);
            }
            store_dossier(&mut held, outcome.event, &mut batch);
        }
        self.commit(&batch);
    }

    /// Stills that an earlier run owed: their pictures died with it.
    pub(super) fn give_up_stills(&self, held: &mut MutexGuard<'_, BTreeMap<Uuid, Dossier>>) {
        let mut batch = Batch::default();
        let owing: Vec<Uuid> = held.iter().filter(|(_, d)| !d.owed.is_empty()).map(|(id, _)| *id).collect();
        for event in owing {
            let Some(dossier) = held.get_mut(&event) else { continue };
            let owed = std::mem::take(&mut dossier.owed);
            tracing::error!(%event, "no still: lintel ended before it was written");
            self.give_up(dossier, &owed, "the node ended before the picture was written");
            if dossier.complete() {
                self.add_manifest(dossier, crate::base::wall_now(), &mut batch);
            }
            store_dossier(held, event, &mut batch);
        }
        if !batch.state.is_empty() {
            self.commit(&batch);
        }
    }

    fn add_stills(&self, dossier: &mut Dossier, batch: &mut Batch, outcome: &StillOutcome) {
        let stills = &outcome.stills;
        self.missing(stills.missing.len());
        batch.media.extend(stills.files.iter().map(|file| media(outcome.event, file)));
        dossier.manifest = dossier.manifest.clone().with_files(&stills.files, &stills.missing);
    }

    fn give_up(&self, dossier: &mut Dossier, kinds: &[EvidenceKind], reason: &str) {
        self.missing(kinds.len());
        let missing = kinds.iter().map(|&kind| Missing { kind, reason: reason.to_owned() });
        dossier.manifest.missing.extend(missing);
    }
}
