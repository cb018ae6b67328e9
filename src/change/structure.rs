//! Structure that does not depend on light: gradients divided by the local mean gradient.

use std::ops::Range;

use super::grid::Grid;

/// Normalised gradients by working pixel, times [`STRUCTURE_SCALE`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Field {
    pub(super) x: Vec<i8>,
    pub(super) y: Vec<i8>,
}

/// Steps of a stored gradient per local mean gradient.
pub(super) const STRUCTURE_SCALE: f32 = 50.0;
/// Gradients below this are noise, in levels per working pixel.
const FLOOR: f32 = 2.2;
/// Half the side of the window for the local mean.
const REACH: usize = 4;

/// Fills `out` from `luma`. `scratch` may hold anything.
pub(super) fn structure(luma: &[f32], grid: Grid, scratch: &mut [Vec<f32>; 3], out: &mut Field) {
    let (w, h) = (grid.width, grid.height);
    for plane in scratch.iter_mut() {
        plane.resize(w * h, 0.0);
    }
    let [smooth, energy, sums] = scratch;
    soften(luma, w, h, sums, smooth);
    out.x.clear();
    out.x.resize(w * h, 0);
    out.y.clear();
    out.y.resize(w * h, 0);
    // Energy first. Gradients are cheap enough to compute twice.
    energy.fill(0.0);
    for y in 1..h - 1 {
        let (above, here, below) = rows(smooth, w, y);
        let line = &mut energy[y * w..(y + 1) * w];
        for x in 1..w - 1 {
            let (gx, gy) = ((here[x + 1] - here[x - 1]) * 0.5, (below[x] - above[x]) * 0.5);
            line[x] = gx * gx + gy * gy;
        }
    }
    mean_columns(energy, w, h, sums);
    let side = (2 * REACH + 1) as f32;
    for y in 1..h - 1 {
        let (above, here, below) = rows(smooth, w, y);
        let sums = &sums[y * w..(y + 1) * w];
        let (ox, oy) = (&mut out.x[y * w..(y + 1) * w], &mut out.y[y * w..(y + 1) * w]);
        let mut run: f32 = sums[..REACH].iter().sum();
        for x in 0..w {
            if x + REACH < w {
                run += sums[x + REACH];
            }
            if x > REACH {
                run -= sums[x - REACH - 1];
            }
            if x == 0 || x == w - 1 {
                continue;
            }
            let mean = (run / (side * side)).max(0.0);
            let scale = STRUCTURE_SCALE / (mean + FLOOR * FLOOR).sqrt();
            ox[x] = ((here[x + 1] - here[x - 1]) * 0.5 * scale) as i8;
            oy[x] = ((below[x] - above[x]) * 0.5 * scale) as i8;
        }
    }
    extend(&mut out.x, w, 1..h - 1, 1..w - 1);
    extend(&mut out.y, w, 1..h - 1, 1..w - 1);
}

/// Fills everything outside `lines` and `columns` with the nearest value inside. Zeros would differ with
/// every shake. Neither range is empty.
fn extend(plane: &mut [i8], w: usize, lines: Range<usize>, columns: Range<usize>) {
    for line in plane[lines.start * w..lines.end * w].chunks_exact_mut(w) {
        let (first, last) = (line[columns.start], line[columns.end - 1]);
        line[..columns.start].fill(first);
        line[columns.end..].fill(last);
    }
    for y in 0..lines.start {
        plane.copy_within(lines.start * w..(lines.start + 1) * w, y * w);
    }
    for y in lines.end..plane.len() / w {
        plane.copy_within((lines.end - 1) * w..lines.end * w, y * w);
    }
}

fn rows(plane: &[f32], w: usize, y: usize) -> (&[f32], &[f32], &[f32]) {
    (&plane[(y - 1) * w..y * w], &plane[y * w..(y + 1) * w], &plane[(y + 1) * w..(y + 2) * w])
}

/// Smooths with 1-2-1 in both directions and copies the rim.
fn soften(from: &[f32], w: usize, h: usize, across: &mut [f32], to: &mut [f32]) {
    for (line, out) in from.chunks_exact(w).zip(across.chunks_exact_mut(w)) {
        out[0] = line[0];
        out[w - 1] = line[w - 1];
        for x in 1..w - 1 {
            out[x] = (line[x - 1] + 2.0 * line[x] + line[x + 1]) * 0.25;
        }
    }
    to[..w].copy_from_slice(&across[..w]);
    to[(h - 1) * w..].copy_from_slice(&across[(h - 1) * w..]);
    for y in 1..h - 1 {
        let (above, here, below) = rows(across, w, y);
        for (x, out) in to[y * w..(y + 1) * w].iter_mut().enumerate() {
            *out = (above[x] + 2.0 * here[x] + below[x]) * 0.25;
        }
    }
}

/// Sums over `2 * REACH + 1` rows. Rows outside the picture count as zero.
fn mean_columns(from: &[f32], w: usize, h: usize, to: &mut [f32]) {
    let mut run = vec![0.0f32; w];
    for y in 0..REACH.min(h) {
        add(&mut run, &from[y * w..(y + 1) * w], 1.0);
    }
    for y in 0..h {
        if y + REACH < h {
            add(&mut run, &from[(y + REACH) * w..(y + REACH + 1) * w], 1.0);
        }
        if y > REACH {
            add(&mut run, &from[(y - REACH - 1) * w..(y - REACH) * w], -1.0);
        }
        to[y * w..(y + 1) * w].copy_from_slice(&run);
    }
}

fn add(run: &mut [f32], line: &[f32], times: f32) {
    for (sum, value) in run.iter_mut().zip(line) {
        *sum += times * value;
    }
}

impl Field {
    /// Moves the field by fractions of a pixel: `out` shows at `p` what was at `p + (dx, dy)`. Pixels from
    /// outside repeat the nearest pixel.
    pub(super) fn moved(&self, grid: Grid, dx: f32, dy: f32, out: &mut Field) {
        let (w, h) = (grid.width as isize, grid.height as isize);
        out.x.clear();
        out.x.resize(self.x.len(), 0);
        out.y.clear();
        out.y.resize(self.y.len(), 0);
        let (ix, iy) = (dx.floor() as isize, dy.floor() as isize);
        let (fx, fy) = (dx - dx.floor(), dy - dy.floor());
        let weight = |v: f32| (v * 256.0) as i32;
        let four = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy].map(weight);
        let columns = (-ix).max(0)..(w - 1 - ix).min(w);
        let lines = (-iy).max(0)..(h - 1 - iy).min(h);
        if columns.is_empty() || lines.is_empty() {
            return;
        }
        for y in lines.clone() {
            let from = ((y + iy) * w + columns.start + ix) as usize;
            let to = (y * w + columns.start) as usize;
            let n = (columns.end - columns.start) as usize;
            for (plane, target) in [(&self.x, &mut out.x), (&self.y, &mut out.y)] {
                let (a, b) =
                    (&plane[from..from + n + 1], &plane[from + w as usize..from + w as usize + n + 1]);
                for (i, value) in target[to..to + n].iter_mut().enumerate() {
                    let sum = four[0] * i32::from(a[i])
                        + four[1] * i32::from(a[i + 1])
                        + four[2] * i32::from(b[i])
                        + four[3] * i32::from(b[i + 1]);
                    *value = (sum >> 8) as i8;
                }
            }
        }
        let inside = |range: Range<isize>| range.start as usize..range.end as usize;
        for plane in [&mut out.x, &mut out.y] {
            extend(plane, grid.width, inside(lines.clone()), inside(columns.clone()));
        }
    }
}
