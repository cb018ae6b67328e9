//! When a rule is awake, by local time.

use crate::base::WallTime;
use crate::config::{Schedule, WeekSpan};

/// Is a rule with this schedule awake?
///
/// By civil time: an hour that the clock repeats counts twice, a skipped hour does not occur. False for a
/// time outside the calendar.
pub fn is_awake(schedule: &Schedule, at: WallTime) -> bool {
    let Some(timestamp) = at.timestamp() else { return false };
    let civil = schedule.time_zone.to_datetime(timestamp);
    let (time, day) = (civil.time(), usize::from(civil.weekday().to_monday_zero_offset() as u8));
    schedule.spans.iter().any(|span| covers(span, day, time))
}

/// A span over midnight belongs to the day on which it begins. `from == to` is a whole day starting at
/// `from`.
fn covers(span: &WeekSpan, day: usize, time: jiff::civil::Time) -> bool {
    let (today, yesterday) = (span.days[day], span.days[(day + 6) % 7]);
    if span.from < span.to {
        today && span.from <= time && time < span.to
    } else {
        (today && time >= span.from) || (yesterday && time < span.to)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Time, time};
    use jiff::tz::TimeZone;

    use super::*;

    const EVERY_DAY: [bool; 7] = [true; 7];
    /// Friday only.
    const FRIDAY: [bool; 7] = [false, false, false, false, true, false, false];

    fn check(zone: &str, days: [bool; 7], (from, to): (Time, Time), awake: &[&str], asleep: &[&str]) {
        let time_zone = TimeZone::get(zone).expect("bundled zone");
        let schedule = Schedule { time_zone, spans: vec![WeekSpan { days, from, to }] };
        for (instants, expected) in [(awake, true), (asleep, false)] {
            for instant in instants {
                let at = WallTime::from(instant.parse::<jiff::Timestamp>().expect("RFC 3339"));
                assert_eq!(is_awake(&schedule, at), expected, "{zone} {from}-{to} at {instant}");
            }
        }
    }

    #[test]
    fn hours_are_those_of_the_time_zone() {
        check(
            "Asia/Shanghai",
            EVERY_DAY,
            (time(22, 0, 0, 0), time(23, 30, 0, 0)),
            &["2026-11-22T14:00:00Z", "2026-11-22T15:29:59Z"],
            &["2026-11-22T13:59:59Z", "2026-11-22T15:30:00Z", "2026-11-22T22:30:00Z"],
        );
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        // 20 November 2026 is a Friday.
        check(
            "Asia/Shanghai",
            FRIDAY,
            (time(22, 0, 0, 0), time(6, 0, 0, 0)),
            &["2026-11-20T22:00:00+08:00", "2026-11-21T05:59:59+08:00"],
            &["2026-11-20T05:00:00+08:00", "2026-11-21T06:00:00+08:00", "2026-11-21T22:30:00+08:00"],
        );
    }

    #[test]
    fn a_whole_day_runs_from_midnight_to_midnight() {
        let whole = (Time::midnight(), Time::midnight());
        check(
            "UTC",
            FRIDAY,
            whole,
            &["2026-11-20T00:00:00Z", "2026-11-20T23:59:59Z"],
            &["2026-11-19T23:59:59Z", "2026-11-21T00:00:00Z"],
        );
    }

    #[test]
    fn the_hour_that_comes_twice_is_awake_twice_and_the_one_left_out_does_no_harm() {
        // Berlin: 25 October 2026 03:00 summer time is 02:00 again; 29 March 02:00 is at once 03:00.
        let hours = (time(2, 0, 0, 0), time(3, 0, 0, 0));
        check(
            "Europe/Berlin",
            EVERY_DAY,
            hours,
            &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
            &["2026-10-25T02:00:00Z", "2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z"],
        );
        check(
            "Europe/Berlin",
            EVERY_DAY,
            (time(22, 0, 0, 0), time(6, 0, 0, 0)),
            &["2026-03-29T00:30:00Z", "2026-03-29T03:59:00Z", "2026-10-25T04:59:00Z"],
            &["2026-03-29T04:00:00Z", "2026-10-25T05:00:00Z"],
        );
    }
}
