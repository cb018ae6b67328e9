//! A network with its pre- and post-processing: picture -> detections.

use std::time::{Duration, Instant};

use super::crop::Crop;
use super::heads::{self, Context};
use super::letterbox::Letterbox;
use super::nms::{self, Candidate, MAX_DETECTIONS};
use super::onnx::{Network, Runtime};
use super::tile_scheduler::{TilePlan, TileScheduler};
use super::{DetectError, Detection, HeadKind, Looked, ModelError, ModelManifest, Part, tiling};
use crate::base::{Rect, monotonic};
use crate::config::{Provider, Tiling};
use crate::decode::{Picture, Pixels};

/// Detections with a lower score are mostly noise, so the detector drops them.
pub const SCORE_FLOOR: f32 = 0.1;

/// A loaded model with one session, for one thread at a time.
pub struct Detector {
    network: Network,
    manifest: ModelManifest,
    context: Context,
    /// One for each size of crop: of the whole picture and of the slices.
    letterboxes: Vec<Letterbox>,
    tensor: Vec<f32>,
    timing: Option<Timing>,
    /// The first run has shown that the outputs are what the manifest says.
    checked: bool,
    /// Boxes of the last picture that could not be, and were left out.
    impossible: usize,
}

/// Time spent on the last picture, over all its slices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    pub letterbox: Duration,
    pub run: Duration,
    /// Decoding of the outputs, suppression and merging.
    pub head: Duration,
}

impl Detector {
    /// Loads the model and runs it once on a grey picture, which reveals a wrong manifest at the start.
    /// `threads`: of one run; `None`: the manifest's number.
    ///
    /// # Errors
    /// The library lacks the provider, ONNX Runtime refuses the file, or inputs or outputs do not match the
    /// manifest.
    pub fn open(
        runtime: &Runtime,
        manifest: &ModelManifest,
        threads: Option<usize>,
        provider: Provider,
    ) -> Result<Self, ModelError> {
        let network =
            Network::open(runtime, &manifest.network(), threads.unwrap_or(manifest.threads), provider)?;
        let input = &manifest.input;
        let context = Context {
            kind: manifest.head.kind,
            width: input.width,
            height: input.height,
            classes: manifest.class_names().len(),
            floor: SCORE_FLOOR,
        };
        let mut detector = Self {
            network,
            context,
            letterboxes: Vec::new(),
            tensor: vec![0.0; 3 * input.width as usize * input.height as usize],
            timing: None,
            checked: false,
            impossible: 0,
            manifest: manifest.clone(),
        };
        let grey = vec![114; input.width as usize * input.height as usize * 3];
        let crop = Crop { x: 0, y: 0, width: input.width, height: input.height };
        match detector.detect_crop(&Pixels::Rgb(grey.into()), input.width, crop) {
            Ok(_) => {
                detector.checked = true;
                Ok(detector)
            }
            Err(source) => Err(ModelError::Trial { path: manifest.network().manifest, source }),
        }
    }

    /// Keeps detections down to `floor` instead of [`SCORE_FLOOR`], to measure average precision.
    pub fn set_floor(&mut self, floor: f32) {
        self.context.floor = floor;
    }

    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// All detections at or above [`SCORE_FLOOR`] (or `set_floor`), best first, at most 300.
    ///
    /// # Errors
    /// The picture's bytes do not match its size, the run fails, or the outputs have a wrong shape.
    pub fn detect(&mut self, picture: &Picture, tiling: &Tiling) -> Result<Vec<Detection>, DetectError> {
        self.detect_crops(picture, &tiling::crops(tiling, picture.width, picture.height))
    }

    /// As [`detect`](Self::detect), but in the parts of the picture that are due. A picture that shows
    /// nothing new keeps the earlier detections, without a run.
    ///
    /// # Errors
    /// As `detect`.
    pub fn detect_next(
        &mut self,
        picture: &Picture,
        tiles: &mut TileScheduler,
    ) -> Result<(Vec<Detection>, Looked), DetectError> {
        match tiles.next(picture) {
            TilePlan::Same(found) => {
                self.timing = None;
                self.impossible = 0;
                Ok((found, Looked::Again))
            }
            TilePlan::Parts(parts) => {
                let found = self.detect_crops(picture, &parts)?;
                tiles.found(&found);
                let parts = parts.iter().map(|crop| self.part(crop, picture.width, picture.height));
                Ok((found, Looked::At(parts.collect())))
            }
        }
    }

    fn detect_crops(&mut self, picture: &Picture, crops: &[Crop]) -> Result<Vec<Detection>, DetectError> {
        let Picture { width, height, ref pixels, .. } = *picture;
        if let Pixels::Rgb(rgb) = pixels
            && (rgb.is_empty() || rgb.len() as u64 != u64::from(width) * u64::from(height) * 3)
        {
            return Err(DetectError::Picture { width, height, bytes: rgb.len() });
        }
        self.timing = None;
        self.impossible = 0;
        let found = match crops {
            [only] => self.detect_crop(pixels, width, *only)?,
            crops => self.detect_slices(pixels, (width, height), crops)?,
        };
        let names = self.manifest.class_names();
        let (w, h) = (width as f32, height as f32);
        let normalised = |c: Candidate| Detection {
            class: names[c.class].clone(),
            score: c.score.min(1.0),
            rect: Rect::new(c.rect.x0 / w, c.rect.y0 / h, c.rect.x1 / w, c.rect.y1 / h),
            scale: c.scale,
            there_since: None,
        };
        Ok(found.into_iter().map(normalised).collect())
    }

