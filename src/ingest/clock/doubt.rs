//! A value that contradicts the accepted one, until others confirm it.

use std::time::{Duration, Instant};

use super::reading::signed_us;

/// Sightings that confirm a value.
const SIGHTINGS: u32 = 3;
/// Time from the first of them to the last.
const LASTS: Duration = Duration::from_secs(1);
/// Sightings that agree differ by no more than this.
const AGREES_US: i64 = 1_000_000;

#[derive(Debug, Default)]
pub(super) struct Doubt {
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    first: Instant,
    times: u32,
    value_us: i64,
}

impl Doubt {
    /// Adds a sighting of `value_us`. True if it is confirmed; then the doubt is over.
    pub fn confirms(&mut self, value_us: i64, at: Instant) -> bool {
        let before =
            self.seen.take().filter(|s| value_us.saturating_sub(s.value_us).saturating_abs() <= AGREES_US);
        let (first, times) = before.map_or((at, 1), |s| (s.first, s.times + 1));
        let confirmed = times >= SIGHTINGS && signed_us(at, first) >= LASTS.as_micros() as i64;
        if !confirmed {
            self.seen = Some(Seen { first, times, value_us });
        }
        confirmed
    }

    pub fn clear(&mut self) {
        self.seen = None;
    }

    /// Moves the zero of the values.
    pub fn shift(&mut self, by_us: i64) {
        if let Some(seen) = &mut self.seen {
            seen.value_us = seen.value_us.saturating_add(by_us);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::monotonic;

    #[test]
    fn three_sightings_over_a_second_confirm_and_others_begin_anew() {
        let (mut doubt, start) = (Doubt::default(), monotonic());
        let at = |ms: u64| start + Duration::from_millis(ms);
        let seen =
            [(0, 9), (40, 9), (80, 9), (900, 5_000_000), (1_000, 9), (1_500, 9), (1_999, 9), (2_000, 9)];
        let confirmed: Vec<_> = seen.iter().map(|&(ms, value)| doubt.confirms(value, at(ms))).collect();
        assert_eq!(confirmed, [false, false, false, false, false, false, false, true]);
        assert!(!doubt.confirms(9, at(2_040)), "the doubt is over");
    }
}
