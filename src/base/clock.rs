//! The one door to the machine's clocks; everything pure takes its time from the data instead.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::WallTime;

/// The node's wall clock.
#[expect(clippy::disallowed_methods, reason = "the one door to the wall clock")]
pub fn wall_now() -> WallTime {
    wall(SystemTime::now())
}

/// Of a file; 1970 for what is before it.
pub fn wall(time: SystemTime) -> WallTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Processor time that all threads of this process have used, those that have ended too.
pub fn process_cpu() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

/// The monotonic clock, for intervals and deadlines.
#[expect(clippy::disallowed_methods, reason = "the one door to the monotonic clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_grows_with_work() {
        let before = process_cpu();
        let mut sum = 0u64;
        while process_cpu() < before + Duration::from_millis(50) {
            sum = std::hint::black_box((0..10_000u64).fold(sum, u64::wrapping_add));
        }
        assert!(process_cpu() >= before + Duration::from_millis(50));
    }
}
