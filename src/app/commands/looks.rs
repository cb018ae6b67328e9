//! Commands that wait for pictures: what was asked, what came, and when the waiting ends.

use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::evidence::Looked;
use super::{Commander, Sender};
use crate::app::analysis::Work;
use crate::app::feedback::Known;
use crate::app::order::{Order, Sight};
use crate::base::{CameraId, ClassName, Rect, monotonic};
use crate::publish::wire::{CameraAnswer, MissingEvidence, ReplyData, Verdict};
use crate::track::Track;

/// A camera that gives no picture within this time gives none.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pictures that decide whether a thing is gone: a detector may miss it in one.
const LOOKS: u32 = 3;
/// A box that overlaps the place this much stands on it.
const SAME_PLACE: f32 = 0.3;

/// A command that waits.
pub(super) struct Waiting {
    sender: Sender,
    question: Question,
    cameras: Vec<Look>,
    deadline: Instant,
}

pub(super) enum Question {
    /// Is the event's thing still there?
    Rectified { event: Uuid, objects: Vec<ClassName>, places: Vec<Rect> },
    /// What is at this place (longitude, latitude)? With a clip, or without.
    Lead { place: [f64; 2], clip: bool },
}

/// One camera that is looked through.
pub(super) struct Look {
    pub(super) answer: CameraAnswer,
    wanted: u32,
    sights: Receiver<Sight>,
    /// The newest picture, and how many there were.
    newest: Option<Sight>,
    seen: u32,
    over: bool,
}

impl Look {
    fn take(&mut self) -> Vec<Track> {
        let mut tracks = Vec::new();
        loop {
            match self.sights.try_recv() {
                Ok(sight) => {
                    self.seen += 1;
                    tracks.extend(sight.tracks.iter().cloned());
                    self.newest = Some(sight);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.over = true;
                    break;
                }
            }
        }
        self.over |= self.seen >= self.wanted;
        tracks
    }
}

impl Question {
    /// Does one of the tracks settle the question?
    fn is_found(&self, tracks: &[Track]) -> bool {
        let Self::Rectified { objects, places, .. } = self else { return false };
        let there = |t: &Track, p: &Rect| {
            t.rect.iou(p) >= SAME_PLACE || t.rect.intersection(p) >= 0.5 * t.rect.area().min(p.area())
        };
        tracks.iter().any(|t| objects.contains(&t.class) && places.iter().any(|p| there(t, p)))
    }
}

impl Commander {
    pub(super) fn look_again(&mut self, sender: Sender, event: Uuid, known: &Known) {
        let mut objects: Vec<ClassName> = known.objects.iter().map(|o| o.class.clone()).collect();
        objects.dedup();
        let look = self.look(&known.camera, LOOKS);
        let question = Question::Rectified { event, objects, places: known.places() };
        self.wait(sender, question, vec![look]);
    }

    pub(super) fn wait(&mut self, sender: Sender, question: Question, cameras: Vec<Look>) {
        self.waiting.push(Waiting { sender, question, cameras, deadline: monotonic() + PATIENCE });
    }

    pub(super) fn look(&self, camera: &CameraId, pictures: u32) -> Look {
        let (answer, sights) = sync_channel(pictures as usize);
        let order = Order::Look { camera: camera.clone(), pictures, answer };
        // A thread that has ended drops the order, and the look is over.
        drop(self.parts.to_rules.send(Work::Order(order)));
        let name = self.parts.config.cameras.iter().find(|c| c.id == *camera).map(|c| c.name.clone());
        let answer = CameraAnswer {
            camera: camera.to_string(),
            name: name.unwrap_or_default(),
            evidence: None,
            expected: Vec::new(),
            missing: Vec::new(),
            time: None,
            pixel: None,
            distance_m: None,
            metres_per_pixel: None,
            hidden: None,
            objects: Vec::new(),
        };
        Look { answer, wanted: pictures, sights, newest: None, seen: 0, over: false }
    }

    /// Answers those whose pictures have come, or whose time is up.
    pub(super) fn finish_looks(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain_mut(|command| {
            let mut found = false;
            for look in &mut command.cameras {
                found |= command.question.is_found(&look.take());
            }
            let over = command.cameras.iter().all(|look| look.over) || monotonic() >= command.deadline;
            if !found && !over {
                return true;
            }
            self.conclude(command, found);
            false
        });
        self.waiting = waiting;
    }

    fn conclude(&self, command: &mut Waiting, found: bool) {
        let mut data = ReplyData::done(&command.sender.name, command.sender.id.as_deref());
        let pictures = command.cameras.iter().map(|look| look.seen).sum::<u32>();
        if let Question::Rectified { event, .. } = &command.question {
            data.event = Some(*event);
            data.verdict = Some(match (found, pictures) {
                (true, _) => Verdict::StillThere,
                (false, 0) => Verdict::Unknown,
                (false, _) => Verdict::Gone,
            });
        }
        tracing::info!(command = command.sender.name, pictures, "looked: {:?}", data.verdict);
        let mut evidence = Vec::new();
        for look in &mut command.cameras {
            let mut answer = look.answer.clone();
            match look.newest.take() {
                Some(sight) => evidence.push(self.looked(sight, &command.question, &answer, found)),
                None => answer.missing.push(MissingEvidence {
                    kind: "still".to_owned(),
                    reason: format!("the camera gave no picture within {} s", PATIENCE.as_secs()),
                }),
            }
            data.cameras.push(answer);
        }
        self.answer_with(&command.sender, data, evidence);
    }

    fn looked(&self, sight: Sight, question: &Question, answer: &CameraAnswer, found: bool) -> Looked {
        match question {
            Question::Rectified { event, places, .. } => {
                let title = if found { "Still there" } else { "Not seen any more" };
                Looked::new(sight, format!("{title}: event {event}"), places.clone())
            }
            Question::Lead { place, clip } => {
                let mark = answer.pixel.map(|[x, y]| {
                    let (x, y) = (x as f32, y as f32);
                    Rect::new(x - 0.01, y - 0.015, x + 0.01, y + 0.015)
                });
                let title = format!("Lead: {:.6}, {:.6}", place[0], place[1]);
                let looked = Looked::new(sight, title, mark.into_iter().collect());
                let evidence = &self.parts.config.evidence;
                let looked = looked.measured_from(*place, &self.parts.sites);
                if *clip { looked.with_clip(evidence.pre_roll, evidence.post_roll) } else { looked }
            }
        }
    }
}
