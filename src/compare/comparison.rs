//! What a comparison of two pictures found.

use std::path::Path;

use image::{RgbImage, Rgba, RgbaImage};
use uuid::Uuid;

use super::baseline_patch::{BaselinePatch, PatchCheck};
use super::kind::Kind;
use crate::base::ClassName;

/// A saved baseline reaches this many pixels beyond its change, at the size at which pictures are compared.
const RIM: usize = 4;

/// One changed area.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedArea {
    pub kind: Kind,
    /// In pixels of the later picture at its full size.
    pub outline_px: Vec<[f64; 2]>,
    /// Longitude and latitude in degrees; `None` without a georeference.
    pub outline: Option<Vec<[f64; 2]>>,
    pub area_m2: Option<f64>,
    /// Share of the ground that both pictures show, 0 to 1.
    pub share: f64,
    /// 0 to 1.
    pub confidence: f64,
    /// Share of its green that the ground lost, 0 to 1; 0 if it had none.
    pub lost_green: f32,
    /// Brightness now divided by brightness then.
    pub brighter: f32,
    /// Classes that the detector finds beside it in the later picture.
    pub near: Vec<ClassName>,
    /// Indices of its pixels, at the working size of the later picture.
    pub(super) region: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct Comparison {
    /// The earlier picture, moved onto the later one, and the later one. Both are for display, at a larger
    /// size than that of the comparison.
    pub before: RgbImage,
    pub after: RgbImage,
    /// Pixels of `before` and `after` per pixel of the later picture at its full size.
    pub scale: f64,
    /// Largest first.
    pub changes: Vec<ChangedArea>,
    /// Number of vehicles and shadows that were left out.
    pub left_out: usize,
    /// Number of features that agree. Their median distance in pixels, after one homography and in the end.
    pub features: usize,
    pub residual_px: (f64, f64),
    /// Scale of the comparison.
    pub metres_per_pixel: Option<f64>,
    /// Warnings about the pair, for the operator.
    pub notes: Vec<String>,
    /// What the later picture shows at the patches of the earlier one.
    pub patches: Vec<PatchCheck>,
    /// The earlier picture, moved onto the later one and matched in colour, at the working size.
    pub(super) matched: RgbImage,
    /// Which pixels of `matched` both pictures show.
    pub(super) valid: Vec<bool>,
    /// Pixels of `matched` per pixel of the later picture at its full size.
    pub(super) working_scale: f64,
}

impl Comparison {
    /// How well the pictures were registered, for the operator.
    pub fn agreement(&self) -> String {
        match self.features {
            0 => "taken as they lie".to_owned(),
            n => {
                let (one, end) = self.residual_px;
                format!("{n} places agree, {one:.1} px off after one homography, {end:.1} px in the end")
            }
        }
    }
}

impl Comparison {
    /// Left, top, right and bottom of a patch, in pixels of the later picture at its full size.
    pub fn rect_of(&self, patch: &PatchCheck) -> [f64; 4] {
        let w = self.matched.width() as usize;
        let edge = |axis: fn(usize, usize) -> usize, most: bool| {
            let all = patch.pixels.iter().map(|i| axis(*i, w));
            (if most { all.max().map(|v| v + 1) } else { all.min() }).unwrap_or(0) as f64 / self.working_scale
        };
        let (x, y) = (|i, w| i % w, |i, w| i / w);
        [edge(x, false), edge(y, false), edge(x, true), edge(y, true)]
    }

    /// Saves how the ground of these changes and patches looked in the earlier picture, as a patch for the
    /// later one. `None`: the earlier picture shows nothing of this ground.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_baseline(
        &self,
        event: Uuid,
        changes: &[&ChangedArea],
        patches: &[&PatchCheck],
        path: &Path,
    ) -> std::io::Result<Option<BaselinePatch>> {
        let (w, h) = (self.matched.width() as usize, self.matched.height() as usize);
        let mut wanted = vec![false; w * h];
        let mut cover = |i: usize, rim: usize| {
            let (x, y) = (i % w, i / w);
            for v in y.saturating_sub(rim)..(y + rim + 1).min(h) {
                wanted[v * w + x.saturating_sub(rim)..v * w + (x + rim + 1).min(w)].fill(true);
            }
        };
        changes.iter().flat_map(|c| &c.region).for_each(|i| cover(*i, RIM));
        // Patches include their rim already.
        patches.iter().flat_map(|p| &p.pixels).for_each(|i| cover(*i, 0));
        let shown: Vec<usize> = (0..w * h).filter(|i| wanted[*i] && self.valid[*i]).collect();
        let (Some(x0), Some(x1)) = (shown.iter().map(|i| i % w).min(), shown.iter().map(|i| i % w).max())
        else {
            return Ok(None);
        };
        let (y0, y1) = (shown[0] / w, shown[shown.len() - 1] / w);
        let mut patch = RgbaImage::new((x1 - x0 + 1) as u32, (y1 - y0 + 1) as u32);
        for i in shown {
            let image::Rgb([r, g, b]) = *self.matched.get_pixel((i % w) as u32, (i / w) as u32);
            patch.put_pixel((i % w - x0) as u32, (i / w - y0) as u32, Rgba([r, g, b, 255]));
        }
        patch.save(path).map_err(std::io::Error::other)?;
        let rect = [x0, y0, x1 + 1, y1 + 1].map(|v| v as f64 / self.working_scale);
        Ok(Some(BaselinePatch { event, path: path.to_path_buf(), rect }))
    }
}
