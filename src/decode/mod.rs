//! Input: [`EncodedFrame`](crate::ingest::EncodedFrame)s. Output: [`Picture`]s.
//! When full: the newest key frame wins; cameras whose every frame is decoded skip to their next key frame.
//! On failure: the frame is counted and skipped, and the decoder is rebuilt. No camera stops another.
//! Not here: detection, keeping frames.

mod activity;
mod adaptive_queue;
mod adaptive_sampler;
mod camera_queues;
mod cell_means;
mod choice;
mod error;
mod footage;
mod frame_numbers;
mod frame_stats;
mod job;
mod keyframe;
mod gray_patch;
mod picture;
mod pipeline;
mod pool;
mod series_permits;
mod sampler;
mod stats;
mod stream;
mod throttle;
mod thumbnail;
mod yuv;

pub(crate) use cell_means::cell_means;
pub use choice::DecoderChoice;
pub use error::DecodeError;
pub use footage::FootageDecoder;
pub use frame_stats::FrameStats;
pub(crate) use frame_stats::gray;
pub use gray_patch::{GrayPatch, Likeness};
pub use keyframe::KeyframeDecoder;
pub use picture::{Picture, Pixels};
pub use pool::{DecodePool, Demand, PictureSink};
pub use sampler::Sampler;
pub use series_permits::SeriesPermit;
pub use stats::DecodeStats;
pub use stream::StreamDecoder;
pub use throttle::Throttle;
pub use thumbnail::Thumbnail;
pub use yuv::{Colour, Layout, Yuv};
