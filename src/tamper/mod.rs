//! Takes: the pictures of a fixed camera, and what it saw when it was calibrated. Gives: [`Finding`]s: it was nudged, moved,
//! covered, blinded, or is well again.
//! When full: does not queue. A glance costs under a millisecond, a comparison with the reference about 50 ms, every few
//! minutes. On failure: a picture that says nothing (night, fog) changes nothing.
//! Not here: what is told of it and to whom (`app`); clocks and threads: time comes with the pictures.
//!
//! A passing lorry, nightfall and fog look like tampering in single pictures. So everything needs several looks in a row,
//! and a loss of contrast counts only where it came suddenly: night and fog come slowly, a hand or a bag does not.

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
