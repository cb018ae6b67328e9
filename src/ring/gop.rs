//! One key frame and what follows it, with the figures that the ring asks for again and again.

use std::time::Duration;

use crate::base::WallTime;
use crate::ingest::EncodedFrame;

/// Never empty; the first frame is a key frame and the only one that must be.
pub(super) struct Gop {
    /// Number of the first frame among all that the ring ever kept.
    pub first: u64,
    /// GOPs of one run decode one after the other and their key frames' times rise.
    pub run: u64,
    pub frames: Vec<EncodedFrame>,
    pub bytes: usize,
    /// The latest capture time in it: with B-frames that is not the last frame's.
    pub newest: WallTime,
    /// From its key frame to the next GOP's of the same run, or to `newest` while there is none.
    pub span: Duration,
}

impl Gop {
    pub fn new(first: u64, run: u64, key: EncodedFrame) -> Self {
        Self {
            first,
            run,
            bytes: key.data.len(),
            newest: key.capture.at,
            span: Duration::ZERO,
            frames: vec![key],
        }
    }

    pub fn push(&mut self, frame: EncodedFrame) {
        self.bytes += frame.data.len();
        self.newest = self.newest.max(frame.capture.at);
        self.span = self.newest.since(self.starts());
        self.frames.push(frame);
    }

    /// The next GOP of the same run begins at `next`.
    pub fn close(&mut self, next: WallTime) {
        self.span = self.span.max(next.since(self.starts()));
    }

    pub fn starts(&self) -> WallTime {
        self.frames[0].capture.at
    }

    pub fn stream(&self) -> u32 {
        self.frames[0].stream
    }

    /// Number of the frame after its last.
    pub fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }
}
