//! How the place looks in one light: structure by working pixel, colour and usual difference by cell.

use serde::{Deserialize, Serialize};

use super::small::{BANDS, Cells, Grid, bands};
use super::structure::{Field, STRUCTURE_SCALE};
use super::vote::Differs;
use crate::base::WallTime;

/// Times of day that have a reference of their own, each of three hours; behind them infrared night.
pub(super) const DAY_BANKS: usize = 8;
pub(super) const INFRARED: usize = DAY_BANKS;
pub(super) const BANKS: usize = DAY_BANKS + 1;

/// Looks after which a bank is believed.
const MATURE: u32 = 4;
/// Share of a new look in a bank that has seen some: about twenty looks, ten minutes apart at least, make its memory.
const RATE: f32 = 0.06;
/// The same of a cell that differs just now, and may be something.
const WARY_RATE: f32 = 0.015;
/// Weight that keeps flat places from differing by their noise.
const CALM: f32 = 16.0 * STRUCTURE_SCALE * STRUCTURE_SCALE;
/// Half the side of the window of cells in which structure is compared.
const REACH: usize = 1;
/// Steps of a stored usual difference in one.
const USUAL_SCALE: f32 = 100.0;
/// Usual differences, in these steps, of a cell where something came and went: structure, green to magenta, blue to yellow.
const BEWARE: [u8; 3] = [45, 10, 20];

/// Colour that tells of haze, in stored steps; one cell of so many of a band must have it; and how far haze may go.
const COLOURED: u8 = 8;
const COLOURED_PART: usize = 50;
const STRONGER: (f32, f32) = (0.6, 1.6);

/// About 46 bytes a working pixel for all nine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Bank {
    /// Times that it learnt.
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
    /// Usual difference of structure and of colour.
    #[serde(skip)]
    pub(super) usual: [Vec<u8>; 3],
}

/// How far each cell is from a bank.
#[derive(Default)]
pub(super) struct Difference {
    /// 1 minus likeness of structure: 0 the same, 1 nothing in common.
    pub(super) structure: Vec<f32>,
    /// In natural logarithms; the picture's own tint is taken out, and how much haze mutes colours.
    pub(super) green_magenta: Vec<f32>,
    pub(super) blue_yellow: Vec<f32>,
    /// Mean square of structure now and in the bank.
    pub(super) strength: Vec<[f32; 2]>,
    sums: Vec<[f32; 3]>,
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

    /// Compares a look with the bank.
    pub(super) fn compare(&self, now: &Field, cells: &Cells, grid: Grid, out: &mut Difference) {
        let (columns, rows) = (grid.columns(), grid.rows());
        out.sums.clear();
        out.sums.resize(grid.cells(), [0.0; 3]);
        for cy in 0..rows {
            for half in 0..2 {
                let start = (cy * 2 + half) * grid.width;
                let line = start..start + columns * 2;
                let (nx, ny) = (&now.x[line.clone()], &now.y[line.clone()]);
                let (rx, ry) = (&self.field.x[line.clone()], &self.field.y[line]);
                let sums = &mut out.sums[cy * columns..(cy + 1) * columns];
                for (cx, sum) in sums.iter_mut().enumerate() {
                    for x in [2 * cx, 2 * cx + 1] {
                        let [a, b, c, d] = [nx[x], ny[x], rx[x], ry[x]].map(i32::from);
                        sum[0] += (a * c + b * d) as f32;
                        sum[1] += (a * a + b * b) as f32;
                        sum[2] += (c * c + d * d) as f32;
                    }
                }
            }
        }
        out.structure.resize(grid.cells(), 0.0);
        out.strength.resize(grid.cells(), [0.0; 2]);
        let unit = STRUCTURE_SCALE * STRUCTURE_SCALE;
        for cy in 0..rows {
            for cx in 0..columns {
                let mut s = [0.0f32; 3];
                let mut n = 0.0f32;
                for y in cy.saturating_sub(REACH)..(cy + REACH + 1).min(rows) {
                    for x in cx.saturating_sub(REACH)..(cx + REACH + 1).min(columns) {
                        let t = out.sums[y * columns + x];
                        s = [s[0] + t[0], s[1] + t[1], s[2] + t[2]];
                        n += 4.0;
                    }
                }
                let i = cy * columns + cx;
                // An edge whose contrast turned is the same edge: the sun makes a wall brighter than the ground, a cloud
                // darker.
                out.structure[i] = 1.0 - (2.0 * s[0].abs() + CALM) / (s[1] + s[2] + CALM);
                out.strength[i] = [s[1] / (n * unit), s[2] / (n * unit)];
            }
        }
        colour(&cells.green_magenta, &self.green_magenta, columns, rows, &mut out.green_magenta);
        colour(&cells.blue_yellow, &self.blue_yellow, columns, rows, &mut out.blue_yellow);
    }

