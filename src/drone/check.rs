//! Is a record possible? Ranges, swapped coordinates by distance, jumps, gaps.

use super::{Fault, Flight, Gap, LonLat, Pose, TelemetryReport};

/// A position that the flight must be near: the drone's base from the config, its home point, or its first
/// fix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference {
    pub position: LonLat,
    /// For messages: "home", "the first position".
    pub what: &'static str,
}

/// Further than a patrol drone goes, metres.
const FAR: f64 = 100_000.0;
/// Metres a second that no patrol drone reaches, wind included.
const FASTEST: f64 = 100.0;
/// Metres that no step of a format and no poor fix explains.
const JUMP: f64 = 1_000.0;
/// Jumps in a row after which the new place is believed: the first one was wrong.
const PERSISTENT: u32 = 3;

/// Judges the records of one flight in their order.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    reference: Option<Reference>,
    last: Option<Pose>,
    jumps: u32,
}

impl Checker {
    /// `base`: the approximate position from the config.
    pub fn new(base: Option<LonLat>) -> Self {
        let reference = base.map(|position| Reference { position, what: "the position in the config" });
        Self { reference, last: None, jumps: 0 }
    }

    /// Checks a record. `Ok(false)`: it is valid but has no position (a receiver without satellites writes 0,
    /// 0).
    ///
    /// # Errors
    /// The record is impossible.
    pub fn check(&mut self, pose: &Pose) -> Result<bool, Fault> {
        let LonLat { lon, lat } = pose.position;
        if lat.abs() > 90.0 && lat.abs() <= 180.0 && lon.abs() <= 90.0 {
            return Err(Fault::SwappedOutOfRange { latitude: lat });
        }
        for (field, value, from, to) in ranges(pose) {
            if let Some(value) = value
                && !(from..=to).contains(&value)
            {
                return Err(if value.is_finite() {
                    Fault::OutOfRange { field, value, from, to }
                } else {
                    Fault::NotANumber { field, text: value.to_string() }
                });
            }
        }
        if pose.position.lon == 0.0 && pose.position.lat == 0.0 {
            return Ok(false);
        }
        self.check_position(pose)?;
        Ok(true)
    }

    fn check_position(&mut self, pose: &Pose) -> Result<(), Fault> {
        // A home that was never set is written as 0, 0.
        let known = pose.home.filter(|h| h.lon != 0.0 || h.lat != 0.0);
        let home = known.map(|position| Reference { position, what: "home" });
        let reference = *self.reference.get_or_insert_with(|| {
            home.unwrap_or(Reference { position: pose.position, what: "the first position" })
        });
        let far = pose.position.distance_to(&reference.position);
        if far > FAR
            && let Some(near) = pose.position.swapped().map(|s| s.distance_to(&reference.position))
            && near < FAR
        {
            return Err(Fault::Swapped {
                as_written_km: far / 1e3,
                swapped_km: near / 1e3,
                reference: reference.what,
            });
        }
        if let Some(before) = self.last {
            let metres = pose.position.distance_to(&before.position);
            if metres > JUMP + FASTEST * seconds_between(&before, pose) && self.jumps < PERSISTENT {
                self.jumps += 1;
                return Err(Fault::Jump { km: metres / 1e3 });
            }
        }
        self.jumps = 0;
        self.last = Some(*pose);
        Ok(())
    }
}

/// The longer of the times by the drone's clock and by the video: where videos were joined, only the clock
/// shows the gap.
fn seconds_between(a: &Pose, b: &Pose) -> f64 {
    let media = a.media.zip(b.media).map_or(1_000_000, |(a, b)| b.0.saturating_sub(a.0));
    let wall = a.at.zip(b.at).map_or(0, |(a, b)| b.0.saturating_sub(a.0));
    media.saturating_abs().max(wall.saturating_abs()) as f64 / 1e6
}

