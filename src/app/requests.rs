//! Requests from the commands to the rules thread, which alone owns the scenes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use uuid::Uuid;

use crate::base::{CameraId, Rect};
use crate::change::Seen;
use crate::config::CameraConfig;
use crate::decode::Picture;
use crate::observation::Visibility;
use crate::rules::{Decision, EventSight};
use crate::scene::{RulesChange, Scene, Scenes};
use crate::track::Track;

/// The most requests for pictures that wait at a time; further ones are dropped.
const MAX_WAITING: usize = 64;

/// The thread replies through `answer`. It drops the sender if it has no such camera.
pub(super) enum Request {
    /// Send the next `pictures` pictures of the camera, each with the objects found in it.
    /// `about`: the event that the question is about.
    Pictures { camera: CameraId, pictures: u32, about: Option<Uuid>, answer: SyncSender<PictureAnswer> },
    /// Change the rules of a camera.
    Rules { camera: CameraId, event: Uuid, change: RulesChange, decision: Decision, answer: SyncSender<()> },
}

/// A picture with the objects found in it.
pub(super) struct PictureAnswer {
    pub camera: Arc<CameraConfig>,
    pub picture: Arc<Picture>,
    /// The tracks that are visible in this picture.
    pub tracks: Vec<Track>,
    /// Lasting changes. `None`: the scene cannot be judged now, or no rule needs them.
    pub standing: Option<Vec<(Rect, Seen)>>,
    pub looked: LookedAt,
}

/// What can be concluded from a picture that does not show an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LookedAt {
    /// The place was looked at and can be seen: the object is not there.
    Clearly,
    /// The place looks as it did with the object, which the detector missed.
    LooksSame,
    /// Nothing, and why.
    Not(&'static str),
}

impl LookedAt {
    /// `event`: the one whose places are asked about.
    fn of(scene: &Scene, event: Option<Uuid>) -> Self {
        match scene.visibility() {
            None => return Self::Not("no picture was looked at"),
            Some(Visibility::Poor(why)) => return Self::Not(why.words()),
            Some(Visibility::Clear) => {}
        }
        match event.and_then(|event| scene.place_of(event)) {
            Some(EventSight::Here) => Self::LooksSame,
            Some(EventSight::Unsure) => Self::Not("something hides the place, or the camera was turned"),
            Some(EventSight::NotLookedAt) => Self::Not("this picture's slices leave the place out"),
            Some(EventSight::Gone) | None => Self::Clearly,
        }
    }
}

/// The requests that wait for pictures.
#[derive(Default)]
pub(super) struct PictureRequests {
    waiting: Vec<WaitingRequest>,
}

struct WaitingRequest {
    camera: CameraId,
    /// Pictures still to send.
    left: u32,
    about: Option<Uuid>,
    answer: SyncSender<PictureAnswer>,
}

impl PictureRequests {
    pub fn add(
        &mut self,
        camera: CameraId,
        pictures: u32,
        about: Option<Uuid>,
        answer: SyncSender<PictureAnswer>,
        scenes: &Scenes,
    ) {
        if scenes.contains_key(&camera) && self.waiting.len() < MAX_WAITING {
            self.waiting.push(WaitingRequest { camera, left: pictures, about, answer });
        }
    }

    /// Sends the picture to every request for this camera.
    pub fn answer(&mut self, scene: &Scene, picture: &Arc<Picture>) {
        self.waiting.retain_mut(|request| {
            if request.camera != scene.config.id {
                return true;
            }
            let tracks = scene.tracks().iter().filter(|t| t.seen_now).cloned().collect();
            let answer = PictureAnswer {
                camera: Arc::clone(&scene.config),
                picture: Arc::clone(picture),
                tracks,
                standing: scene.standing().map(<[_]>::to_vec),
                looked: LookedAt::of(scene, request.about),
            };
            request.left = request.left.saturating_sub(1);
            // A full or closed channel means that the requester gave up.
            request.answer.try_send(answer).is_ok() && request.left > 0
        });
    }

    /// Drops the requests for cameras that have no scene any more.
    pub fn retain_scenes(&mut self, scenes: &BTreeMap<CameraId, Scene>) {
        self.waiting.retain(|request| scenes.contains_key(&request.camera));
    }
}
