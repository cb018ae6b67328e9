//! Ground as it looked before something happened to it, kept and laid over later pictures: so a change is found again by
//! every further flight as long as it is there, and not any more once it is gone.

use std::path::{Path, PathBuf};

use image::{GrayImage, Luma, RgbImage, Rgba, RgbaImage, imageops};
use uuid::Uuid;

use super::pair::{Comparison, Found};

/// What surrounds a change by so many pixels, at the size at which pictures are compared, is kept with it.
const RIM: usize = 4;

/// An earlier look of a part of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// Whose ground it is.
    pub event: Uuid,
    /// PNG with an alpha channel: what of it is meant.
    pub path: PathBuf,
    /// Left, top, right, bottom in pixels of the whole picture.
    pub rect: [f64; 4],
}

/// A patch in its place.
pub(super) struct Laid {
    pub event: Uuid,
    rect: [f64; 4],
    mask: GrayImage,
}

/// What a later picture shows where a patch lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    pub event: Uuid,
    /// Pixels of the later picture, as it was compared, that show the patch's ground.
    pub(super) pixels: Vec<usize>,
    /// Share of the ground that both pictures show.
    pub seen: f64,
    /// Share of this that still looks different from the patch.
    pub differs: f64,
    /// Findings on it, as indices.
    pub found: Vec<usize>,
}

impl Patch {
    /// Lays it over its picture. `None`: it cannot be read, and the picture is as it was.
    pub(super) fn lay(&self, image: &mut RgbImage) -> Option<Laid> {
        let patch = image::open(&self.path).inspect_err(
            |error| tracing::warn!(patch = %self.path.display(), "an earlier look is lost: {error}"),
        );
        let patch = patch.ok()?.into_rgba8();
        let laid = Laid { event: self.event, rect: self.rect, mask: alpha(&patch) };
        let [left, top, right, bottom] = self.rect;
        let whole = |v: f64, most: u32| v.clamp(0.0, f64::from(most)) as u32;
        for y in whole(top, image.height())..whole(bottom.ceil(), image.height()) {
            for x in whole(left, image.width())..whole(right.ceil(), image.width()) {
                let at = [f64::from(x) + 0.5, f64::from(y) + 0.5];
                if laid.contains(at) {
                    let [u, v] = laid.within(at);
                    let pixel =
                        imageops::interpolate_bilinear(&patch, (u - 0.5).max(0.0), (v - 0.5).max(0.0));
                    let nearest = *patch
                        .get_pixel((u as u32).min(patch.width() - 1), (v as u32).min(patch.height() - 1));
                    // At its rim the colours of what is not meant would be mixed in.
                    let Rgba([r, g, b, _]) = pixel.filter(|p| p.0[3] == 255).unwrap_or(nearest);
                    image.put_pixel(x, y, image::Rgb([r, g, b]));
                }
            }
        }
        Some(laid)
    }
}

impl Laid {
    /// Pixels of the patch from pixels of the picture.
    fn within(&self, [x, y]: [f64; 2]) -> [f32; 2] {
        let [left, top, right, bottom] = self.rect;
        let share = [(x - left) / (right - left).max(1e-9), (y - top) / (bottom - top).max(1e-9)];
        [share[0] * f64::from(self.mask.width()), share[1] * f64::from(self.mask.height())].map(|v| v as f32)
    }

    /// Is the picture's pixel covered by it?
    pub fn contains(&self, at: [f64; 2]) -> bool {
        let [u, v] = self.within(at);
        u >= 0.0
            && v >= 0.0
            && self.mask.get_pixel_checked(u as u32, v as u32).is_some_and(|Luma([a])| *a > 127)
    }

    /// Pixels of the picture that it covers.
    pub fn area(&self) -> f64 {
        let [left, top, right, bottom] = self.rect;
        let meant = self.mask.pixels().filter(|Luma([a])| *a > 127).count() as f64;
        meant / f64::from((self.mask.width() * self.mask.height()).max(1)) * (right - left) * (bottom - top)
    }
}

