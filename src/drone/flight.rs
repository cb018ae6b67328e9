//! Poses by time: of a recording, or the last minutes of a live stream.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Angles, LonLat, Pose};
use crate::base::{MediaTime, WallTime};

/// Poses further apart say nothing about the time between them; usual are 0.02 to 1 s.
pub const MAX_GAP: Duration = Duration::from_secs(3);
/// How long before the first and after the last pose that one is still taken.
const EDGE: Duration = Duration::from_millis(1_500);
/// A live flight keeps no more: an hour at 10 a second.
const MOST: usize = 36_000;
/// A course is measured over at least this time and way, else it is noise.
const COURSE: (Duration, f64) = (Duration::from_secs(2), 6.0);
/// Metres of a degree of latitude.
const DEGREE: f64 = 111_320.0;

/// Poses in order of time.
#[derive(Clone, Debug, Default)]
pub struct Flight {
    poses: VecDeque<(WallTime, Pose)>,
}

/// What is known of one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampled {
    pub pose: Pose,
    /// One sigma in metres that the position is worse than the receiver's own error: the steps in which the
    /// format writes, and the time between records times the speed.
    pub position_sigma_m: f64,
    /// Over ground, metres a second.
    pub speed: f64,
    /// Direction of flight, degrees; `None` when hovering.
    pub course: Option<f64>,
}

/// Why a moment has no pose.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NoPose {
    #[error("there is no telemetry")]
    Empty,
    #[error("the telemetry begins {0:.1} s later")]
    Before(f64),
    #[error("the telemetry ended {0:.1} s before")]
    After(f64),
    #[error("the telemetry has a gap of {0:.1} s here")]
    Gap(f64),
}

impl Flight {
    /// Of a recording: times count from the video's first frame. Poses without such a time are left out.
    pub fn new(poses: Vec<Pose>) -> Self {
        let mut timed: Vec<_> = poses.into_iter().filter_map(|p| Some((WallTime(p.media?.0), p))).collect();
        timed.sort_by_key(|(at, _)| *at);
        timed.dedup_by_key(|(at, _)| *at);
        Self { poses: timed.into() }
    }

    /// The same flight on the world's clock: its video's first frame was taken at `start`.
    #[must_use]
    pub fn starting(mut self, start: WallTime) -> Self {
        for (at, _) in &mut self.poses {
            *at = WallTime(at.0.saturating_add(start.0));
        }
        self
    }

    /// Adds a pose of a live stream. One that is older than the newest takes its place in order; gives how
    /// many old ones were forgotten for it.
    pub fn push(&mut self, at: WallTime, pose: Pose) -> usize {
        let place = self.poses.partition_point(|(other, _)| *other <= at);
        self.poses.insert(place, (at, pose));
        let over = self.poses.len().saturating_sub(MOST);
        self.poses.drain(..over);
        over
    }

    pub fn len(&self) -> usize {
        self.poses.len()
    }

    pub fn is_empty(&self) -> bool {
        self.poses.is_empty()
    }

    pub fn poses(&self) -> impl Iterator<Item = &Pose> {
        self.poses.iter().map(|(_, pose)| pose)
    }

    /// Where the drone took off: its home point, else where it was first.
    pub fn takeoff(&self) -> Option<LonLat> {
        let home = self.poses().find_map(|p| p.home.filter(|h| h.lon != 0.0 || h.lat != 0.0));
        home.or(self.poses.front().map(|(_, pose)| pose.position))
    }

    /// Stretches without telemetry that are longer than [`MAX_GAP`].
    pub fn gaps(&self) -> impl Iterator<Item = (MediaTime, MediaTime)> {
        let next = self.poses.iter().skip(1);
        self.poses
            .iter()
            .zip(next)
            .filter(|((a, _), (b, _))| b.since(*a) > MAX_GAP)
            .map(|((a, _), (b, _))| (MediaTime(a.0), MediaTime(b.0)))
    }

