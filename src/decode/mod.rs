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
mod gray_patch;
mod picture;
mod pipeline;
mod pool;
mod series_permits;
mod sampler;
mod slots;
mod stream;
mod thumbnail;
mod yuv;

pub use choice::DecoderChoice;
pub use error::DecodeError;
pub use footage::FootageDecoder;
pub use gray_patch::GrayPatch;
pub use keyframe::KeyframeDecoder;
pub use picture::{Picture, Pixels};
pub use pool::{DecodePool, Demand, PictureSink};
pub use sampler::Sampler;
pub use series_permits::SeriesPermit;
pub use slots::{DecodeStats, Pace};
pub use stream::StreamDecoder;
pub use thumbnail::Thumbnail;
pub use yuv::{Colour, Layout, Yuv};
