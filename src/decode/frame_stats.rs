//! Statistics of a picture, from a grid of samples.

use image::GrayImage;

use super::{Picture, Pixels};

/// The most samples along one side.
const GRID: usize = 160;
/// A sample of at least this luma is blinded.
const BLINDED: u8 = 245;

/// Statistics of luma, 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameStats {
    pub mean: f32,
    /// Standard deviation.
    pub contrast: f32,
    /// Mean difference between neighbours on the grid. A blur or a cover reduces it first.
    pub edges: f32,
    /// Share of blinded samples, 0 to 1.
    pub blinded: f32,
    /// Mean distance of the colours from gray, 0 to 255. Near 0 under infrared light.
    pub colour: f32,
}

impl FrameStats {
    pub fn of(picture: &Picture) -> Self {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let step = (width.max(height) / GRID).max(1);
        let columns = width.div_ceil(step);
        let mut samples = Vec::with_capacity(columns * height.div_ceil(step));
        for y in (0..height).step_by(step) {
            row(picture, y, |luma| samples.extend(luma.step_by(step)));
        }
        let n = samples.len().max(1) as f32;
        let mean = samples.iter().map(|v| f32::from(*v)).sum::<f32>() / n;
        let variance = samples.iter().map(|v| (f32::from(*v) - mean).powi(2)).sum::<f32>() / n;
        let beside =
            samples.chunks(columns).flat_map(|r| r.windows(2)).map(|w| f32::from(w[0].abs_diff(w[1])));
        let below = samples.iter().zip(samples.iter().skip(columns)).map(|(a, b)| f32::from(a.abs_diff(*b)));
        let blinded = samples.iter().filter(|v| **v >= BLINDED).count() as f32 / n;
        let edges = beside.chain(below).sum::<f32>() / (2.0 * n);
        Self { mean, contrast: variance.sqrt(), edges, blinded, colour: colour(picture) }
    }
}

/// Mean distance of some samples from gray.
fn colour(picture: &Picture) -> f32 {
    let (mut n, mut sum) = (0u32, 0u32);
    match &picture.pixels {
        Pixels::Yuv(yuv) => {
            let rows = (picture.height as usize).div_ceil(2);
            for row in (0..rows).step_by((rows / 32).max(1)) {
                let [blue, red] = yuv.chroma_row(row);
                for (b, r) in blue.iter().zip(red).step_by(16 * yuv.chroma_step()) {
                    n += 1;
                    sum += u32::from(b.abs_diff(128).max(r.abs_diff(128)));
                }
            }
        }
        Pixels::Rgb(rgb) => {
            for p in rgb.chunks_exact(3).step_by(97) {
                n += 1;
                sum += u32::from(p[0].abs_diff(p[1]).max(p[1].abs_diff(p[2])));
            }
        }
    }
    sum as f32 / n.max(1) as f32
}

/// The luma of the whole picture.
pub(crate) fn gray(picture: &Picture) -> Option<GrayImage> {
    let mut bytes = Vec::with_capacity(picture.width as usize * picture.height as usize);
    for y in 0..picture.height as usize {
        row(picture, y, |luma| bytes.extend(luma));
    }
    GrayImage::from_raw(picture.width, picture.height, bytes)
}

fn row(picture: &Picture, y: usize, mut take: impl FnMut(&mut dyn Iterator<Item = u8>)) {
    let width = picture.width as usize;
    match &picture.pixels {
        Pixels::Yuv(yuv) => take(&mut yuv.luma_row(y)[..width].iter().copied()),
        // BT.601, in 256ths.
        Pixels::Rgb(rgb) => take(
            &mut rgb[y * width * 3..][..width * 3]
                .chunks_exact(3)
                .map(|p| ((77 * u32::from(p[0]) + 150 * u32::from(p[1]) + 29 * u32::from(p[2])) >> 8) as u8),
        ),
    }
}
