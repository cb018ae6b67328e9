//! Pixel to place and place to pixel.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::accuracy::Accuracy;
use super::dem::Dem;
use super::geodesy::{Geodetic, LocalFrame};
use super::march::{Miss, march};
use super::propagation::Hit;
use super::view::{PoseSource, Ray, View};

/// No ground is searched for further away, metres.
const RANGE_M: f64 = 20_000.0;
/// Standard deviation of the ground's height where nothing better is known, metres.
const GROUND_SIGMA_M: f64 = 1.0;
/// Ground that rises less than this above a line of sight does not hide what is behind it, metres.
const HIDES_M: f64 = 0.05;

/// What the lines of sight meet.
#[derive(Clone, Debug)]
pub enum Ground {
    /// The same altitude everywhere, metres.
    Plane {
        alt: f64,
    },
    Dem(Arc<Dem>),
}

/// How a place was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Calibrated camera, flat ground.
    PosePlane,
    /// Calibrated camera, terrain model.
    PoseDem,
    /// Pose from a drone's telemetry, flat ground.
    TelemetryPlane,
    /// Pose from a drone's telemetry, terrain model.
    TelemetryDem,
    /// Georeference of a mosaic.
    Mosaic,
}

/// A place and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fix {
    pub position: Geodetic,
    pub accuracy: Accuracy,
    pub method: Method,
    /// From the camera, metres.
    pub distance_m: f64,
    /// Across the line of sight.
    pub metres_per_pixel: f64,
}

/// How a camera sees a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sighting {
    /// Within the picture.
    pub pixel: [f64; 2],
    pub distance_m: f64,
    /// Across the line of sight.
    pub metres_per_pixel: f64,
    /// The ground stands between camera and place.
    pub hidden: bool,
}

/// Why a pixel has no place.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NoFix {
    #[error("pixel {x:.1}, {y:.1} is not in the picture of {width} x {height}")]
    OutOfPicture { x: f64, y: f64, width: u32, height: u32 },
    #[error("the pixel or its noise is not a number")]
    NotANumber,
    #[error("the line of sight meets no ground: it goes into the sky")]
    Sky,
    #[error(
        "the terrain model ends, or has a hole, {distance_m:.0} m along the line of sight before the ground is met: take a \
         terrain model that covers all that the camera sees"
    )]
    BeyondGround { distance_m: f64 },
    #[error("no ground within {} km along the line of sight", RANGE_M / 1000.0)]
    TooFar,
    #[error(
        "the camera is {depth_m:.1} m below the ground: its altitude and the ground's are in different vertical datums, \
         or one of them is wrong"
    )]
    UnderGround { depth_m: f64 },
}

/// One camera over one ground.
#[derive(Clone, Debug)]
pub struct Locator {
    view: View,
    ground: Ground,
    ground_sigma_m: f64,
}

impl Locator {
    /// The ground's height is taken to be right within 1 m (one standard deviation).
    pub fn new(view: View, ground: Ground) -> Self {
        Self { view, ground, ground_sigma_m: GROUND_SIGMA_M }
    }

    /// Standard deviation of the ground's height, metres.
    pub fn with_ground_sigma(self, metres: f64) -> Self {
        Self { ground_sigma_m: metres.max(0.0), ..self }
    }

