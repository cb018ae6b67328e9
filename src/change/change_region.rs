//! A region of lasting change, as the rules and events see it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{Point, Rect, WallTime};

/// A cell that has belonged to its region for less than one in so many parts of the region's age is not
/// reported yet.
pub(super) const YOUNG: u32 = 3;
/// A cell that joined this long ago belongs to the region, however old the region is.
pub(super) const GROWN_IN: Duration = Duration::from_secs(24 * 3600);

/// Does a picture show the region?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    Yes,
    /// Clearly not there.
    No,
    /// Hidden by weather or by something that moves, or not visible in this light.
    Unknown,
}

/// A part of the picture that has looked different for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeRegion {
    /// Stays the same while the region lasts. The camera never reuses it.
    pub id: u32,
    /// A simple polygon, normalised to 0..1; empty when there is none.
    pub outline: Vec<Point>,
    /// The box around the outline, normalised.
    pub rect: Rect,
    /// Share of the picture within the outline, 0 to 1.
    pub share: f32,
    pub first_seen: WallTime,
    /// The last picture that showed it.
    pub last_confirmed: WallTime,
    /// The last daylight picture that clearly did not show it. Inconclusive pictures move this time forward
    /// until the region is seen again.
    #[serde(default)]
    pub denied: Option<WallTime>,
    pub seen: Seen,
    /// How many different lights have shown it: times of day, and infrared.
    pub lights: u32,
    /// Only daylight shows it, and only by its edges: it may be the sun.
    #[serde(default)]
    pub edges_only: bool,
    /// When it grew, and to which share of the picture. The first entry is its beginning.
    pub growth: Vec<(WallTime, f32)>,
    /// How much green was lost, 0 to 1. At 1 leaves became bare earth or stone.
    pub bared: f32,
    /// Brightness now divided by brightness before, relative to the rest of the picture. 1 means no change.
    pub brighter: f32,
}

impl ChangeRegion {
    /// The shortest time for which any part of the outline has stood.
    pub fn all_stood(&self) -> Duration {
        (self.last_confirmed.since(self.first_seen) / YOUNG).min(GROWN_IN)
    }
}
