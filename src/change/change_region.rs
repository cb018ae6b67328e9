//! A region as others see it, and where it ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::grid::Grid;
use super::outline::outline;
use super::region::{BY_INFRARED, Cell, Region};
use super::shape::Shape;
use crate::base::{Point, Rect, WallTime};

/// Colours that have changed by this share of their limits, both together, are more than edges.
const TINTED: f32 = 0.6;
/// What joined in this part of its time is not told yet.
const YOUNG: u32 = 3;
/// What joined so long ago has grown onto it, however old it is.
const GROWN_IN: Duration = Duration::from_secs(24 * 3600);
/// A region that is older is one thing, in however many parts it shows.
const SPLITS: Duration = Duration::from_secs(12 * 3600);

/// Does a look show it?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    Yes,
    /// Clearly not there.
    No,
    /// Hidden by something that moves, by weather, or not to be told in this light.
    Unknown,
}

/// A part of the picture that has looked different for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeRegion {
    /// The same as long as it lasts; never used again by this camera.
    pub id: u32,
    pub outline: Vec<Point>,
    pub rect: Rect,
    /// Share of the picture within the outline, 0 to 1.
    pub share: f32,
    pub first_seen: WallTime,
    /// The last look that showed it.
    pub last_confirmed: WallTime,
    /// The last look by day that clearly did not show it, or a later one that says nothing, while it was not seen again.
    #[serde(default)]
    pub denied: Option<WallTime>,
    pub seen: Seen,
    /// In how many different lights it was seen: times of day, infrared.
    pub lights: u32,
    /// Only daylight shows it, and only by its edges: the sun may have made it.
    #[serde(default)]
    pub edges_only: bool,
    /// When it had grown, and to which share of the picture; the first entry is its beginning.
    pub growth: Vec<(WallTime, f32)>,
    /// 0 to 1: how much green was lost (1: leaves became bare earth or stone).
    pub bared: f32,
    /// Brightness now by brightness before, against the rest of the picture; 1 is as ever.
    pub brighter: f32,
}

impl ChangeRegion {
    /// How long every part of its outline has stood at least.
    pub fn all_stood(&self) -> Duration {
        (self.last_confirmed.since(self.first_seen) / YOUNG).min(GROWN_IN)
    }
}

impl Region {
    /// Things that were put up side by side are one region at first. Once a second light shows it, and in its first hours,
    /// what does not touch its largest part and has `least` cells is given away, to be a region of its own.
    pub(super) fn split(&mut self, grid: Grid, least: usize) -> Vec<Region> {
        if self.lights.count_ones() < 2 || self.last_confirmed.since(self.first_seen) > SPLITS {
            return Vec::new();
        }
        let core: Vec<u32> = self.core().collect();
        let shape = Shape::of(&core, grid);
        let (part, sizes) = shape.parts();
        let mut large: Vec<usize> = (1..sizes.len()).filter(|p| sizes[*p] >= least).collect();
        large.sort_by_key(|p| std::cmp::Reverse(sizes[*p]));
        if large.len() < 2 {
            return Vec::new();
        }
        let inner: Vec<usize> = (0..part.len()).filter(|i| large.contains(&part[*i])).collect();
        let nearest = |cell: &Cell| {
            let (x, y) = (cell.number as usize % grid.columns(), cell.number as usize / grid.columns());
            let apart = |i: &&usize| {
                let (u, v) = (shape.left + **i % shape.columns, shape.top + **i / shape.columns);
                u.abs_diff(x).pow(2) + v.abs_diff(y).pow(2)
            };
            inner.iter().min_by_key(apart).map_or(0, |i| part[*i])
        };
        let owners: Vec<usize> = self.cells.iter().map(nearest).collect();
        let of = |p: usize| -> Vec<Cell> {
            self.cells.iter().zip(&owners).filter(|(_, o)| **o == p).map(|(c, _)| *c).collect()
        };
        let share = |p: usize| sizes[p] as f32 / grid.cells() as f32;
        let give =
            |p: &usize| Region { cells: of(*p), growth: vec![(self.first_seen, share(*p))], ..self.clone() };
        let given = large[1..].iter().map(give).collect();
        self.cells = of(large[0]);
        given
    }

    /// The cells that at least half as many lights have shown as the best of them, and that have stood for a third of the
    /// longest time: what joined on a day of odd light, or is parked beside it for some hours, is not told.
    pub(super) fn core(&self) -> impl Iterator<Item = u32> {
        let most = self.cells.iter().map(|c| c.lights.count_ones()).max().unwrap_or(0);
        let stood = |c: &Cell| self.last_confirmed.since(c.joined);
        let oldest = self.cells.iter().map(stood).max().unwrap_or_default();
        let least = (oldest / YOUNG).min(GROWN_IN);
        let is_core = move |c: &&Cell| 2 * c.lights.count_ones() >= most && stood(c) >= least;
        self.cells.iter().filter(is_core).map(|c| c.number)
    }

    /// As others see it.
    pub(super) fn report(&self, grid: Grid) -> ChangeRegion {
        let cells: Vec<u32> = self.core().collect();
        let shape = Shape::of(&cells, grid);
        let outline = outline(&shape, grid);
        // Without an outline it lies nowhere.
        let rect = Rect::around(&outline).unwrap_or(Rect::new(1.0, 1.0, 0.0, 0.0));
        ChangeRegion {
            id: self.id,
            outline,
            rect,
            share: shape.cells() as f32 / grid.cells() as f32,
            first_seen: self.first_seen,
            last_confirmed: self.last_confirmed,
            denied: self.denied,
            seen: self.seen,
            lights: self.lights.count_ones(),
            edges_only: self.by_infrared < BY_INFRARED && self.tint[0].abs() + self.tint[1].abs() < TINTED,
            growth: self.growth.clone(),
            bared: self.bared,
            brighter: self.brighter,
        }
    }
}
