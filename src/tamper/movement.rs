//! How a camera has turned since its reference picture, from features that both pictures share.

use crate::calibration::{Feature, Features};
use crate::geo::View;

/// Descriptors of 256 bits match up to this many different bits.
const MOST_BITS: u32 = 64;
/// The best match must differ by less than this share of the second best.
const CLEARLY: f32 = 0.8;
/// A match agrees with a movement within this distance, as a share of the picture's width.
const AGREE: f32 = 0.004;
/// The fewest matches that must agree.
const FEWEST: usize = 24;
/// Random pairs to try. With half of the matches right, one pair in four is.
const TRIES: usize = 300;

/// The movement from the reference to the picture: a turn about the middle, then a shift, in pixels of the
/// reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Movement {
    pub shift: [f64; 2],
    pub turn_deg: f64,
    /// Zoom. 1 means no change.
    pub scale: f64,
    /// How many features agree.
    pub agreeing: usize,
}

impl Movement {
    /// The angles about the camera's right, down and forward axes by which [`View::turned`] gives the view
    /// of the picture from that of the reference.
    pub fn angles_deg(&self, view: &View) -> [f64; 3] {
        let focal = view.lens().focal_px;
        let angle = |pixels: f64| (pixels / focal).atan().to_degrees();
        // A positive angle about the right axis (x) lifts what is ahead; about the down axis (y) it moves it
        // right.
        [-angle(self.shift[1]), angle(self.shift[0]), self.turn_deg]
    }

    /// How far the middle of the picture moved, in pixels.
    pub fn pixels(&self) -> f64 {
        self.shift[0].hypot(self.shift[1])
    }
}

/// Finds the movement between two pictures. `None` if too few features agree on one.
pub fn compare(reference: &Features, now: &Features) -> Option<Movement> {
    let scale = reference.size[0] as f32 / now.size[0].max(1) as f32;
    let center = [reference.size[0] as f32 / 2.0, reference.size[1] as f32 / 2.0];
    let pairs: Vec<Pair> = matches(reference, now)
        .map(|(a, b)| {
            let from = [0, 1].map(|i| a.pixel[i] - center[i]);
            let to = [0, 1].map(|i| b.pixel[i] * scale - center[i]);
            Pair { from, to }
        })
        .collect();
    if pairs.len() < FEWEST {
        return None;
    }
    let near = AGREE * reference.size[0] as f32;
    // The same tries every time, so that a comparison is reproducible.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % pairs.len()
    };
    let mut best: Vec<&Pair> = Vec::new();
    for _ in 0..TRIES {
        let (a, b) = (pairs[draw()], pairs[draw()]);
        let Some(found) = Similarity::of(&[&a, &b]) else { continue };
        if !(0.8..1.25).contains(&found.scale()) {
            continue;
        }
        let agreeing: Vec<&Pair> = pairs.iter().filter(|p| found.off(p) <= near).collect();
        if agreeing.len() > best.len() {
            best = agreeing;
        }
    }
    if best.len() < FEWEST {
        return None;
    }
    let found = Similarity::of(&best)?;
    Some(Movement {
        shift: [f64::from(found.shift[0]), f64::from(found.shift[1])],
        turn_deg: f64::from(found.turn[1].atan2(found.turn[0])).to_degrees(),
        scale: f64::from(found.scale()),
        agreeing: best.len(),
    })
}

/// A match, in pixels from the middle of the picture.
#[derive(Clone, Copy)]
struct Pair {
    from: [f32; 2],
    to: [f32; 2],
}

/// `to = turn * from + shift` in complex numbers.
struct Similarity {
    turn: [f32; 2],
    shift: [f32; 2],
}

impl Similarity {
    /// Least squares. `None` if the points are too close together.
    fn of(pairs: &[&Pair]) -> Option<Self> {
        let n = pairs.len() as f32;
        let mean =
            |of: fn(&Pair) -> [f32; 2]| [0, 1].map(|i| pairs.iter().map(|p| of(p)[i]).sum::<f32>() / n);
        let (a, b) = (mean(|p| p.from), mean(|p| p.to));
        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for pair in pairs {
            let (p, q) = ([0, 1].map(|i| pair.from[i] - a[i]), [0, 1].map(|i| pair.to[i] - b[i]));
            dot += p[0] * q[0] + p[1] * q[1];
            cross += p[0] * q[1] - p[1] * q[0];
            spread += p[0] * p[0] + p[1] * p[1];
        }
        if spread < 100.0 {
            return None;
        }
        let turn = [dot / spread, cross / spread];
        let turned = [turn[0] * a[0] - turn[1] * a[1], turn[1] * a[0] + turn[0] * a[1]];
        Some(Self { turn, shift: [b[0] - turned[0], b[1] - turned[1]] })
    }

    fn scale(&self) -> f32 {
        self.turn[0].hypot(self.turn[1])
    }

    fn off(&self, pair: &Pair) -> f32 {
        let [x, y] = pair.from;
        let at = [
            self.turn[0] * x - self.turn[1] * y + self.shift[0],
            self.turn[1] * x + self.turn[0] * y + self.shift[1],
        ];
        (at[0] - pair.to[0]).hypot(at[1] - pair.to[1])
    }
}

/// For each feature of the reference, its best match if that is clearly the best.
fn matches<'a>(a: &'a Features, b: &'a Features) -> impl Iterator<Item = (&'a Feature, &'a Feature)> {
    a.points.iter().filter_map(|from| {
        let (mut best, mut second) = ((u32::MAX, None), u32::MAX);
        for to in &b.points {
            let bits = different(&from.descriptor, &to.descriptor);
            if bits < best.0 {
                (second, best) = (best.0, (bits, Some(to)));
            } else if bits < second {
                second = bits;
            }
        }
        let clear = (best.0 as f32) < CLEARLY * second as f32;
        best.1.filter(|_| best.0 <= MOST_BITS && clear).map(|to| (from, to))
    })
}

fn different(a: &[u8; 32], b: &[u8; 32]) -> u32 {
    let words = |d: &[u8; 32], i: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&d[8 * i..8 * i + 8]);
        u64::from_le_bytes(word)
    };
    (0..4).map(|i| (words(a, i) ^ words(b, i)).count_ones()).sum()
}
