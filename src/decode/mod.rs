//! Takes: [`EncodedFrame`](crate::ingest::EncodedFrame)s. Gives: [`Picture`]s.
//! When full: newest wins. On failure: the frame is counted and passed over, the decoder built anew.

mod picture;

pub use picture::Picture;
