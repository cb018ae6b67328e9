//! From a camera's source to its ring and the decoders, over changes of the source.
//!
//! A new source of a camera (another address, another password) is started beside the old one. Its first frame is a key
//! frame, and with it the feed switches over: from then on the old one's frames are dropped. So neither the ring nor the
//! decoders see a gap longer than the two streams' own distance, and numbers go on.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::base::FrameSeq;
use crate::decode::DecodePool;
use crate::ingest::EncodedFrame;
use crate::ring::Ring;

pub(super) struct Feed {
    ring: Arc<Ring>,
    decode: Arc<DecodePool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The source that gives the frames.
    source: u32,
    /// What that source's own numbers begin at: those of the one before never come again.
    base: (u64, u32),
    /// One after the newest frame; number of the newest stream.
    newest: (u64, u32),
}

impl Feed {
    pub fn new(ring: Arc<Ring>, decode: Arc<DecodePool>) -> Self {
        Self { ring, decode, state: Mutex::default() }
    }

    /// A frame of the camera's `source`-th source, the first being 0.
    pub fn frame(&self, source: u32, mut frame: EncodedFrame) {
        let mut state = self.state.lock();
        if !state.number(source, &mut frame) {
            return;
        }
        // Still under the lock: of two sources the frames must not change their order.
        let frame = self.ring.push(frame);
        self.decode.offer(frame);
    }

    /// Which source gives the frames.
    pub fn source(&self) -> u32 {
        self.state.lock().source
    }

    /// Takes frames of `source` and later ones only.
    pub fn switch_to(&self, source: u32) {
        self.state.lock().switch_to(source);
    }
}

impl State {
    /// False if the frame is of a source that was replaced.
    fn number(&mut self, source: u32, frame: &mut EncodedFrame) -> bool {
        if source < self.source {
            return false;
        }
        self.switch_to(source);
        frame.seq = FrameSeq(self.base.0 + frame.seq.0);
        frame.stream += self.base.1;
        self.newest = (frame.seq.0 + 1, frame.stream);
        true
    }

    fn switch_to(&mut self, source: u32) {
        if source > self.source {
            self.source = source;
            self.base = self.newest;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::base::{Capture, MediaTime, TimeSource, WallTime};
    use crate::ingest::Codec;

    /// What becomes of a source's frame with these numbers.
    fn numbered(state: &mut State, source: u32, seq: u64, stream: u32) -> Option<(u64, u32)> {
        let mut frame = EncodedFrame {
            camera: "gate".into(),
            seq: FrameSeq(seq),
            stream,
            capture: Capture { at: WallTime(0), source: TimeSource::Arrival, offset_ms: None },
            pts: MediaTime(0),
            codec: Codec::H264,
            key: true,
            data: Bytes::new(),
        };
        state.number(source, &mut frame).then_some((frame.seq.0, frame.stream))
    }

    #[test]
    fn the_new_source_takes_over_with_its_first_frame_and_numbers_go_on() {
        let mut state = State::default();
        assert_eq!(numbered(&mut state, 0, 0, 1), Some((0, 1)));
        assert_eq!(numbered(&mut state, 0, 1, 1), Some((1, 1)));
        assert_eq!(numbered(&mut state, 1, 0, 1), Some((2, 2)));
        assert_eq!(numbered(&mut state, 0, 2, 1), None, "the old one is not heard any more");
        assert_eq!(numbered(&mut state, 1, 1, 1), Some((3, 2)));
        state.switch_to(2);
        assert_eq!(numbered(&mut state, 1, 2, 1), None);
        assert_eq!(numbered(&mut state, 2, 0, 1), Some((4, 3)));
    }
}
