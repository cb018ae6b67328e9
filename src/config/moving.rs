//! Cameras that move: where their stream comes from, and what is known of the drone.

use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub struct UdpConfig {
    /// Where to listen: an address of this machine, or a multicast group to join.
    pub address: std::net::IpAddr,
    pub port: u16,
    /// No access unit for this long: the stream counts as gone.
    pub stall_timeout: Duration,
    pub backoff_first: Duration,
    pub backoff_max: Duration,
}

/// What makes a camera a drone: it moves, and says where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct DroneConfig {
    pub telemetry: TelemetrySource,
    /// Without gimbal angles the camera is taken to look straight down.
    pub assume_nadir: bool,
    /// Whole horizontal angle of view, degrees; `None`: as the telemetry says.
    pub fov_deg: Option<f64>,
    /// Height of the place of take-off, metres in the datum of the terrain model.
    pub takeoff_alt_m: Option<f64>,
    pub compensate: Compensation,
    /// Standard deviations of what the drone says: place and height in metres, compass and gimbal in degrees.
    pub position_error_m: f64,
    pub altitude_error_m: f64,
    pub heading_error_deg: f64,
    pub gimbal_error_deg: f64,
}

/// A cheap drone of which nothing is said.
impl Default for DroneConfig {
    fn default() -> Self {
        Self {
            telemetry: TelemetrySource::WithVideo,
            assume_nadir: false,
            fov_deg: None,
            takeoff_alt_m: None,
            compensate: Compensation::Registration,
            // A standalone receiver in the open; RTK is ten times better and worth saying in the config.
            position_error_m: 2.5,
            // A barometer drifts by this much in a flight.
            altitude_error_m: 2.0,
            heading_error_deg: 2.0,
            gimbal_error_deg: 0.5,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TelemetrySource {
    /// DJI subtitles in a file of their own.
    Srt(PathBuf),
    /// The `.SRT` beside the video where there is one, else MISB ST 0601 in the video's own stream.
    WithVideo,
}

/// How the camera's own motion is taken out of what moves in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compensation {
    /// By comparing pictures.
    Registration,
    /// By where the drone says that it looked, over even ground.
    Telemetry,
    Off,
}
