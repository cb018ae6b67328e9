//! The scene of one camera: tracks, positions on the ground, lasting changes, and the decisions of its rules.
//!
//! Takes: pictures of one camera with their [`Detections`](crate::detect::Detections). Gives: placed steps of
//! suspected violations, and reports about the camera itself (covered, blinded, moved).
//! When full: does not queue; the caller passes one picture at a time.
//! On failure: an unreadable calibration is a config error. An unreadable place memory starts again and logs
//! it.
//! Not here: messages, evidence, threads other than those that look for changes and write place memories.

mod backdrop_file;
mod camera;
mod drone;
mod drone_log;
mod ground;
mod place;
mod place_context;
mod place_files;
mod place_looks;
mod place_memory;
mod place_writer;
mod placing;
mod second_looks;
mod tamper;

pub(crate) use camera::{Decided, PlacedViolation, RulesChange, Scene, Scenes, build, build_all, departed};
pub(crate) use drone_log::{FlightLog, FlightLogs};
pub use ground::{SiteError, seen_on_ground};
pub(crate) use ground::{Sites, read_dem};
pub(crate) use place::{BeforePicture, KeepBefore};
pub(crate) use place_context::PlaceMemoryContext;
pub(crate) use place_files::memory_folder;
pub(crate) use tamper::TamperReport;

#[cfg(test)]
mod tests;