    /// What the cell usually differs by: structure, green to magenta, blue to yellow.
    pub(super) fn usual(&self, cell: usize) -> [f32; 3] {
        [0, 1, 2].map(|i| f32::from(self.usual[i][cell]) / USUAL_SCALE)
    }

    /// Makes a cell's next lessons count fully: whatever it differs by is usual until then.
    pub(super) fn forget(&mut self, cell: usize) {
        self.usual.iter_mut().for_each(|u| u[cell] = 250);
    }

    /// The cell differed for a while and is as ever again: so much is usual there, until lessons say otherwise.
    pub(super) fn beware(&mut self, cell: usize) {
        for (usual, least) in self.usual.iter_mut().zip(BEWARE) {
            usual[cell] = usual[cell].max(least);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let cells = self.green_magenta.len() + self.blue_yellow.len() + self.luma.len();
        self.field.x.len() * 2 + cells + self.usual.iter().map(Vec::len).sum::<usize>()
    }

    /// Takes a look in, but for cells that are `frozen`; `differs` cells more slowly.
    pub(super) fn learn(&mut self, look: &Lesson, grid: Grid) {
        let columns = grid.columns();
        self.learnt += 1;
        self.learnt_at = look.at;
        let first = self.learnt == 1;
        let early = 1.0 / self.learnt as f32;
        let mut seed = (self.learnt as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for cy in 0..grid.rows() {
            for cx in 0..columns {
                let i = cy * columns + cx;
                if look.frozen[i] {
                    continue;
                }
                let rate = if look.differs[i] != Differs::No { WARY_RATE } else { RATE };
                let rate = if self.learnt <= 2 * MATURE { early.max(rate) } else { rate };
                // One draw a cell rounds fairly: small steps would else never add up in whole numbers.
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let chance = (seed >> 40) as f32 / (1u64 << 24) as f32;
                for half in 0..2 {
                    let at = (cy * 2 + half) * grid.width + cx * 2;
                    for p in at..at + 2 {
                        toward(&mut self.field.x[p], look.field.x[p], rate, chance);
                        toward(&mut self.field.y[p], look.field.y[p], rate, chance);
                    }
                }
                toward(&mut self.green_magenta[i], look.cells.green_magenta[i], rate, chance);
                toward(&mut self.blue_yellow[i], look.cells.blue_yellow[i], rate, chance);
                let luma = f32::from(self.luma[i]);
                self.luma[i] = (luma + rate * (f32::from(look.cells.luma[i]) - luma) + chance) as u8;
                if first {
                    continue;
                }
                let d = look.difference;
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

/// One look as a bank learns it.
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
    *value = (old + rate * (f32::from(target) - old) + chance).floor() as i8;
}

/// Difference of colour, smoothed over three cells along the row or the column, whichever differs more: a strip of one or two
/// rows keeps its colour. Less the middle one of all cells. What was learnt counts as much as the colours of its rows are
/// stronger or weaker now.
fn colour(now: &[i8], then: &[i8], columns: usize, rows: usize, out: &mut Vec<f32>) {
    let scale = 1.0 / super::small::COLOUR_SCALE;
    let tint = middle_difference(now, then);
    let stronger = bands(columns, rows).map(|band| strength(&now[band.clone()], &then[band], tint));
    out.resize(now.len(), 0.0);
    let apart: Vec<i16> = now.iter().zip(then).map(|(a, b)| i16::from(*a) - i16::from(*b)).collect();
    let row = |y: usize| &apart[y * columns..(y + 1) * columns];
    for y in 0..rows {
        // Between the middles of two bands.
        let at = ((y as f32 + 0.5) / rows as f32 * BANDS as f32 - 0.5).clamp(0.0, BANDS as f32 - 1.0);
        let (above, below) = (stronger[at as usize], stronger[(at as usize + 1).min(BANDS - 1)]);
        let more = above + at.fract() * (below - above) - 1.0;
        let (up, own, down) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(rows - 1)));
        let line = y * columns..(y + 1) * columns;
        for (x, (out, then)) in out[line.clone()].iter_mut().zip(&then[line]).enumerate() {
            let usual = tint + more * f32::from(*then);
            let (left, right) = (own[x.saturating_sub(1)], own[(x + 1).min(columns - 1)]);
            let along = f32::from(left + own[x] + right) / 3.0 - usual;
            let across = f32::from(up[x] + own[x] + down[x]) / 3.0 - usual;
            *out = if along.abs() > across.abs() { along } else { across } * scale;
        }
    }
}

/// The middle one of all cells' differences, in stored steps.
fn middle_difference(now: &[i8], then: &[i8]) -> f32 {
    let mut histogram = [0u32; 511];
    for (a, b) in now.iter().zip(then) {
        histogram[(i32::from(*a) - i32::from(*b) + 255) as usize] += 1;
    }
    let half = now.len() as u32 / 2;
    let mut sum = 0;
    let middle = histogram.iter().position(|n| {
        sum += n;
        sum >= half
    });
    middle.map_or(0.0, |m| m as f32 - 255.0)
}

/// How many times stronger the colours of some rows are now: haze mutes all that lies equally far away alike.
fn strength(now: &[i8], then: &[i8], tint: f32) -> f32 {
    let coloured = now.iter().zip(then).filter(|(_, then)| then.unsigned_abs() >= COLOURED);
    let mut ratios: Vec<f32> =
        coloured.map(|(now, then)| (f32::from(*now) - tint) / f32::from(*then)).collect();
    if ratios.len() * COLOURED_PART < now.len() {
        return 1.0;
    }
    let middle = ratios.len() / 2;
    ratios.select_nth_unstable_by(middle, f32::total_cmp).1.clamp(STRONGER.0, STRONGER.1)
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

    #[test]
    fn muted_colours_are_no_change_and_one_place_of_another_colour_is() {
        let (columns, rows) = (30, 24);
        let then: Vec<i8> = (0..columns * rows).map(|i| if i % columns < 15 { -30 } else { 0 }).collect();
        let mut now: Vec<i8> = then.iter().map(|v| (f32::from(*v) * 0.7) as i8).collect();
        let mut out = Vec::new();
        colour(&now, &then, columns, rows, &mut out);
        let inner = |out: &[f32], x: usize| out[12 * columns + x].abs();
        assert!(inner(&out, 5) < 0.02 && inner(&out, 25) < 0.02, "{} {}", inner(&out, 5), inner(&out, 25));
        for i in [11, 12, 13].into_iter().flat_map(|y| y * columns + 4..y * columns + 7) {
            now[i] = 0;
        }
        colour(&now, &then, columns, rows, &mut out);
        assert!(inner(&out, 5) > 0.3 && inner(&out, 11) < 0.02, "{}", inner(&out, 5));
    }

    #[test]
    fn a_strip_of_one_row_keeps_its_colour() {
        let (columns, rows) = (30, 24);
        let then = vec![-30i8; columns * rows];
        let mut now = then.clone();
        now[12 * columns + 10..12 * columns + 20].fill(0);
        let mut out = Vec::new();
        colour(&now, &then, columns, rows, &mut out);
        let at = |y: usize| out[y * columns + 15].abs();
        assert!(at(12) > 0.45 && at(10) < 0.02, "{} {}", at(12), at(10));
    }
}
