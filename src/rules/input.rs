//! What the rules of a camera read: tracks, changes, and the picture they come from.

use std::collections::BTreeMap;

use crate::base::{ClassKinds, ClassName, TrackId, WallTime};
use crate::change::{ChangeRegion, Seen};
use crate::config::Rule;
use crate::decode::Picture;
use crate::track::Track;

/// The model's score thresholds by class.
pub type Thresholds = BTreeMap<ClassName, f32>;

/// One picture as a rule sees it.
pub(super) struct RuleInput<'a> {
    pub(super) at: WallTime,
    pub(super) tracks: &'a [Track],
    pub(super) changes: Option<&'a Changes>,
    pub(super) picture: Option<&'a Picture>,
    pub(super) thresholds: &'a Thresholds,
    pub(super) kinds: &'a ClassKinds,
    pub(super) rule: &'a Rule,
    pub(super) awake: bool,
    /// The camera moves, so places drift with the errors of its motion.
    pub(super) moving: bool,
    /// There was a picture shortly before, so anything new has just come.
    pub(super) watched_before: bool,
}

/// The class of a change among the objects of an event.
pub const CHANGE: &str = "change";

/// The changes that an inspection of the place found, each as a standing thing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    pub regions: Vec<Changed>,
    /// The highest id given so far. A region with a higher id is from before the memory of the place was lost.
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
            hits: 1,
            seen_now: region.seen == Seen::Yes,
            ground: None,
        };
        Self { region, track }
    }
}
