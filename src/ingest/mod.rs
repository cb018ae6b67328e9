//! Takes: a camera's address or a recorded file. Gives: [`EncodedFrame`]s in decode order to a [`FrameSink`].
//! When full: never waits for a live camera's sink. On failure: reconnects with jittered back-off and counts why.
//! Not here: decoding, keeping.

mod frame;

pub use frame::{Codec, EncodedFrame, FrameSink};
