//! What a watcher remembers beside its references.

use super::alignment::Alignment;
use super::grid::Grid;
use super::region::Region;
use crate::base::WallTime;

/// The small part of what a watcher remembers.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Memory {
    pub(super) began: Option<WallTime>,
    pub(super) regions: Vec<Region>,
    pub(super) last_id: u32,
    /// The last looks that were judged, oldest first.
    pub(super) looks: Vec<WallTime>,
    pub(super) snowed: Option<WallTime>,
    /// Weather hides the place: since when, and how many looks were calm since.
    pub(super) weather: Option<(WallTime, u32)>,
    /// Since when every look was hazy somewhere.
    #[serde(default)]
    pub(super) haze: Option<WallTime>,
    pub(super) elsewhere: Option<Elsewhere>,
}

/// Looks in a row that were not from the camera's place.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Elsewhere {
    pub(super) looks: u32,
    pub(super) since: WallTime,
    /// How far off, in working pixels; `None`: nowhere known.
    pub(super) place: Option<(f32, f32)>,
}

impl Elsewhere {
    pub(super) fn alignment(&self, grid: Grid) -> Alignment {
        let (scale, since) = (grid.factor as f32, self.since);
        match self.place {
            Some((dx, dy)) => Alignment::Moved { dx: dx * scale, dy: dy * scale, since },
            None => Alignment::Lost { since },
        }
    }
}
