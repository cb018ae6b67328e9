//! `"mon-fri 22:00-06:00"`: times of the week.

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::super::problem::Problem;
use crate::base::narrow;
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
    let plain = in_english(text);
    let (days, hours) = plain.split_at(plain.find(|c: char| c.is_ascii_digit()).unwrap_or(plain.len()));
    let (from, to) = hours.split_once('-').ok_or_else(|| format!("`{hours}` is not a span of hours"))?;
    let (from, to) = (time(from, false)?, time(to, true)?);
    if from == to && from != Time::midnight() {
        return Err(format!("`{hours}` starts and ends at the same time; the whole day is 00:00-24:00"));
    }
    Ok(WeekSpan { days: week(days.trim())?, from, to })
}

/// Chinese days and dashes as ours: `周一至周五 8：00—18：00` is `mon-fri 8:00-18:00`.
fn in_english(text: &str) -> String {
    const WEEK: [(&str, &str); 11] = [
        ("每天", "daily"),
        ("每日", "daily"),
        ("工作日", "mon-fri"),
        ("周末", "sat,sun"),
        ("至", "-"),
        ("到", "-"),
        ("~", "-"),
        ("星期", "周"),
        ("礼拜", "周"),
        ("周天", "周日"),
        ("点半", ":30"),
    ];
    let mut plain = narrow(text).trim().to_lowercase();
    for (chinese, english) in WEEK {
        plain = plain.replace(chinese, english);
    }
    for (name, day) in ["一", "二", "三", "四", "五", "六", "日"].into_iter().zip(DAYS) {
        plain = plain.replace(&format!("周{name}"), day);
    }
    plain = plain.replace("点整", ":00").replace(['点', '时'], ":00");
    let parts: Vec<&str> = plain.split('-').map(str::trim).collect();
    parts.join("-")
}

fn week(text: &str) -> Result<[bool; 7], String> {
    if matches!(text, "daily" | "") {
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
        check("周一至周五 22：00—06：00", "xxxxx--", (22, 0), (6, 0));
        check("星期六、星期日　０８:００～18:00", "-----xx", (8, 0), (18, 0));
        check("每天 7点-9点半", "xxxxxxx", (7, 0), (9, 30));
        check("周末8:00 - 12:00", "-----xx", (8, 0), (12, 0));
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
