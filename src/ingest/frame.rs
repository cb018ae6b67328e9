//! Encoded frames, the same for every source and transport.

use bytes::Bytes;

use crate::base::{CameraId, Capture, FrameSeq, MediaTime};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    H264,
    H265,
}

impl Codec {
    /// GStreamer's media type: `video/x-h264`.
    pub fn media_type(self) -> &'static str {
        match self {
            Codec::H264 => "video/x-h264",
            Codec::H265 => "video/x-h265",
        }
    }
}

/// How a recording's pictures are turned to stand upright: mirrored left to right first, then turned clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    pub mirrored: bool,
    /// 0 to 3.
    pub quarter_turns: u8,
}

impl Orientation {
    /// By GStreamer's name, as `rotate-90` or `flip-rotate-270`; other names are upright.
    pub(super) fn of_tag(tag: &str) -> Self {
        let (mirrored, turn) = match tag.strip_prefix("flip-") {
            Some(turn) => (true, turn),
            None => (false, tag),
        };
        let quarter_turns = match turn {
            "rotate-0" => 0,
            "rotate-90" => 1,
            "rotate-180" => 2,
            "rotate-270" => 3,
            _ => return Self::default(),
        };
        Self { mirrored, quarter_turns }
    }

    /// Width and height after turning.
    pub fn size(self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.quarter_turns % 2 == 1 { (height, width) } else { (width, height) }
    }
}

/// One access unit, still encoded. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct EncodedFrame {
    pub camera: CameraId,
    pub seq: FrameSeq,
    /// Increases with each connection and each change of the parameter sets. Frames of different streams
    /// cannot be decoded together.
    pub stream: u32,
    pub capture: Capture,
    /// Presentation time on the stream's clock. Frames come in decode order, so with B-frames it is not
    /// monotonic.
    pub pts: MediaTime,
    pub codec: Codec,
    /// A random access point (IDR, or an H.265 IRAP): decodable by itself.
    pub key: bool,
    pub orientation: Orientation,
    /// Annex B, with parameter sets (VPS, SPS, PPS) before every key frame.
    pub data: Bytes,
}
