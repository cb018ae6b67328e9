//! A decoded picture.

use std::fmt;

use bytes::Bytes;

use crate::base::{CameraId, Capture, FrameSeq};
use crate::ingest::EncodedFrame;

use super::pipeline::Decoded;

/// RGB, 8 bits a channel, rows packed without padding: `rgb.len() == width * height * 3`.
#[derive(Clone)]
pub struct Picture {
    pub camera: CameraId,
    pub seq: FrameSeq,
    pub stream: u32,
    pub capture: Capture,
    pub width: u32,
    pub height: u32,
    pub rgb: Bytes,
}

impl Picture {
    pub(super) fn of(frame: &EncodedFrame, decoded: Decoded) -> Self {
        Self {
            camera: frame.camera.clone(),
            seq: frame.seq,
            stream: frame.stream,
            capture: frame.capture,
            width: decoded.width,
            height: decoded.height,
            rgb: decoded.rgb,
        }
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({} #{} {}x{})", self.camera, self.seq.0, self.width, self.height)
    }
}
