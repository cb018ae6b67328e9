//! Two kinds of time: that of a stream (`MediaTime`) and that of the world (`WallTime`).
//!
//! Both count whole microseconds, so arithmetic is exact and replays are equal bit for bit.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Presentation time on a stream's own clock, in microseconds. Comparable only within one `stream` of a
/// camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaTime(pub i64);

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(pub i64);

impl MediaTime {
    pub fn as_nanos(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0).saturating_mul(1_000)
    }
}

impl WallTime {
    /// Time from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: WallTime) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// `None` outside the years -9999 to 9999.
    pub fn timestamp(self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.0).ok()
    }
}

impl From<Timestamp> for WallTime {
    fn from(t: Timestamp) -> Self {
        Self(t.as_microsecond())
    }
}

impl Add<Duration> for WallTime {
    type Output = WallTime;
    fn add(self, d: Duration) -> WallTime {
        WallTime(self.0.saturating_add(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for WallTime {
    type Output = WallTime;
    fn sub(self, d: Duration) -> WallTime {
        WallTime(self.0.saturating_sub(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-11-22T04:30:00.120Z`.
impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timestamp() {
            Some(t) => write!(f, "{t:.3}"),
            None => write!(f, "{} us", self.0),
        }
    }
}

/// Where a capture time comes from; an event says it, so that a court can weigh it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// The camera's clock, by RTCP sender reports (RFC 3550, 6.4.1).
    Rtcp,
    /// The drone's clock, by its telemetry (MISB ST 0601, tag 2).
    Telemetry,
    /// The node's clock when the access unit arrived, without the jitter of the network.
    Arrival,
    /// The recording's own time: its start plus the frame's presentation time.
    Footage,
}

/// When a picture was taken, as far as we know.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capture {
    pub at: WallTime,
    pub source: TimeSource,
    /// Camera clock minus node clock in milliseconds, where the camera sends its time. Includes network
    /// delay.
    pub offset_ms: Option<i64>,
    /// The state of the clocks then. `None`: no clock was read, for it is footage.
    #[serde(default)]
    pub clock: Option<CaptureClock>,
}

/// What the kernel says of the node's wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelClock {
    /// A time service keeps it.
    pub synchronised: bool,
    /// What the kernel still works off, in microseconds.
    pub offset_us: i64,
    /// Its greatest error by the time service's own estimate, in microseconds; it grows while nothing keeps it.
    pub max_error_us: i64,
}

/// The clocks behind a capture time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureClock {
    /// `None`: the kernel does not tell.
    pub kernel: Option<KernelClock>,
    /// Capture time minus the clock that it follows: what is left of a step, in milliseconds.
    pub behind_ms: i64,
    /// The node's clock was set, and is not in step with the camera's or with a time service again.
    pub stepped: bool,
    /// By how much capture times have jumped between connections since the camera was started, in microseconds.
    pub moved_us: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_prints_rfc_3339_milliseconds() {
        assert_eq!(WallTime(1_700_000_000_123_456).to_string(), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn wall_time_arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(WallTime(i64::MAX) + Duration::from_secs(1), WallTime(i64::MAX));
        assert_eq!(WallTime(5).since(WallTime(9)), Duration::ZERO);
    }
}
