//! The inputs: pictures and videos given by name, found in folders, or listed in a COCO file.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use image::codecs::jpeg::JpegDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};
use serde::Deserialize;

use super::failure::Failure;
use crate::base::{CameraId, Capture, FrameSeq, Shutdown, TimeSource, WallTime, read_text};
use crate::config::DecodeConfig;
use crate::decode::{DecoderChoice, Picture, Pixels, StreamDecoder};
use crate::ingest::open_file;

const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];
const VIDEOS: [&str; 6] = ["mp4", "m4v", "mov", "mkv", "ts", "mts"];

pub(super) struct Inputs {
    pub sources: Vec<Source>,
    /// Named inputs that are missing or of an unknown kind, each with the reason.
    pub bad: Vec<String>,
    /// Ids of the COCO file's categories, by name.
    pub categories: Option<HashMap<String, u64>>,
}

pub(super) struct Source {
    path: PathBuf,
    /// The name in the results.
    pub label: String,
    /// The picture's id in the COCO file.
    pub id: Option<u64>,
    video: bool,
}

impl Inputs {
    /// # Errors
    /// There is not a single picture or video.
    pub fn find(named: &[PathBuf]) -> anyhow::Result<Self> {
        let mut inputs = Self { sources: Vec::new(), bad: Vec::new(), categories: None };
        for path in named {
            if path.is_dir() {
                let before = inputs.sources.len();
                inputs.search(path);
                if inputs.sources.len() == before {
                    inputs.bad.push(format!("{}: contains no pictures or videos", path.display()));
                }
            } else if path.to_str().is_some_and(|text| text.contains("://")) {
                let help = "a stream; `lintel check --probe` looks at the cameras of a config, and `detect` at pictures \
                            and recordings";
                inputs.bad.push(format!("{}: {help}", path.display()));
            } else if !path.exists() {
                inputs.bad.push(format!("{}: not there", path.display()));
            } else if !inputs.add(path) {
                let known = [&PICTURES[..], &VIDEOS[..]].concat().join(", ");
                inputs.bad.push(format!("{}: unknown kind of file; known are {known}", path.display()));
            }
        }
        if inputs.sources.is_empty() {
            bail!("no inputs: {}", inputs.bad.join("; "));
        }
        Ok(inputs)
    }

    /// # Errors
    /// The COCO file cannot be read or lists no pictures.
    pub fn from_coco(file: &Path, images: &Path) -> anyhow::Result<Self> {
        let text = read_text(file).with_context(|| format!("{}", file.display()))?;
        let coco: Coco =
            serde_json::from_str(&text).with_context(|| format!("{}: not a COCO file", file.display()))?;
        if coco.images.is_empty() {
            bail!("{}: lists no images", file.display());
        }
        let source = |image: CocoImage| Source {
            path: images.join(&image.file_name),
            label: image.file_name,
            id: Some(image.id),
            video: false,
        };
        Ok(Self {
            sources: coco.images.into_iter().map(source).collect(),
            bad: Vec::new(),
            categories: Some(coco.categories.into_iter().map(|c| (c.name, c.id)).collect()),
        })
    }

    /// Adds the pictures and videos of a folder in order of name, so that two runs give the same output.
    fn search(&mut self, folder: &Path) {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) => return self.bad.push(format!("{}: {e}", folder.display())),
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        paths.sort();
        for path in paths {
            // A link to a folder may lead back to a parent.
            if path.is_dir() && !path.is_symlink() {
                self.search(&path);
            } else if path.is_file() {
                self.add(&path);
            }
        }
    }

    fn add(&mut self, path: &Path) -> bool {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let video = VIDEOS.contains(&ending.as_str());
        if video || PICTURES.contains(&ending.as_str()) {
            let label = path.display().to_string();
            self.sources.push(Source { path: path.to_path_buf(), label, id: None, video });
            return true;
        }
        false
    }
}

