//! How far a region reaches: its parts, and its outline for the rules.

use std::time::Duration;

use super::change_region::ChangeRegion;
use super::grid::Grid;
use super::outline::outline;
use super::region::{BY_INFRARED, Cell, Region};
use super::shape::Shape;
use crate::base::Rect;

/// Colours that differ by this share of their limits, summed over both, are more than edges.
const TINTED: f32 = 0.6;
/// An older region is one thing, however many parts it shows.
const SPLITS: Duration = Duration::from_secs(12 * 3600);

impl Region {
    /// Splits off the parts of a young region that do not touch its largest part and have at least `least`
    /// cells.
    ///
    /// Things put up side by side are one region at first. They are split once a second light shows the
    /// region, in its first hours.
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

    /// The region as the rules see it.
    pub(super) fn report(&self, grid: Grid) -> ChangeRegion {
        let cells: Vec<u32> = self.core().collect();
        let shape = Shape::of(&cells, grid);
        let outline = outline(&shape, grid);
        // Without an outline the box is empty.
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
