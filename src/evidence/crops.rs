//! A change as two crops of the same part: before, and now with the change outlined.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, RgbImage, imageops};

use super::disk::ensure_free;
use super::files::write_file;
use super::{EvidenceError, EvidenceFile, EvidenceKind, Missing, StillWriter, Stills, rgb_image};
use crate::base::{Point, Rect, error_chain};
use crate::decode::Picture;
use crate::draw::{Canvas, Colour};

/// Margin around a change on each side: a share of its size, and at least a share of the picture.
const AROUND: f32 = 0.6;
const AROUND_LEAST: f32 = 0.05;
/// Crops are enlarged to at least this many pixels on the longer side.
const LEAST_SIDE: u32 = 480;

/// A change to show.
#[derive(Clone, Copy, Debug)]
pub struct CropJob<'a> {
    /// The whole earlier picture as JPEG; `None` if there is none.
    pub before: Option<&'a Path>,
    pub now: &'a Picture,
    pub outline: &'a [Point],
    pub rect: Rect,
}

impl StillWriter {
    /// Writes `before.jpg` and `after.jpg` into the event's folder. Never fails as a whole: files that failed
    /// are in `missing`.
    pub fn write_crops(&self, dir: &Path, job: &CropJob) -> Stills {
        let mut stills = Stills::default();
        let before = || -> Result<RgbImage, EvidenceError> {
            let path = job.before.ok_or_else(|| {
                EvidenceError::NoFootage("no picture from before the change was kept".to_owned())
            })?;
            let image = image::open(path).map_err(|e| EvidenceError::Jpeg(e.to_string()))?;
            Ok(cut(image.into_rgb8(), job.rect))
        };
        let after = || -> Result<RgbImage, EvidenceError> {
            let mut canvas = Canvas::new(rgb_image(job.now)?);
            let width = (job.now.width as f32 / 640.0).round().max(1.0) as i32;
            let (w, h) = (job.now.width as f32, job.now.height as f32);
            let corners: Vec<(i32, i32)> =
                job.outline.iter().map(|p| ((p.x * w) as i32, (p.y * h) as i32)).collect();
            canvas.outline(&corners, Colour::OBJECT, width)?;
            Ok(cut(canvas.into_image(), job.rect))
        };
        for (kind, made) in [(EvidenceKind::Before, before()), (EvidenceKind::After, after())] {
            match made.and_then(|image| self.store(dir, kind, &image)) {
                Ok(file) => stills.files.push(file),
                Err(error) => {
                    tracing::error!(kind = kind.file_name(), error = %error_chain(&error), "no cut of a change");
                    stills.missing.push(Missing::new(kind, &error));
                }
            }
        }
        stills
    }

    pub(super) fn store(
        &self,
        dir: &Path,
        kind: EvidenceKind,
        image: &RgbImage,
    ) -> Result<EvidenceFile, EvidenceError> {
        ensure_free(dir, self.min_free_bytes())?;
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, self.quality())
            .write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8)
            .map_err(|e| EvidenceError::Jpeg(e.to_string()))?;
        write_file(dir, kind, &jpeg)
    }
}

/// The part of a picture around a box.
pub(super) fn cut(image: RgbImage, rect: Rect) -> RgbImage {
    let (w, h) = image.dimensions();
    let wide = (rect.width() * AROUND).max(AROUND_LEAST);
    let high = (rect.height() * AROUND).max(AROUND_LEAST);
    let part = Rect::new(rect.x0 - wide, rect.y0 - high, rect.x1 + wide, rect.y1 + high).clamped();
    let (x, y) = ((part.x0 * w as f32) as u32, (part.y0 * h as f32) as u32);
    let (cw, ch) = ((part.width() * w as f32) as u32, (part.height() * h as f32) as u32);
    let (cw, ch) = (cw.clamp(1, w - x.min(w - 1)), ch.clamp(1, h - y.min(h - 1)));
    let cut = imageops::crop_imm(&image, x.min(w - 1), y.min(h - 1), cw, ch).to_image();
    let side = cw.max(ch);
    if side >= LEAST_SIDE {
        return cut;
    }
    let scale = LEAST_SIDE as f32 / side as f32;
    let to = |v: u32| ((v as f32 * scale) as u32).max(1);
    DynamicImage::ImageRgb8(cut).resize(to(cw), to(ch), imageops::FilterType::CatmullRom).into_rgb8()
}
