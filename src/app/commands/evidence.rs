//! Stills and clips of an answer: made like those of an event, under their own ids.

use std::time::Duration;

use super::commander::Commander;
use super::sender::Sender;
use crate::app::requests::PictureAnswer;
use crate::base::Rect;
use crate::draw::Colour;
use crate::events::pending_evidence::PendingEvidence;
use crate::events::{evidence_state, media, store_pending};
use crate::evidence::{BoxMark, ClipRequest, EvidenceManifest, Overlay, event_dir};
use crate::geo::Geodetic;
use crate::outbox::Batch;
use crate::scene::Sites;
use crate::track::Track;
use crate::wire::{FoundObject, ReplyData};

/// A picture that is sent with an answer.
pub(super) struct AnswerPicture {
    observation: PictureAnswer,
    /// First line under the annotated picture.
    title: String,
    /// Places to mark in addition to the objects.
    marks: Vec<Rect>,
    /// Length of the clip before and after the picture.
    clip: Option<(Duration, Duration)>,
    /// Distance of each track from the requested place, in metres.
    distances: Vec<Option<f64>>,
}

impl AnswerPicture {
    pub fn new(observation: PictureAnswer, title: String, marks: Vec<Rect>) -> Self {
        Self { observation, title, marks, clip: None, distances: Vec::new() }
    }

    pub fn with_clip(self, before: Duration, after: Duration) -> Self {
        Self { clip: Some((before, after)), ..self }
    }

    /// Sorts the tracks by their distance from the place (longitude, latitude in degrees) and keeps the
    /// distances.
    pub fn measured_from(mut self, [lon, lat]: [f64; 2], sites: &Sites) -> Self {
        let Some(site) = sites.get(&self.observation.camera.id) else { return self };
        let frame = site.frame();
        let [east, north, _] = frame.to_enu(Geodetic::new(lon, lat, frame.origin().alt));
        let metres = |t: &Track| {
            let g = t.ground.as_ref()?;
            Some((f64::from(g.east_m) - east).hypot(f64::from(g.north_m) - north))
        };
        let far = |t: &Track| metres(t).unwrap_or(f64::INFINITY);
        self.observation.tracks.sort_by(|a, b| far(a).total_cmp(&far(b)));
        self.distances = self.observation.tracks.iter().map(metres).collect();
        self
    }

    fn overlay(&self) -> Overlay {
        let found = self.observation.tracks.iter().map(|t| BoxMark {
            rect: t.rect,
            label: t.class.to_string(),
            score: Some(t.score),
            colour: Colour::OBJECT,
        });
        let marks = self.marks.iter().map(|rect| BoxMark {
            rect: *rect,
            label: String::new(),
            score: None,
            colour: Colour::GONE,
        });
        Overlay { zones: Vec::new(), boxes: marks.chain(found).collect(), caption: vec![self.title.clone()] }
    }
}

impl Commander {
    /// Stores the answer with its pictures in one transaction, then requests the clips. Each picture belongs
    /// to the camera of the answer with the same id.
    pub(super) fn answer_with(&self, sender: &Sender, mut data: ReplyData, pictures: Vec<AnswerPicture>) {
        let recorder = &self.parts.recorder;
        let mut batch = Batch::default();
        let mut clips = Vec::new();
        let mut all_pending = Vec::new();
        for shown in pictures {
            let (camera, picture) = (&shown.observation.camera, &shown.observation.picture);
            let Some(answer) = data.cameras.iter_mut().find(|a| a.camera == camera.id.as_str()) else {
                continue;
            };
            let id = sender.answer_id(&self.parts.config.node.id, camera.id.as_str());
            let dir = event_dir(&self.parts.config.node.data_dir, id);
            let stills = recorder.settings().stills.write_asked(&dir, picture, &camera.name, shown.overlay());
            recorder.journal.missing(stills.missing.len());
            batch.media.extend(stills.files.iter().map(|file| media(id, file)));
            let node = &self.parts.config.node.id;
            let manifest = EvidenceManifest::new(id, node, &camera.id, recorder.journal.generator.clone())
                .with_files(&stills.files, &stills.missing)
                .with_picture(&picture.capture);
            let at = picture.capture.at;
            let clip = shown.clip.map(|(before, after)| ClipRequest {
                event: id,
                camera: camera.id.clone(),
                from: at - before,
                to: at + after,
            });
            let pending = PendingEvidence {
                manifest,
                clip: clip.clone(),
                owed: Vec::new(),
                clip_on_request: false,
                ended: true,
            };
            answer.evidence = Some(id);
            answer.time = Some(at.to_string());
            let state = evidence_state(&pending);
            (answer.expected, answer.missing) = (state.expected, state.missing);
            let found = shown.observation.tracks.iter().enumerate().map(|(i, t)| FoundObject {
                class: t.class.to_string(),
                score: (f64::from(t.score) * 1e4).round() / 1e4,
                rect: [t.rect.x0, t.rect.y0, t.rect.x1, t.rect.y1]
                    .map(|v| (f64::from(v) * 1e4).round() / 1e4),
                distance_m: shown.distances.get(i).copied().flatten().map(|d| (d * 100.0).round() / 100.0),
                still_since: t.still_since.to_string(),
            });
            answer.objects = found.collect();
            if clip.is_none() {
                recorder.journal.add_manifest(&pending, at, &mut batch);
            }
            all_pending.push((id, pending));
            clips.extend(clip);
        }
        let mut held = recorder.journal.lock();
        for (id, pending) in all_pending {
            held.insert(id, pending);
            store_pending(&mut held, id, &mut batch);
        }
        self.add_reply(sender, data, &mut batch);
        self.parts.clips.hold(&clips);
        let stored = recorder.journal.commit_or_withdraw(held, batch, &self.stop);
        if stored {
            sender.delivery.done();
            for request in &clips {
                if let Err(error) = self.parts.clips.schedule(request.clone()) {
                    recorder.refuse_clip(request, error);
                }
            }
        } else {
            // The command comes again. Nothing waits for the evidence of this answer.
            let mut held = recorder.journal.lock();
            clips.iter().for_each(|request| drop(held.remove(&request.event)));
        }
        self.parts.clips.release(&clips);
    }
}
