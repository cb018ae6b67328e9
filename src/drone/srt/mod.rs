//! DJI's video subtitles (.SRT), in all families known from the field.
//!
//! Families differ in punctuation and not in meaning. So the parser reads fields and does not detect the
//! family. A field is `[name : value]`, `NAME(a, b, c)`, or one of a few bare ones.
//!
//! The order of the two numbers in `GPS(a, b, ..)` differs. Longitude is first, except on the Matrice 300,
//! which marks its altitude with an M. A number above 90 decides the order for the whole file, and so does
//! the position in the config.

mod fields;
mod text;

use crate::base::{MediaTime, WallTime};
use jiff::tz::TimeZone;

use super::check::judge;
use super::{Angles, Fault, Flight, LonLat, Pose, TelemetryReport, fit_clock};
use fields::{Fields, Order};
use text::{Record, records};

/// Settings of the parser.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Approximate position of the flight. Decides which number is the longitude, and reveals swapped ones.
    pub base: Option<LonLat>,
    /// Time zone of the drone's times, which are local and carry none.
    pub time_zone: Option<TimeZone>,
}

/// Parses a whole file. Never fails: the report names the unusable records.
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
        // A subtitle without a time gets it from the drone's clock: the video begins with the first record.
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
        report.note("the subtitles have no times: the drone's clock is used instead".to_owned());
    }
    report.clock = fit_clock(&pairs);
    forget_unset_gimbal(&mut poses, &mut report);
    let flight = judge(poses, settings.base, &mut report);
    (flight, report)
}

/// Some drones write 0, 0, 0 where they do not know their gimbal. No flight looks due north at the horizon all the
/// time.
fn forget_unset_gimbal(poses: &mut [(usize, Pose)], report: &mut TelemetryReport) {
    let known = || poses.iter().filter(|(_, pose)| !pose.gimbal.is_empty());
    if known().next().is_none() || !known().all(|(_, pose)| pose.gimbal.is_unset()) {
        return;
    }
    for (_, pose) in poses {
        pose.gimbal = Angles::default();
    }
    report.note("the gimbal's angles are 0 in all records: they are not known".to_owned());
}

/// Decides once for the whole file, so that all records are read the same way.
fn order<'a>(
    all: impl Iterator<Item = &'a Fields> + Clone,
    base: Option<LonLat>,
    report: &mut TelemetryReport,
) -> Order {
    let pairs = || all.clone().flat_map(|f| f.pairs());
    let plain = || all.clone().filter(|f| f.marked_altitude == Some(false)).flat_map(|f| f.pairs());
    let Some(some) = pairs().next() else { return Order::ByFamily };
    // Only valid coordinates may decide.
    let valid = |(a, b): &(f64, f64)| a.abs() <= 180.0 && b.abs() <= 180.0;
    let first_large = plain().filter(valid).any(|(a, _)| a.abs() > 90.0);
    let second_large = plain().filter(valid).any(|(_, b)| b.abs() > 90.0);
    match (first_large, second_large) {
        (true, false) => {
            report.note("longitude is first: it is above 90".to_owned());
            return Order::ByFamily;
        }
        (false, true) => {
            report.note("latitude is first: the second number is above 90".to_owned());
            return Order::LatitudeFirst;
        }
        _ => {}
    }
    let Some(base) = base else { return Order::ByFamily };
    let (lon_first, lat_first) = (LonLat { lon: some.0, lat: some.1 }, LonLat { lon: some.1, lat: some.0 });
    let (as_lon, as_lat) = (lon_first.distance_to(&base), lat_first.distance_to(&base));
    const NEAR: f64 = 100_000.0;
    if as_lon < NEAR && as_lat > NEAR {
        report.note("longitude is first, by the position in the config".to_owned());
        Order::LongitudeFirst
    } else if as_lat < NEAR && as_lon > NEAR {
        report.note("latitude is first, by the position in the config".to_owned());
        Order::LatitudeFirst
    } else {
        Order::ByFamily
    }
}

#[cfg(test)]
mod tests;
