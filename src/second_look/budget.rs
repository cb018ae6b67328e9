//! How much of a core second looks may take.

use std::time::{Duration, Instant};

/// Time that may be spent: it grows with a share of the time that passes, up to a limit.
#[derive(Debug)]
pub(super) struct Budget {
    share: f64,
    most: Duration,
    left: f64,
    at: Instant,
}

impl Budget {
    /// Begins with `most`.
    pub fn new(share: f64, most: Duration, now: Instant) -> Self {
        Self { share, most, left: most.as_secs_f64(), at: now }
    }

    /// How long to wait before the next look. Zero: it may begin.
    pub fn wait(&mut self, now: Instant) -> Duration {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * self.share;
        (self.left, self.at) = ((self.left + earned).min(self.most.as_secs_f64()), now);
        Duration::try_from_secs_f64(-self.left / self.share).unwrap_or_default()
    }

    /// A look has taken so long.
    pub fn spend(&mut self, took: Duration) {
        self.left -= took.as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::monotonic;

    #[test]
    fn over_time_no_more_than_its_share_is_spent() {
        let start = monotonic();
        let mut budget = Budget::new(0.05, Duration::from_secs(1), start);
        let (mut now, mut spent) = (start, Duration::ZERO);
        let look = Duration::from_millis(12);
        while now < start + Duration::from_secs(1000) {
            let wait = budget.wait(now);
            if wait.is_zero() {
                budget.spend(look);
                (now, spent) = (now + look, spent + look);
            } else {
                now += wait.max(Duration::from_millis(1));
            }
        }
        let spent = spent.as_secs_f64();
        assert!((50.0..=51.5).contains(&spent), "{spent}");
    }

    #[test]
    fn what_was_saved_may_be_spent_at_once() {
        let start = monotonic();
        let mut budget = Budget::new(0.05, Duration::from_secs(1), start);
        let mut looks = 0;
        while budget.wait(start).is_zero() {
            budget.spend(Duration::from_millis(10));
            looks += 1;
        }
        assert!((100..=101).contains(&looks), "{looks}");
    }
}
