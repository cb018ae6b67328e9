//! How the ground looked before a change, saved and applied to later pictures. Every further flight then
//! finds the change again for as long as it exists, and stops finding it once it is gone.

use std::path::PathBuf;

use image::{GrayImage, Luma, RgbImage, Rgba, RgbaImage, imageops};
use uuid::Uuid;

/// How a part of a picture looked before a change.
#[derive(Clone, Debug, PartialEq)]
pub struct BaselinePatch {
    /// The event that reported the change.
    pub event: Uuid,
    /// PNG. Its alpha channel marks the pixels that belong to the change.
    pub path: PathBuf,
    /// Left, top, right, bottom in pixels of the whole picture.
    pub rect: [f64; 4],
}

/// A patch that was applied to a picture.
pub(super) struct AppliedPatch {
    pub event: Uuid,
    rect: [f64; 4],
    mask: GrayImage,
}

/// What a later picture shows at the place of a patch.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchCheck {
    pub event: Uuid,
    /// Indices of the pixels, at the working size of the later picture, that show the ground of the patch.
    pub(super) pixels: Vec<usize>,
    /// Share of the patch that both pictures show, 0 to 1.
    pub visible: f64,
    /// Share of `pixels` that still differ from the patch, 0 to 1.
    pub differs: f64,
    /// Indices into [`Comparison::changes`](super::Comparison::changes) of the changes that overlap it.
    pub changes: Vec<usize>,
}

impl BaselinePatch {
    /// Draws the patch onto its picture. `None`: the patch cannot be read, and the picture stays as it was.
    pub(super) fn apply(&self, image: &mut RgbImage) -> Option<AppliedPatch> {
        let patch = image::open(&self.path).inspect_err(
            |error| tracing::warn!(patch = %self.path.display(), "a baseline patch cannot be read: {error}"),
        );
        let patch = patch.ok()?.into_rgba8();
        let applied = AppliedPatch { event: self.event, rect: self.rect, mask: alpha(&patch) };
        let [left, top, right, bottom] = self.rect;
        let whole = |v: f64, most: u32| v.clamp(0.0, f64::from(most)) as u32;
        for y in whole(top, image.height())..whole(bottom.ceil(), image.height()) {
            for x in whole(left, image.width())..whole(right.ceil(), image.width()) {
                let at = [f64::from(x) + 0.5, f64::from(y) + 0.5];
                if applied.contains(at) {
                    let [u, v] = applied.within(at);
                    let pixel =
                        imageops::interpolate_bilinear(&patch, (u - 0.5).max(0.0), (v - 0.5).max(0.0));
                    let nearest = *patch
                        .get_pixel((u as u32).min(patch.width() - 1), (v as u32).min(patch.height() - 1));
                    // At the rim, interpolation would mix in the colours of transparent pixels.
                    let Rgba([r, g, b, _]) = pixel.filter(|p| p.0[3] == 255).unwrap_or(nearest);
                    image.put_pixel(x, y, image::Rgb([r, g, b]));
                }
            }
        }
        Some(applied)
    }
}

impl AppliedPatch {
    /// From pixels of the picture to pixels of the patch.
    fn within(&self, [x, y]: [f64; 2]) -> [f32; 2] {
        let [left, top, right, bottom] = self.rect;
        let share = [(x - left) / (right - left).max(1e-9), (y - top) / (bottom - top).max(1e-9)];
        [share[0] * f64::from(self.mask.width()), share[1] * f64::from(self.mask.height())].map(|v| v as f32)
    }

    /// Whether the patch covers this pixel of the picture.
    pub fn contains(&self, at: [f64; 2]) -> bool {
        let [u, v] = self.within(at);
        u >= 0.0
            && v >= 0.0
            && self.mask.get_pixel_checked(u as u32, v as u32).is_some_and(|Luma([a])| *a > 127)
    }

    /// Number of pixels of the picture that it covers.
    pub fn area(&self) -> f64 {
        let [left, top, right, bottom] = self.rect;
        let covered = self.mask.pixels().filter(|Luma([a])| *a > 127).count() as f64;
        covered / f64::from((self.mask.width() * self.mask.height()).max(1)) * (right - left) * (bottom - top)
    }
}

fn alpha(patch: &RgbaImage) -> GrayImage {
    GrayImage::from_fn(patch.width(), patch.height(), |x, y| Luma([patch.get_pixel(x, y).0[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_covers_its_part_at_any_size_and_a_lost_one_covers_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("patch.png");
        // Only the left half is opaque.
        let pixel = |x: u32| if x < 4 { Rgba([200, 10, 10, 255]) } else { Rgba([0, 0, 0, 0]) };
        RgbaImage::from_fn(8, 4, |x, _| pixel(x)).save(&path).expect("saved");
        let patch = BaselinePatch { event: Uuid::nil(), path, rect: [10.0, 20.0, 26.0, 28.0] };
        let mut image = RgbImage::from_pixel(40, 40, image::Rgb([50; 3]));
        let applied = patch.apply(&mut image).expect("it is there");
        assert_eq!(applied.area(), 64.0);
        let red = image.enumerate_pixels().filter(|(_, _, p)| p.0 == [200, 10, 10]).map(|(x, y, _)| (x, y));
        let red: Vec<_> = red.collect();
        assert_eq!(red.len(), 64);
        assert!(red.iter().all(|(x, y)| (10..18).contains(x) && (20..28).contains(y)), "{red:?}");
        assert!(
            applied.contains([17.9, 27.9])
                && !applied.contains([18.1, 24.0])
                && !applied.contains([9.0, 24.0])
        );
        let lost = BaselinePatch { path: dir.path().join("none.png"), ..patch };
        assert!(lost.apply(&mut image).is_none());
    }
}
