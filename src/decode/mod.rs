//! Takes: [`EncodedFrame`](crate::ingest::EncodedFrame)s. Gives: [`Picture`]s.
//! When full: newest wins; cameras whose every frame is decoded jump to their next key frame.
//! On failure: the frame is counted and passed over, the decoder built anew; no camera stops another.
//! Not here: looking at pictures, keeping frames.

mod activity;
mod adaptive;
mod choice;
mod error;
mod footage;
mod keyframe;
mod patch;
mod picture;
mod pipeline;
mod pool;
mod room;
mod sampler;
mod slots;
mod stream;
mod thumbnail;
mod yuv;

pub use choice::DecoderChoice;
pub use error::DecodeError;
pub use footage::FootageDecoder;
pub use keyframe::KeyframeDecoder;
pub use patch::Patch;
pub use picture::{Picture, Pixels};
pub use pool::{Appetite, DecodePool, PictureSink};
pub use room::Place;
pub use sampler::Sampler;
pub use slots::{DecodeStats, Pace};
pub use stream::StreamDecoder;
pub use thumbnail::Thumbnail;
pub use yuv::{Colour, Layout, Yuv};
