//! Takes: a camera's [`EncodedFrame`](crate::ingest::EncodedFrame)s. Gives: the last seconds of them, from a key frame on.
//! While no clip is asked for, that is `ring.quiet_duration`; with one, from the clip's beginning on, up to the ring's bounds.
//! When full: drops the oldest GOP, never the last whole one. Slow readers learn how many frames they lost.
//! On failure: a stream without key frames is given up at a hard limit, counted and logged; the next key frame starts anew.
//! Not here: the disk, decoding, waiting.

mod blocks;
mod buffer;
mod gop;
mod reader;

pub use buffer::{Ring, RingClip, RingStats};
pub use reader::{ReaderItem, RingReader};

#[cfg(test)]
mod tests;
