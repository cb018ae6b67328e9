//! Takes: the detections of one camera in order of time. Gives: [`Track`]s.
//! When full: does not queue; 50 objects cost less than a millisecond. On failure: detections that are not numbers are passed over.
//! Not here: what a track means; clocks, IO and threads (this is a pure stage and replays bit for bit).

mod assign;
mod class_groups;
mod kalman;
mod tracker;

use serde::{Deserialize, Serialize};

use crate::base::{ClassName, Rect, TrackId, WallTime};

pub use tracker::Tracker;

/// One thing followed over pictures of one camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Track {
    pub id: TrackId,
    /// By majority of score over its life.
    pub class: ClassName,
    /// Where it was last seen.
    pub rect: Rect,
    /// Of the last detection that continued it.
    pub score: f32,
    pub first_seen: WallTime,
    pub last_seen: WallTime,
    /// Since when it has not moved by more than half its own size.
    pub still_since: WallTime,
    /// Pictures it was seen in.
    pub hits: u32,
    /// Seen in the newest picture, not only predicted.
    pub seen_now: bool,
}

#[cfg(test)]
mod tests;
