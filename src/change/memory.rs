//! What a watcher remembers besides its banks.

use super::alignment::Elsewhere;
use super::region::Region;
use crate::base::WallTime;

/// The small part of a watcher's memory, stored as JSON.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Memory {
    pub(super) began: Option<WallTime>,
    pub(super) regions: Vec<Region>,
    pub(super) last_id: u32,
    /// Times of the last judged pictures, oldest first.
    #[serde(rename = "looks")]
    pub(super) judged: Vec<WallTime>,
    pub(super) snowed: Option<WallTime>,
    /// Weather hides the place: since when, and how many calm pictures in a row have followed.
    pub(super) weather: Option<(WallTime, u32)>,
    /// Since when every picture has been hazy somewhere.
    #[serde(default)]
    pub(super) haze: Option<WallTime>,
    pub(super) elsewhere: Option<Elsewhere>,
}
