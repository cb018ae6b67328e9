//! Position of a drone and direction of its camera, as far as known.

use crate::base::{MediaTime, WallTime};

/// Longitude and latitude in WGS-84, degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LonLat {
    pub lon: f64,
    pub lat: f64,
}

/// Orientation in degrees; what a format does not carry is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Angles {
    /// Clockwise from true north, 0 to 360.
    pub heading: Option<f64>,
    /// Of the nose, or of the optical axis, above the horizon: -90 looks straight down.
    pub pitch: Option<f64>,
    /// Right side down is positive.
    pub roll: Option<f64>,
}

impl Angles {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All zero, which devices write for angles that they do not have: nothing that hovers is level and points
    /// due north to the last digit.
    pub fn is_unset(&self) -> bool {
        let zero = |angle: Option<f64>| angle == Some(0.0);
        zero(self.heading) && zero(self.pitch) && self.roll.is_none_or(|r| r == 0.0)
    }
}

/// One valid record of telemetry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// On the video's clock, from its first frame; `None` if the format has no relation to the video.
    pub media: Option<MediaTime>,
    /// On the drone's clock. Subtitles carry local time: `None` until a time zone is known.
    pub at: Option<WallTime>,
    pub position: LonLat,
    /// Metres in the drone's own datum, usually above the sea.
    pub alt_abs: Option<f64>,
    /// Metres above the take-off point.
    pub alt_rel: Option<f64>,
    /// Of the airframe.
    pub platform: Angles,
    /// Of the optical axis, relative to the world and not to the airframe.
    pub gimbal: Angles,
    /// Whole angle of view across and down, degrees.
    pub fov: (Option<f64>, Option<f64>),
    /// Focal length in millimetres on film of 36 by 24 mm.
    pub focal_35mm: Option<f64>,
    /// Metres along the optical axis to the ground, measured or computed by the drone.
    pub slant_range: Option<f64>,
    pub frame_centre: Option<LonLat>,
    /// Altitude of the ground at the centre of the picture, by the drone.
    pub centre_alt: Option<f64>,
    /// The take-off point.
    pub home: Option<LonLat>,
    /// Resolution of the format's positions, degrees: four decimals are 11 m.
    pub step: f64,
}

impl Pose {
    pub fn at(position: LonLat) -> Self {
        Self {
            media: None,
            at: None,
            position,
            alt_abs: None,
            alt_rel: None,
            platform: Angles::default(),
            gimbal: Angles::default(),
            fov: (None, None),
            focal_35mm: None,
            slant_range: None,
            frame_centre: None,
            centre_alt: None,
            home: None,
            step: 0.0,
        }
    }
}

/// Mean radius of the earth, metres (IUGG).
const EARTH: f64 = 6_371_008.8;

impl LonLat {
    /// Metres over the sphere (haversine); within 0.6 % of the ellipsoid's, which is enough for checks.
    pub fn distance_to(&self, other: &LonLat) -> f64 {
        let (a, b) = (self.lat.to_radians(), other.lat.to_radians());
        let (dy, dx) = ((b - a) / 2.0, (other.lon - self.lon).to_radians() / 2.0);
        let h = dy.sin().powi(2) + a.cos() * b.cos() * dx.sin().powi(2);
        2.0 * EARTH * h.clamp(0.0, 1.0).sqrt().asin()
    }

    /// With longitude and latitude exchanged, if that is valid.
    pub fn swapped(&self) -> Option<LonLat> {
        (self.lon.abs() <= 90.0).then_some(LonLat { lon: self.lat, lat: self.lon })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_degree_of_latitude_is_111_km() {
        let (a, b) = (LonLat { lon: 120.0, lat: 30.0 }, LonLat { lon: 120.0, lat: 31.0 });
        assert!((a.distance_to(&b) - 111_195.0).abs() < 5.0);
        assert!(LonLat { lon: 120.0, lat: 30.0 }.swapped().is_none());
    }
}
