//! Takes: [`EncodedFrame`](crate::ingest::EncodedFrame)s. Gives: [`Picture`]s.
//! When full: newest wins; cameras whose every frame is decoded jump to their next key frame.
//! On failure: the frame is counted and passed over, the decoder built anew; no camera stops another.
//! Not here: looking at pictures, keeping frames.

mod choice;
mod error;
mod keyframe;
mod picture;
mod pipeline;
mod pool;
mod sampler;
mod slots;
mod stream;
mod yuv;

pub use choice::DecoderChoice;
pub use error::DecodeError;
pub use keyframe::KeyframeDecoder;
pub use picture::{Picture, Pixels};
pub use pool::{DecodePool, PictureSink};
pub use sampler::Sampler;
pub use slots::DecodeStats;
pub use stream::StreamDecoder;
pub use yuv::{Colour, Layout, Yuv};