    /// The same ground from another pose.
    pub fn with_view(&self, view: View) -> Self {
        Self { view, ground: self.ground.clone(), ground_sigma_m: self.ground_sigma_m }
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// Altitude of the ground at a place, where it is known.
    pub fn ground_height(&self, lon: f64, lat: f64) -> Option<f64> {
        match &self.ground {
            Ground::Plane { alt } => Some(*alt),
            Ground::Dem(dem) => dem.height(lon, lat),
        }
    }

    /// The place on the ground that a pixel shows; `noise_px` is the pixel's standard deviation in each
    /// direction.
    ///
    /// # Errors
    /// [`NoFix`].
    pub fn locate(&self, pixel: [f64; 2], noise_px: f64) -> Result<Fix, NoFix> {
        self.locate_at_height(pixel, noise_px, 0.0)
    }

    /// As [`Locator::locate`], on a surface so many metres above the ground: a roof, a hoarding's upper edge.
    ///
    /// # Errors
    /// [`NoFix`].
    pub fn locate_at_height(&self, pixel: [f64; 2], noise_px: f64, above_m: f64) -> Result<Fix, NoFix> {
        if !(noise_px.is_finite() && above_m.is_finite()) {
            return Err(NoFix::NotANumber);
        }
        let (position, distance_m) = self.meet(pixel, above_m)?;
        let frame = LocalFrame::new(position);
        let hit = Hit { view: &self.view, pixel, distance: distance_m, frame: &frame };
        let found = hit.spread(noise_px, self.ground_sigma_m, self.slope(&frame));
        let covariance = found.widened(|ray, lift| self.first_ground(ray, above_m + lift, RANGE_M).ok());
        Ok(Fix {
            position,
            accuracy: Accuracy::from_covariance(&covariance),
            method: self.method(),
            distance_m,
            metres_per_pixel: self.metres_per_pixel(pixel, distance_m),
        })
    }

    /// The pixel that shows a place, or `None` where it is outside the picture.
    pub fn sees(&self, place: Geodetic) -> Option<Sighting> {
        if !place.is_valid() {
            return None;
        }
        let pixel = self.view.project(place).filter(|p| self.view.contains(*p))?;
        let enu = self.view.frame().to_enu(place);
        let distance_m = enu.iter().map(|v| v * v).sum::<f64>().sqrt();
        let ray = Ray { origin: [0.0; 3], direction: enu.map(|v| v / distance_m) };
        let met = self.first_ground(&ray, -HIDES_M, distance_m);
        let hidden = met.is_ok_and(|t| t < distance_m - 0.5) || matches!(met, Err(Miss::Under(_)));
        let metres_per_pixel = self.metres_per_pixel(pixel, distance_m);
        Some(Sighting { pixel, distance_m, metres_per_pixel, hidden })
    }

    /// The places on the ground of several pixels: the outline of a box or a zone.
    ///
    /// # Errors
    /// The first pixel's [`NoFix`] that has no place.
    pub fn footprint(&self, pixels: &[[f64; 2]]) -> Result<Vec<Geodetic>, NoFix> {
        pixels.iter().map(|pixel| Ok(self.meet(*pixel, 0.0)?.0)).collect()
    }

    fn meet(&self, pixel: [f64; 2], above_m: f64) -> Result<(Geodetic, f64), NoFix> {
        let [x, y] = pixel;
        if !(x.is_finite() && y.is_finite()) {
            return Err(NoFix::NotANumber);
        }
        if !self.view.contains(pixel) {
            let [width, height] = self.view.size();
            return Err(NoFix::OutOfPicture { x, y, width, height });
        }
        let ray = self.view.ray(pixel);
        let distance = self.first_ground(&ray, above_m, RANGE_M).map_err(|miss| match miss {
            Miss::Sky => NoFix::Sky,
            Miss::Beyond(distance_m) => NoFix::BeyondGround { distance_m },
            Miss::Under(depth_m) => NoFix::UnderGround { depth_m },
            Miss::TooFar => NoFix::TooFar,
        })?;
        Ok((self.view.frame().to_geodetic(ray.direction.map(|v| v * distance)), distance))
    }

    fn first_ground(&self, ray: &Ray, lift: f64, range_m: f64) -> Result<f64, Miss> {
        match &self.ground {
            Ground::Plane { alt } => self.meet_plane(ray, alt + lift, range_m),
            Ground::Dem(dem) => march(dem, self.view.frame(), ray, lift, range_m),
        }
    }

    /// Level ground follows the earth's curve: a first guess on a sphere, then Newton on the ellipsoid.
    fn meet_plane(&self, ray: &Ray, alt: f64, range_m: f64) -> Result<f64, Miss> {
        const EARTH_M: f64 = 6_371_000.0;
        let frame = self.view.frame();
        let above = frame.origin().alt - alt;
        if above <= 0.0 {
            return Err(Miss::Under(-above));
        }
        let fall = ray.direction[2];
        let bend = (1.0 - fall * fall) / (2.0 * EARTH_M);
        let inside = fall * fall - 4.0 * bend * above;
        if fall >= 0.0 || inside <= 0.0 {
            return Err(Miss::Sky);
        }
        let mut t = 2.0 * above / (-fall + inside.sqrt());
        for _ in 0..3 {
            let off = frame.to_geodetic(ray.direction.map(|v| v * t)).alt - alt;
            t -= off / (fall + 2.0 * bend * t).min(-1e-9);
        }
        if t <= range_m { Ok(t) } else { Err(Miss::TooFar) }
    }

    /// Rise of the ground towards east and north, over a cell.
    fn slope(&self, frame: &LocalFrame) -> [f64; 2] {
        let Ground::Dem(dem) = &self.ground else { return [0.0; 2] };
        let over = dem.cell_m() / 2.0;
        let height = |east: f64, north: f64| {
            let p = frame.to_geodetic([east, north, 0.0]);
            dem.height(p.lon, p.lat)
        };
        let here = height(0.0, 0.0);
        let rise = |east: f64, north: f64| {
            let (ahead, behind) = (height(east, north), height(-east, -north));
            match (ahead, behind, here) {
                (Some(a), Some(b), _) => (a - b) / (2.0 * over),
                (Some(a), None, Some(h)) => (a - h) / over,
                (None, Some(b), Some(h)) => (h - b) / over,
                _ => 0.0,
            }
        };
        [rise(over, 0.0), rise(0.0, over)]
    }

    fn metres_per_pixel(&self, pixel: [f64; 2], distance_m: f64) -> f64 {
        let lens = self.view.lens();
        let p = lens.direction_of(pixel);
        distance_m / p.norm_squared().sqrt().hypot(1.0) / lens.focal_px
    }

    fn method(&self) -> Method {
        match (self.view.source(), &self.ground) {
            (PoseSource::Calibration, Ground::Plane { .. }) => Method::PosePlane,
            (PoseSource::Calibration, Ground::Dem(_)) => Method::PoseDem,
            (PoseSource::Telemetry, Ground::Plane { .. }) => Method::TelemetryPlane,
            (PoseSource::Telemetry, Ground::Dem(_)) => Method::TelemetryDem,
        }
    }
}

#[cfg(test)]
mod tests;
