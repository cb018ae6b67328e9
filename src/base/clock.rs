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

/// Processor time that all threads of this process have used, in steps of 10 ms (proc(5), USER_HZ is 100 on every
/// Linux). `None` where there is no /proc.
pub fn process_cpu() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 10))
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
        let before = process_cpu().expect("Linux");
        let mut sum = 0u64;
        while process_cpu().expect("Linux") < before + Duration::from_millis(50) {
            sum = std::hint::black_box((0..10_000u64).fold(sum, u64::wrapping_add));
        }
        assert!(process_cpu().expect("Linux") >= before + Duration::from_millis(50));
    }
}
