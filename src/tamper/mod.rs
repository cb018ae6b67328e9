//! Detects that a fixed camera was moved, covered or blinded.
//!
//! Takes: the pictures of a fixed camera, and what it saw when it was calibrated. Gives: [`Finding`]s: the
//! camera was nudged, moved, covered or blinded, or is well again.
//! When full: there is no queue. The statistics of a picture cost under a millisecond. A comparison with the
//! reference costs about 50 ms, every few minutes.
//! On failure: a picture that says nothing (night, fog) changes nothing.
//! Not here: reports (`scene`), clocks and threads. Time comes with the pictures.
//!
//! A passing lorry, nightfall and fog look like tampering in single pictures. So every finding needs several
//! pictures in a row. A loss of contrast counts only if it is sudden: night and fog come slowly, a hand or a
//! bag does not.

mod frame_stats;
mod kind;
mod movement;
mod detector;

pub use detector::{Finding, Reference, TamperDetector};
pub use frame_stats::FrameStats;
pub use kind::TamperKind;
pub use movement::{Movement, compare};

#[cfg(test)]
mod tests;
