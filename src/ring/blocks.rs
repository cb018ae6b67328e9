//! Stores a ring's frames in a few large blocks. Thousands of allocations of all sizes would fragment the
//! heap. The price is one copy of each frame.

use bytes::{Bytes, BytesMut};

/// Bytes of a block: about a second of 1080p at 4 Mbit/s. A camera wastes half a block on average.
const BLOCK: usize = 512 << 10;
/// Larger frames get an allocation of their own.
const LARGE: usize = BLOCK / 4;

#[derive(Default)]
pub(super) struct Blocks {
    current: BytesMut,
}

impl Blocks {
    /// Copies the bytes into a block. The block is freed when its last frame is dropped.
    pub fn store(&mut self, data: &Bytes) -> Bytes {
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
        let stored: Vec<_> = (0..200).map(|i| blocks.store(&frame(i))).collect();
        assert!(stored.iter().enumerate().all(|(i, stored)| *stored == frame(i)));
        let end = |stored: &Bytes| stored.as_ptr() as usize + stored.len();
        let small: Vec<_> = stored.iter().filter(|stored| stored.len() <= LARGE).collect();
        let breaks = small.windows(2).filter(|w| end(w[0]) != w[1].as_ptr() as usize).count();
        let bytes: usize = small.iter().map(|stored| stored.len()).sum();
        assert!(breaks <= bytes / (BLOCK - LARGE) + 1, "{breaks} breaks in {bytes} bytes");
    }
}
