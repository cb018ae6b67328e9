//! A scene's drone: the motion between its pictures, and the positions of objects on the ground.

use std::sync::Arc;

use super::drone_log::FlightLog;
use super::placing::on_ground;
use crate::base::error_chain;
use crate::config::{Compensation, DroneConfig, Zone, ZoneArea};
use crate::decode::Picture;
use crate::drone::locator;
use crate::geo::{Dem, Geodetic, LocalFrame, Locator};
use crate::motion::{Motion, Registrar};
use crate::track::{OnGround, Track};

/// Error of a box's foot point: pixels, and a share of the box's height.
const BOX_NOISE: (f64, f64) = (2.0, 0.05);

pub(crate) struct DroneScene {
    config: DroneConfig,
    log: Arc<FlightLog>,
    dem: Option<Arc<Dem>>,
    /// `None`: not configured, or OpenCV failed.
    registrar: Option<Registrar>,
    seen: bool,
    locator: Option<Locator>,
    /// Origin of metres on the ground, once the drone's position is known.
    frame: Option<LocalFrame>,
    /// Why nothing can be placed now; logged once per reason.
    reported: Option<String>,
}

/// How the picture moved since the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Moved {
    By(Motion),
    /// It moved, but the motion is not known.
    Unknown,
    /// The first picture, or compensation is off.
    Not,
}

impl DroneScene {
    pub fn new(config: DroneConfig, log: Arc<FlightLog>, dem: Option<Arc<Dem>>) -> Self {
        let registrar = (config.compensate == Compensation::Registration).then(|| {
            Registrar::new().inspect_err(|error| {
                tracing::error!("{}: the drone's motion is not taken out", error_chain(error))
            })
        });
        let registrar = registrar.and_then(Result::ok);
        Self { config, log, dem, registrar, seen: false, locator: None, frame: None, reported: None }
    }

    /// Continues from the drone's scene under an earlier config.
    pub fn take_over(&mut self, old: Self) {
        let dem = self.dem.take();
        *self = Self { dem, ..old };
    }

    /// Follows the drone to the next picture.
    pub fn follow(&mut self, picture: &Picture) -> Moved {
        let before = self.locator.take();
        self.locator = self.locate(picture);
        let first = !std::mem::replace(&mut self.seen, true);
        match self.config.compensate {
            Compensation::Off => Moved::Not,
            _ if first => {
                self.register(picture);
                Moved::Not
            }
            Compensation::Registration => {
                let seen = self.register(picture);
                // Registration fails over water or snow; telemetry still works there.
                let by_pose = || by_telemetry(before.as_ref()?, self.locator.as_ref()?);
                seen.or_else(by_pose).map_or(Moved::Unknown, Moved::By)
            }
            Compensation::Telemetry => {
                let both = before.as_ref().zip(self.locator.as_ref());
                both.and_then(|(a, b)| by_telemetry(a, b)).map_or(Moved::Unknown, Moved::By)
            }
        }
    }

    fn register(&mut self, picture: &Picture) -> Option<Motion> {
        let registrar = self.registrar.as_mut()?;
        registrar.register(picture).unwrap_or_else(|error| {
            tracing::warn!("{}", error_chain(&error));
            None
        })
    }

    fn locate(&mut self, picture: &Picture) -> Option<Locator> {
        let size = [picture.width, picture.height];
        let found = self.log.at(picture.capture.at).map_err(|e| e.to_string()).and_then(|seen| {
            let takeoff = self.log.takeoff().unwrap_or(seen.pose.position);
            locator(&seen, size, &self.config, takeoff, self.dem.as_ref()).map_err(|e| e.to_string())
        });
        match found {
            Ok(locator) => {
                if self.reported.take().is_some() {
                    tracing::info!("the drone's place is known again");
                }
                if self.frame.is_none() {
                    let at = locator.view().position();
                    let alt = locator.ground_height(at.lon, at.lat).unwrap_or(at.alt);
                    self.frame = Some(LocalFrame::new(Geodetic::new(at.lon, at.lat, alt)));
                }
                Some(locator)
            }
            Err(why) => {
                if self.reported.as_deref().map(without_numbers) != Some(without_numbers(&why)) {
                    tracing::warn!(at = %picture.capture.at, "events have no place now: {why}");
                    self.reported = Some(why);
                }
                None
            }
        }
    }

    /// Fills in the ground positions of the tracks in this picture.
    pub fn place(&self, tracks: &mut [Track], zones: &[Zone]) {
        for track in tracks {
            track.ground = if track.seen_now { self.on_ground(track, zones) } else { None };
        }
    }

    /// The locator of the newest picture, and the frame of metres on the ground.
    pub fn placing(&self) -> Option<(&Locator, &LocalFrame)> {
        self.locator.as_ref().zip(self.frame.as_ref())
    }

    fn on_ground(&self, track: &Track, zones: &[Zone]) -> Option<OnGround> {
        let (locator, frame) = self.placing()?;
        let [width, height] = locator.view().size().map(f64::from);
        let feet = stands_at(track, locator);
        let noise = BOX_NOISE.0 + BOX_NOISE.1 * f64::from(track.rect.height()) * height;
        let fix = locator.locate([f64::from(feet.0) * width, f64::from(feet.1) * height], noise).ok()?;
        let inside = |zone: &&Zone| match &zone.area {
            ZoneArea::Ground { area, .. } => area.contains(fix.position.lon, fix.position.lat),
            ZoneArea::Picture(_) => false,
        };
        let zones = zones.iter().filter(inside).map(|z| z.id.clone()).collect();
        Some(on_ground(&fix, frame, &track.rect, [width, height], zones))
    }
}

/// The point of a box that is on the ground: its lower edge from the side, its middle from above.
fn stands_at(track: &Track, locator: &Locator) -> (f32, f32) {
    let down = (-locator.view().attitude().pitch_deg / 90.0).clamp(0.0, 1.0) as f32;
    let rect = &track.rect;
    let share = 1.0 - 0.5 * down.powi(2);
    (rect.center().x, rect.y0 + rect.height() * share)
}

/// The motion of the ground in the picture between two poses, from four points.
fn by_telemetry(before: &Locator, now: &Locator) -> Option<Motion> {
    let [width, height] = before.view().size().map(f64::from);
    let mut from = [[0.0; 2]; 4];
    let mut to = [[0.0; 2]; 4];
    // The lower part: above the horizon there is no ground.
    for (i, share) in [[0.1, 0.55], [0.9, 0.55], [0.95, 0.95], [0.05, 0.95]].into_iter().enumerate() {
        let place = before.locate([share[0] * width, share[1] * height], 1.0).ok()?.position;
        let [x, y] = now.view().project(place)?;
        (from[i], to[i]) = (share, [x / width, y / height]);
    }
    Motion::through(from, to)
}

/// Drops the digits, so that a reason with other seconds counts as the same.
fn without_numbers(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit() && *c != '.').collect()
}
