//! The second looks of one camera: crops of the things that its rules ask about, and of what came without
//! a box of the detector.

use std::sync::Arc;

use super::ground::Site;
use crate::base::{ClassKind, ClassKinds, Rect, TrackId};
use crate::decode::Picture;
use crate::observation::{Backdrop, Newcomers, Observation};
use crate::rules::ThingInQuestion;
use crate::second_look::{CropAnswer, CropCutter, CropQuestion, SecondLookManifest};
use crate::track::Track;

/// Of a vehicle or machine, seen from the side or from above, in square metres.
const AREA_M2: std::ops::RangeInclusive<f32> = 1.5..=80.0;

pub(super) struct SecondLooks {
    cutter: CropCutter,
    kinds: ClassKinds,
    /// `None`: the camera moves.
    newcomers: Option<Newcomers>,
}

impl SecondLooks {
    /// `fixed`: the camera's view stays.
    pub fn new(manifest: Arc<SecondLookManifest>, kinds: ClassKinds, fixed: bool) -> Self {
        let newcomers = fixed.then(|| Newcomers::new(Arc::clone(&manifest)));
        Self { cutter: CropCutter::new(manifest), kinds, newcomers }
    }

    /// Adds to an observation what came and stays without a box of the detector, once a second look has
    /// recognised it. `size`: width and height of the picture.
    pub fn follow(
        &mut self,
        observation: &mut Observation,
        backdrop: Option<&Backdrop>,
        site: Option<&Site>,
        size: (u32, u32),
    ) {
        let Some(newcomers) = &mut self.newcomers else { return };
        let fits = |rect: &Rect| Some(AREA_M2.contains(&site?.area_m2(rect, size)?));
        newcomers.follow(observation, backdrop, aspect(size), fits);
    }

    /// The crops to look at in this picture. `tracks` are those after it.
    pub fn questions(
        &mut self,
        things: Vec<ThingInQuestion>,
        tracks: &[Track],
        picture: &Picture,
        is_new: bool,
    ) -> Vec<CropQuestion> {
        let at = picture.capture.at;
        let mut newcomer = None;
        if let Some(newcomers) = &mut self.newcomers {
            let is_large = |t: &&Track| {
                t.seen_now && matches!(self.kinds.kind(&t.class), ClassKind::Vehicle | ClassKind::Machine)
            };
            let large = tracks.iter().filter(is_large).map(|track| &track.rect);
            newcomers.learn(large, aspect((picture.width, picture.height)));
            newcomer = newcomers.question(at, is_new);
        }
        let things = things.into_iter().map(|thing| (thing.track, thing.rect)).chain(newcomer);
        let question = |(track, rect): (TrackId, Rect)| {
            Some(CropQuestion { track, rect, at, input: self.cutter.cut(picture, &rect)? })
        };
        things.filter_map(question).collect()
    }

    /// Takes an answer; `false`: it is for the rules.
    pub fn answer(&mut self, answer: &CropAnswer) -> bool {
        self.newcomers.as_mut().is_some_and(|newcomers| newcomers.answer(answer))
    }
}

/// Width by height.
fn aspect((width, height): (u32, u32)) -> f32 {
    width as f32 / height.max(1) as f32
}
