//! Where on the ground the pixels of a picture are.

use crate::calibration::Mosaic;
use crate::geo::{Accuracy, GridCrs, Locator, Method};

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

/// Metres of a degree of latitude.
const DEGREE: f64 = 111_320.0;
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
        let step = (metres(a, b) * metres(a, c)).sqrt() / 8.0;
        (step.is_finite() && step > 0.0).then_some(step)
    }
}

pub(super) fn metres(a: [f64; 2], b: [f64; 2]) -> f64 {
    let [x, y] = local(b, a);
    x.hypot(y)
}

/// Metres east and north of `origin`; for areas of some kilometres.
pub(super) fn local([lon, lat]: [f64; 2], origin: [f64; 2]) -> [f64; 2] {
    let along = DEGREE * origin[1].to_radians().cos();
    [(lon - origin[0]) * along, (lat - origin[1]) * DEGREE]
}

/// Square metres within an outline of longitudes and latitudes.
pub(super) fn area_m2(outline: &[[f64; 2]]) -> f64 {
    let Some(origin) = outline.first() else { return 0.0 };
    let points: Vec<[f64; 2]> = outline.iter().map(|p| local(*p, *origin)).collect();
    area(&points)
}

/// Within an outline, in the square of its units (Gauss's area formula).
pub(super) fn area(points: &[[f64; 2]]) -> f64 {
    let next = points.iter().cycle().skip(1);
    let twice: f64 = points.iter().zip(next).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum();
    twice.abs() / 2.0
}

/// Share of `a` that lies in `b`, both outlines of longitudes and latitudes, by a grid of points.
pub fn overlap(a: &[[f64; 2]], b: &[[f64; 2]]) -> f64 {
    const POINTS: usize = 24;
    let Some(origin) = a.first().copied() else { return 0.0 };
    let flat =
        |outline: &[[f64; 2]]| -> Vec<[f64; 2]> { outline.iter().map(|p| local(*p, origin)).collect() };
    let (a, b) = (flat(a), flat(b));
    let edge =
        |axis: usize, start: f64, join: fn(f64, f64) -> f64| a.iter().map(|p| p[axis]).fold(start, join);
    let low = [0, 1].map(|axis| edge(axis, f64::MAX, f64::min));
    let high = [0, 1].map(|axis| edge(axis, f64::MIN, f64::max));
    let (mut own, mut both) = (0usize, 0usize);
    for i in 0..POINTS * POINTS {
        let part =
            |n: usize, axis: usize| low[axis] + (n as f64 + 0.5) / POINTS as f64 * (high[axis] - low[axis]);
        let p = [part(i % POINTS, 0), part(i / POINTS, 1)];
        if contains(&a, p) {
            own += 1;
            both += usize::from(contains(&b, p));
        }
    }
    both as f64 / own.max(1) as f64
}

fn contains(outline: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let mut inside = false;
    for (i, a) in outline.iter().enumerate() {
        let b = outline[(i + 1) % outline.len()];
        if (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0] {
            inside = !inside;
        }
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn overlap_is_a_share_of_the_first() {
        let square = |x: f64, side: f64| {
            vec![
                [120.0 + x, 30.0],
                [120.0 + x + side, 30.0],
                [120.0 + x + side, 30.0 + side],
                [120.0 + x, 30.0 + side],
            ]
        };
        assert!((overlap(&square(0.0, 0.001), &square(0.0005, 0.001)) - 0.5).abs() < 0.03);
        assert_eq!(overlap(&square(0.0, 0.001), &square(0.002, 0.001)), 0.0);
        assert_eq!(overlap(&square(0.0, 0.001), &square(-0.001, 0.01)), 1.0);
    }
}
