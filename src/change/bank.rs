//! The reference for one light: structure by working pixel, colour and usual difference by cell.

use serde::{Deserialize, Serialize};

use super::cells::Cells;
use super::colour::colour;
use super::difference::{Difference, Differs};
use super::grid::Grid;
use super::structure::{Field, STRUCTURE_SCALE};
use crate::base::WallTime;

/// Times of day with a bank each, of three hours. The last bank is for infrared.
pub(super) const DAY_BANKS: usize = 8;
pub(super) const INFRARED: usize = DAY_BANKS;
pub(super) const BANKS: usize = DAY_BANKS + 1;

/// Lessons after which a bank is used.
const MATURE: u32 = 4;
/// Weight of a new lesson in a mature bank. Its memory is about twenty lessons, at least ten minutes apart.
const RATE: f32 = 0.06;
/// The weight for a cell that differs now and may show a change.
const WARY_RATE: f32 = 0.015;
/// Keeps the noise of flat areas from counting as a difference.
const CALM: f32 = 16.0 * STRUCTURE_SCALE * STRUCTURE_SCALE;
/// Steps of a stored usual difference per unit.
const USUAL_SCALE: f32 = 100.0;
/// Least usual differences, in these steps, of a cell where something came and went: structure, green to
/// magenta, blue to yellow.
const BEWARE: [u8; 3] = [45, 10, 20];

/// All nine banks together take about 46 bytes per working pixel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Bank {
    /// How many lessons it has learnt.
    pub(super) learnt: u32,
    pub(super) learnt_at: WallTime,
    #[serde(skip)]
    pub(super) field: Field,
    #[serde(skip)]
    pub(super) green_magenta: Vec<i8>,
    #[serde(skip)]
    pub(super) blue_yellow: Vec<i8>,
    #[serde(skip)]
    pub(super) luma: Vec<u8>,
    /// Usual difference of structure, green to magenta and blue to yellow, stored as [`Bank::usual`] reads
    /// it.
    #[serde(skip)]
    pub(super) usual: [Vec<u8>; 3],
}

impl Bank {
    pub(super) fn new(grid: Grid, at: WallTime) -> Self {
        let (pixels, cells) = (grid.width * grid.height, grid.cells());
        Self {
            learnt: 0,
            learnt_at: at,
            field: Field { x: vec![0; pixels], y: vec![0; pixels] },
            green_magenta: vec![0; cells],
            blue_yellow: vec![0; cells],
            luma: vec![0; cells],
            usual: [vec![0; cells], vec![0; cells], vec![0; cells]],
        }
    }

    pub(super) fn is_mature(&self) -> bool {
        self.learnt >= MATURE
    }

    /// Compares a picture with the bank, structure in windows of three by three cells.
    pub(super) fn compare(&self, now: &Field, cells: &Cells, grid: Grid, out: &mut Difference) {
        let (columns, rows) = (grid.columns(), grid.rows());
        let structures = [(now, &self.field), (now, now), (&self.field, &self.field)];
        for (sums, (a, b)) in out.sums.iter_mut().zip(structures) {
            sums.clear();
            sums.resize(grid.cells(), 0);
            add_products(&a.x, &b.x, columns, sums);
            add_products(&a.y, &b.y, columns, sums);
        }
        out.structure.resize(grid.cells(), 0.0);
        out.strength.resize(grid.cells(), [0.0; 2]);
        // Sums of the window's rows, with an empty column on either side.
        let mut windows = [(); 3].map(|()| vec![0i32; columns + 2]);
        for cy in 0..rows {
            let lines = cy.saturating_sub(1)..(cy + 2).min(rows);
            let high = lines.len();
            for (window, sums) in windows.iter_mut().zip(&out.sums) {
                window.fill(0);
                for line in lines.clone() {
                    let line = &sums[line * columns..(line + 1) * columns];
                    window[1..].iter_mut().zip(line).for_each(|(sum, own)| *sum += own);
                }
            }
            let [both, now, then] =
                windows.each_ref().map(|w| w.windows(3).map(|w| (w[0] + w[1] + w[2]) as f32));
            let line = cy * columns..(cy + 1) * columns;
            let found = out.structure[line.clone()].iter_mut().zip(&mut out.strength[line]);
            for (cx, ((structure, strength), ((both, now), then))) in
                found.zip(both.zip(now).zip(then)).enumerate()
            {
                // An edge whose contrast is inverted is the same edge: a wall is brighter than the ground in
                // the sun, and darker under a cloud.
                *structure = 1.0 - (2.0 * both.abs() + CALM) / (now + then + CALM);
                let wide = 3 - usize::from(cx == 0) - usize::from(cx + 1 == columns);
                let unit = (4 * high * wide) as f32 * (STRUCTURE_SCALE * STRUCTURE_SCALE);
                *strength = [now / unit, then / unit];
            }
        }
        colour(&cells.green_magenta, &self.green_magenta, columns, rows, &mut out.green_magenta);
        colour(&cells.blue_yellow, &self.blue_yellow, columns, rows, &mut out.blue_yellow);
    }

    /// A stored usual difference as a number.
    #[inline]
    pub(super) fn usual(stored: u8) -> f32 {
        f32::from(stored) / USUAL_SCALE
    }

