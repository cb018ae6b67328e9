//! Times of the week.

use jiff::tz::TimeZone;

/// Times of the week in the node's time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pub time_zone: TimeZone,
    pub spans: Vec<WeekSpan>,
}

/// `from` until `to` on each of `days`; over midnight where `to <= from`, and then the day is that of `from`.
#[derive(Clone, Debug, PartialEq)]
pub struct WeekSpan {
    /// Monday first.
    pub days: [bool; 7],
    pub from: jiff::civil::Time,
    pub to: jiff::civil::Time,
}
