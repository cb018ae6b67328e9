//! Takes: the detections of one camera in order of time. Gives: [`Track`]s.
//! When full: does not queue; 50 objects cost less than a millisecond. On failure: detections that are not numbers are passed over.
//! Not here: what a track means; clocks, IO and threads (this is a pure stage and replays bit for bit).

mod assign;
mod class_groups;
mod kalman;
mod tracker;

use serde::{Deserialize, Serialize};

use crate::base::{ClassName, Rect, TrackId, WallTime, ZoneId};

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
    /// Where it stood on the ground when it was last seen. The tracker leaves it empty: who knows the camera's place
    /// fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<OnGround>,
}

/// A thing's place on the ground, in metres from a fixed point near the camera; single precision is a millimetre there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnGround {
    pub east_m: f32,
    pub north_m: f32,
    pub up_m: f32,
    /// Half axes of the ellipse in which it stands with 95 % confidence, and the larger one's direction from north.
    pub semi_major_m: f32,
    pub semi_minor_m: f32,
    pub azimuth_deg: f32,
    /// Size of its box as seen, width times height at its distance.
    pub area_m2: f32,
    /// Ground zones that it stands in.
    pub zones: Vec<ZoneId>,
}

impl OnGround {
    /// Distance along the ground.
    pub fn metres_to(&self, other: &Self) -> f32 {
        (self.east_m - other.east_m).hypot(self.north_m - other.north_m)
    }
}

#[cfg(test)]
mod tests;
