//! DJI's video subtitles (.SRT): all the families that were seen in the field.
//!
//! Families differ in punctuation and not in meaning, so a record is read by its fields and not by its family: what
//! stands in brackets as `[name : value]`, what stands as `NAME(a, b, c)`, and the few bare ones.
//!
//! Which of the two numbers in `GPS(a, b, ..)` is the longitude differs: first on all but the Matrice 300, which marks
//! its altitude with an M. A number above 90 settles it for the whole file, and so does the place that the config gives.

mod fields;
mod text;

use crate::base::{MediaTime, WallTime};
use jiff::tz::TimeZone;

use super::check::judge;
use super::{Fault, Flight, Place, Pose, TelemetryReport, fit_clock};
use fields::{Fields, Order};
use text::{Record, records};

/// What the reader must know from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where the flight was, roughly: settles which number is the longitude and finds swapped ones.
    pub base: Option<Place>,
    /// Of the times that the drone wrote, which are local and say no zone.
    pub time_zone: Option<TimeZone>,
}

/// Reads a whole file's text. Never fails: the report says what could not be used.
pub fn parse(text: &str, settings: &Settings) -> (Flight, TelemetryReport) {
    let mut report = TelemetryReport::default();
    let mut read: Vec<(Record, Fields)> = Vec::new();
    for record in records(text) {
        report.records += 1;
        match Fields::read(&record.body) {
            Ok(fields) => read.push((record, fields)),
            Err(fault) => report.reject(record.number, fault),
        }
    }
    let order = order(read.iter().map(|(_, f)| f), settings.base, &mut report);
    let first_date = read.iter().find_map(|(_, f)| f.date);
    let mut pairs: Vec<(MediaTime, WallTime)> = Vec::new();
    let mut poses: Vec<(usize, Pose)> = Vec::new();
    let mut without_time = false;
    for (record, fields) in &read {
        // Without a subtitle's time the drone's clock tells it: the video begins with the first record.
        let media = record.begins.or_else(|| {
            without_time = true;
            Some(MediaTime(fields.date?.duration_since(first_date?).as_micros().try_into().ok()?))
        });
        let Some(media) = media else {
            report.reject(record.number, Fault::NoTime);
            continue;
        };
        let zoned = |zone: &TimeZone| zone.to_timestamp(fields.date?).ok().map(WallTime::from);
        let wall = zoned(settings.time_zone.as_ref().unwrap_or(&TimeZone::UTC));
        pairs.extend(wall.map(|wall| (media, wall)));
        match fields.pose(order) {
            Some(pose) => poses.push((record.number, Pose { media: Some(media), at: wall, ..pose })),
            None => report.without_position += 1,
        }
    }
    if without_time {
        report.note("subtitles without times: the drone's clock stands in for them".to_owned());
    }
    report.clock = fit_clock(&pairs);
    let flight = judge(poses, settings.base, &mut report);
    (flight, report)
}

/// Decides once for the file, so that no record is read another way than its neighbour.
fn order<'a>(
    all: impl Iterator<Item = &'a Fields> + Clone,
    base: Option<Place>,
    report: &mut TelemetryReport,
) -> Order {
    let pairs = || all.clone().flat_map(|f| f.pairs());
    let plain = || all.clone().filter(|f| f.marked_altitude == Some(false)).flat_map(|f| f.pairs());
    let Some(some) = pairs().next() else { return Order::ByFamily };
    // Only what is a coordinate at all may speak for the rest.
    let valid = |(a, b): &(f64, f64)| a.abs() <= 180.0 && b.abs() <= 180.0;
    let first_large = plain().filter(valid).any(|(a, _)| a.abs() > 90.0);
    let second_large = plain().filter(valid).any(|(_, b)| b.abs() > 90.0);
    match (first_large, second_large) {
        (true, false) => {
            report.note("longitude stands first: it is above 90".to_owned());
            return Order::ByFamily;
        }
        (false, true) => {
            report.note("latitude stands first: the second number is above 90".to_owned());
            return Order::LatitudeFirst;
        }
        _ => {}
    }
    let Some(base) = base else { return Order::ByFamily };
    let (lon_first, lat_first) = (Place { lon: some.0, lat: some.1 }, Place { lon: some.1, lat: some.0 });
    let (as_lon, as_lat) = (lon_first.distance_to(&base), lat_first.distance_to(&base));
    const NEAR: f64 = 100_000.0;
    if as_lon < NEAR && as_lat > NEAR {
        report.note("longitude stands first, by the position in the config".to_owned());
        Order::LongitudeFirst
    } else if as_lat < NEAR && as_lon > NEAR {
        report.note("latitude stands first, by the position in the config".to_owned());
        Order::LatitudeFirst
    } else {
        Order::ByFamily
    }
}

#[cfg(test)]
mod tests;
