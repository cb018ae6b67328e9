//! The shift of a picture against the reference: shake to a fraction of a pixel, and large moves.

use super::grid::Grid;
use super::structure::Field;

/// A shift of the picture, in working pixels: what the reference shows at `p` is now at `p + (dx, dy)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Shift {
    pub(super) dx: f32,
    pub(super) dy: f32,
    /// Correlation of structure, -1 to 1.
    pub(super) likeness: f32,
}

/// How far shake is searched in each direction, in working pixels.
pub(super) const SHAKE: isize = 3;
/// Likeness of a picture that has not moved.
const STILL: f32 = 0.5;
/// Only every so many pixels are compared, in both directions.
const STRIDE: usize = 3;
/// Side of a block of the coarse map, in working pixels.
const BLOCK: usize = 4;
/// How far a move is searched, in blocks across and down.
const FAR: (isize, isize) = (24, 14);

/// The best shift within `SHAKE` around `near`.
pub(super) fn shake(now: &Field, reference: &Field, grid: Grid, near: (isize, isize)) -> Shift {
    let side = (2 * SHAKE + 1) as usize;
    let mut found = vec![None; side * side];
    let mut best = (0usize, f32::MIN);
    let mut search = |reach: isize| {
        for (i, found) in found.iter_mut().enumerate() {
            let (dx, dy) = ((i % side) as isize - SHAKE, (i / side) as isize - SHAKE);
            if found.is_some() || dx.abs().max(dy.abs()) > reach {
                continue;
            }
            let like = likeness(now, reference, grid, near.0 + dx, near.1 + dy);
            *found = Some(like);
            if like > best.1 {
                best = (i, like);
            }
        }
        best
    };
    // Most cameras are still most of the time. If no shift fits well, and better than one pixel beside it,
    // stop there.
    let (middle, like) = search(1);
    if middle != side * side / 2 || like < STILL {
        search(SHAKE);
    }
    let (bx, by) = (best.0 % side, best.0 / side);
    let part = |low: Option<f32>, high: Option<f32>| match (low, high) {
        (Some(a), Some(b)) if a + b - 2.0 * best.1 < -1e-6 => {
            (0.5 * (a - b) / (a + b - 2.0 * best.1)).clamp(-0.5, 0.5)
        }
        _ => 0.0,
    };
    let at = |x: Option<usize>, y: Option<usize>| {
        found[y.filter(|v| *v < side)? * side + x.filter(|v| *v < side)?]
    };
    let fx = part(at(bx.checked_sub(1), Some(by)), at(Some(bx + 1), Some(by)));
    let fy = part(at(Some(bx), by.checked_sub(1)), at(Some(bx), Some(by + 1)));
    Shift {
        dx: (near.0 + bx as isize - SHAKE) as f32 + fx,
        dy: (near.1 + by as isize - SHAKE) as f32 + fy,
        likeness: best.1,
    }
}

/// The best shift within a quarter of the picture, for a camera that was turned.
pub(super) fn far(now: &Field, reference: &Field, grid: Grid) -> Shift {
    let (a, b) = (coarse(now, grid), coarse(reference, grid));
    let (w, h) = (grid.width / BLOCK, grid.height / BLOCK);
    let mut best = (f32::MIN, 0isize, 0isize);
    for dy in -FAR.1..=FAR.1 {
        for dx in -FAR.0..=FAR.0 {
            let like = correlation(&a, &b, w, h, dx, dy);
            if like > best.0 {
                best = (like, dx, dy);
            }
        }
    }
    let near = (best.1 * BLOCK as isize, best.2 * BLOCK as isize);
    // The coarse map is right to one block; searches around it cover that.
    [(0, 0), (-3, 0), (3, 0), (0, -3), (0, 3)]
        .map(|(x, y)| shake(now, reference, grid, (near.0 + x, near.1 + y)))
        .into_iter()
        .max_by(|p, q| p.likeness.total_cmp(&q.likeness))
        .unwrap_or_default()
}

/// The correlation of structure with the reference at a shift.
fn likeness(now: &Field, reference: &Field, grid: Grid, dx: isize, dy: isize) -> f32 {
    let (w, h) = (grid.width as isize, grid.height as isize);
    let (mut both, mut a2, mut b2) = (0i64, 0i64, 0i64);
    let margin = 4;
    for y in ((margin - dy).max(margin)..(h - margin - dy).min(h - margin)).step_by(STRIDE) {
        let (from, to) = ((margin - dx).max(margin), (w - margin - dx).min(w - margin));
        let (mut s, mut p, mut q) = (0i32, 0i32, 0i32);
        for x in (from..to).step_by(STRIDE) {
            let i = (y * w + x) as usize;
            let j = ((y + dy) * w + x + dx) as usize;
            let (rx, ry) = (i32::from(reference.x[i]), i32::from(reference.y[i]));
            let (nx, ny) = (i32::from(now.x[j]), i32::from(now.y[j]));
            s += rx * nx + ry * ny;
            p += rx * rx + ry * ry;
            q += nx * nx + ny * ny;
        }
        (both, a2, b2) = (both + i64::from(s), a2 + i64::from(p), b2 + i64::from(q));
    }
    if a2 == 0 || b2 == 0 { 0.0 } else { both as f32 / ((a2 as f32).sqrt() * (b2 as f32).sqrt()) }
}

/// Mean strength of structure by block.
fn coarse(field: &Field, grid: Grid) -> Vec<f32> {
    let (w, h) = (grid.width / BLOCK, grid.height / BLOCK);
    let mut out = vec![0.0; w * h];
    for y in 0..h * BLOCK {
        for x in 0..w * BLOCK {
            let i = y * grid.width + x;
            let strength = i32::from(field.x[i]).abs() + i32::from(field.y[i]).abs();
            out[y / BLOCK * w + x / BLOCK] += strength as f32;
        }
    }
    out
}

fn correlation(a: &[f32], b: &[f32], w: usize, h: usize, dx: isize, dy: isize) -> f32 {
    let (w, h) = (w as isize, h as isize);
    let (mut n, mut sa, mut sb, mut saa, mut sbb, mut sab) = (0.0f32, 0.0, 0.0, 0.0f32, 0.0f32, 0.0f32);
    for y in (-dy).max(0)..(h - dy).min(h) {
        for x in (-dx).max(0)..(w - dx).min(w) {
            let (p, q) = (a[((y + dy) * w + x + dx) as usize], b[(y * w + x) as usize]);
            n += 1.0;
            sa += p;
            sb += q;
            saa += p * p;
            sbb += q * q;
            sab += p * q;
        }
    }
    if n < 1.0 {
        return -1.0;
    }
    let (va, vb) = (saa - sa * sa / n, sbb - sb * sb / n);
    if va <= 0.0 || vb <= 0.0 { -1.0 } else { (sab - sa * sb / n) / (va * vb).sqrt() }
}
