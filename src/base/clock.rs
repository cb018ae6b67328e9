//! The one door to the machine's clocks; everything pure takes its time from the data instead.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::WallTime;

/// The node's wall clock.
#[expect(clippy::disallowed_methods, reason = "the one door to the wall clock")]
pub fn wall_now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The monotonic clock, for intervals and deadlines.
#[expect(clippy::disallowed_methods, reason = "the one door to the monotonic clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}
