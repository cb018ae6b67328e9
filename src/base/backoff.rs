//! Jittered exponential back-off: 134 cameras behind one switch must not come back in the same millisecond.

use std::time::Duration;

/// Full jitter between half and the whole of an exponentially growing delay.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    attempt: u32,
}

impl Backoff {
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, attempt: 0 }
    }

    /// The next delay: doubles with each call up to `max`, of which a random half is taken off.
    pub fn next_delay(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1u32 << self.attempt.min(20)).min(self.max);
        self.attempt = self.attempt.saturating_add(1);
        whole.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// Call once the connection has proved itself, so that the next failure starts small again.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_limit_and_starts_again_after_reset() {
        let mut b = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let limits = [100, 200, 400, 800, 1000, 1000];
        for whole in limits.map(Duration::from_millis) {
            let d = b.next_delay();
            assert!(d >= whole / 2 && d <= whole, "{d:?} of {whole:?}");
        }
        b.reset();
        assert!(b.next_delay() <= Duration::from_millis(100));
    }
}
