//! Answers commands from pictures: requests them, judges them, and replies when enough came or time is up.

use std::sync::mpsc::{TryRecvError, sync_channel};
use std::time::Duration;

use uuid::Uuid;

use super::commander::Commander;
use super::evidence::AnswerPicture;
use super::sender::Sender;
use super::waiting::{CameraWait, Question, Waiting};
use crate::app::requests::{LookedAt, PictureAnswer, Request};
use crate::app::rules_thread::Work;
use crate::base::{CameraId, ClassName, Rect, monotonic};
use crate::change::Seen;
use crate::events::feedback::KnownEvent;
use crate::rules::CHANGE;
use crate::track::Track;
use crate::wire::{CameraAnswer, MissingEvidence, ReplyData, Verdict};

/// How long a command waits for the pictures of a camera.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many pictures decide whether an object is gone: the detector may miss it in one.
const PICTURES: u32 = 3;
/// A box with at least this IoU to a place counts as being there.
const SAME_PLACE: f32 = 0.3;

impl CameraWait {
    /// Receives the pictures that have come. Returns the strongest verdict among them.
    fn receive(&mut self, question: &Question) -> Verdict {
        let mut verdict = Verdict::Unknown;
        loop {
            match self.observations.try_recv() {
                Ok(observation) => {
                    self.received += 1;
                    verdict = stronger(verdict, question.verdict(&observation));
                    self.newest = Some(observation);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.done = true;
                    break;
                }
            }
        }
        self.done |= self.received >= self.wanted;
        verdict
    }
}

impl Question {
    /// The verdict of one picture.
    fn verdict(&self, picture: &PictureAnswer) -> Verdict {
        let (tracks, standing) = (&picture.tracks, picture.standing.as_deref());
        self.judge(tracks, standing, &picture.looked)
    }

    /// `tracks`: visible in the picture. `standing`: the lasting changes as last compared; `None`: the scene cannot be
    /// judged.
    fn judge(&self, tracks: &[Track], standing: Option<&[(Rect, Seen)]>, looked: &LookedAt) -> Verdict {
        let Self::Rectified { objects, places, .. } = self else { return Verdict::Unknown };
        let here = |rect: &Rect| {
            let on = |p: &Rect| {
                rect.iou(p) >= SAME_PLACE || rect.intersection(p) >= 0.5 * rect.area().min(p.area())
            };
            places.iter().any(on)
        };
        if !objects.iter().any(|class| class.as_str() == CHANGE) {
            let there = tracks.iter().any(|t| objects.contains(&t.class) && here(&t.rect));
            return match looked {
                LookedAt::Not(_) => Verdict::Unknown,
                _ if there => Verdict::StillThere,
                LookedAt::LooksSame => Verdict::StillThere,
                LookedAt::Clearly => Verdict::Gone,
            };
        }
        let Some(standing) = standing else { return Verdict::Unknown };
        let verdict = |seen| match seen {
            Seen::Yes => Verdict::StillThere,
            Seen::No => Verdict::Gone,
            Seen::Unknown => Verdict::Unknown,
        };
        let seen = standing.iter().filter(|(rect, _)| here(rect)).map(|(_, seen)| verdict(*seen));
        seen.reduce(stronger).unwrap_or(Verdict::Gone)
    }
}

/// Why no picture could answer.
fn why_unknown(cameras: &[CameraWait]) -> String {
    let newest = cameras.iter().find_map(|camera| camera.newest.as_ref());
    match newest.map(|picture| &picture.looked) {
        Some(LookedAt::Not(why)) => (*why).to_owned(),
        Some(_) => "the place cannot be judged now".to_owned(),
        None if cameras.is_empty() => "only another flight can show it".to_owned(),
        None => format!("the camera gave no picture within {} s", PATIENCE.as_secs()),
    }
}

/// One picture that shows the object outweighs those that do not.
fn stronger(a: Verdict, b: Verdict) -> Verdict {
    match (a, b) {
        (Verdict::StillThere, _) | (_, Verdict::StillThere) => Verdict::StillThere,
        (Verdict::Gone, _) | (_, Verdict::Gone) => Verdict::Gone,
        _ => Verdict::Unknown,
    }
}

impl Commander {
    pub(super) fn check_again(&mut self, sender: Sender, event: Uuid, known: &KnownEvent) {
        let mut objects: Vec<ClassName> = known.objects.iter().map(|o| o.class.clone()).collect();
        objects.dedup();
        let question = Question::Rectified { event, objects, places: known.places() };
        // No camera sees the ground of a flight area.
        let of_flights = self.parts.flight_service.has(&known.camera);
        let cameras = if of_flights {
            Vec::new()
        } else {
            vec![self.request_pictures(&known.camera, PICTURES, Some(event))]
        };
        self.wait(sender, question, cameras);
    }

    pub(super) fn wait(&mut self, sender: Sender, question: Question, cameras: Vec<CameraWait>) {
        let deadline = monotonic() + PATIENCE;
        self.waiting.push(Waiting { sender, question, verdict: Verdict::Unknown, cameras, deadline });
    }

