//! A second look at things: a network that says what the crop around one shows.
//!
//! Takes: a [`CropQuestion`]: the crop around a thing, from the picture at full resolution. Gives: a
//! [`CropAnswer`]: the probability of each class.
//! When full: a question is refused and counted; who asked asks again with a later picture.
//! On failure: an unusable model is refused at the start. A run that fails later is counted and logged.
//! Not here: which things are asked about, and what follows from an answer (rules).

mod budget;
mod classifier;
mod crop;
mod manifest;
mod models;
mod question;
mod service;

pub use classifier::Classifier;
pub use crop::CropCutter;
pub use manifest::{Bounds, SecondLookManifest};
pub use models::Models;
pub use question::{CropAnswer, CropQuestion};
pub use service::{AnswerSink, SecondLookService, SecondLookStats};
