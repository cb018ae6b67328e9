//! Passes frames from a camera's source to its ring and the decoders, across changes of the source.
//!
//! A new source of a camera (another address, another password) starts beside the old one. The feed switches
//! over at its first frame, which is a key frame, and then drops the old one's frames. Neither the ring nor
//! the decoders see a gap longer than that between the two streams, and frame numbers continue.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::base::FrameSeq;
use crate::decode::DecodePool;
use crate::ingest::EncodedFrame;
use crate::ring::{Ring, RingPool};

pub(super) struct Feed {
    ring: Arc<Ring>,
    rings: Arc<RingPool>,
    decode: Arc<DecodePool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The source whose frames are accepted.
    source: u32,
    /// Offset added to that source's own numbers, so that no number repeats.
    base: (u64, u32),
    /// One past the newest frame number, and the newest stream number.
    newest: (u64, u32),
}

impl Feed {
    /// `rings`: the pool of `ring`.
    pub fn new(ring: Arc<Ring>, rings: Arc<RingPool>, decode: Arc<DecodePool>) -> Self {
        Self { ring, rings, decode, state: Mutex::default() }
    }

    /// Passes on a frame of the camera's source number `source`; the first is 0.
    pub fn frame(&self, source: u32, mut frame: EncodedFrame) {
        let mut state = self.state.lock();
        if !state.number(source, &mut frame) {
            return;
        }
        // Keep the lock: frames of two sources must not overtake each other.
        let frame = self.ring.push(frame);
        self.decode.offer(frame);
        drop(state);
        self.rings.enforce();
    }

    /// The number of the source whose frames are accepted.
    pub fn source(&self) -> u32 {
        self.state.lock().source
    }

    /// Accepts frames of `source` and later sources only.
    pub fn switch_to(&self, source: u32) {
        self.state.lock().switch_to(source);
    }
}

impl State {
    /// Renumbers the frame. False if its source was replaced.
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

    /// The numbers that a source's frame gets; `None`: it is dropped.
    fn numbered(state: &mut State, source: u32, seq: u64, stream: u32) -> Option<(u64, u32)> {
        let mut frame = EncodedFrame {
            camera: "gate".into(),
            seq: FrameSeq(seq),
            stream,
            capture: Capture { at: WallTime(0), source: TimeSource::Arrival, offset_ms: None, clock: None },
            pts: MediaTime(0),
            codec: Codec::H264,
            key: true,
            orientation: Default::default(),
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
        assert_eq!(numbered(&mut state, 0, 2, 1), None, "frames of the old source are dropped");
        assert_eq!(numbered(&mut state, 1, 1, 1), Some((3, 2)));
        state.switch_to(2);
        assert_eq!(numbered(&mut state, 1, 2, 1), None);
        assert_eq!(numbered(&mut state, 2, 0, 1), Some((4, 3)));
    }
}
