//! Takes: [`Picture`](crate::decode::Picture)s. Eviction: [`Detections`].
//! When full: one picture a camera waits, the newest wins; the most overdue camera is served first.
//! On failure: a model that cannot be used is refused at the start; a run that fails later is counted and logged,
//! the picture is lost, the worker lives on.
//! Not here: which classes there are (the model's manifest says), what a detection means (rules), the sampling interval (decode).

mod crop;
mod detection;
mod detector;
mod error;
mod heads;
mod letterbox;
mod manifest;
mod nms;
mod onnx;
mod pool;
mod scheduler;
mod tile_scheduler;
mod tiling;

pub use detection::{Detection, Detections};
pub use detector::{Detector, SCORE_FLOOR, Timing};
pub use error::{DetectError, ModelError, OutputError};
pub use manifest::{Channels, HeadKind, HeadSpec, InputSpec, LetterboxMode, ModelManifest};
pub use onnx::Runtime;
pub use pool::{CameraDetectStats, DetectPool, DetectSnapshot, DetectionSink, GapQuantiles};
pub use scheduler::{CameraSlot, Eviction, Scheduler};
pub use tile_scheduler::{TilePlan, TileScheduler};
