//! `"mon-fri 22:00-06:00"`: times of the week.

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::super::problem::Problem;
use crate::config::raw::At;
use crate::config::types::{Schedule, WeekSpan};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const HELP: &str =
    "days and hours: \"mon-fri 22:00-06:00\", \"sat,sun 00:00-24:00\", or \"07:00-09:00\" for every day";

/// `None` for an empty list: always.
pub(super) fn schedule(
    spans: &At<Vec<At<String>>>,
    time_zone: &TimeZone,
) -> Result<Option<Schedule>, Vec<Problem>> {
    let problem = |text: &At<String>, why: String| Problem::new(&text.span, why).help(HELP);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for text in spans.iter() {
        match week_span(text) {
            Ok(span) => good.push(span),
            Err(why) => bad.push(problem(text, why)),
        }
    }
    match (good.is_empty(), bad.is_empty()) {
        (_, false) => Err(bad),
        (true, true) => Ok(None),
        (false, true) => Ok(Some(Schedule { time_zone: time_zone.clone(), spans: good })),
    }
}

/// A single span, which must be there.
pub(super) fn hours(text: &At<String>, time_zone: &TimeZone) -> Result<Schedule, Problem> {
    let span = week_span(text).map_err(|why| Problem::new(&text.span, why).help(HELP))?;
    Ok(Schedule { time_zone: time_zone.clone(), spans: vec![span] })
}

fn week_span(text: &str) -> Result<WeekSpan, String> {
    let lower = text.trim().to_ascii_lowercase();
    let (days, hours) = lower.rsplit_once(char::is_whitespace).unwrap_or(("daily", &lower));
    let (from, to) = hours.split_once('-').ok_or_else(|| format!("`{hours}` is not a span of hours"))?;
    let (from, to) = (time(from, false)?, time(to, true)?);
    if from == to && from != Time::midnight() {
        return Err(format!("`{hours}` starts and ends at the same time; the whole day is 00:00-24:00"));
    }
    Ok(WeekSpan { days: week(days.trim())?, from, to })
}

fn week(text: &str) -> Result<[bool; 7], String> {
    if text == "daily" {
        return Ok([true; 7]);
    }
    let day = |name: &str| {
        DAYS.iter()
            .position(|d| *d == name)
            .ok_or_else(|| format!("`{name}` is no day; days are {}", DAYS.join(", ")))
    };
    let mut days = [false; 7];
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first.trim())?, day(last.trim())?);
        // `fri-mon` goes over the weekend.
        let length = (last + 7 - first) % 7;
        for i in 0..=length {
            days[(first + i) % 7] = true;
        }
    }
    Ok(days)
}

/// `24:00` is the midnight that ends the day.
fn time(text: &str, ends: bool) -> Result<Time, String> {
    let wrong = || format!("`{text}` is no time of day; times run from 00:00 to 23:59, and 24:00 ends a day");
    let (hour, minute) = text.trim().split_once(':').ok_or_else(wrong)?;
    let number = |part: &str| {
        let digits = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if digits { part.parse::<i8>().map_err(|_| wrong()) } else { Err(wrong()) }
    };
    match (number(hour)?, number(minute)?) {
        (24, 0) if ends => Ok(Time::midnight()),
        (hour, minute) => Time::new(hour, minute, 0, 0).map_err(|_| wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, days: &str, from: (i8, i8), to: (i8, i8)) {
        let span = week_span(text).expect(text);
        let shown: String = span.days.iter().map(|on| if *on { 'x' } else { '-' }).collect();
        assert_eq!(shown, days, "{text}");
        let at = |(h, m)| Time::new(h, m, 0, 0).expect("time");
        assert_eq!((span.from, span.to), (at(from), at(to)), "{text}");
    }

    #[test]
    fn days_and_hours() {
        check("mon-fri 22:00-06:00", "xxxxx--", (22, 0), (6, 0));
        check("sat,sun 00:00-24:00", "-----xx", (0, 0), (0, 0));
        check("07:30-9:00", "xxxxxxx", (7, 30), (9, 0));
        check("Fri-Mon, wed 08:00-12:00", "x-x-xxx", (8, 0), (12, 0));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "mon",
            "mon 25:00-26:00",
            "24:00-06:00",
            "mo 08:00-09:00",
            "08:00",
            "08:00-08:00",
            "8-9",
            "mon- 08:00-09:00",
            "+8:00-09:00",
        ] {
            assert!(week_span(bad).is_err(), "{bad}");
        }
    }
}