impl Source {
    /// Calls `visit` with every picture; for a video also with the seconds since its start.
    pub fn pictures(
        &self,
        every: Duration,
        shutdown: &Shutdown,
        mut visit: impl FnMut(&Picture, Option<f64>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.video {
            return self.frames(every, shutdown, visit);
        }
        visit(&self.still().map_err(Failure::Input)?, None)
    }

    fn still(&self) -> anyhow::Result<Picture> {
        let rgb = rgb_of(&std::fs::read(&self.path)?)?;
        Ok(Picture {
            camera: self.camera(),
            seq: FrameSeq(0),
            stream: 0,
            capture: Capture { at: WallTime(0), source: TimeSource::Footage, offset_ms: None, clock: None },
            width: rgb.width(),
            height: rgb.height(),
            pixels: Pixels::Rgb(rgb.into_raw().into()),
            series: None,
        })
    }

    fn frames(
        &self,
        every: Duration,
        shutdown: &Shutdown,
        mut visit: impl FnMut(&Picture, Option<f64>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let bad = |e: anyhow::Error| Failure::Input(e);
        let config = DecodeConfig { workers: 1, h264_decoder: None, h265_decoder: None };
        let choice = DecoderChoice::new(&config).map_err(|e| bad(e.into()))?;
        let reader = open_file(&self.path, self.camera(), WallTime(0)).map_err(|e| bad(e.into()))?;
        let mut due = Due { every, last: None };
        let mut decoder: Option<StreamDecoder> = None;
        let mut shown = 0;
        let mut show = |pictures: Vec<Picture>| {
            shown += pictures.len();
            pictures.iter().try_for_each(|p| visit(p, Some(p.capture.at.as_secs_f64())))
        };
        for frame in reader {
            if shutdown.is_stopped() {
                return Ok(());
            }
            let frame = frame.map_err(|e| bad(e.into()))?;
            let wanted = due.at(frame.capture.at);
            let decoder = decoder.get_or_insert_with(|| StreamDecoder::new(&choice, frame.codec));
            show(decoder.push_if(&frame, wanted).map_err(|e| bad(e.into()))?)?;
        }
        decoder.map_or(Ok(()), |mut decoder| show(decoder.finish()))?;
        if shown == 0 {
            return Err(bad(anyhow!("no picture of it could be decoded")));
        }
        Ok(())
    }

    fn camera(&self) -> CameraId {
        CameraId::from("detect")
    }
}

/// Picks the first frame at or after each multiple of `every`, or all frames if it is zero. Unlike a camera's
/// sampler it is exact.
struct Due {
    every: Duration,
    last: Option<u128>,
}

impl Due {
    fn at(&mut self, time: WallTime) -> bool {
        let Some(number) = time.since(WallTime(0)).as_micros().checked_div(self.every.as_micros()) else {
            return true;
        };
        let due = self.last.is_none_or(|last| number > last);
        self.last = self.last.max(Some(number));
        due
    }
}

/// Decodes JPEGs with libjpeg-turbo, as nearly all training pipelines do. Other decoders differ by a level or
/// two, which alone moves scores by more than the 0.01 that we promise against the reference.
fn rgb_of(file: &[u8]) -> anyhow::Result<RgbImage> {
    /// The limit of the `image` crate too.
    const MAX_BYTES: usize = 512 << 20;
    if !file.starts_with(&[0xff, 0xd8, 0xff]) {
        return by_image_crate(file);
    }
    // Damaged Exif data leaves the picture as it is.
    let orientation = JpegDecoder::new(Cursor::new(file)).and_then(|mut decoder| decoder.orientation());
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    let header = turbojpeg::read_header(file).map_err(|_| anyhow!("the JPEG header is damaged"))?;
    if matches!(header.colorspace, turbojpeg::Colorspace::CMYK | turbojpeg::Colorspace::YCCK) {
        return by_image_crate(file);
    }
    if header.width.saturating_mul(header.height).saturating_mul(3) > MAX_BYTES {
        bail!("{}x{} pixels are too many", header.width, header.height);
    }
    let image = turbojpeg::decompress(file, turbojpeg::PixelFormat::RGB)?;
    let (width, height) = (u32::try_from(image.width)?, u32::try_from(image.height)?);
    let image = RgbImage::from_raw(width, height, image.pixels);
    Ok(upright(image.context("libjpeg-turbo returned too few pixels")?.into(), orientation))
}

fn by_image_crate(file: &[u8]) -> anyhow::Result<RgbImage> {
    let mut decoder = ImageReader::new(Cursor::new(file)).with_guessed_format()?.into_decoder()?;
    let orientation = decoder.orientation()?;
    Ok(upright(DynamicImage::from_decoder(decoder)?, orientation))
}

/// Turned as the camera noted (Exif 4.6.4.A, Orientation).
fn upright(mut image: DynamicImage, orientation: Orientation) -> RgbImage {
    image.apply_orientation(orientation);
    image.into_rgb8()
}

#[derive(Deserialize)]
struct Coco {
    images: Vec<CocoImage>,
    categories: Vec<CocoCategory>,
}

#[derive(Deserialize)]
struct CocoImage {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct CocoCategory {
    id: u64,
    name: String,
}
