//! Input: a camera's [`EncodedFrame`](crate::ingest::EncodedFrame)s. Output: clips of the last seconds, from
//! a key frame on. The ring keeps `ring.quiet_duration` while no clip is pending, and otherwise everything
//! from the clip's start, within its bounds.
//! When full: drops the oldest GOP, but never the last whole one.
//! On failure: a stream without key frames is dropped at a hard limit, counted and logged; the next key frame
//! starts again.
//! [`RingPool`] bounds the footage of all rings together.
//! Not here: the disk, decoding, waiting.

mod blocks;
mod buffer;
mod gop;
mod pool;

pub use buffer::{Ring, RingClip, RingStats};
pub use pool::{RingPool, RingPoolStats};

#[cfg(test)]
mod tests;
