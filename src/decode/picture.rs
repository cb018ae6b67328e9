//! A decoded picture.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{CameraId, Capture, FrameSeq};
use crate::ingest::EncodedFrame;

use super::pipeline::Decoded;
use super::{SeriesPermit, Yuv};

/// Cheap to clone: the pixels are shared.
#[derive(Clone)]
pub struct Picture {
    pub camera: CameraId,
    pub seq: FrameSeq,
    pub stream: u32,
    pub capture: Capture,
    pub width: u32,
    pub height: u32,
    pub pixels: Pixels,
    /// Set for a picture of a series, taken while something moves: a newer picture never replaces it.
    pub series: Option<Arc<SeriesPermit>>,
}

/// Pixels with 8 bits a channel.
#[derive(Clone)]
pub enum Pixels {
    /// Rows packed without padding: `width * height * 3` bytes.
    Rgb(Bytes),
    /// As the decoder outputs it. Most pictures are only sampled at the detector's size, so they are
    /// converted only when [`Picture::rgb`] is called.
    Yuv(Yuv),
}

#[cfg(test)]
impl Picture {
    /// For tests: 320 x 180 pixels, gray levels by column and row.
    pub(crate) fn grey(grey: impl Fn(usize, usize) -> u8) -> Self {
        use crate::base::{TimeSource, WallTime};
        let pixels = (0..180).flat_map(|y| (0..320).map(move |x| (x, y)));
        let rgb: Vec<u8> = pixels.flat_map(|(x, y)| [grey(x, y); 3]).collect();
        Self {
            camera: CameraId::from("gate"),
            seq: FrameSeq(0),
            stream: 1,
            capture: Capture { at: WallTime(0), source: TimeSource::Footage, offset_ms: None, clock: None },
            width: 320,
            height: 180,
            pixels: Pixels::Rgb(rgb.into()),
            series: None,
        }
    }
}

impl Picture {
    pub(super) fn of(frame: &EncodedFrame, decoded: Decoded) -> Self {
        let yuv = decoded.yuv.upright(frame.orientation);
        Self {
            camera: frame.camera.clone(),
            seq: frame.seq,
            stream: frame.stream,
            capture: frame.capture,
            width: yuv.width(),
            height: yuv.height(),
            pixels: Pixels::Yuv(yuv),
            series: None,
        }
    }

    /// Packed RGB, `width * height * 3` bytes. The first call on a decoded picture converts it (6 MB at
    /// 1080p) and keeps the result with the picture and its clones.
    pub fn rgb(&self) -> Bytes {
        match &self.pixels {
            Pixels::Rgb(rgb) => rgb.clone(),
            Pixels::Yuv(yuv) => yuv.rgb(),
        }
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({} #{} {}x{})", self.camera, self.seq.0, self.width, self.height)
    }
}
