//! Memory of a ring in contiguous blocks: a few large pieces that come and go whole, where thousands of frames of all sizes
//! would leave the heap full of holes. Costs one copy of each frame.

use bytes::{Bytes, BytesMut};

/// About a second of 1080p at 4 Mbit/s. A camera wastes half of one on average.
const BLOCK: usize = 512 << 10;
/// Larger frames get a piece of their own.
const LARGE: usize = BLOCK / 4;

#[derive(Default)]
pub(super) struct Blocks {
    current: BytesMut,
}

impl Blocks {
    /// The same bytes within a block. The block is given back when the last frame in it is dropped.
    pub fn keep(&mut self, data: &Bytes) -> Bytes {
        if data.len() > LARGE {
            return Bytes::copy_from_slice(data);
        }
        if self.current.capacity() - self.current.len() < data.len() {
            self.current = BytesMut::with_capacity(BLOCK);
        }
        self.current.extend_from_slice(data);
        self.current.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_keep_their_bytes_and_lie_side_by_side() {
        let mut blocks = Blocks::default();
        let frame = |i: usize| Bytes::from(vec![i as u8; 1000 + i * 700]);
        let kept: Vec<_> = (0..200).map(|i| blocks.keep(&frame(i))).collect();
        assert!(kept.iter().enumerate().all(|(i, kept)| *kept == frame(i)));
        let end = |kept: &Bytes| kept.as_ptr() as usize + kept.len();
        let small: Vec<_> = kept.iter().filter(|kept| kept.len() <= LARGE).collect();
        let breaks = small.windows(2).filter(|w| end(w[0]) != w[1].as_ptr() as usize).count();
        let bytes: usize = small.iter().map(|kept| kept.len()).sum();
        assert!(breaks <= bytes / (BLOCK - LARGE) + 1, "{breaks} breaks in {bytes} bytes");
    }
}
