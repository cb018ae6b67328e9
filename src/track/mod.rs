//! Takes: the detections of one camera in order of time. Gives: [`Track`]s.
//! When full: nothing queues; 50 objects take less than a millisecond.
//! On failure: detections that are not finite are skipped.
//! Not here: the meaning of a track; clocks, IO and threads (a pure stage, so a replay is exact).

mod assign;
mod kalman;
mod tracker;
mod types;

pub use tracker::Tracker;
pub use types::{OnGround, Track};

#[cfg(test)]
mod tests;