    /// The pose at a moment, interpolated; angles along the shorter way round.
    ///
    /// # Errors
    /// The moment is outside the flight, or in a gap of it.
    pub fn at(&self, at: WallTime) -> Result<Sampled, NoPose> {
        let (Some((first, _)), Some((last, _))) = (self.poses.front(), self.poses.back()) else {
            return Err(NoPose::Empty);
        };
        let (early, late) = (first.since(at), at.since(*last));
        if early > EDGE {
            return Err(NoPose::Before(early.as_secs_f64()));
        }
        if late > EDGE {
            return Err(NoPose::After(late.as_secs_f64()));
        }
        let after = self.poses.partition_point(|(other, _)| *other <= at);
        let (before, after) = (after.saturating_sub(1), after.min(self.poses.len() - 1));
        let ((t0, a), (t1, b)) = (&self.poses[before], &self.poses[after]);
        let between = t1.since(*t0);
        if between > MAX_GAP {
            return Err(NoPose::Gap(between.as_secs_f64()));
        }
        let share = if between.is_zero() { 0.0 } else { at.since(*t0).as_secs_f64() / between.as_secs_f64() };
        let (speed, course) = self.motion(before, after);
        // A record holds for the time until the next; outside, the drone may have gone on.
        let unsure = between.as_secs_f64() / 12f64.sqrt() + early.max(late).as_secs_f64();
        let steps = a.step * DEGREE / 12f64.sqrt();
        Ok(Sampled {
            pose: between_poses(a, b, share.clamp(0.0, 1.0)),
            position_sigma_m: (speed * unsure).hypot(steps),
            speed,
            course,
        })
    }

    /// Speed and course over the seconds around two neighbours.
    fn motion(&self, before: usize, after: usize) -> (f64, Option<f64>) {
        let (mut i, mut j) = (before, after);
        let span = |i: usize, j: usize| self.poses[j].0.since(self.poses[i].0);
        while span(i, j) < COURSE.0 {
            let can_back = i > 0 && span(i - 1, i) <= MAX_GAP;
            let can_on = j + 1 < self.poses.len() && span(j, j + 1) <= MAX_GAP;
            if can_back {
                i -= 1;
            }
            if can_on {
                j += 1;
            }
            if !can_back && !can_on {
                break;
            }
        }
        let (a, b, seconds) = (&self.poses[i].1, &self.poses[j].1, span(i, j).as_secs_f64());
        let metres = a.position.distance_to(&b.position);
        if seconds <= 0.0 {
            return (0.0, None);
        }
        let east = (b.position.lon - a.position.lon) * a.position.lat.to_radians().cos();
        let north = b.position.lat - a.position.lat;
        let clear = metres > COURSE.1.max(4.0 * a.step * DEGREE);
        let course = clear.then(|| east.atan2(north).to_degrees().rem_euclid(360.0));
        (metres / seconds, course)
    }
}

