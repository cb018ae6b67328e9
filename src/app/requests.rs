//! Requests from the commands to the rules thread, which alone owns the scenes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use uuid::Uuid;

use crate::base::{CameraId, Rect};
use crate::change::Seen;
use crate::config::CameraConfig;
use crate::decode::Picture;
use crate::scene::{RulesChange, Scene, Scenes};
use crate::track::Track;

/// The most requests for pictures that wait at a time; further ones are dropped.
const MAX_WAITING: usize = 64;

/// The thread replies through `answer`. It drops the sender if it has no such camera.
pub(super) enum Request {
    /// Send the next `pictures` pictures of the camera, each with the objects found in it.
    Pictures { camera: CameraId, pictures: u32, answer: SyncSender<Observation> },
    /// Change the rules of a camera.
    Rules { camera: CameraId, event: Uuid, change: RulesChange, answer: SyncSender<()> },
}

/// A picture with the objects found in it.
pub(super) struct Observation {
    pub camera: Arc<CameraConfig>,
    pub picture: Arc<Picture>,
    /// The tracks that are visible in this picture.
    pub tracks: Vec<Track>,
    /// Lasting changes. `None`: the scene cannot be judged now, or no rule needs them.
    pub standing: Option<Vec<(Rect, Seen)>>,
}

/// The requests that wait for pictures.
#[derive(Default)]
pub(super) struct PictureRequests {
    waiting: Vec<(CameraId, u32, SyncSender<Observation>)>,
}

impl PictureRequests {
    pub fn add(&mut self, camera: CameraId, pictures: u32, answer: SyncSender<Observation>, scenes: &Scenes) {
        if scenes.contains_key(&camera) && self.waiting.len() < MAX_WAITING {
            self.waiting.push((camera, pictures, answer));
        }
    }

    /// Sends the picture to every request for this camera.
    pub fn answer(&mut self, scene: &Scene, picture: &Arc<Picture>) {
        self.waiting.retain_mut(|(camera, left, sender)| {
            if *camera != scene.config.id {
                return true;
            }
            let tracks = scene.tracks().iter().filter(|t| t.seen_now).cloned().collect();
            let observation = Observation {
                camera: Arc::clone(&scene.config),
                picture: Arc::clone(picture),
                tracks,
                standing: scene.standing().map(<[_]>::to_vec),
            };
            *left = left.saturating_sub(1);
            // A full or closed channel means that the requester gave up.
            sender.try_send(observation).is_ok() && *left > 0
        });
    }

    /// Drops the requests for cameras that have no scene any more.
    pub fn retain_scenes(&mut self, scenes: &BTreeMap<CameraId, Scene>) {
        self.waiting.retain(|(camera, ..)| scenes.contains_key(camera));
    }
}