    /// `about`: the event that the pictures are to answer for.
    pub(super) fn request_pictures(
        &self,
        camera: &CameraId,
        pictures: u32,
        about: Option<Uuid>,
    ) -> CameraWait {
        let (answer, observations) = sync_channel(pictures as usize);
        let request = Request::Pictures { camera: camera.clone(), pictures, about, answer };
        // If the thread has ended, the request is dropped and with it the channel: the wait ends.
        drop(self.parts.to_rules.send(Work::Request(request)));
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
        CameraWait { answer, wanted: pictures, observations, newest: None, received: 0, done: false }
    }

    /// Answers the commands whose pictures have come, or whose time is up.
    pub(super) fn finish_waiting(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain_mut(|command| {
            for camera in &mut command.cameras {
                command.verdict = stronger(command.verdict, camera.receive(&command.question));
            }
            let done = command.cameras.iter().all(|camera| camera.done) || monotonic() >= command.deadline;
            if command.verdict != Verdict::StillThere && !done {
                return true;
            }
            self.conclude(command);
            false
        });
        self.waiting = waiting;
    }

    fn conclude(&self, command: &mut Waiting) {
        let mut data = ReplyData::done(&command.sender.name, command.sender.id.as_deref());
        let pictures = command.cameras.iter().map(|camera| camera.received).sum::<u32>();
        if let Question::Rectified { event, .. } = &command.question {
            data.event = Some(*event);
            data.verdict = Some(command.verdict);
            data.reason = (command.verdict == Verdict::Unknown).then(|| why_unknown(&command.cameras));
        }
        tracing::info!(command = command.sender.name, pictures, "judged from pictures: {:?}", data.verdict);
        let mut evidence = Vec::new();
        for CameraWait { mut answer, newest, .. } in std::mem::take(&mut command.cameras) {
            match newest {
                Some(observation) => evidence.push(self.answer_picture(observation, command, &answer)),
                None => answer.missing.push(MissingEvidence {
                    kind: "still".to_owned(),
                    reason: format!("the camera gave no picture within {} s", PATIENCE.as_secs()),
                }),
            }
            data.cameras.push(answer);
        }
        self.answer_with(&command.sender, data, evidence);
    }

    fn answer_picture(
        &self,
        observation: PictureAnswer,
        command: &Waiting,
        answer: &CameraAnswer,
    ) -> AnswerPicture {
        match &command.question {
            Question::Rectified { event, places, .. } => {
                let title = match command.verdict {
                    Verdict::StillThere => "Still there",
                    Verdict::Gone => "Not seen any more",
                    Verdict::Unknown => "Cannot be judged now",
                };
                AnswerPicture::new(observation, format!("{title}: event {event}"), places.clone())
            }
            Question::Lead { place, clip } => {
                let mark = answer.pixel.map(|[x, y]| {
                    let (x, y) = (x as f32, y as f32);
                    Rect::new(x - 0.01, y - 0.015, x + 0.01, y + 0.015)
                });
                let title = format!("Lead: {:.6}, {:.6}", place[0], place[1]);
                let answer = AnswerPicture::new(observation, title, mark.into_iter().collect());
                let evidence = &self.parts.config.evidence;
                let answer = answer.measured_from(*place, &self.parts.sites);
                if *clip { answer.with_clip(evidence.pre_roll, evidence.post_roll) } else { answer }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_change_is_answered_by_the_last_comparison_of_its_place_and_not_by_what_the_detector_sees() {
        let place = Rect::new(0.2, 0.2, 0.4, 0.4);
        let elsewhere = Rect::new(0.7, 0.2, 0.9, 0.4);
        let question = Question::Rectified {
            event: Uuid::nil(),
            objects: vec![ClassName::from(CHANGE)],
            places: vec![place],
        };
        let verdict = |standing: Option<&[(Rect, Seen)]>| question.judge(&[], standing, &LookedAt::Clearly);
        assert_eq!(verdict(Some(&[(place, Seen::Yes), (elsewhere, Seen::No)])), Verdict::StillThere);
        assert_eq!(verdict(Some(&[(place, Seen::Unknown)])), Verdict::Unknown, "infrared does not show it");
        assert_eq!(verdict(Some(&[(place, Seen::No)])), Verdict::Gone);
        assert_eq!(verdict(Some(&[(elsewhere, Seen::Yes)])), Verdict::Gone);
        assert_eq!(verdict(None), Verdict::Unknown, "fog");
    }

    #[test]
    fn what_cannot_be_seen_is_not_gone() {
        let objects = vec![ClassName::from("car")];
        let places = vec![Rect::new(0.2, 0.2, 0.4, 0.4)];
        let question = Question::Rectified { event: Uuid::nil(), objects, places };
        let verdict = |looked| question.judge(&[], None, &looked);
        assert_eq!(verdict(LookedAt::Not("the picture is dark")), Verdict::Unknown);
        assert_eq!(verdict(LookedAt::LooksSame), Verdict::StillThere, "the detector missed it");
        assert_eq!(verdict(LookedAt::Clearly), Verdict::Gone);
    }

    #[test]
    fn one_picture_that_shows_it_is_enough_and_one_without_says_more_than_none() {
        use Verdict::{Gone, StillThere, Unknown};
        let of = |pictures: &[Verdict]| pictures.iter().copied().fold(Unknown, stronger);
        assert_eq!(of(&[Gone, StillThere, Gone]), StillThere);
        assert_eq!(of(&[Unknown, Gone]), Gone);
        assert_eq!(of(&[]), Unknown);
    }
}