fn between_poses(a: &Pose, b: &Pose, share: f64) -> Pose {
    let line = |x: f64, y: f64| x + (y - x) * share;
    // What only one of both says holds near it; half way it is still the best that is known.
    let number = |x: Option<f64>, y: Option<f64>| match (x, y) {
        (Some(x), Some(y)) => Some(line(x, y)),
        _ => x.or(y),
    };
    let turn = |x: Option<f64>, y: Option<f64>| match (x, y) {
        (Some(x), Some(y)) => Some(x + ((y - x + 180.0).rem_euclid(360.0) - 180.0) * share),
        _ => x.or(y),
    };
    let angles = |x: &Angles, y: &Angles| Angles {
        heading: turn(x.heading, y.heading).map(|h| h.rem_euclid(360.0)),
        pitch: turn(x.pitch, y.pitch),
        roll: turn(x.roll, y.roll),
    };
    let whole = |x: i64, y: i64| x.saturating_add((y.saturating_sub(x) as f64 * share) as i64);
    Pose {
        media: a.media.zip(b.media).map(|(x, y)| MediaTime(whole(x.0, y.0))),
        at: a.at.zip(b.at).map(|(x, y)| WallTime(whole(x.0, y.0))),
        position: LonLat {
            lon: line(a.position.lon, b.position.lon),
            lat: line(a.position.lat, b.position.lat),
        },
        alt_abs: number(a.alt_abs, b.alt_abs),
        alt_rel: number(a.alt_rel, b.alt_rel),
        platform: angles(&a.platform, &b.platform),
        gimbal: angles(&a.gimbal, &b.gimbal),
        fov: (number(a.fov.0, b.fov.0), number(a.fov.1, b.fov.1)),
        focal_35mm: number(a.focal_35mm, b.focal_35mm),
        slant_range: number(a.slant_range, b.slant_range),
        frame_centre: a.frame_centre,
        centre_alt: number(a.centre_alt, b.centre_alt),
        home: a.home.or(b.home),
        step: a.step.max(b.step),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pose(ms: i64, lon: f64, heading: f64) -> Pose {
        Pose {
            media: Some(MediaTime(ms * 1000)),
            gimbal: Angles { heading: Some(heading), ..Angles::default() },
            ..Pose::at(LonLat { lon, lat: 30.0 })
        }
    }

    const NOON: WallTime = WallTime(1_700_000_000_000_000);

    fn at(ms: u64) -> WallTime {
        NOON + Duration::from_millis(ms)
    }

    #[test]
    fn half_way_is_half_way_and_north_is_crossed_the_short_way() {
        let flight = Flight::new(vec![pose(0, 120.0, 350.0), pose(1000, 120.0001, 20.0)]).starting(NOON);
        let seen = flight.at(at(500)).expect("between both");
        assert!((seen.pose.position.lon - 120.00005).abs() < 1e-9);
        assert!((seen.pose.gimbal.heading.expect("heading") - 5.0).abs() < 1e-9);
        assert!((seen.speed - 9.63).abs() < 0.1, "{}", seen.speed);
        assert!((seen.position_sigma_m - 9.63 / 12f64.sqrt()).abs() < 0.1);
    }

    #[test]
    fn a_gap_of_ten_seconds_has_no_pose_in_it_and_is_named() {
        let flight = Flight::new(vec![pose(0, 120.0, 0.0), pose(1000, 120.0, 0.0), pose(11_000, 120.0, 0.0)]);
        assert_eq!(flight.gaps().collect::<Vec<_>>(), [(MediaTime(1_000_000), MediaTime(11_000_000))]);
        let flight = flight.starting(NOON);
        assert_eq!(flight.at(at(5000)), Err(NoPose::Gap(10.0)));
        assert!(flight.at(at(900)).is_ok() && flight.at(at(11_000)).is_ok());
        assert_eq!(flight.at(at(14_000)), Err(NoPose::After(3.0)));
        assert_eq!(flight.at(NOON - Duration::from_secs(2)), Err(NoPose::Before(2.0)));
        assert_eq!(Flight::default().at(NOON), Err(NoPose::Empty));
    }

    #[test]
    fn the_course_is_that_of_the_way_and_a_hovering_drone_has_none() {
        let east = Flight::new((0..10).map(|i| pose(i * 500, 120.0 + i as f64 * 5e-5, 0.0)).collect());
        let course = east.starting(NOON).at(at(2250)).expect("there").course.expect("it flies");
        assert!((course - 90.0).abs() < 0.1, "{course}");
        let hovering = Flight::new((0..10).map(|i| pose(i * 500, 120.0, 0.0)).collect()).starting(NOON);
        assert_eq!(hovering.at(at(2250)).expect("there").course, None);
    }

    #[test]
    fn a_live_flight_forgets_its_oldest_poses_and_keeps_order() {
        let mut flight = Flight::default();
        for i in 0..MOST as u64 {
            assert_eq!(flight.push(at(i * 100), pose(0, 120.0, 0.0)), 0);
        }
        assert_eq!(flight.push(at(50), pose(0, 121.0, 0.0)), 1, "the oldest goes, not the newest");
        assert_eq!(flight.len(), MOST);
        assert_eq!(flight.at(at(50)).expect("there").pose.position.lon, 121.0);
    }
}
