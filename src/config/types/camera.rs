//! Settings of one camera.

use std::path::PathBuf;
use std::time::Duration;

use super::rule::Rule;
use super::sampling::{Priority, Sampling};
use super::source::SourceConfig;
use super::zone::Zone;
use crate::base::CameraId;
use crate::config::moving::DroneConfig;

#[derive(Clone, Debug, PartialEq)]
pub struct CameraConfig {
    pub id: CameraId,
    pub name: String,
    pub source: SourceConfig,
    /// `None`: it is fixed.
    pub drone: Option<DroneConfig>,
    /// WGS-84 place of the camera itself.
    pub position: Option<Position>,
    /// File of the camera's calibration.
    pub calibration: Option<PathBuf>,
    /// GB/T 28181 device id, 20 digits.
    pub gb_id: Option<String>,
    pub sampling: Sampling,
    pub priority: Priority,
    /// How often a picture is wanted: key frames nearer than this are passed over.
    pub interval: Duration,
    pub tiling: Tiling,
    pub ring: RingConfig,
    pub track: TrackConfig,
    pub change: ChangeConfig,
    pub zones: Vec<Zone>,
    pub rules: Vec<Rule>,
    /// Opened events an hour; what is above is counted and reported as one health event.
    pub max_events_per_hour: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    pub lon: f64,
    pub lat: f64,
    pub alt: Option<f64>,
}

/// Slices of the picture that are looked at beside the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tiling {
    /// 1 x 1 means the whole picture only.
    pub columns: u32,
    pub rows: u32,
    /// Share of a slice that it has in common with its neighbour, 0 to 0.5.
    pub overlap: f32,
    /// Of the slices so many are looked at each picture, where something is or moves first; 0: all.
    pub per_picture: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingConfig {
    pub max_bytes: usize,
    pub max_duration: Duration,
    /// While no clip is requested.
    pub quiet: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackConfig {
    /// Detections at or above this start and continue tracks.
    pub high_score: f32,
    /// Detections between this and `high_score` only continue them.
    pub low_score: f32,
    /// A track that was not seen for this long is dropped.
    pub max_gap: Duration,
}

/// How lasting change is detected, if a rule of the camera needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangeConfig {
    /// How often a picture is compared with how the place has looked.
    pub interval: Duration,
    /// How long a new camera only learns.
    pub learn: Duration,
    /// The smallest change, as a share of the picture.
    pub min_share: f32,
}
