//! A sign of life that others can look at without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::monotonic;

/// On the monotonic clock: a clock that is set does not look like a silence.
#[derive(Debug)]
pub struct Heartbeat {
    born: Instant,
    /// Milliseconds from `born` to the last sign.
    last: AtomicU64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { born: monotonic(), last: AtomicU64::new(0) }
    }
}

impl Heartbeat {
    pub fn beat(&self) {
        self.last.store(self.millis(), Ordering::Relaxed);
    }

    /// How long ago the last sign was given; since the making where there was none.
    pub fn silent_for(&self) -> Duration {
        Duration::from_millis(self.millis().saturating_sub(self.last.load(Ordering::Relaxed)))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