type Range = (&'static str, Option<f64>, f64, f64);

fn ranges(pose: &Pose) -> [Range; 16] {
    let angles = |a: &super::Angles| (a.heading, a.pitch, a.roll);
    let (heading, pitch, roll) = angles(&pose.platform);
    let (yaw, tilt, bank) = angles(&pose.gimbal);
    [
        ("longitude", Some(pose.position.lon), -180.0, 180.0),
        ("latitude", Some(pose.position.lat), -90.0, 90.0),
        ("absolute altitude", pose.alt_abs, -1_000.0, 20_000.0),
        ("relative altitude", pose.alt_rel, -2_000.0, 20_000.0),
        ("heading", heading, -360.0, 360.0),
        ("pitch", pitch, -180.0, 180.0),
        ("roll", roll, -180.0, 180.0),
        ("gimbal heading", yaw, -360.0, 360.0),
        ("gimbal pitch", tilt, -180.0, 180.0),
        ("gimbal roll", bank, -180.0, 360.0),
        ("angle of view", pose.fov.0, 0.0, 180.0),
        ("upright angle of view", pose.fov.1, 0.0, 180.0),
        ("focal length", pose.focal_35mm, 1.0, 10_000.0),
        ("slant range", pose.slant_range, 0.0, 5_000_000.0),
        ("home longitude", pose.home.map(|h| h.lon), -180.0, 180.0),
        ("home latitude", pose.home.map(|h| h.lat), -90.0, 90.0),
    ]
}

/// Judges a whole file's records, in their order: the good ones become a flight, the report says the rest.
pub(crate) fn judge(
    records: impl IntoIterator<Item = (usize, Pose)>,
    base: Option<LonLat>,
    report: &mut TelemetryReport,
) -> Flight {
    let mut checker = Checker::new(base);
    let mut poses: Vec<Pose> = Vec::new();
    for (record, pose) in records {
        match checker.check(&pose) {
            Ok(true) => poses.push(pose),
            Ok(false) => report.without_position += 1,
            Err(fault) => report.reject(record, fault),
        }
    }
    report.poses = poses.len();
    let flight = Flight::new(poses);
    report.gaps.extend(flight.gaps().map(|(from, to)| Gap { from, to }));
    flight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::MediaTime;

    fn pose(lon: f64, lat: f64, second: i64) -> Pose {
        Pose { media: Some(MediaTime(second * 1_000_000)), ..Pose::at(LonLat { lon, lat }) }
    }

    #[test]
    fn what_is_no_number_or_out_of_range_is_named() {
        let mut checker = Checker::new(None);
        let nan = checker.check(&pose(f64::NAN, 30.0, 0)).expect_err("NaN");
        assert_eq!((nan.name(), nan.to_string().contains("longitude")), ("not_a_number", true));
        let far = checker.check(&pose(120.0, 93.0, 0)).expect_err("93 degrees");
        assert_eq!(far.to_string(), "latitude 93 is outside -90 to 90");
        let tilted = Pose {
            gimbal: super::super::Angles { pitch: Some(f64::INFINITY), ..Default::default() },
            ..pose(1.0, 1.0, 0)
        };
        assert!(checker.check(&tilted).expect_err("infinite").to_string().contains("gimbal pitch"));
    }

    #[test]
    fn swapped_coordinates_are_told_by_the_distance_to_home() {
        let mut checker = Checker::new(None);
        let home = Some(LonLat { lon: 30.0, lat: 50.0 });
        assert_eq!(checker.check(&Pose { home, ..pose(30.001, 50.0, 0) }), Ok(true));
        let fault = checker.check(&Pose { home, ..pose(50.0, 30.001, 1) }).expect_err("swapped");
        assert_eq!(fault.name(), "swapped");
        assert!(fault.to_string().contains("0.1 km if swapped"), "{fault}");
        assert_eq!(checker.check(&Pose { home, ..pose(30.002, 50.0, 2) }), Ok(true));
    }

    #[test]
    fn no_satellites_is_no_fault_and_no_place() {
        let mut checker = Checker::new(None);
        assert_eq!(checker.check(&pose(0.0, 0.0, 0)), Ok(false));
        assert_eq!(checker.check(&pose(120.0, 30.0, 1)), Ok(true), "the reference is the first real place");
    }

    #[test]
    fn one_wild_position_is_left_out_and_a_lasting_one_believed() {
        let mut checker = Checker::new(None);
        let results: Vec<_> =
            [(120.0, 0), (120.5, 1), (120.0001, 2), (120.5, 3), (120.5, 4), (120.5, 5), (120.5, 6)]
                .map(|(lon, s)| checker.check(&pose(lon, 30.0, s)).map_err(|f| f.name()))
                .into();
        assert_eq!(results[..3], [Ok(true), Err("jump"), Ok(true)]);
        assert_eq!(results[3..], [Err("jump"), Err("jump"), Err("jump"), Ok(true)]);
    }
}
