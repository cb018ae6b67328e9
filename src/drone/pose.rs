//! Where a drone was and where its camera looked, as far as it tells.

use crate::base::{MediaTime, WallTime};

/// A place in WGS-84, degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
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
}

/// One record of telemetry that was found good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// On the video's own clock, from its first frame; `None` where the format ties nothing to the video.
    pub media: Option<MediaTime>,
    /// By the drone's clock. Subtitles carry local time: `None` until a time zone is known.
    pub at: Option<WallTime>,
    pub place: Place,
    /// Metres as the drone says them, mostly above the sea.
    pub alt_abs: Option<f64>,
    /// Metres above the place of take-off.
    pub alt_rel: Option<f64>,
    /// Of the airframe.
    pub platform: Angles,
    /// Of the optical axis, against the world and not against the airframe.
    pub gimbal: Angles,
    /// Whole angle of view across and down, degrees.
    pub fov: (Option<f64>, Option<f64>),
    /// Focal length in millimetres on film of 36 by 24 mm.
    pub focal_35mm: Option<f64>,
    /// Metres along the optical axis to the ground, by a range finder or the drone's own computation.
    pub slant_range: Option<f64>,
    pub frame_centre: Option<Place>,
    /// Altitude of the ground in the picture's middle, as the drone says it.
    pub centre_alt: Option<f64>,
    /// The place of take-off.
    pub home: Option<Place>,
    /// Step in which the format writes positions, degrees: four decimals are 11 m.
    pub step: f64,
}

impl Pose {
    pub fn at(place: Place) -> Self {
        Self {
            media: None,
            at: None,
            place,
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

impl Place {
    /// Metres over the sphere (haversine); within 0.6 % of the ellipsoid's, which is enough for checks.
    pub fn distance_to(&self, other: &Place) -> f64 {
        let (a, b) = (self.lat.to_radians(), other.lat.to_radians());
        let (dy, dx) = ((b - a) / 2.0, (other.lon - self.lon).to_radians() / 2.0);
        let h = dy.sin().powi(2) + a.cos() * b.cos() * dx.sin().powi(2);
        2.0 * EARTH * h.clamp(0.0, 1.0).sqrt().asin()
    }

    /// With longitude and latitude exchanged, if that is a place at all.
    pub fn swapped(&self) -> Option<Place> {
        (self.lon.abs() <= 90.0).then_some(Place { lon: self.lat, lat: self.lon })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_degree_of_latitude_is_111_km() {
        let (a, b) = (Place { lon: 120.0, lat: 30.0 }, Place { lon: 120.0, lat: 31.0 });
        assert!((a.distance_to(&b) - 111_195.0).abs() < 5.0);
        assert!(Place { lon: 120.0, lat: 30.0 }.swapped().is_none());
    }
}
