//! Tracks: what the tracker knows of each object.

use serde::{Deserialize, Serialize};

use crate::base::{ClassName, Rect, TrackId, WallTime, ZoneId};

/// One object tracked through the pictures of one camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Track {
    pub id: TrackId,
    /// The class with the highest sum of scores so far.
    pub class: ClassName,
    /// Last seen position, in normalised picture coordinates.
    pub rect: Rect,
    /// Score of the last detection that continued it, 0 to 1.
    pub score: f32,
    pub first_seen: WallTime,
    pub last_seen: WallTime,
    /// The time since which it has moved by no more than half its size.
    pub still_since: WallTime,
    /// The time since which it was never missed for long where it was looked for. It may have left before.
    pub found_since: WallTime,
    /// Number of pictures with a detection of it.
    pub hits: u32,
    /// Detected in the newest picture, not only predicted.
    pub seen_now: bool,
    /// How closely it was looked at when it was last seen: pixels of the network's input a pixel of the
    /// picture. 0: not known.
    #[serde(default)]
    pub scale: f32,
    /// Position on the ground when it was last seen. The tracker leaves it empty; the scene fills it in where
    /// it knows the camera's position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<OnGround>,
}

/// An object's position on the ground, in metres from a fixed point near the camera. Single precision
/// resolves millimetres there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnGround {
    pub east_m: f32,
    pub north_m: f32,
    pub up_m: f32,
    /// Half axes of its 95 % confidence ellipse, and the direction of the larger one from north, clockwise.
    pub semi_major_m: f32,
    pub semi_minor_m: f32,
    pub azimuth_deg: f32,
    /// Size of its box, width times height at its distance.
    pub area_m2: f32,
    /// Ground zones that contain it.
    pub zones: Vec<ZoneId>,
}

impl OnGround {
    /// Horizontal distance in metres.
    pub fn metres_to(&self, other: &Self) -> f32 {
        (self.east_m - other.east_m).hypot(self.north_m - other.north_m)
    }
}
