//! Whether the camera still looks where it did: a pushed camera has moved, one that shows nothing of its
//! place is lost.

use super::bank::{BANKS, Bank};
use super::grid::Grid;
use super::register::{SHAKE, Shift, far, shake};
use super::workbench::Workbench;
use crate::base::WallTime;

/// Pictures in a row from another place that make a camera moved, or from nowhere that make it lost.
const MOVED_AFTER: u32 = 3;
/// A picture with less likeness may be from elsewhere.
const DOUBTFUL: f32 = 0.22;
/// A picture with less likeness than this is from nowhere known.
const UNKNOWN: f32 = DOUBTFUL * 0.6;
/// Likeness that another place must have.
const SURE: f32 = 0.25;
/// Two shifts that differ by less, in working pixels, are the same.
const SAME_SHIFT: f32 = 2.5;

/// Where the camera looks, compared with its reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Alignment {
    /// There is no reference yet.
    Learning,
    /// In place but for shake, in pixels of the picture.
    Steady { dx: f32, dy: f32 },
    /// Turned or pushed by so many pixels of the picture. Nothing is judged.
    Moved { dx: f32, dy: f32, since: WallTime },
    /// Shows another place, or is covered. Nothing is judged.
    Lost { since: WallTime },
}

/// Consecutive pictures that were not taken from the camera's place.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Elsewhere {
    #[serde(rename = "looks")]
    pictures: u32,
    since: WallTime,
    /// Shift in working pixels; `None` when the place is unknown.
    #[serde(rename = "place")]
    shift: Option<(f32, f32)>,
}

impl Elsewhere {
    fn alignment(&self, grid: Grid) -> Alignment {
        let (scale, since) = (grid.factor as f32, self.since);
        match self.shift {
            Some((dx, dy)) => Alignment::Moved { dx: dx * scale, dy: dy * scale, since },
            None => Alignment::Lost { since },
        }
    }
}

/// Finds where the picture lies and writes its aligned structure to `bench.aligned`. `None` without a
/// reference.
pub(super) fn align(
    banks: &[Option<Bank>; BANKS],
    elsewhere: &mut Option<Elsewhere>,
    bench: &mut Workbench,
    bank: usize,
    at: WallTime,
    grid: Grid,
) -> Option<Alignment> {
    let reference = banks[bank].as_ref().filter(|b| b.is_mature());
    let most = || banks.iter().flatten().max_by_key(|b| b.learnt);
    let reference = &reference.or_else(most)?.field;
    let mut shift = shake(&bench.field, reference, grid, (0, 0));
    let edge = SHAKE as f32 - 0.5;
    if shift.likeness < DOUBTFUL || shift.dx.abs() >= edge || shift.dy.abs() >= edge {
        let other = far(&bench.field, reference, grid);
        if other.likeness > shift.likeness {
            shift = other;
        }
    }
    let away = shift.dx.abs() >= edge || shift.dy.abs() >= edge;
    let found = match (shift.likeness >= SURE, away) {
        (true, true) => Some(Some((shift.dx, shift.dy))),
        (false, _) if shift.likeness < UNKNOWN => Some(None),
        _ => None,
    };
    let Some(found) = found else {
        // A pushed camera is back only when the match is sure.
        let pushed = elsewhere.filter(|e| e.pictures >= MOVED_AFTER && shift.likeness < SURE);
        if let Some(pushed) = pushed {
            return Some(pushed.alignment(grid));
        }
        *elsewhere = None;
        let Shift { dx, dy, .. } = if away { Shift::default() } else { shift };
        bench.field.moved(grid, dx, dy, &mut bench.aligned);
        let scale = grid.factor as f32;
        return Some(Alignment::Steady { dx: dx * scale, dy: dy * scale });
    };
    let same = |before: Option<(f32, f32)>| match (before, found) {
        (Some(a), Some(b)) => (a.0 - b.0).abs() < SAME_SHIFT && (a.1 - b.1).abs() < SAME_SHIFT,
        (None, None) => true,
        _ => false,
    };
    let (pictures, since) = match elsewhere {
        Some(before) if same(before.shift) => (before.pictures + 1, before.since),
        _ => (1, at),
    };
    let elsewhere = elsewhere.insert(Elsewhere { pictures, since, shift: found });
    Some(if pictures < MOVED_AFTER {
        Alignment::Steady { dx: 0.0, dy: 0.0 }
    } else {
        elsewhere.alignment(grid)
    })
}
