//! The stills of an event: the camera's own picture, and one annotated for people.

use std::path::Path;

use image::RgbImage;
use jiff::tz::TimeZone;
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use super::disk::ensure_free;
use super::files::write_file;
use super::{
    BoxMark, EvidenceError, EvidenceFile, EvidenceKind, Missing, Overlay, ZoneMark, draw, rgb_image,
};
use crate::base::{Capture, TimeSource, error_chain};
use crate::config::{EvidenceConfig, ViolationClass, Zone, ZoneArea};
use crate::decode::Picture;
use crate::draw::{Colour, Lettering};
use crate::rules::{Transition, Violation};

/// Input for one set of stills.
#[derive(Clone, Copy, Debug)]
pub struct StillJob<'a> {
    pub violation: &'a Violation,
    pub class: &'a ViolationClass,
    pub camera_name: &'a str,
    /// The camera's zones; the violation's own is drawn.
    pub zones: &'a [Zone],
    pub picture: &'a Picture,
}

/// The result of a job. Each requested file is in one of the two lists.
#[derive(Clone, Debug, Default)]
pub struct Stills {
    pub files: Vec<EvidenceFile>,
    pub missing: Vec<Missing>,
}

/// Writes stills; holds the font. Threads can share it.
pub struct StillWriter {
    letters: Lettering,
    time_zone: TimeZone,
    quality: u8,
    min_free_bytes: u64,
}

impl StillWriter {
    /// # Errors
    /// The configured font cannot be read.
    pub fn new(config: &EvidenceConfig, time_zone: TimeZone) -> Result<Self, EvidenceError> {
        Ok(Self {
            letters: Lettering::load(config.font.as_deref())?,
            time_zone,
            quality: config.jpeg_quality.clamp(1, 100),
            min_free_bytes: config.min_free_bytes,
        })
    }

    /// Writes `still.jpg` and `annotated.jpg` into the event's folder, or `closed.jpg` if the event has
    /// cleared. Costs about 30 ms of CPU at 1080p and 120 ms at 4K, most of it JPEG. Never fails as a whole:
    /// files that failed are in `missing`.
    pub fn write(&self, dir: &Path, job: &StillJob) -> Stills {
        let kinds: &[EvidenceKind] = match job.violation.transition {
            Transition::Opened | Transition::Updated => &[EvidenceKind::Still, EvidenceKind::Annotated],
            Transition::Closed => &[EvidenceKind::Closed],
            // It is not known whether the object is gone, so no picture can show it.
            Transition::Expired => &[],
        };
        let mut stills = Stills::default();
        for &kind in kinds {
            self.add(dir, job.picture, kind, || self.overlay(job), &mut stills);
        }
        stills
    }

    /// Writes `first.jpg`, as the camera gave it. `None`: it was not kept.
    pub(super) fn write_first(&self, dir: &Path, jpeg: Option<&[u8]>, stills: &mut Stills) {
        let kind = EvidenceKind::First;
        let Some(jpeg) = jpeg else {
            let reason = "its picture was not kept: the node began later, or other pictures took its room";
            stills.missing.push(Missing { kind, reason: reason.to_owned() });
            return;
        };
        match ensure_free(dir, self.min_free_bytes).and_then(|()| write_file(dir, kind, jpeg)) {
            Ok(file) => stills.files.push(file),
            Err(error) => stills.missing.push(Missing::new(kind, &error)),
        }
    }

    /// Writes `still.jpg` and `annotated.jpg` of a picture that a command requested. The caption says where
    /// and when.
    pub fn write_asked(
        &self,
        dir: &Path,
        picture: &Picture,
        camera_name: &str,
        mut overlay: Overlay,
    ) -> Stills {
        let camera = self.name(picture.camera.as_str(), camera_name);
        overlay.caption.push(format!("camera {camera} | {}", self.time(&picture.capture)));
        let mut stills = Stills::default();
        for kind in [EvidenceKind::Still, EvidenceKind::Annotated] {
            self.add(dir, picture, kind, || overlay.clone(), &mut stills);
        }
        stills
    }

    fn add(
        &self,
        dir: &Path,
        picture: &Picture,
        kind: EvidenceKind,
        overlay: impl FnOnce() -> Overlay,
        stills: &mut Stills,
    ) {
        match self.write_one(dir, picture, kind, overlay) {
            Ok(file) => stills.files.push(file),
            Err(e) => {
                tracing::error!(folder = %dir.display(), kind = kind.file_name(), error = %error_chain(&e), "no still");
                stills.missing.push(Missing::new(kind, &e));
            }
        }
    }

