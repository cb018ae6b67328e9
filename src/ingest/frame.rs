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
    /// Annex B, with parameter sets (VPS, SPS, PPS) before every key frame.
    pub data: Bytes,
}
