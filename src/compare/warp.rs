//! Pictures at the sizes that a comparison needs, and the earlier one moved onto the later.

use image::RgbImage;
use image::imageops::{FilterType, resize};

use super::baseline_patch::AppliedPatch;
use super::input::{LoadedImage, Shot};
use super::register::Registered;

/// The longer side of the pictures that are compared and shown, and the finest scale that is compared.
/// Windows and limits were chosen on pictures of half a metre per pixel.
const SIDE: u32 = 1600;
const FINEST_M: f64 = 0.4;

/// A picture at two sizes.
pub(super) struct Sized {
    /// For the comparison.
    pub work: RgbImage,
    /// For display.
    pub show: RgbImage,
    /// Which pixels of `work` show something; empty: all.
    pub known: Vec<bool>,
    pub patches: Vec<AppliedPatch>,
}

impl Sized {
    /// Both sizes as shares of the full size.
    ///
    /// # Errors
    /// A message for the operator if the file cannot be read.
    pub fn read(shot: &Shot, work: f64, show: f64) -> Result<Self, String> {
        let LoadedImage { image, known, patches } = shot.read()?;
        let (work, show) = (shrink(&image, work), shrink(&image, show));
        let nearest = |known: Vec<bool>| {
            let part = |v: u32, of: u32, all: u32| (u64::from(v) * u64::from(all) / u64::from(of)) as usize;
            let pixels = (0..work.height()).flat_map(|y| (0..work.width()).map(move |x| (x, y)));
            let at = |(x, y)| {
                let row = part(y, work.height(), image.height()) * image.width() as usize;
                known[row + part(x, work.width(), image.width())]
            };
            pixels.map(at).collect()
        };
        let known = known.map(nearest).unwrap_or_default();
        Ok(Self { work, show, known, patches })
    }
}

/// Moves the earlier picture onto the later one, and says which pixels it shows. The result is `finer` times,
/// and `from` `source_finer` times, as large as the pictures that were registered.
pub(super) fn warp(
    from: &RgbImage,
    [width, height]: [u32; 2],
    finer: f64,
    source_finer: f64,
    registered: &Registered,
) -> (RgbImage, Vec<bool>) {
    const EDGE: f64 = 1.0;
    let mut out = RgbImage::new(width, height);
    let mut inside = vec![false; width as usize * height as usize];
    for ((u, v, pixel), inside) in out.enumerate_pixels_mut().zip(&mut inside) {
        let at = [u, v].map(|v| (f64::from(v) + 0.5) / finer);
        let [x, y] = registered.source(at).map(|v| v * source_finer);
        let (right, low) = (f64::from(from.width()) - EDGE, f64::from(from.height()) - EDGE);
        *inside = x > EDGE && y > EDGE && x < right && y < low;
        if *inside {
            *pixel = sample(from, x - 0.5, y - 0.5);
        }
    }
    (out, inside)
}

/// Share of the full size at which a picture of this size is compared.
pub(super) fn working_scale([width, height]: [u32; 2], metres: Option<f64>) -> f64 {
    let by_side = f64::from(SIDE) / f64::from(width.max(height).max(1));
    let by_metres = metres.map_or(1.0, |m| m / FINEST_M);
    by_side.min(by_metres).min(1.0)
}

/// Share of the full size at which a picture of this size is shown.
pub(super) fn display_scale([width, height]: [u32; 2]) -> f64 {
    (f64::from(SIDE) / f64::from(width.max(height).max(1))).min(1.0)
}

fn shrink(image: &RgbImage, scale: f64) -> RgbImage {
    if scale >= 1.0 {
        return image.clone();
    }
    let side = |v: u32| ((f64::from(v) * scale).round() as u32).max(32);
    resize(image, side(image.width()), side(image.height()), FilterType::Triangle)
}

/// Bilinear; `x` and `y` count from the middle of the first pixel.
fn sample(image: &RgbImage, x: f64, y: f64) -> image::Rgb<u8> {
    let (x, y) = (x.max(0.0), y.max(0.0));
    let (u, v) = ((x as u32).min(image.width() - 1), (y as u32).min(image.height() - 1));
    let (u2, v2) = ((u + 1).min(image.width() - 1), (v + 1).min(image.height() - 1));
    let (fx, fy) = (x.fract(), y.fract());
    let at = |x: u32, y: u32, c: usize| f64::from(image.get_pixel(x, y).0[c]);
    image::Rgb([0, 1, 2].map(|c| {
        let top = at(u, v, c) * (1.0 - fx) + at(u2, v, c) * fx;
        let bottom = at(u, v2, c) * (1.0 - fx) + at(u2, v2, c) * fx;
        (top * (1.0 - fy) + bottom * fy).round() as u8
    }))
}
