//! The position of an event on the map, from the positions of its objects.

use crate::base::{Rect, ZoneId};
use crate::config::{MapConfig, Permit};
use crate::geo::{
    Accuracy, CalibrationState, Coordinates, EventPlace, Fix, Geodetic, Ground, LocalFrame, Locator, Method,
    PoseSource, convex_hull, gcj02_from_wgs84, rounded_degrees,
};
use crate::rules::Violation;
use crate::track::OnGround;

/// How a camera's picture is placed on the map.
pub(crate) struct Placing<'a> {
    /// Frame of the metres in [`OnGround`].
    pub frame: &'a LocalFrame,
    pub locator: &'a Locator,
    pub state: CalibrationState,
}

impl Placing<'_> {
    fn position(&self, at: &OnGround) -> Geodetic {
        self.frame.to_geodetic([at.east_m, at.north_m, at.up_m].map(f64::from))
    }

    /// The position of the event: that of its oldest object with one. `None` if no object has one.
    pub fn place(&self, violation: &Violation, map: &MapConfig) -> Option<EventPlace> {
        let main = violation.objects.iter().find_map(|o| o.ground.as_ref())?;
        let at = self.position(main);
        let data = |at: Geodetic| Coordinates::rounded(at.lon, at.lat, Some(at.alt));
        let corners: Vec<[f64; 2]> = violation
            .objects
            .iter()
            .filter_map(|o| Some(self.under(&o.rect, o.ground.as_ref()?)))
            .flatten()
            .collect();
        Some(EventPlace {
            position: data(at),
            accuracy: Some(
                Accuracy {
                    semi_major_m: main.semi_major_m.into(),
                    semi_minor_m: main.semi_minor_m.into(),
                    azimuth_deg: main.azimuth_deg.into(),
                }
                .rounded(),
            ),
            method: self.method(),
            calibration: self.state,
            footprint: self.polygon(&corners),
            gcj02: map.gcj02.then(|| {
                let (lon, lat) = gcj02_from_wgs84(at.lon, at.lat);
                rounded_degrees([lon, lat])
            }),
            objects: violation
                .objects
                .iter()
                .map(|o| o.ground.as_ref().map(|g| data(self.position(g))))
                .collect(),
        })
    }

    /// The permit that covers the event: its class, its time, and every object with a position.
    pub fn permit<'m>(&self, violation: &Violation, map: &'m MapConfig) -> Option<&'m Permit> {
        let places: Vec<Geodetic> =
            violation.objects.iter().filter_map(|o| o.ground.as_ref()).map(|g| self.position(g)).collect();
        let covers = |p: &&Permit| {
            p.allows(&violation.class, violation.at)
                && places.iter().all(|at| p.area.contains(at.lon, at.lat))
        };
        map.permits.iter().filter(|_| !places.is_empty()).find(covers)
    }

    fn method(&self) -> Method {
        match (self.locator.view().source(), self.locator.ground()) {
            (PoseSource::Calibration, Ground::Plane { .. }) => Method::PosePlane,
            (PoseSource::Calibration, Ground::Dem(_)) => Method::PoseDem,
            (PoseSource::Telemetry, Ground::Plane { .. }) => Method::TelemetryPlane,
            (PoseSource::Telemetry, Ground::Dem(_)) => Method::TelemetryDem,
        }
    }

    /// The square on the ground under a box, as deep as the box is wide, away from the camera. Metres east
    /// and north.
    fn under(&self, rect: &Rect, at: &OnGround) -> [[f64; 2]; 4] {
        let camera = self.frame.to_enu(self.locator.view().position());
        let foot = [at.east_m, at.north_m, at.up_m].map(f64::from);
        let way = [foot[0] - camera[0], foot[1] - camera[1]];
        let along = way[0].hypot(way[1]).max(1e-3);
        let distance = along.hypot(foot[2] - camera[2]);
        let view = self.locator.view();
        let width = f64::from(rect.width()) * f64::from(view.size()[0]) * distance / view.lens().focal_px;
        let (ahead, aside) = ([way[0] / along, way[1] / along], [way[1] / along, -way[0] / along]);
        let corner = |right: f64, forward: f64| {
            [0, 1].map(|i| foot[i] + width * (right * aside[i] + forward * ahead[i]))
        };
        [corner(-0.5, 0.0), corner(0.5, 0.0), corner(0.5, 1.0), corner(-0.5, 1.0)]
    }

    fn polygon(&self, corners: &[[f64; 2]]) -> Option<Vec<[f64; 2]>> {
        let mut ring: Vec<[f64; 2]> = convex_hull(corners)
            .into_iter()
            .map(|[east, north]| {
                let at = self.frame.to_geodetic([east, north, 0.0]);
                rounded_degrees([at.lon, at.lat])
            })
            .collect();
        ring.push(*ring.first()?);
        (ring.len() > 3).then_some(ring)
    }
}

/// The ground position of an object with the box `rect`, found at `fix` inside `zones`. The picture has
/// `width` x
/// `height` pixels; metres are in `frame`.
pub(crate) fn on_ground(
    fix: &Fix,
    frame: &LocalFrame,
    rect: &Rect,
    [width, height]: [f64; 2],
    zones: Vec<ZoneId>,
) -> OnGround {
    let [east, north, up] = frame.to_enu(fix.position);
    let metres = |share: f32, pixels: f64| f64::from(share) * pixels * fix.metres_per_pixel;
    OnGround {
        east_m: east as f32,
        north_m: north as f32,
        up_m: up as f32,
        semi_major_m: fix.accuracy.semi_major_m as f32,
        semi_minor_m: fix.accuracy.semi_minor_m as f32,
        azimuth_deg: fix.accuracy.azimuth_deg as f32,
        area_m2: (metres(rect.width(), width) * metres(rect.height(), height)) as f32,
        zones,
    }
}
