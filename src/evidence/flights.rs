//! Evidence from two flights over the same ground: the later picture, crops of both, and the crops side by
//! side.

use std::path::Path;

use image::{Rgb, RgbImage, imageops};

use super::crops::cut;
use super::{EvidenceError, EvidenceKind, Missing, StillWriter, Stills};
use crate::base::{Point, Rect, error_chain};
use crate::draw::{Canvas, Colour, DrawError};

/// Gap between the crops, in pixels.
const GAP: u32 = 8;

/// A difference to show. Both pictures show the same ground, pixel for pixel.
#[derive(Clone, Copy, Debug)]
pub struct FlightJob<'a> {
    pub before: &'a RgbImage,
    pub after: &'a RgbImage,
    pub outline: &'a [Point],
    pub rect: Rect,
}

impl StillWriter {
    /// Writes `still.jpg` (the later picture as it is), `before.jpg`, `after.jpg` and `comparison.jpg` into
    /// the event's folder. Never fails as a whole: files that failed are in `missing`.
    pub fn write_flights(&self, dir: &Path, job: &FlightJob) -> Stills {
        let before = cut(job.before.clone(), job.rect);
        let after = outlined(job).map(|picture| cut(picture, job.rect));
        let both = after.as_ref().map(|after| side_by_side(&before, after)).map_err(again);
        let mut stills = Stills::default();
        self.keep(dir, EvidenceKind::Still, Ok(job.after), &mut stills);
        self.keep(dir, EvidenceKind::Before, Ok(&before), &mut stills);
        self.keep(dir, EvidenceKind::After, after.as_ref().map_err(again), &mut stills);
        self.keep(dir, EvidenceKind::Comparison, both.as_ref().map_err(again), &mut stills);
        stills
    }

    /// Writes `closed.jpg`: the ground after the object has gone.
    pub fn write_gone(&self, dir: &Path, now: &RgbImage, rect: Rect) -> Stills {
        let mut stills = Stills::default();
        self.keep(dir, EvidenceKind::Closed, Ok(&cut(now.clone(), rect)), &mut stills);
        stills
    }

    fn keep(
        &self,
        dir: &Path,
        kind: EvidenceKind,
        picture: Result<&RgbImage, EvidenceError>,
        stills: &mut Stills,
    ) {
        match picture.and_then(|picture| self.store(dir, kind, picture)) {
            Ok(file) => stills.files.push(file),
            Err(error) => {
                tracing::error!(folder = %dir.display(), kind = kind.file_name(), error = %error_chain(&error), "no picture of a flight");
                stills.missing.push(Missing::new(kind, &error));
            }
        }
    }
}

/// The same error, for the next file that needs the same picture.
fn again(error: &EvidenceError) -> EvidenceError {
    EvidenceError::Draw(DrawError::OpenCv(error_chain(error)))
}

fn outlined(job: &FlightJob) -> Result<RgbImage, EvidenceError> {
    let (w, h) = (job.after.width() as f32, job.after.height() as f32);
    let line = (w / 640.0).round().max(1.0) as i32;
    let corners: Vec<(i32, i32)> = job.outline.iter().map(|p| ((p.x * w) as i32, (p.y * h) as i32)).collect();
    let mut canvas = Canvas::new(job.after.clone());
    canvas.outline(&corners, Colour::OBJECT, line)?;
    Ok(canvas.into_image())
}

fn side_by_side(before: &RgbImage, after: &RgbImage) -> RgbImage {
    let (w, h) = before.dimensions();
    let mut both = RgbImage::from_pixel(w + GAP + after.width(), h.max(after.height()), Rgb([255; 3]));
    imageops::replace(&mut both, before, 0, 0);
    imageops::replace(&mut both, after, i64::from(w + GAP), 0);
    both
}
