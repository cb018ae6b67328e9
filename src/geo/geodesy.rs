//! WGS-84: geodetic, earth-centred and local east-north-up coordinates, exactly.

use nalgebra::{Matrix3, Vector3};
use serde::{Deserialize, Serialize};

/// Semi-major axis of WGS-84, metres.
pub(crate) const A: f64 = 6_378_137.0;
/// Flattening of WGS-84. CGCS2000 differs in the eleventh digit: 0.1 mm at the pole.
pub(crate) const F: f64 = 1.0 / 298.257_223_563;
const E2: f64 = F * (2.0 - F);
const B: f64 = A * (1.0 - F);

/// A place: degrees of longitude and latitude, metres of altitude.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Geodetic {
    pub lon: f64,
    pub lat: f64,
    pub alt: f64,
}

impl Geodetic {
    pub fn new(lon: f64, lat: f64, alt: f64) -> Self {
        Self { lon, lat, alt }
    }

    /// All three are numbers, the angles within -180..180 and -90..90.
    pub fn is_valid(&self) -> bool {
        self.lon.abs() <= 180.0 && self.lat.abs() <= 90.0 && self.alt.is_finite()
    }

    /// Straight through the air and the ground, metres.
    pub fn distance_m(&self, other: &Geodetic) -> f64 {
        (self.to_ecef() - other.to_ecef()).norm()
    }

    /// Metres east, north and up in the other place's own local frame.
    pub fn offset_from(&self, origin: &Geodetic) -> [f64; 3] {
        LocalFrame::new(*origin).to_enu(*self)
    }

    fn to_ecef(self) -> Vector3<f64> {
        let (sin_lat, cos_lat) = self.lat.to_radians().sin_cos();
        let (sin_lon, cos_lon) = self.lon.to_radians().sin_cos();
        let n = A / (1.0 - E2 * sin_lat * sin_lat).sqrt();
        Vector3::new(
            (n + self.alt) * cos_lat * cos_lon,
            (n + self.alt) * cos_lat * sin_lon,
            (n * (1.0 - E2) + self.alt) * sin_lat,
        )
    }

    /// Bowring (1976) with one more round: below a micrometre from the sea floor to low orbits.
    fn from_ecef(p: &Vector3<f64>) -> Self {
        let from_axis = p.x.hypot(p.y);
        let second_e2 = E2 / (1.0 - E2);
        let mut tan_beta = p.z * A / (from_axis * B);
        let mut tan_lat = 0.0;
        for _ in 0..2 {
            let cos_beta = 1.0 / tan_beta.hypot(1.0);
            let sin_beta = tan_beta * cos_beta;
            tan_lat = (p.z + second_e2 * B * sin_beta.powi(3)) / (from_axis - E2 * A * cos_beta.powi(3));
            tan_beta = (1.0 - F) * tan_lat;
        }
        let cos_lat = 1.0 / tan_lat.hypot(1.0);
        let sin_lat = tan_lat * cos_lat;
        let n = A / (1.0 - E2 * sin_lat * sin_lat).sqrt();
        // Along the normal of the ellipsoid: good at the poles too.
        let alt = from_axis * cos_lat + p.z * sin_lat - A * A / n;
        Self { lon: p.y.atan2(p.x).to_degrees(), lat: tan_lat.atan().to_degrees(), alt }
    }
}

/// East, north and up at a place; straight axes, so that the earth curves away below them.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalFrame {
    origin: Geodetic,
    center: Vector3<f64>,
    /// Rows: east, north, up in earth-centred coordinates.
    axes: Matrix3<f64>,
}

impl LocalFrame {
    pub fn new(origin: Geodetic) -> Self {
        let (sin_lat, cos_lat) = origin.lat.to_radians().sin_cos();
        let (sin_lon, cos_lon) = origin.lon.to_radians().sin_cos();
        let axes = Matrix3::new(
            -sin_lon,
            cos_lon,
            0.0,
            -sin_lat * cos_lon,
            -sin_lat * sin_lon,
            cos_lat,
            cos_lat * cos_lon,
            cos_lat * sin_lon,
            sin_lat,
        );
        Self { origin, center: origin.to_ecef(), axes }
    }

    pub fn origin(&self) -> Geodetic {
        self.origin
    }

    /// Metres east, north and up of the origin.
    pub fn to_enu(&self, place: Geodetic) -> [f64; 3] {
        (self.axes * (place.to_ecef() - self.center)).into()
    }

    pub fn to_geodetic(&self, enu: [f64; 3]) -> Geodetic {
        Geodetic::from_ecef(&(self.center + self.axes.tr_mul(&Vector3::from(enu))))
    }

    /// Turns vectors of this frame into vectors of the other.
    pub(crate) fn rotation_to(&self, other: &LocalFrame) -> Matrix3<f64> {
        other.axes * self.axes.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_points_agree_with_the_ellipsoid() {
        // The end of the axes, and a degree of the meridian across the equator, whose radius there is 6335439
        // m.
        let pole = Geodetic::new(0.0, 90.0, 0.0).to_ecef();
        assert!((pole.z - 6_356_752.314_245).abs() < 1e-6 && pole.x.abs() < 1e-6);
        let equator = LocalFrame::new(Geodetic::new(120.0, -0.5, 0.0));
        let [east, north, _] = equator.to_enu(Geodetic::new(120.0, 0.5, 0.0));
        assert!(
            east.abs() < 1e-6 && (north - 6_335_439.3 * 1.0_f64.to_radians().sin()).abs() < 3.0,
            "{north}"
        );
    }

    #[test]
    fn the_earth_curves_away_below_the_frame() {
        let frame = LocalFrame::new(Geodetic::new(120.0, 30.0, 0.0));
        let far = frame.to_geodetic([3_000.0, 0.0, 0.0]);
        assert!((far.alt - 3_000.0_f64.powi(2) / (2.0 * 6_383_480.0)).abs() < 0.01, "{}", far.alt);
    }

    proptest! {
        #[test]
        fn there_and_back(
            lon in -180.0..180.0_f64, lat in -89.9..89.9_f64, alt in -400.0..9_000.0_f64,
            e in -20_000.0..20_000.0_f64, n in -20_000.0..20_000.0_f64, u in -500.0..5_000.0_f64,
        ) {
            let frame = LocalFrame::new(Geodetic::new(lon, lat, alt));
            let back = frame.to_enu(frame.to_geodetic([e, n, u]));
            for (a, b) in back.iter().zip([e, n, u]) {
                prop_assert!((a - b).abs() < 1e-6, "{back:?}");
            }
        }
    }
}
