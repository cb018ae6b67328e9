//! Counters of the decoders.

use serde::Serialize;

use crate::base::WallTime;

/// One camera's counters since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DecodeStats {
    /// Pictures handed on.
    pub pictures: u64,
    /// Key frames closer to the last one than the sampling interval. Nobody wanted them, so they are no loss.
    pub passed_over: u64,
    /// Key frames that a newer one replaced because all decoders were busy.
    pub replaced: u64,
    /// Frames dropped on the way to the next key frame because the decoders were too slow. Only where every
    /// frame is decoded.
    pub skipped: u64,
    /// Frames between key frames that were decoded because something moved, or because key frames are too far
    /// apart.
    pub followed: u64,
    /// Series: times that every frame was decoded for a while because something seemed to move.
    pub series: u64,
    /// Series that showed no change.
    pub idle_series: u64,
    /// A series is running now.
    pub in_series: bool,
    /// Seconds between key frames where they are so far apart that the frames between them must be decoded as
    /// well.
    pub long_gop_s: Option<f64>,
    /// Frames that gave no picture: damaged, or of a profile that the decoder does not support.
    pub failed: u64,
    /// Seconds spent on decoding and on handing the pictures on.
    pub seconds: f64,
    /// Capture time of the newest picture.
    pub last_at: Option<WallTime>,
    /// Why the last frame failed; `None` once a frame decodes again.
    pub last_error: Option<String>,
}