    /// Accepts any difference of a cell as usual until new lessons replace it.
    pub(super) fn forget(&mut self, cell: usize) {
        self.usual.iter_mut().for_each(|u| u[cell] = 250);
    }

    /// Raises the usual difference of a cell that differed for a while and now looks as before.
    pub(super) fn beware(&mut self, cell: usize) {
        for (usual, least) in self.usual.iter_mut().zip(BEWARE) {
            usual[cell] = usual[cell].max(least);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let cells = self.green_magenta.len() + self.blue_yellow.len() + self.luma.len();
        self.field.x.len() * 2 + cells + self.usual.iter().map(Vec::len).sum::<usize>()
    }

    /// Learns from a picture. Cells that are `frozen` stay; cells that differ learn more slowly.
    pub(super) fn learn(&mut self, lesson: &Lesson, grid: Grid) {
        let columns = grid.columns();
        self.learnt += 1;
        self.learnt_at = lesson.at;
        let first = self.learnt == 1;
        let early = 1.0 / self.learnt as f32;
        let mut seed = (self.learnt as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for cy in 0..grid.rows() {
            for cx in 0..columns {
                let i = cy * columns + cx;
                if lesson.frozen[i] {
                    continue;
                }
                let rate = if lesson.differs[i] != Differs::No { WARY_RATE } else { RATE };
                let rate = if self.learnt <= 2 * MATURE { early.max(rate) } else { rate };
                // Random rounding, one draw per cell: otherwise small steps would never add up in whole
                // numbers.
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let chance = (seed >> 40) as f32 / (1u64 << 24) as f32;
                for half in 0..2 {
                    let at = (cy * 2 + half) * grid.width + cx * 2;
                    for p in at..at + 2 {
                        toward(&mut self.field.x[p], lesson.field.x[p], rate, chance);
                        toward(&mut self.field.y[p], lesson.field.y[p], rate, chance);
                    }
                }
                toward(&mut self.green_magenta[i], lesson.cells.green_magenta[i], rate, chance);
                toward(&mut self.blue_yellow[i], lesson.cells.blue_yellow[i], rate, chance);
                let luma = f32::from(self.luma[i]);
                self.luma[i] = (luma + rate * (f32::from(lesson.cells.luma[i]) - luma) + chance) as u8;
                if first {
                    continue;
                }
                let d = lesson.difference;
                let seen = [d.structure[i], d.green_magenta[i].abs(), d.blue_yellow[i].abs()];
                for (usual, seen) in self.usual.iter_mut().zip(seen) {
                    let old = f32::from(usual[i]);
                    let rate = if self.learnt == 2 { 1.0 } else { rate };
                    usual[i] = (old + rate * ((seen * USUAL_SCALE).min(250.0) - old) + chance) as u8;
                }
            }
        }
    }
}

/// Adds to each cell the products of its four pixels in two planes.
fn add_products(a: &[i8], b: &[i8], columns: usize, sums: &mut [i32]) {
    for ((a, b), sums) in
        a.chunks_exact(4 * columns).zip(b.chunks_exact(4 * columns)).zip(sums.chunks_exact_mut(columns))
    {
        for (a, b) in a.chunks_exact(2 * columns).zip(b.chunks_exact(2 * columns)) {
            for ((sum, a), b) in sums.iter_mut().zip(a.chunks_exact(2)).zip(b.chunks_exact(2)) {
                let product = |i: usize| i32::from(a[i]) * i32::from(b[i]);
                *sum += product(0) + product(1);
            }
        }
    }
}

/// One picture, as a bank learns it.
pub(super) struct Lesson<'a> {
    pub(super) at: WallTime,
    pub(super) field: &'a Field,
    pub(super) cells: &'a Cells,
    pub(super) difference: &'a Difference,
    pub(super) frozen: &'a [bool],
    pub(super) differs: &'a [Differs],
}

fn toward(value: &mut i8, target: i8, rate: f32, chance: f32) {
    let old = f32::from(*value);
    // Rounds down without `floor`: without SSE4.1 that is a C library call, a twelfth of the time of an
    // inspection.
    let next = old + rate * (f32::from(target) - old) + chance;
    let whole = next as i8;
    *value = whole - i8::from(f32::from(whole) > next);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_whose_contrast_turned_is_the_same_edge() {
        let grid = Grid::of(128, 96).expect("large enough");
        let mut bank = Bank::new(grid, WallTime(0));
        let bar = |x: usize| i8::from(x % 16 < 2) * 60;
        bank.field.x = (0..grid.width * grid.height).map(|i| bar(i % grid.width)).collect();
        let with = |change: &dyn Fn(usize) -> i8| {
            let x = (0..bank.field.x.len()).map(change).collect();
            let (now, mut out) = (Field { x, y: bank.field.y.clone() }, Difference::default());
            let n = grid.cells();
            let cells =
                Cells { luma: vec![90; n], green_magenta: vec![0; n], blue_yellow: vec![0; n], grey: false };
            bank.compare(&now, &cells, grid, &mut out);
            out.structure[grid.columns() * 20 + 24]
        };
        assert!(with(&|i| -bank.field.x[i]) < 0.01, "turned");
        assert!(with(&|i| bar(i % grid.width + 4)) > 0.5, "elsewhere");
    }
}
