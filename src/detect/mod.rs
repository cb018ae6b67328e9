//! Takes: [`Picture`](crate::decode::Picture)s. Gives: [`Detections`].
//! When full: one picture per camera waits, and the newest wins. The most overdue camera is served first.
//! On failure: an unusable model is refused at the start. A run that fails later is counted and logged; its
//! picture is lost, and the worker continues.
//! Not here: the list of classes (the model's manifest), the meaning of a detection (rules), the sampling
//! interval (decode).

mod class_figures;
mod class_list;
mod crop;
mod detection;
mod detector;
mod error;
mod explain;
mod heads;
mod input_spec;
mod letterbox;
mod manifest;
mod model_folder;
mod nms;
mod onnx;
mod pool;
mod scheduler;
mod tile_scheduler;
mod tiling;

pub use class_figures::{ClassFigures, ShownOn};
pub(crate) use crop::Crop;
pub use detection::{Detection, Detections, Looked, Part};
pub use detector::{Detector, SCORE_FLOOR, Timing};
pub use error::{DetectError, ModelError, OutputError};
pub use explain::{Explanation, explain};
pub use input_spec::{Channels, InputSpec, LetterboxMode};
pub(crate) use letterbox::Letterbox;
pub use manifest::{HeadKind, HeadSpec, ModelManifest};
pub(crate) use model_folder::{ModelFolder, WrongValue, check_file, check_threads};
pub use onnx::Runtime;
pub(crate) use onnx::{Data, Network, NetworkFile};
pub use pool::{
    CameraDetectStats, DetectPool, DetectSnapshot, DetectionSink, GapQuantiles, IMPOSSIBLE_BOXES,
};
pub use scheduler::{CameraSlot, Eviction, Scheduler};
pub use tile_scheduler::{TilePlan, TileScheduler};
