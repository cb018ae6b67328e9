//! The one door to the machine's clocks; everything pure takes its time from the data instead.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rtime_clock::adjtime::{Timex, adjtimex};

use super::{KernelClock, WallTime};

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

/// What the kernel says of the wall clock. `None`: it does not tell, for a sandbox forbids to ask.
pub fn kernel_clock() -> Option<KernelClock> {
    /// Bits of `status`, and a result (adjtimex(2)).
    const UNSYNCHRONISED: i32 = 0x40;
    const NANOSECONDS: i32 = 0x2000;
    const CLOCK_ERROR: i32 = 5;
    // Without modes it only reads.
    let mut read = Timex::new();
    let state = adjtimex(&mut read).ok()?;
    let clock = &read.0;
    let offset_us = if clock.status & NANOSECONDS == 0 { clock.offset } else { clock.offset / 1_000 };
    Some(KernelClock {
        synchronised: state != CLOCK_ERROR && clock.status & UNSYNCHRONISED == 0,
        offset_us,
        max_error_us: clock.maxerror,
    })
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
