//! A small gray copy of a part of a picture, to check later whether the same object is still there. Pure.

use super::{Picture, Pixels};
use crate::base::Rect;

/// Cells in each direction, and samples of each cell in each direction.
const CELLS: usize = 12;
const SAMPLES: usize = 2;
/// Mean gray levels (0 to 255) of a grid over a part of a picture, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct GrayPatch([f32; CELLS * CELLS]);

/// How two pictures of one place compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// Standard deviations of the first and of the second, in gray levels.
    pub before: f32,
    pub now: f32,
    /// How much brighter it is now, in gray levels.
    pub brighter: f32,
    /// -1 to 1. `None` if either is plain.
    pub correlation: Option<f32>,
}

impl Likeness {
    /// Of pairs of gray levels, before and now.
    pub fn of(pairs: impl Iterator<Item = (f32, f32)>) -> Self {
        let (mut n, mut a, mut b, mut aa, mut bb, mut ab) = (0.0f64, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (x, y) in pairs {
            let (x, y) = (f64::from(x), f64::from(y));
            n += 1.0;
            (a, b) = (a + x, b + y);
            (aa, bb, ab) = (aa + x * x, bb + y * y, ab + x * y);
        }
        let n = n.max(1.0);
        let deviation = |sum: f64, squares: f64| (squares / n - (sum / n).powi(2)).max(0.0).sqrt() as f32;
        let (before, now) = (deviation(a, aa), deviation(b, bb));
        let comparable = before >= GrayPatch::PLAIN && now >= GrayPatch::PLAIN;
        let together = (ab / n - a * b / (n * n)) as f32;
        let brighter = ((b - a) / n) as f32;
        Self { before, now, brighter, correlation: comparable.then(|| together / (before * now)) }
    }
}

impl GrayPatch {
    /// Patches with a smaller standard deviation, in gray levels, cannot be compared: night, fog.
    pub const PLAIN: f32 = 4.0;

    /// `rect` in normalised picture coordinates. `None` if no pixel of it lies in the picture.
    pub fn of(picture: &Picture, rect: &Rect) -> Option<Self> {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let cut = |share: f32, of: usize| (share.clamp(0.0, 1.0) * of as f32) as usize;
        let (left, right) = (cut(rect.x0, width), cut(rect.x1, width));
        let (top, bottom) = (cut(rect.y0, height), cut(rect.y1, height));
        if left >= right || top >= bottom {
            return None;
        }
        let mut cells = [0.0; CELLS * CELLS];
        const SIDE: usize = CELLS * SAMPLES;
        for v in 0..SIDE {
            let y = top + (2 * v + 1) * (bottom - top) / (2 * SIDE);
            for u in 0..SIDE {
                let x = left + (2 * u + 1) * (right - left) / (2 * SIDE);
                let value = match &picture.pixels {
                    Pixels::Yuv(yuv) => yuv.luma_row(y)[x],
                    // Green contributes most to luma.
                    Pixels::Rgb(rgb) => *rgb.get((y * width + x) * 3 + 1)?,
                };
                cells[v / SAMPLES * CELLS + u / SAMPLES] += f32::from(value) / (SAMPLES * SAMPLES) as f32;
            }
        }
        Some(Self(cells))
    }

    /// Correlation of the gray levels, -1 to 1. Brighter or darker light does not change it. `None` if either
    /// patch has too little contrast.
    pub fn correlation(&self, other: &GrayPatch) -> Option<f32> {
        self.likeness(other, None).correlation
    }

    /// Compares the gray levels, apart from their mean. Cells within `without` (in shares of the patch) are
    /// left out.
    pub fn likeness(&self, other: &GrayPatch, without: Option<&Rect>) -> Likeness {
        let counts = |i: usize| {
            let at = |n: usize| (n as f32 + 0.5) / CELLS as f32;
            let (x, y) = (at(i % CELLS), at(i / CELLS));
            without.is_none_or(|r| x < r.x0 || x > r.x1 || y < r.y0 || y > r.y1)
        };
        Likeness::of((0..CELLS * CELLS).filter(|i| counts(*i)).map(|i| (self.0[i], other.0[i])))
    }

    /// Mixes in a share of another patch, 0 to 1.
    pub fn blend(&mut self, towards: &GrayPatch, share: f32) {
        self.0.iter_mut().zip(&towards.0).for_each(|(own, other)| *own += share * (other - *own));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Rect = Rect { x0: 0.25, y0: 0.25, x1: 0.5, y1: 0.5 };

    fn patch(grey: impl Fn(usize, usize) -> u8) -> GrayPatch {
        GrayPatch::of(&Picture::grey(grey), &AREA).expect("within the picture")
    }

    #[test]
    fn the_same_object_in_other_light_correlates_and_another_in_its_place_does_not() {
        let car =
            |x: usize, y: usize| if (100..140).contains(&x) && (55..75).contains(&y) { 160 } else { 80 };
        let van = |x: usize, y: usize| if (85..120).contains(&x) && (48..88).contains(&y) { 150 } else { 80 };
        let alike = |a: &GrayPatch, b: &GrayPatch| a.correlation(b).expect("contrast");
        assert!(alike(&patch(car), &patch(|x, y| car(x, y) / 2 + 20)) > 0.99);
        assert!(alike(&patch(car), &patch(|x, y| car(x, y) + ((x * 7919 + y * 104_729) % 15) as u8)) > 0.9);
        assert!(alike(&patch(car), &patch(van)) < 0.5);
    }

    #[test]
    fn without_contrast_or_pixels_there_is_no_result() {
        assert_eq!(patch(|_, _| 20).correlation(&patch(|x, _| x as u8)), None);
        let outside = Rect { x0: 1.2, y0: 0.0, x1: 1.4, y1: 0.1 };
        assert_eq!(GrayPatch::of(&Picture::grey(|_, _| 20), &outside), None);
    }
}