fn alpha(patch: &RgbaImage) -> GrayImage {
    GrayImage::from_fn(patch.width(), patch.height(), |x, y| Luma([patch.get_pixel(x, y).0[3]]))
}

impl Comparison {
    /// Left, top, right, bottom of it in pixels of the whole later picture.
    pub fn rect_of(&self, held: &Held) -> [f64; 4] {
        let w = self.lit.width() as usize;
        let edge = |axis: fn(usize, usize) -> usize, most: bool| {
            let all = held.pixels.iter().map(|i| axis(*i, w));
            (if most { all.max().map(|v| v + 1) } else { all.min() }).unwrap_or(0) as f64 / self.working_scale
        };
        let (x, y) = (|i, w| i % w, |i, w| i / w);
        [edge(x, false), edge(y, false), edge(x, true), edge(y, true)]
    }

    /// Writes how the ground of these findings, and of what is held already, looked in the earlier picture, for the later
    /// one. `None`: the earlier picture shows nothing of it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep_look(
        &self,
        event: Uuid,
        found: &[&Found],
        held: &[&Held],
        path: &Path,
    ) -> std::io::Result<Option<Patch>> {
        let (w, h) = (self.lit.width() as usize, self.lit.height() as usize);
        let mut meant = vec![false; w * h];
        let mut cover = |i: usize, rim: usize| {
            let (x, y) = (i % w, i / w);
            for v in y.saturating_sub(rim)..(y + rim + 1).min(h) {
                meant[v * w + x.saturating_sub(rim)..v * w + (x + rim + 1).min(w)].fill(true);
            }
        };
        found.iter().flat_map(|f| &f.region).for_each(|i| cover(*i, RIM));
        // It has its rim already.
        held.iter().flat_map(|held| &held.pixels).for_each(|i| cover(*i, 0));
        let shown: Vec<usize> = (0..w * h).filter(|i| meant[*i] && self.valid[*i]).collect();
        let (Some(x0), Some(x1)) = (shown.iter().map(|i| i % w).min(), shown.iter().map(|i| i % w).max())
        else {
            return Ok(None);
        };
        let (y0, y1) = (shown[0] / w, shown[shown.len() - 1] / w);
        let mut patch = RgbaImage::new((x1 - x0 + 1) as u32, (y1 - y0 + 1) as u32);
        for i in shown {
            let image::Rgb([r, g, b]) = *self.lit.get_pixel((i % w) as u32, (i / w) as u32);
            patch.put_pixel((i % w - x0) as u32, (i / w - y0) as u32, Rgba([r, g, b, 255]));
        }
        patch.save(path).map_err(std::io::Error::other)?;
        let rect = [x0, y0, x1 + 1, y1 + 1].map(|v| v as f64 / self.working_scale);
        Ok(Some(Patch { event, path: path.to_path_buf(), rect }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_covers_its_part_at_any_size_and_a_lost_one_covers_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("look.png");
        // A red disc's worth: the left half is meant.
        let meant = |x: u32| if x < 4 { Rgba([200, 10, 10, 255]) } else { Rgba([0, 0, 0, 0]) };
        RgbaImage::from_fn(8, 4, |x, _| meant(x)).save(&path).expect("saved");
        let patch = Patch { event: Uuid::nil(), path, rect: [10.0, 20.0, 26.0, 28.0] };
        let mut image = RgbImage::from_pixel(40, 40, image::Rgb([50; 3]));
        let laid = patch.lay(&mut image).expect("it is there");
        assert_eq!(laid.area(), 64.0);
        let red = image.enumerate_pixels().filter(|(_, _, p)| p.0 == [200, 10, 10]).map(|(x, y, _)| (x, y));
        let red: Vec<_> = red.collect();
        assert_eq!(red.len(), 64);
        assert!(red.iter().all(|(x, y)| (10..18).contains(x) && (20..28).contains(y)), "{red:?}");
        assert!(laid.contains([17.9, 27.9]) && !laid.contains([18.1, 24.0]) && !laid.contains([9.0, 24.0]));
        let lost = Patch { path: dir.path().join("none.png"), ..patch };
        assert!(lost.lay(&mut image).is_none());
    }
}
