//! What is asked about a thing, and what the network says.

use crate::base::{Rect, TrackId, WallTime};

/// What does the crop around this thing show?
#[derive(Clone, Debug, PartialEq)]
pub struct CropQuestion {
    pub track: TrackId,
    /// Of the thing, normalised.
    pub rect: Rect,
    /// Capture time of the picture.
    pub at: WallTime,
    /// The network's input, `[3, height, width]`.
    pub input: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CropAnswer {
    pub track: TrackId,
    /// Where the thing was.
    pub rect: Rect,
    /// When it looked so.
    pub at: WallTime,
    /// One for each class of the manifest.
    pub probabilities: Vec<f32>,
}
