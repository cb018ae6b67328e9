//! The node's wall clock as a time that runs evenly. Steps are detected against the monotonic clock.

use std::time::Instant;

use super::doubt::Doubt;
use super::reading::{Reading, STEP_US, signed_us};

#[derive(Debug)]
pub(super) struct NodeClock {
    zero: Instant,
    /// The wall clock at `zero`, by the newest accepted reading.
    base_us: i64,
    doubt: Doubt,
}

/// The wall clock moved against the monotonic one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub by_us: i64,
    /// The clock was set, not corrected.
    pub is_step: bool,
}

impl NodeClock {
    pub fn new(now: Reading) -> Self {
        Self { zero: now.mono, base_us: now.wall.0, doubt: Doubt::default() }
    }

    /// Compares the clocks. Accepts a correction at once, and a step once three readings over a second
    /// confirm it.
    pub fn observe(&mut self, now: Reading) -> Option<Moved> {
        let by_us = now.wall.0.saturating_sub(self.at(now.mono));
        let is_step = by_us.saturating_abs() > STEP_US;
        if !is_step {
            self.doubt.clear();
        } else if !self.doubt.confirms(by_us, now.mono) {
            return None;
        }
        self.base_us = self.base_us.saturating_add(by_us);
        (by_us != 0).then_some(Moved { by_us, is_step })
    }

    /// Wall time of a moment, in microseconds.
    pub fn at(&self, mono: Instant) -> i64 {
        self.base_us.saturating_add(signed_us(mono, self.zero))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::{WallTime, monotonic};

    #[test]
    fn a_step_counts_once_it_lasts_and_an_excursion_does_not() {
        let start = monotonic();
        let at = |ms: u64, ahead_ms: i64| Reading {
            mono: start + Duration::from_millis(ms),
            wall: WallTime((ms as i64 + ahead_ms) * 1_000),
            kernel: None,
        };
        let mut node = NodeClock::new(at(0, 0));
        assert_eq!(node.observe(at(40, 1_500)), Some(Moved { by_us: 1_500_000, is_step: false }));
        assert_eq!(node.observe(at(80, 1_500)), None);
        for ms in [120, 160, 600] {
            assert_eq!(node.observe(at(ms, 901_500)), None);
        }
        assert_eq!(node.observe(at(640, 1_500)), None, "back again");
        for ms in [700, 1_200] {
            assert_eq!(node.observe(at(ms, 901_500)), None);
        }
        assert_eq!(node.at(start), 1_500_000, "the old clock, evenly");
        assert_eq!(node.observe(at(1_700, 901_500)), Some(Moved { by_us: 900_000_000, is_step: true }));
        assert_eq!(node.at(start), 901_500_000);
    }
}
