//! The ground around a region. It helps to distinguish a shadow from a roof, and a car from a shed.

use super::radiometry::Channels;

/// The ring around a region: farther away than the first and no farther than the second, pixels.
const RING: (usize, usize) = (3, 9);
/// The same ground differs by no more than this in brightness (natural logarithm) and in colour (sum of
/// shares).
const ALIKE: (f32, f32) = (0.16, 0.06);
/// Asphalt and concrete have no more colour than this, green against red and blue, and red against blue.
const GREY: f32 = 0.06;

/// Shares of the ring, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Surroundings {
    /// Of pixels like the region, then and now.
    pub like: [f32; 2],
    /// Of pixels that are grey both then and now.
    pub paved: f32,
}

/// Compares the ring around a region, given as pixel indices, with the region.
pub(super) fn surroundings(
    region: &[usize],
    before: &Channels,
    after: &Channels,
    valid: &[bool],
) -> Surroundings {
    let (w, h) = (before.0[0].width, before.0[0].height);
    let ring: Vec<usize> = ring(region, w, h).into_iter().filter(|i| valid[*i]).collect();
    if ring.is_empty() {
        return Surroundings::default();
    }
    let like = [before, after].map(|picture| {
        let own = mean(picture, region);
        ring.iter().filter(|i| alike(own, pixel(picture, **i))).count() as f32 / ring.len() as f32
    });
    let grey = |[r, g, b]: [f32; 3]| {
        let sum = (r + g + b).max(1.0);
        (2.0 * g - r - b).abs() < GREY * sum && (r - b).abs() < GREY * sum
    };
    let paved = ring.iter().filter(|i| grey(pixel(before, **i)) && grey(pixel(after, **i))).count();
    Surroundings { like, paved: paved as f32 / ring.len() as f32 }
}

/// Pixels around the region; the box around both is small, whatever the picture's size.
fn ring(region: &[usize], w: usize, h: usize) -> Vec<usize> {
    let (mut low, mut high) = ([w, h], [0, 0]);
    for i in region {
        let at = [i % w, i / w];
        for axis in 0..2 {
            (low[axis], high[axis]) = (low[axis].min(at[axis]), high[axis].max(at[axis]));
        }
    }
    let from = low.map(|v| v.saturating_sub(RING.1));
    let to = [(high[0] + RING.1 + 1).min(w), (high[1] + RING.1 + 1).min(h)];
    let (columns, rows) = (to[0].saturating_sub(from[0]), to[1].saturating_sub(from[1]));
    let mut own = vec![false; columns * rows];
    for i in region {
        own[(i / w - from[1]) * columns + i % w - from[0]] = true;
    }
    let (near, far) = (grown(&own, columns, RING.0), grown(&own, columns, RING.1));
    let outside = (0..own.len()).filter(|j| far[*j] && !near[*j]);
    outside.map(|j| (j / columns + from[1]) * w + j % columns + from[0]).collect()
}

/// Grown by `reach` pixels each way.
fn grown(mask: &[bool], columns: usize, reach: usize) -> Vec<bool> {
    let rows = mask.len() / columns.max(1);
    let mut across = vec![false; mask.len()];
    let mut out = vec![false; mask.len()];
    for (i, _) in mask.iter().enumerate().filter(|(_, m)| **m) {
        let (x, line) = (i % columns, i - i % columns);
        across[line + x.saturating_sub(reach)..line + (x + reach + 1).min(columns)].fill(true);
    }
    for (i, _) in across.iter().enumerate().filter(|(_, m)| **m) {
        let (x, y) = (i % columns, i / columns);
        for v in y.saturating_sub(reach)..(y + reach + 1).min(rows) {
            out[v * columns + x] = true;
        }
    }
    out
}

fn pixel(picture: &Channels, i: usize) -> [f32; 3] {
    [0, 1, 2].map(|c| picture.0[c].data[i].max(1.0))
}

fn mean(picture: &Channels, region: &[usize]) -> [f32; 3] {
    let n = region.len().max(1) as f32;
    [0, 1, 2].map(|c| (region.iter().map(|i| picture.0[c].data[*i]).sum::<f32>() / n).max(1.0))
}

fn alike(a: [f32; 3], b: [f32; 3]) -> bool {
    let (s, t) = (a.iter().sum::<f32>(), b.iter().sum::<f32>());
    let tint: f32 = (0..3).map(|c| (a[c] / s - b[c] / t).abs()).sum();
    (s / t).ln().abs() < ALIKE.0 && tint < ALIKE.1
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    #[test]
    fn a_shadow_that_left_is_like_the_ground_now_and_was_not_then() {
        let grass = Rgb([90, 120, 60]);
        let inside = |x: u32, y: u32| (20..40).contains(&x) && (20..28).contains(&y);
        let then = RgbImage::from_fn(64, 64, |x, y| if inside(x, y) { Rgb([45, 60, 30]) } else { grass });
        let now = RgbImage::from_pixel(64, 64, grass);
        let region: Vec<usize> = (0..64 * 64).filter(|i| inside(*i as u32 % 64, *i as u32 / 64)).collect();
        let (then, now) = (Channels::of(&then), Channels::of(&now));
        let found = surroundings(&region, &then, &now, &[true; 64 * 64]);
        assert_eq!(found, Surroundings { like: [0.0, 1.0], paved: 0.0 });
        // At the corner of the picture, on a road, and where nothing around is known.
        let road = Channels::of(&RgbImage::from_pixel(64, 64, Rgb([80, 82, 84])));
        assert_eq!(
            surroundings(&[0, 1, 64], &road, &road, &[true; 64 * 64]),
            Surroundings { like: [1.0; 2], paved: 1.0 }
        );
        assert_eq!(surroundings(&[0], &road, &road, &[false; 64 * 64]), Surroundings::default());
    }
}
