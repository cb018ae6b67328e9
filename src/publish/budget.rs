//! What the node may send now, by the hours of `mqtt.limits`.
//!
//! A bucket that fills at the rate of the hour. Files wait until it holds something. Messages may take it into
//! debt, ten seconds' worth: a new event passes at once, and a long backlog of them still goes at the rate.

use std::time::{Duration, Instant};

use crate::base::WallTime;
use crate::config::LineLimit;
use crate::rules::is_awake;

/// How far messages go ahead of the rate, in seconds; files, by one second.
const CREDIT_S: f64 = 10.0;
/// A change of the hour is noticed after this.
const LOOK: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Budget {
    limits: Vec<LineLimit>,
    /// Bytes a second now; `None`: no limit.
    rate: Option<f64>,
    looked: Option<Instant>,
    /// Bytes that may be sent; below zero after messages.
    left: f64,
    filled: Instant,
}

/// What may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    All,
    /// Files, after this time.
    Messages(Duration),
    /// Anything, after this time.
    Nothing(Duration),
}

impl Budget {
    pub fn new(limits: &[LineLimit], now: Instant) -> Self {
        Self { limits: limits.to_vec(), rate: None, looked: None, left: 0.0, filled: now }
    }

    pub fn may(&mut self, now: Instant, wall: impl FnOnce() -> WallTime) -> May {
        if self.limits.is_empty() {
            return May::All;
        }
        if self.looked.is_none_or(|looked| now.duration_since(looked) >= LOOK) {
            self.looked = Some(now);
            let at = wall();
            let limit = self.limits.iter().find(|limit| is_awake(&limit.hours, at));
            self.rate = limit.map(|limit| limit.bytes_s as f64);
        }
        let since = now.duration_since(std::mem::replace(&mut self.filled, now)).as_secs_f64();
        let Some(rate) = self.rate else {
            self.left = 0.0;
            return May::All;
        };
        self.left = (self.left + since * rate).min(rate);
        // At least a millisecond, so that rounding makes no circle of it.
        let until = |bytes: f64| Duration::from_secs_f64((bytes / rate).clamp(0.001, LOOK.as_secs_f64()));
        if self.left > 0.0 {
            May::All
        } else if self.left > -CREDIT_S * rate {
            May::Messages(until(-self.left))
        } else {
            May::Nothing(until(-self.left - CREDIT_S * rate))
        }
    }

    pub fn sent(&mut self, bytes: usize) {
        self.left -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::base::monotonic;
    use crate::config::{Schedule, WeekSpan};

    /// From hour to hour of every day.
    fn limit(from: i8, to: i8, bytes_s: u64) -> LineLimit {
        let at = |hour: i8| time(hour % 24, 0, 0, 0);
        let spans = vec![WeekSpan { days: [true; 7], from: at(from), to: at(to) }];
        LineLimit { hours: Schedule { time_zone: TimeZone::UTC, spans }, bytes_s }
    }

    fn wall(time: &str) -> WallTime {
        WallTime::from(format!("2026-11-22T{time}:00Z").parse::<jiff::Timestamp>().expect("a time"))
    }

    /// Sends pieces of 1000 bytes as fast as it may for so many seconds, or messages of that size.
    fn bytes_in(budget: &mut Budget, from: Instant, seconds: u64, files: bool, at: &str) -> usize {
        let (mut now, mut sent) = (from, 0);
        while now < from + Duration::from_secs(seconds) {
            match budget.may(now, || wall(at)) {
                May::Nothing(wait) => now += wait,
                May::Messages(wait) if files => now += wait,
                _ => {
                    budget.sent(1000);
                    sent += 1000;
                }
            }
        }
        sent
    }

    #[test]
    fn files_keep_to_the_rate_of_the_hour_and_without_an_entry_there_is_none() {
        let start = monotonic();
        let mut budget = Budget::new(&[limit(7, 20, 10_000), limit(20, 22, 50_000)], start);
        let sent = bytes_in(&mut budget, start, 100, true, "08:00");
        assert!((990_000..=1_012_000).contains(&sent), "{sent}");
        let evening = start + Duration::from_secs(200);
        let sent = bytes_in(&mut budget, evening, 100, true, "21:00");
        assert!((4_950_000..=5_060_000).contains(&sent), "{sent}");
        let night = start + Duration::from_secs(400);
        for _ in 0..1000 {
            assert_eq!(budget.may(night, || wall("23:00")), May::All);
            budget.sent(1 << 20);
        }
    }

    #[test]
    fn a_new_event_passes_though_files_have_used_the_rate_up_and_a_backlog_of_events_does_not() {
        let start = monotonic();
        let mut budget = Budget::new(&[limit(0, 24, 10_000)], start);
        bytes_in(&mut budget, start, 10, true, "08:00");
        let now = start + Duration::from_secs(10);
        budget.sent(20_000);
        assert!(matches!(budget.may(now, || wall("08:00")), May::Messages(_)));
        let sent = bytes_in(&mut budget, now, 100, false, "08:00");
        assert!((1_000_000..=1_110_000).contains(&sent), "ten seconds ahead, then at the rate: {sent}");
    }

    #[test]
    fn the_debt_of_a_slow_hour_ends_with_it() {
        let start = monotonic();
        let mut budget = Budget::new(&[limit(7, 20, 10)], start);
        assert!(matches!(budget.may(start, || wall("19:59")), May::Messages(_)));
        budget.sent(1 << 20);
        assert!(matches!(budget.may(start, || wall("19:59")), May::Nothing(_)));
        assert_eq!(budget.may(start + LOOK, || wall("20:00")), May::All);
    }
}