    fn part(&self, crop: &Crop, width: u32, height: u32) -> Part {
        let share = |v: u32, of: u32| v as f32 / of.max(1) as f32;
        let (x1, y1) = (crop.x + crop.width, crop.y + crop.height);
        let rect =
            Rect::new(share(crop.x, width), share(crop.y, height), share(x1, width), share(y1, height));
        Part { rect, scale: self.scale(crop) }
    }

    /// Pixels of the network's input a pixel of the picture, where this crop fills the input.
    fn scale(&self, crop: &Crop) -> f32 {
        let along = |input: u32, size: u32| input as f32 / size.max(1) as f32;
        along(self.context.width, crop.width).min(along(self.context.height, crop.height))
    }

    /// Boxes that the network gave for the last picture and that cannot be: without a size, not a number, far
    /// outside, or with a score above 1. They are left out.
    pub fn impossible(&self) -> usize {
        self.impossible
    }

    /// Time spent on the last picture; `None` if there was no run.
    pub fn timing(&self) -> Option<Timing> {
        self.timing
    }

    fn detect_slices(
        &mut self,
        pixels: &Pixels,
        (width, height): (u32, u32),
        crops: &[Crop],
    ) -> Result<Vec<Candidate>, DetectError> {
        let (mut whole, mut cut) = (Vec::new(), Vec::new());
        for crop in crops {
            let margin = |size: u32, input: u32| tiling::EDGE * (size as f32 / input as f32).max(1.0);
            let margin = (margin(crop.width, self.context.width), margin(crop.height, self.context.height));
            for found in self.detect_crop(pixels, width, *crop)? {
                if tiling::is_cut(&found.rect, crop, width, height, margin) {
                    cut.push(found);
                } else {
                    whole.push(found);
                }
            }
        }
        let start = monotonic();
        let merged = tiling::merge(whole, cut, self.manifest.nms_ious());
        self.timing.get_or_insert_default().head += start.elapsed();
        Ok(merged)
    }

    /// Runs the network on one crop. Boxes are in pixels of the picture, clipped to the crop.
    fn detect_crop(
        &mut self,
        pixels: &Pixels,
        width: u32,
        crop: Crop,
    ) -> Result<Vec<Candidate>, DetectError> {
        let start = monotonic();
        let spec = &self.manifest.input;
        let size = (crop.width, crop.height);
        let known = self.letterboxes.iter().position(|l| l.size() == size);
        let index = known.unwrap_or_else(|| {
            /// Number of cached sizes: the cameras of a node have only a few.
            const SIZES: usize = 16;
            if self.letterboxes.len() == SIZES {
                self.letterboxes.remove(0);
            }
            self.letterboxes.push(Letterbox::new(spec, size.0, size.1));
            self.letterboxes.len() - 1
        });
        match pixels {
            Pixels::Rgb(rgb) => self.letterboxes[index].fill(rgb, width, crop, spec, &mut self.tensor),
            Pixels::Yuv(yuv) => self.letterboxes[index].fill_planar(yuv, crop, spec, &mut self.tensor),
        }
        let filled = monotonic();
        let (context, ious, checked) = (&self.context, self.manifest.nms_ious(), self.checked);
        let mut ran: Option<Instant> = None;
        let candidates = self.network.run(&self.tensor, |outputs| {
            ran = Some(monotonic());
            let decode = if checked { heads::decode } else { heads::check };
            Ok(decode(context, outputs)?)
        });
        let ran = ran.unwrap_or_else(monotonic);
        let decoded = candidates?;
        self.impossible += decoded.impossible;
        let mut found = match (decoded.found, context.kind) {
            (mut queries, HeadKind::Detr | HeadKind::EndToEnd) => {
                nms::sort(&mut queries);
                queries.truncate(MAX_DETECTIONS);
                queries
            }
            (points, _) => nms::suppress(points, ious),
        };
        let scale = self.scale(&crop);
        let letterbox = &self.letterboxes[index];
        found.retain_mut(|c| {
            c.scale = scale;
            c.rect = on_picture(&letterbox.to_crop(&c.rect), &crop);
            c.rect.width() > 0.0 && c.rect.height() > 0.0
        });
        let timing = self.timing.get_or_insert_default();
        timing.letterbox += filled - start;
        timing.run += ran - filled;
        timing.head += ran.elapsed();
        Ok(found)
    }
}

/// Pixels of the crop -> pixels of the picture, clipped to the crop.
fn on_picture(rect: &Rect, crop: &Crop) -> Rect {
    let (w, h) = (crop.width as f32, crop.height as f32);
    let (x, y) = (crop.x as f32, crop.y as f32);
    let clip = |v: f32, limit: f32| v.clamp(0.0, limit);
    Rect::new(x + clip(rect.x0, w), y + clip(rect.y0, h), x + clip(rect.x1, w), y + clip(rect.y1, h))
}