    fn write_one(
        &self,
        dir: &Path,
        picture: &Picture,
        kind: EvidenceKind,
        overlay: impl FnOnce() -> Overlay,
    ) -> Result<EvidenceFile, EvidenceError> {
        ensure_free(dir, self.min_free_bytes)?;
        let image = rgb_image(picture)?;
        let image = match kind {
            EvidenceKind::Still => image,
            _ => draw(image, &overlay(), &self.letters)?,
        };
        // The camera's picture has its colours at half resolution already; drawn lines do not.
        let colours = if kind == EvidenceKind::Still { Subsamp::Sub2x2 } else { Subsamp::None };
        let jpeg =
            jpeg(&image, self.quality, colours).map_err(|error| EvidenceError::Jpeg(error.to_string()))?;
        write_file(dir, kind, &jpeg)
    }

    pub(super) fn quality(&self) -> u8 {
        self.quality
    }

    pub(super) fn min_free_bytes(&self) -> u64 {
        self.min_free_bytes
    }

    /// The overlay of a violation.
    pub fn overlay(&self, job: &StillJob) -> Overlay {
        let (v, gone) = (job.violation, job.violation.transition == Transition::Closed);
        let zone = job.zones.iter().find(|z| v.zone.as_ref() == Some(&z.id));
        let mark = |o: &crate::rules::ViolationObject| BoxMark {
            rect: o.rect,
            label: if gone { format!("{} was here", o.class) } else { o.class.to_string() },
            score: (!gone).then_some(o.score),
            colour: if gone { Colour::GONE } else { Colour::OBJECT },
        };
        let outlines = zone.map_or(&[][..], |z| match &z.area {
            ZoneArea::Picture(polygon) => std::slice::from_ref(polygon),
            ZoneArea::Ground { drawn, .. } => drawn,
        });
        let zones = outlines.iter().zip(zone.into_iter().cycle()).map(|(polygon, z)| ZoneMark {
            polygon: polygon.clone(),
            label: self.name(z.id.as_str(), &z.name),
            colour: Colour::ZONE,
        });
        let name = self.name(&job.class.en, &job.class.zh);
        let title =
            if gone { format!("Cleared: {name}") } else { format!("Suspected: {name} {:.2}", v.confidence) };
        let camera = self.name(v.camera.as_str(), job.camera_name);
        let place = match zone {
            Some(z) => format!("camera {camera} | zone {}", self.name(z.id.as_str(), &z.name)),
            None => format!("camera {camera}"),
        };
        Overlay {
            zones: zones.into_iter().collect(),
            boxes: v.objects.iter().map(mark).collect(),
            caption: vec![
                title,
                format!("{place} | {}", self.time(&job.picture.capture)),
                v.reason.clone(),
                format!("event {}", v.id),
            ],
        }
    }

    /// The plain name, followed by the name in the operator's language if it differs and the font has its
    /// letters.
    fn name(&self, plain: &str, local: &str) -> String {
        if local.is_empty() || local == plain || !self.letters.can_show(local) {
            return plain.to_owned();
        }
        format!("{plain} {local}")
    }

    /// Local time with its offset from UTC, and the clock that gave it.
    fn time(&self, capture: &Capture) -> String {
        let clock = match (capture.source, capture.offset_ms) {
            (TimeSource::Rtcp, Some(ms)) => format!("camera clock, {ms:+} ms"),
            (TimeSource::Rtcp, None) => "camera clock".to_owned(),
            (TimeSource::Arrival, _) => "node clock at arrival".to_owned(),
            (TimeSource::Telemetry, _) => "drone's time".to_owned(),
            (TimeSource::Footage, _) => "recording's time".to_owned(),
        };
        let local = capture
            .at
            .timestamp()
            .map(|t| t.to_zoned(self.time_zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f %:z").to_string());
        format!("{} ({clock})", local.unwrap_or_else(|| capture.at.to_string()))
    }
}

/// Encodes by libjpeg-turbo, about eight times faster than in plain Rust: many events may open at once.
pub(crate) fn jpeg(image: &RgbImage, quality: u8, colours: Subsamp) -> turbojpeg::Result<Vec<u8>> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut compressor = Compressor::new()?;
    compressor.set_quality(quality.into())?;
    compressor.set_subsamp(colours)?;
    let pixels = image.as_raw().as_slice();
    compressor.compress_to_vec(Image { pixels, width, pitch: width * 3, height, format: PixelFormat::RGB })
}
