//! What the rules of a camera read: tracks, changes, and the picture they come from.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::{ClassKinds, ClassName, ConfidenceMaps, Rect, TrackId, WallTime};
use crate::change::{ChangeRegion, Seen};
use crate::config::Rule;
use crate::decode::Picture;
use crate::observation::{Backdrop, Before, Observation};
use crate::second_look::SecondLookManifest;
use crate::track::Track;

/// The model's score thresholds by class.
pub type Thresholds = BTreeMap<ClassName, f32>;

/// One picture as a rule sees it.
pub(super) struct RuleInput<'a> {
    pub(super) at: WallTime,
    pub(super) observation: &'a Observation,
    /// Time since the last picture, watched or not.
    pub(super) elapsed: Duration,
    /// How the place usually looks, of a fixed camera that has shown something.
    pub(super) backdrop: Option<&'a Backdrop>,
    pub(super) tracks: &'a [Track],
    pub(super) changes: Option<&'a Changes>,
    pub(super) picture: Option<&'a Picture>,
    pub(super) thresholds: &'a Thresholds,
    pub(super) kinds: &'a ClassKinds,
    /// `None`: there are no second looks.
    pub(super) second_look: Option<&'a SecondLookManifest>,
    pub(super) confidences: &'a ConfidenceMaps,
    pub(super) rule: &'a Rule,
    pub(super) awake: bool,
    /// The node's clock was set and is not in step again, so nothing opens.
    pub(super) waits: bool,
    /// The camera moves, so places drift with the errors of its motion.
    pub(super) moving: bool,
    /// Since when the camera has watched without a gap.
    pub(super) watched_from: WallTime,
    /// There was a picture shortly before, so anything new has just come.
    pub(super) watched_before: bool,
}

impl RuleInput<'_> {
    /// The part of the time since the last picture in which nobody watched.
    pub(super) fn unwatched(&self) -> Duration {
        self.elapsed.saturating_sub(self.observation.watched)
    }

    /// The picture, if places in it can be compared with earlier pictures: there is one, and the camera is fixed.
    pub(super) fn fixed_picture(&self) -> Option<&Picture> {
        self.picture.filter(|_| !self.moving)
    }

    /// Did the place look otherwise before? `None`: the camera moves, or there is no picture.
    pub(super) fn before(&self, rect: &Rect) -> Option<Before> {
        let gray = self.observation.gray.as_ref()?;
        // The first pictures show what was there when the camera began.
        Some(self.backdrop.map_or(Before::Same, |backdrop| backdrop.before(gray, rect)))
    }
}

/// The class of a change among the objects of an event.
pub const CHANGE: &str = "change";

/// The changes that an inspection of the place found, each as a standing thing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    pub regions: Vec<Changed>,
    /// The highest id given so far. A region with a higher id is from before the memory of the place was
    /// lost.
    pub last_id: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    pub region: ChangeRegion,
    /// The region as a thing, with its place on the ground if known.
    pub track: Track,
}

impl Changed {
    /// Without a place on the ground.
    pub fn new(region: ChangeRegion) -> Self {
        let track = Track {
            id: TrackId(u64::from(region.id)),
            class: ClassName::from(CHANGE),
            rect: region.rect,
            score: (0.5 + 0.1 * region.lights.saturating_sub(1).min(3) as f32).min(1.0),
            first_seen: region.first_seen,
            last_seen: region.last_confirmed,
            still_since: region.first_seen,
            found_since: region.first_seen,
            hits: 1,
            seen_now: region.seen == Seen::Yes,
            scale: 0.0,
            ground: None,
        };
        Self { region, track }
    }
}
