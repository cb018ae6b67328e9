//! How the earlier picture lies in the later one: one homography, and where height makes that too little,
//! bent piece by piece.

use image::RgbImage;

use super::error::NotComparable;
use super::vision::{self, Homography, Match};
use crate::geo::area;

/// Pixels within which features agree; at least so many, and such a share of all, must.
const AGREE: f64 = 3.0;
const LEAST: (usize, f64) = (18, 0.12);
/// More than this left over by one homography, and the pictures are bent onto each other piece by piece.
const ONE_IS_ENOUGH: f64 = 2.0;
/// Features so far off are wrong, not relief; and with more than this left over nothing can be compared.
const RELIEF: f64 = 25.0;
const TOO_FAR: f64 = 4.0;
/// Of bending: spacing of its nodes and reach of the features that they follow, pixels.
const NODES: usize = 48;
const REACH: f64 = 160.0;

/// How one picture lies in another.
pub(super) struct Registered {
    /// From pixels of the later picture to those of the earlier.
    back: Homography,
    /// Further shifts at nodes, row by row; empty where one homography is enough.
    bend: Vec<[f64; 2]>,
    columns: usize,
    pub features: usize,
    /// Pixels that the middle feature is off after one homography, and in the end.
    pub residual: (f64, f64),
}

impl Registered {
    /// Pixel on pixel.
    pub fn as_they_are() -> Self {
        let back = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        Self { back, bend: Vec::new(), columns: 0, features: 0, residual: (0.0, 0.0) }
    }

    /// Pixel of the earlier picture that shows what `p` of the later one shows.
    pub fn source(&self, p: [f64; 2]) -> [f64; 2] {
        let [x, y] = apply(&self.back, p);
        let [dx, dy] = self.bent(p);
        [x + dx, y + dy]
    }

    /// Bilinear between nodes.
    fn bent(&self, p: [f64; 2]) -> [f64; 2] {
        if self.bend.is_empty() {
            return [0.0; 2];
        }
        let rows = self.bend.len() / self.columns;
        let [u, v] = p.map(|v| (v / NODES as f64).max(0.0));
        let (x, y) = ((u as usize).min(self.columns - 2), (v as usize).min(rows - 2));
        let (fx, fy) = ((u - x as f64).min(1.0), (v - y as f64).min(1.0));
        let at = |x: usize, y: usize| self.bend[y * self.columns + x];
        [0, 1].map(|k| {
            (at(x, y)[k] * (1.0 - fx) + at(x + 1, y)[k] * fx) * (1.0 - fy)
                + (at(x, y + 1)[k] * (1.0 - fx) + at(x + 1, y + 1)[k] * fx) * fy
        })
    }
}

/// # Errors
/// Too little looks alike in both.
pub(super) fn register(before: &RgbImage, after: &RgbImage) -> Result<Registered, NotComparable> {
    let found = vision::matches(before, after)?;
    let none = |features: usize| NotComparable::NoRegistration { features, matches: found.len() };
    // From after to before: for each pixel of the later picture its source.
    let turned: Vec<Match> = found.iter().map(|m| Match { before: m.after, after: m.before }).collect();
    let back = vision::homography(&turned, AGREE)?.ok_or_else(|| none(0))?;
    let off = |m: &Match| {
        let p = apply(&back, m.after);
        [m.before[0] - p[0], m.before[1] - p[1]]
    };
    let agreeing = found.iter().filter(|m| length(off(m)) <= AGREE).count();
    if agreeing < LEAST.0.max((LEAST.1 * found.len() as f64) as usize) || !plausible(&back, after) {
        return Err(none(agreeing));
    }
    let near: Vec<(Match, [f64; 2])> =
        found.iter().map(|m| (*m, off(m))).filter(|(_, off)| length(*off) <= RELIEF).collect();
    let one = middle(near.iter().map(|(_, off)| length(*off)).collect());
    let mut out = Registered { back, bend: Vec::new(), columns: 0, features: agreeing, residual: (one, one) };
    if one > ONE_IS_ENOUGH {
        bend(&mut out, &near, after);
        let left = near.iter().map(|(m, off)| {
            let [dx, dy] = out.bent(m.after);
            length([off[0] - dx, off[1] - dy])
        });
        out.residual.1 = middle(left.collect());
        if out.residual.1 > TOO_FAR {
            return Err(NotComparable::TooFarOff(out.residual.1));
        }
    }
    Ok(out)
}

/// Each node follows the middle one of the features around it: relief and lens that one plane cannot hold.
fn bend(registered: &mut Registered, near: &[(Match, [f64; 2])], after: &RgbImage) {
    let nodes = |side: u32| side as usize / NODES + 2;
    let (columns, rows) = (nodes(after.width()), nodes(after.height()));
    registered.columns = columns;
    registered.bend = (0..columns * rows)
        .map(|i| {
            let at = [(i % columns * NODES) as f64, (i / columns * NODES) as f64];
            let around: Vec<[f64; 2]> = near
                .iter()
                .filter(|(m, _)| length([m.after[0] - at[0], m.after[1] - at[1]]) <= REACH)
                .map(|(_, off)| *off)
                .collect();
            if around.len() < 4 {
                return [0.0; 2];
            }
            [0, 1].map(|k| middle(around.iter().map(|o| o[k]).collect()))
        })
        .collect();
}

fn length([x, y]: [f64; 2]) -> f64 {
    x.hypot(y)
}

fn middle(mut values: Vec<f64>) -> f64 {
    let n = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(n, f64::total_cmp).1 }
}

/// Nothing is turned inside out, or six times as large.
fn plausible(h: &Homography, picture: &RgbImage) -> bool {
    let (w, t) = (f64::from(picture.width()), f64::from(picture.height()));
    let corners = [[0.0, 0.0], [w, 0.0], [w, t], [0.0, t]].map(|c| apply(h, c));
    let growth = area(&corners) / (w * t);
    let turns = (0..4).map(|i| {
        let (a, b, c) = (corners[i], corners[(i + 1) % 4], corners[(i + 2) % 4]);
        (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])
    });
    growth > 1.0 / 36.0 && growth < 36.0 && turns.into_iter().all(|turn| turn > 0.0)
}

fn apply(h: &Homography, [x, y]: [f64; 2]) -> [f64; 2] {
    let row = |r: &[f64; 3]| r[0] * x + r[1] * y + r[2];
    let w = row(&h[2]);
    let w = if w.abs() < 1e-9 { 1e-9 } else { w };
    [row(&h[0]) / w, row(&h[1]) / w]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bend_is_between_its_nodes() {
        let back = [[1.0, 0.0, 5.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let bend = vec![[0.0, 0.0], [4.0, 0.0], [0.0, 2.0], [4.0, 2.0]];
        let registered = Registered { back, bend, columns: 2, features: 0, residual: (0.0, 0.0) };
        let half = NODES as f64 / 2.0;
        assert_eq!(registered.source([half, half]), [half + 5.0 + 2.0, half + 1.0]);
        let mirrored = [[-1.0, 0.0, 64.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let picture = RgbImage::new(64, 64);
        assert!(plausible(&back, &picture) && !plausible(&mirrored, &picture));
    }
}
