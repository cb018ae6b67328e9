//! What a decode worker is given, and what it reports back.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{CameraId, WallTime};
use crate::ingest::EncodedFrame;

use super::StreamDecoder;
use super::series_permits::SeriesPermits;
use super::thumbnail::Thumbnail;

/// Frames of one camera that a worker decodes before another camera has its turn.
pub(super) const MAX_FRAMES_PER_JOB: usize = 4;

/// A worker's next job.
pub(super) struct Job {
    pub queue: usize,
    pub camera: CameraId,
    pub task: Task,
    /// Set for adaptive sampling: the sampler needs the pictures' thumbnails, and pictures of a series take a
    /// permit.
    pub permits: Option<Arc<SeriesPermits>>,
}

pub(super) enum Task {
    /// One key frame alone.
    KeyFrame(EncodedFrame),
    /// Frames for the camera's own decoder, in decode order.
    Frames {
        frames: Vec<QueuedFrame>,
        decoder: Option<Box<StreamDecoder>>,
        /// Drain the decoder afterwards: the camera no longer needs it.
        last: bool,
    },
}

/// A frame for the camera's own decoder.
#[derive(Clone, Debug)]
pub(super) struct QueuedFrame {
    pub frame: EncodedFrame,
    /// Its picture is wanted.
    pub wanted: bool,
    /// Its picture belongs to a series, so the next one must not replace it.
    pub series: bool,
}

/// The result of a job.
#[derive(Default)]
pub(super) struct Outcome {
    pub pictures: u64,
    pub last_at: Option<WallTime>,
    pub failures: Vec<String>,
    pub skipped: u64,
    pub followed: u64,
    pub spent: Duration,
    pub decoder: Option<Box<StreamDecoder>>,
    pub thumbnails: Vec<Thumbnail>,
}
