//! A group of pictures (GOP): one key frame and the frames up to the next, with its size and duration.

use std::time::Duration;

use crate::base::WallTime;
use crate::ingest::EncodedFrame;

/// Never empty. The first frame is a key frame.
pub(super) struct Gop {
    /// Run that the GOP belongs to. The GOPs of one run decode one after the other, with rising key frame
    /// times.
    pub run: u64,
    pub frames: Vec<EncodedFrame>,
    pub bytes: usize,
    /// Latest capture time. With B-frames it is not that of the last frame.
    pub newest: WallTime,
    /// Time from its key frame to the next key frame of the run, or to `newest` for the last GOP.
    pub span: Duration,
}

impl Gop {
    pub fn new(run: u64, key: EncodedFrame) -> Self {
        Self { run, bytes: key.data.len(), newest: key.capture.at, span: Duration::ZERO, frames: vec![key] }
    }

    pub fn push(&mut self, frame: EncodedFrame) {
        self.bytes += frame.data.len();
        self.newest = self.newest.max(frame.capture.at);
        self.span = self.newest.since(self.start());
        self.frames.push(frame);
    }

    /// The next GOP of the same run begins at `next`.
    pub fn close(&mut self, next: WallTime) {
        self.span = self.span.max(next.since(self.start()));
    }

    pub fn start(&self) -> WallTime {
        self.frames[0].capture.at
    }

    pub fn stream(&self) -> u32 {
        self.frames[0].stream
    }
}
