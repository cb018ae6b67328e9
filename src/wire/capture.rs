//! When a picture was taken, and how far that can be relied on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Capture, CaptureClock, TimeSource};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaptureData {
    pub time: String,
    /// `rtcp`: the camera's clock; `telemetry`: the drone's; `arrival`: the node's clock on arrival;
    /// `footage`: the recording's own time.
    #[schemars(extend("enum" = ["rtcp", "telemetry", "arrival", "footage"]))]
    pub source: String,
    /// Camera clock minus node clock, if the camera sends its time.
    pub offset_ms: Option<i64>,
    /// The state of the clocks at that moment. `null`: no clock was read, for it is footage.
    #[serde(default)]
    pub clock: Option<ClockData>,
}

/// How far the clocks behind a capture time can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockData {
    /// By the kernel: a time service (NTP, PTP) keeps the node's clock. `null`: unknown.
    pub synchronised: Option<bool>,
    /// By the kernel: what it still works off, in milliseconds. `null`: unknown.
    pub offset_ms: Option<i64>,
    /// By the time service: the greatest error of the node's clock, in milliseconds. `null`: unknown.
    pub max_error_ms: Option<i64>,
    /// Capture time minus the clock that it follows, in milliseconds: what is left of a step.
    pub behind_ms: i64,
    /// The node's clock was set, and nothing has shown since that it is right.
    pub stepped: bool,
}

impl From<CaptureClock> for ClockData {
    fn from(clock: CaptureClock) -> Self {
        Self {
            synchronised: clock.kernel.map(|kernel| kernel.synchronised),
            offset_ms: clock.kernel.map(|kernel| kernel.offset_us / 1000),
            max_error_ms: clock.kernel.map(|kernel| kernel.max_error_us / 1000),
            behind_ms: clock.behind_ms,
            stepped: clock.stepped,
        }
    }
}

impl From<Capture> for CaptureData {
    fn from(capture: Capture) -> Self {
        let source = match capture.source {
            TimeSource::Rtcp => "rtcp",
            TimeSource::Telemetry => "telemetry",
            TimeSource::Arrival => "arrival",
            TimeSource::Footage => "footage",
        };
        Self {
            time: capture.at.to_string(),
            source: source.to_owned(),
            offset_ms: capture.offset_ms,
            clock: capture.clock.map(Into::into),
        }
    }
}
