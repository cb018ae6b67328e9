//! Is the camera where it was? A pushed one is told as moved, one that shows nothing of its place as lost.

use super::grid::{Grid, Workbench};
use super::memory::Elsewhere;
use super::register::{SHAKE, Shift, far, shake};
use super::watcher::ChangeWatcher;
use crate::base::WallTime;

/// Looks in a row from another place that make a camera moved, or from nowhere that make it lost.
const MOVED_LOOKS: u32 = 3;
/// Likeness under which a look may be from elsewhere, and that another place must have.
const DOUBTFUL: f32 = 0.22;
const SURE: f32 = 0.25;

/// Is the camera where it was?
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Alignment {
    /// No reference yet.
    Learning,
    /// Where it was, but for shake; pixels of the picture.
    Steady { dx: f32, dy: f32 },
    /// Turned or pushed: everything is off by this much, in pixels of the picture. Nothing is judged.
    Moved { dx: f32, dy: f32, since: WallTime },
    /// Shows another place, or is covered. Nothing is judged.
    Lost { since: WallTime },
}

impl ChangeWatcher {
    pub(super) fn is_astray(&self) -> bool {
        self.memory.elsewhere.is_some()
    }

    /// Finds where the picture lies and puts the aligned structure into `bench.aligned`. `None`: nothing to go by yet.
    pub(super) fn register(
        &mut self,
        bench: &mut Workbench,
        bank: usize,
        at: WallTime,
        grid: Grid,
    ) -> Option<Alignment> {
        let reference = self.banks[bank].as_ref().filter(|b| b.is_mature());
        let most = || self.banks.iter().flatten().max_by_key(|b| b.learnt);
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
        let place = match (shift.likeness >= SURE, away) {
            (true, true) => Some(Some((shift.dx, shift.dy))),
            (false, _) if shift.likeness < DOUBTFUL * 0.6 => Some(None),
            _ => None,
        };
        let Some(place) = place else {
            // Who was pushed is back only when it is sure.
            let pushed = self.memory.elsewhere.filter(|e| e.looks >= MOVED_LOOKS && shift.likeness < SURE);
            if let Some(pushed) = pushed {
                return Some(pushed.alignment(grid));
            }
            self.memory.elsewhere = None;
            let Shift { dx, dy, .. } = if away { Shift::default() } else { shift };
            bench.field.moved(grid, dx, dy, &mut bench.aligned);
            let scale = grid.factor as f32;
            return Some(Alignment::Steady { dx: dx * scale, dy: dy * scale });
        };
        let same = |before: Option<(f32, f32)>| match (before, place) {
            (Some(a), Some(b)) => (a.0 - b.0).abs() < 2.5 && (a.1 - b.1).abs() < 2.5,
            (None, None) => true,
            _ => false,
        };
        let (looks, since) = match self.memory.elsewhere {
            Some(before) if same(before.place) => (before.looks + 1, before.since),
            _ => (1, at),
        };
        let elsewhere = self.memory.elsewhere.insert(Elsewhere { looks, since, place });
        Some(if looks < MOVED_LOOKS {
            Alignment::Steady { dx: 0.0, dy: 0.0 }
        } else {
            elsewhere.alignment(grid)
        })
    }
}
