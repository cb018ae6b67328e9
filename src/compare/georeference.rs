//! Where on the ground the pixels of a picture are.

use crate::calibration::Mosaic;
use crate::geo::{Accuracy, GridCrs, Locator, Method, distance_m};

/// How pixels map to the ground.
#[derive(Clone, Debug)]
pub enum Georeference {
    /// A mosaic: origin, and step per pixel, in units of `crs`.
    Map { origin: [f64; 2], step: [f64; 2], crs: GridCrs },
    /// A still: the pose of the drone's camera.
    Camera(Box<Locator>),
    /// Neither is known.
    Nowhere,
}

/// A place on the ground and its accuracy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapPosition {
    pub lon: f64,
    pub lat: f64,
    /// Metres, in the datum of the terrain model; `None` for a mosaic, which has no heights.
    pub alt: Option<f64>,
    /// `None` for a mosaic, whose accuracy is unknown.
    pub accuracy: Option<Accuracy>,
    pub method: Method,
}

/// Standard deviation of a pixel that is located in a still.
const PIXEL_NOISE: f64 = 1.0;

impl Georeference {
    pub(super) fn of(mosaic: &Mosaic) -> Self {
        Self::Map { origin: mosaic.origin, step: mosaic.step, crs: mosaic.crs }
    }

    /// Longitude and latitude of a pixel of the picture at its full size.
    pub(super) fn lon_lat(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        match self {
            Self::Map { origin, step, crs } => {
                let at = [origin[0] + x * step[0], origin[1] + y * step[1]];
                Some(match crs {
                    GridCrs::Geographic => at,
                    GridCrs::Projected(zone) => zone.inverse(at[0], at[1]),
                })
            }
            Self::Camera(locator) => {
                let fix = locator.locate([x, y], PIXEL_NOISE).ok()?;
                Some([fix.position.lon, fix.position.lat])
            }
            Self::Nowhere => None,
        }
    }

    /// The place of a pixel of the picture at its full size, with its accuracy.
    pub fn locate(&self, at: [f64; 2]) -> Option<MapPosition> {
        if let Self::Camera(locator) = self {
            let fix = locator.locate(at, PIXEL_NOISE).ok()?;
            let (lon, lat) = (fix.position.lon, fix.position.lat);
            let (alt, accuracy) = (Some(fix.position.alt), Some(fix.accuracy));
            return Some(MapPosition { lon, lat, alt, accuracy, method: fix.method });
        }
        let [lon, lat] = self.lon_lat(at)?;
        Some(MapPosition { lon, lat, alt: None, accuracy: None, method: Method::Mosaic })
    }

    /// Longitude and latitude of the four corners of a picture of this size.
    pub fn footprint(&self, [width, height]: [u32; 2]) -> Option<Vec<[f64; 2]>> {
        let (w, h) = (f64::from(width), f64::from(height));
        [[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]].into_iter().map(|corner| self.lon_lat(corner)).collect()
    }

    /// Metres per pixel at the centre of a picture of this size.
    pub(super) fn metres_per_pixel(&self, [width, height]: [u32; 2]) -> Option<f64> {
        let (x, y) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
        let (a, b, c) = (self.lon_lat([x, y])?, self.lon_lat([x + 8.0, y])?, self.lon_lat([x, y + 8.0])?);
        let step = (distance_m(a, b) * distance_m(a, c)).sqrt() / 8.0;
        (step.is_finite() && step > 0.0).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::area_m2;

    #[test]
    fn a_pixel_of_a_map_has_a_place_and_a_size() {
        let step = [1e-6, -1e-6];
        let map = Georeference::Map { origin: [120.0, 30.0], step, crs: GridCrs::Geographic };
        assert_eq!(map.lon_lat([100.0, 200.0]), Some([120.0001, 29.9998]));
        let metres = map.metres_per_pixel([1000, 1000]).expect("a scale");
        assert!((metres - (0.11132 * 0.0964f64).sqrt()).abs() < 0.001, "{metres}");
        let square = map.footprint([100, 100]).expect("a footprint");
        assert!((area_m2(&square) - 11.132 * 9.64).abs() < 0.2, "{}", area_m2(&square));
    }
}
