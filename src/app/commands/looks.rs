//! Commands that wait for pictures: what was asked, what came, and when the waiting ends.

use std::sync::mpsc::{TryRecvError, sync_channel};
use std::time::Duration;

use uuid::Uuid;

use super::commander::Commander;
use super::evidence::Looked;
use super::sender::Sender;
use super::waiting::{Look, Question, Waiting};
use crate::app::requests::{Order, Sight};
use crate::app::rules_thread::Work;
use crate::base::{CameraId, ClassName, Rect, monotonic};
use crate::change::Seen;
use crate::events::feedback::Known;
use crate::rules::CHANGE;
use crate::track::Track;
use crate::wire::{CameraAnswer, MissingEvidence, ReplyData, Verdict};

/// A camera that gives no picture within this time gives none.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pictures that decide whether a thing is gone: a detector may miss it in one.
const LOOKS: u32 = 3;
/// A box that overlaps the place this much stands on it.
const SAME_PLACE: f32 = 0.3;

impl Look {
    /// Takes the pictures that have come. Gives what the surest of them says.
    fn take(&mut self, question: &Question) -> Verdict {
        let mut verdict = Verdict::Unknown;
        loop {
            match self.sights.try_recv() {
                Ok(sight) => {
                    self.seen += 1;
                    verdict = surer(verdict, question.verdict(&sight.tracks, sight.standing.as_deref()));
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
        verdict
    }
}

impl Question {
    /// What a picture says: `tracks` are seen in it, `standing` are the lasting changes of the last look at them, if the
    /// place can be judged.
    fn verdict(&self, tracks: &[Track], standing: Option<&[(Rect, Seen)]>) -> Verdict {
        let Self::Rectified { objects, places, .. } = self else { return Verdict::Unknown };
        let here = |rect: &Rect| {
            let on = |p: &Rect| {
                rect.iou(p) >= SAME_PLACE || rect.intersection(p) >= 0.5 * rect.area().min(p.area())
            };
            places.iter().any(on)
        };
        if !objects.iter().any(|class| class.as_str() == CHANGE) {
            let there = tracks.iter().any(|t| objects.contains(&t.class) && here(&t.rect));
            return if there { Verdict::StillThere } else { Verdict::Gone };
        }
        let Some(standing) = standing else { return Verdict::Unknown };
        let sure = |seen| match seen {
            Seen::Yes => Verdict::StillThere,
            Seen::No => Verdict::Gone,
            Seen::Unknown => Verdict::Unknown,
        };
        let seen = standing.iter().filter(|(rect, _)| here(rect)).map(|(_, seen)| sure(*seen));
        seen.reduce(surer).unwrap_or(Verdict::Gone)
    }
}

/// One picture that shows the thing outweighs those that do not.
fn surer(a: Verdict, b: Verdict) -> Verdict {
    match (a, b) {
        (Verdict::StillThere, _) | (_, Verdict::StillThere) => Verdict::StillThere,
        (Verdict::Gone, _) | (_, Verdict::Gone) => Verdict::Gone,
        _ => Verdict::Unknown,
    }
}

impl Commander {
    pub(super) fn look_again(&mut self, sender: Sender, event: Uuid, known: &Known) {
        let mut objects: Vec<ClassName> = known.objects.iter().map(|o| o.class.clone()).collect();
        objects.dedup();
        let question = Question::Rectified { event, objects, places: known.places() };
        // No camera sees the ground that flights are about.
        let of_flights = self.parts.flight_service.has(&known.camera);
        let looks = if of_flights { Vec::new() } else { vec![self.look(&known.camera, LOOKS)] };
        self.wait(sender, question, looks);
    }

    pub(super) fn wait(&mut self, sender: Sender, question: Question, cameras: Vec<Look>) {
        let deadline = monotonic() + PATIENCE;
        self.waiting.push(Waiting { sender, question, verdict: Verdict::Unknown, cameras, deadline });
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
            for look in &mut command.cameras {
                command.verdict = surer(command.verdict, look.take(&command.question));
            }
            let over = command.cameras.iter().all(|look| look.over) || monotonic() >= command.deadline;
            if command.verdict != Verdict::StillThere && !over {
                return true;
            }
            self.conclude(command);
            false
        });
        self.waiting = waiting;
    }

    fn conclude(&self, command: &mut Waiting) {
        let mut data = ReplyData::done(&command.sender.name, command.sender.id.as_deref());
        let pictures = command.cameras.iter().map(|look| look.seen).sum::<u32>();
        if let Question::Rectified { event, .. } = &command.question {
            data.event = Some(*event);
            data.verdict = Some(command.verdict);
        }
        tracing::info!(command = command.sender.name, pictures, "looked: {:?}", data.verdict);
        let mut evidence = Vec::new();
        for Look { mut answer, newest, .. } in std::mem::take(&mut command.cameras) {
            match newest {
                Some(sight) => evidence.push(self.looked(sight, command, &answer)),
                None => answer.missing.push(MissingEvidence {
                    kind: "still".to_owned(),
                    reason: format!("the camera gave no picture within {} s", PATIENCE.as_secs()),
                }),
            }
            data.cameras.push(answer);
        }
        self.answer_with(&command.sender, data, evidence);
    }

    fn looked(&self, sight: Sight, command: &Waiting, answer: &CameraAnswer) -> Looked {
        match &command.question {
            Question::Rectified { event, places, .. } => {
                let title = match command.verdict {
                    Verdict::StillThere => "Still there",
                    Verdict::Gone => "Not seen any more",
                    Verdict::Unknown => "Cannot be told now",
                };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_change_is_answered_by_the_last_look_at_its_place_and_not_by_what_the_detector_sees() {
        let place = Rect::new(0.2, 0.2, 0.4, 0.4);
        let elsewhere = Rect::new(0.7, 0.2, 0.9, 0.4);
        let question = Question::Rectified {
            event: Uuid::nil(),
            objects: vec![ClassName::from(CHANGE)],
            places: vec![place],
        };
        let verdict = |standing: Option<&[(Rect, Seen)]>| question.verdict(&[], standing);
        assert_eq!(verdict(Some(&[(place, Seen::Yes), (elsewhere, Seen::No)])), Verdict::StillThere);
        assert_eq!(verdict(Some(&[(place, Seen::Unknown)])), Verdict::Unknown, "infrared does not show it");
        assert_eq!(verdict(Some(&[(place, Seen::No)])), Verdict::Gone);
        assert_eq!(verdict(Some(&[(elsewhere, Seen::Yes)])), Verdict::Gone);
        assert_eq!(verdict(None), Verdict::Unknown, "fog");
    }

    #[test]
    fn one_picture_that_shows_it_is_enough_and_one_without_says_more_than_none() {
        use Verdict::{Gone, StillThere, Unknown};
        let of = |pictures: &[Verdict]| pictures.iter().copied().fold(Unknown, surer);
        assert_eq!(of(&[Gone, StillThere, Gone]), StillThere);
        assert_eq!(of(&[Unknown, Gone]), Gone);
        assert_eq!(of(&[]), Unknown);
    }
}
