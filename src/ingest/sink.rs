//! The receiver of a source's frames and telemetry.

use super::EncodedFrame;
use crate::base::WallTime;
use crate::drone::{Flight, Pose};

/// Telemetry of a drone, on the clock of the frames' capture times.
#[derive(Clone, Debug)]
pub enum Telemetry {
    /// The whole flight of a recording, at each start and repeat.
    Flight(Flight),
    /// The next record of a live stream.
    Pose(WallTime, Box<Pose>),
}

/// Receives a source's frames. Called from the camera's own task, so it must not block.
pub trait FrameSink: Send + Sync {
    fn frame(&self, frame: EncodedFrame);

    /// Receives telemetry of a drone.
    fn telemetry(&self, _telemetry: Telemetry) {}
}

impl<F: Fn(EncodedFrame) + Send + Sync> FrameSink for F {
    fn frame(&self, frame: EncodedFrame) {
        self(frame);
    }
}
