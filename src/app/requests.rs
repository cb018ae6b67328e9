//! What the commands ask of the thread that decides; it alone has the scenes.

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

/// Those who wait for a camera's next picture; more are turned away.
const MAX_WAITING: usize = 64;

/// Answered by `answer`; one whose sender is dropped without a word is about a camera that is not there.
pub(super) enum Order {
    /// The next `pictures` pictures of the camera, each with what was found in it.
    Look { camera: CameraId, pictures: u32, answer: SyncSender<Sight> },
    /// Something is to be changed in the rules of a camera.
    Rules { camera: CameraId, event: Uuid, change: RulesChange, answer: SyncSender<()> },
}

/// A picture with what was found in it.
pub(super) struct Sight {
    pub camera: Arc<CameraConfig>,
    pub picture: Arc<Picture>,
    /// Those that are seen in this picture.
    pub tracks: Vec<Track>,
    /// Lasting changes; `None`: the place cannot be judged now, or nothing asks for it.
    pub standing: Option<Vec<(Rect, Seen)>>,
}

/// Who waits for pictures.
#[derive(Default)]
pub(super) struct Lookouts {
    waiting: Vec<(CameraId, u32, SyncSender<Sight>)>,
}

impl Lookouts {
    pub fn add(&mut self, camera: CameraId, pictures: u32, answer: SyncSender<Sight>, scenes: &Scenes) {
        if scenes.contains_key(&camera) && self.waiting.len() < MAX_WAITING {
            self.waiting.push((camera, pictures, answer));
        }
    }

    /// Gives the picture to whoever waits for one of this camera.
    pub fn show(&mut self, scene: &Scene, picture: &Arc<Picture>) {
        self.waiting.retain_mut(|(camera, left, answer)| {
            if *camera != scene.config.id {
                return true;
            }
            let tracks = scene.tracks().iter().filter(|t| t.seen_now).cloned().collect();
            let sight = Sight {
                camera: Arc::clone(&scene.config),
                picture: Arc::clone(picture),
                tracks,
                standing: scene.standing().map(<[_]>::to_vec),
            };
            *left = left.saturating_sub(1);
            // Who has given up waiting is taken off the list.
            answer.try_send(sight).is_ok() && *left > 0
        });
    }

    /// A camera that is gone gives no picture.
    pub fn forget(&mut self, scenes: &BTreeMap<CameraId, Scene>) {
        self.waiting.retain(|(camera, ..)| scenes.contains_key(camera));
    }
}
