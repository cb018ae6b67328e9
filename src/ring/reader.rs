//! Reading along with a ring, at one's own pace.

use std::sync::Arc;

use crate::ingest::EncodedFrame;

use super::buffer::Ring;

/// Reads frames as they come, without holding any of them back in the ring.
pub struct RingReader {
    ring: Arc<Ring>,
    /// Number of the next frame wanted, among all that the ring ever kept.
    position: u64,
}

#[derive(Clone, Debug)]
pub enum ReaderItem {
    Frame(EncodedFrame),
    /// The reader was too slow for this many frames; the next frame is the newest key frame.
    Lost(u64),
    /// Nothing new yet.
    Empty,
}

impl RingReader {
    pub(super) fn new(ring: Arc<Ring>, position: u64) -> Self {
        Self { ring, position }
    }

    /// Never waits. After `Lost` the reader stands at the newest key frame, so that it is not at once too slow again.
    #[expect(clippy::should_implement_trait, reason = "Empty is not the end, so this is no iterator")]
    pub fn next(&mut self) -> ReaderItem {
        let state = self.ring.lock();
        if self.position == state.next {
            return ReaderItem::Empty;
        }
        let place = state.gops.partition_point(|gop| gop.end() <= self.position);
        if let Some(gop) = state.gops.get(place).filter(|gop| gop.first <= self.position) {
            let frame = gop.frames[(self.position - gop.first) as usize].clone();
            self.position += 1;
            return ReaderItem::Frame(frame);
        }
        let resume = state.gops.back().map_or(state.next, |gop| gop.first);
        let lost = resume - self.position;
        self.position = resume;
        ReaderItem::Lost(lost)
    }
}
