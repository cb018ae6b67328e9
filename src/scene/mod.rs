//! What one camera makes of its pictures: tracks, places on the ground, lasting changes, and what its rules decide.
//!
//! Takes: analysed pictures ([`Detections`](crate::detect::Detections)) of one camera. Gives: the steps of suspected
//! violations, and reports about the camera itself (covered, blinded, moved).
//! When full: does not queue; the caller hands over one picture at a time.
//! On failure: a calibration that cannot be read is an error of the config; a place memory that cannot be read starts
//! anew and says so. Not here: threads, messages, evidence.

mod camera;
mod drone;
mod drone_log;
mod ground;
mod place_memory;
mod placing;
mod tamper;

pub(crate) use camera::{Decided, PlacedViolation, RulesChange, Scene, Scenes, build, build_all};
pub(crate) use drone_log::{FlightLog, FlightLogs};
pub use ground::{SiteError, seen_on_ground};
pub(crate) use ground::{Sites, read_dem};
pub(crate) use place_memory::{BeforePicture, PlaceMemoryContext, memory_folder};
pub(crate) use tamper::TamperReport;
