//! What makes a camera a drone.

use schemars::JsonSchema;
use serde::Deserialize;

use super::At;

/// A camera that moves: zones in the picture are not for it, zones on the ground are.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawDrone {
    /// DJI's `.SRT` beside a `file`. Default: the `.SRT` of the video's name where there is one, else MISB ST
    /// 0601 KLV in the video's own MPEG-TS.
    pub(crate) telemetry: Option<At<String>>,
    /// What holds where the telemetry has no gimbal angles: `nadir` is a camera that looks straight down.
    /// Default: nothing is assumed, and places have a large error.
    pub(crate) assume: Option<RawAssumption>,
    /// Whole horizontal angle of view in degrees, from the data sheet. Default: as the telemetry says.
    #[schemars(range(min = 1, max = 170))]
    pub(crate) fov_deg: Option<At<f64>>,
    /// Height of the place of take-off in metres, in the datum of `map.dem`. Default: the terrain model's, or
    /// 0.
    #[schemars(range(min = -500, max = 9000))]
    pub(crate) takeoff_alt_m: Option<At<f64>>,
    /// How the drone's own motion is taken out: by comparing pictures, by its telemetry, or not at all.
    /// Default: `registration`.
    pub(crate) compensate: Option<RawCompensation>,
    /// Standard deviation of the drone's position in metres. Default: 2.5.
    #[schemars(range(min = 0.01, max = 1000))]
    pub(crate) position_error_m: Option<At<f64>>,
    /// Standard deviation of its height above the place of take-off in metres. Default: 2.
    #[schemars(range(min = 0.01, max = 1000))]
    pub(crate) altitude_error_m: Option<At<f64>>,
    /// Standard deviation of the gimbal's heading in degrees. Default: 2.
    #[schemars(range(min = 0.01, max = 180))]
    pub(crate) heading_error_deg: Option<At<f64>>,
    /// Standard deviation of the gimbal's pitch and roll in degrees. Default: 0.5.
    #[schemars(range(min = 0.01, max = 90))]
    pub(crate) gimbal_error_deg: Option<At<f64>>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawAssumption {
    /// The camera looks straight down.
    Nadir,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawCompensation {
    /// By comparing pictures.
    Registration,
    /// By where the drone says that it looked, over even ground.
    Telemetry,
    /// Not at all.
    Off,
}
