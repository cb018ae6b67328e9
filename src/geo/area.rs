//! Areas on the ground: polygons of longitude and latitude (WGS-84, degrees), with holes.

use serde::{Deserialize, Serialize};

use super::outline::{bounds, contains, share_by_points};

/// One or more polygons, each an outer ring and its holes. Corners are `[lon, lat]` in degrees; rings are not
/// closed by a repeated corner. Areas are a few kilometres wide at most, so degrees count as a plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroundArea(Vec<Vec<Vec<[f64; 2]>>>);

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GroundAreaError {
    #[error("the area has no polygon")]
    Empty,
    #[error("a ring needs at least 3 corners, this one has {0}")]
    TooFew(usize),
    #[error(
        "corner {index} ({lon}, {lat}) is no place: longitude is -180 to 180, latitude -90 to 90, in this order"
    )]
    NoPlace { index: usize, lon: f64, lat: f64 },
    #[error("the edges after corner {0} and after corner {1} cross")]
    Crossing(usize, usize),
    #[error("the ring has no area")]
    Flat,
}

impl GroundArea {
    /// Accepts rings with or without the repeated last corner of GeoJSON.
    ///
    /// # Errors
    /// A ring is not a simple polygon, or a corner is outside the range of longitude and latitude. Corners
    /// count from 1 within their ring.
    pub fn new(mut polygons: Vec<Vec<Vec<[f64; 2]>>>) -> Result<Self, GroundAreaError> {
        if polygons.iter().all(Vec::is_empty) {
            return Err(GroundAreaError::Empty);
        }
        for ring in polygons.iter_mut().flatten() {
            if ring.len() > 1 && ring.first() == ring.last() {
                ring.pop();
            }
            check(ring)?;
        }
        Ok(Self(polygons))
    }

    /// Whether a place is inside and not in a hole.
    pub fn contains(&self, lon: f64, lat: f64) -> bool {
        self.0.iter().any(|rings| rings.iter().filter(|ring| contains(ring, [lon, lat])).count() % 2 == 1)
    }

    /// Outer rings, without the holes.
    pub fn outlines(&self) -> impl Iterator<Item = &[[f64; 2]]> + Clone {
        self.0.iter().filter_map(|rings| rings.first().map(Vec::as_slice))
    }

    /// The middle of the bounding box, `[lon, lat]`.
    pub fn center(&self) -> [f64; 2] {
        self.bounds().map(|[low, high]| (low + high) / 2.0)
    }

    /// The share of this area that lies in the other, 0 to 1, by 32 by 32 points.
    pub fn share_in(&self, other: &GroundArea) -> f64 {
        const POINTS: usize = 32;
        let within = |area: &GroundArea, [lon, lat]: [f64; 2]| area.contains(lon, lat);
        share_by_points(self.bounds(), POINTS, |p| within(self, p), |p| within(other, p))
    }

    /// West and east, south and north.
    fn bounds(&self) -> [[f64; 2]; 2] {
        bounds(self.outlines().flatten())
    }
}

fn check(ring: &[[f64; 2]]) -> Result<(), GroundAreaError> {
    let n = ring.len();
    if n < 3 {
        return Err(GroundAreaError::TooFew(n));
    }
    let place = |c: &[f64; 2]| c[0].abs() <= 180.0 && c[1].abs() <= 90.0;
    if let Some(i) = ring.iter().position(|c| !place(c)) {
        return Err(GroundAreaError::NoPlace { index: i + 1, lon: ring[i][0], lat: ring[i][1] });
    }
    let edge = |k: usize| (ring[k], ring[(k + 1) % n]);
    for i in 0..n {
        for j in i + 2..n {
            if !(i == 0 && j == n - 1) && cross(edge(i), edge(j)) {
                return Err(GroundAreaError::Crossing(i + 1, j + 1));
            }
        }
    }
    // From the first corner, so that a small area far from the origin keeps its digits.
    let [x0, y0] = ring[0];
    let doubled: f64 =
        (0..n).map(edge).map(|(a, b)| (a[0] - x0) * (b[1] - y0) - (b[0] - x0) * (a[1] - y0)).sum();
    // A hundredth of a square metre, about.
    if doubled.abs() < 1e-12 { Err(GroundAreaError::Flat) } else { Ok(()) }
}

type Edge = ([f64; 2], [f64; 2]);

fn cross((a, b): Edge, (c, d): Edge) -> bool {
    let side =
        |p: [f64; 2], q: [f64; 2], r: [f64; 2]| (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f64, y: f64, size: f64) -> Vec<[f64; 2]> {
        vec![[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]]
    }

    #[test]
    fn a_share_is_of_the_first_and_holes_do_not_count() {
        let area = |rings| GroundArea::new(vec![rings]).expect("an area");
        let (large, small) = (area(vec![square(120.0, 30.0, 0.01)]), area(vec![square(120.005, 30.0, 0.01)]));
        assert!((large.share_in(&small) - 0.5).abs() < 0.02);
        let holed = area(vec![square(120.0, 30.0, 0.01), square(120.005, 30.0, 0.005)]);
        assert!((large.share_in(&holed) - 0.75).abs() < 0.02, "{}", large.share_in(&holed));
        assert_eq!(large.share_in(&area(vec![square(121.0, 30.0, 0.01)])), 0.0);
    }

    #[test]
    fn a_hole_is_not_inside_and_the_last_corner_may_be_repeated() {
        let area = GroundArea::new(vec![vec![square(120.0, 30.0, 0.01), square(120.002, 30.002, 0.002)]])
            .expect("an area");
        assert_eq!(area.outlines().next().map(<[_]>::len), Some(4));
        assert!(area.contains(120.001, 30.001));
        assert!(!area.contains(120.003, 30.003), "in the hole");
        assert!(!area.contains(120.02, 30.001));
        let [lon, lat] = area.center();
        assert!((lon - 120.005).abs() < 1e-9 && (lat - 30.005).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_area_is_refused() {
        let of = |ring: Vec<[f64; 2]>| GroundArea::new(vec![vec![ring]]).expect_err("refused");
        assert_eq!(of(vec![[120.0, 30.0], [120.1, 30.0], [120.0, 30.0]]), GroundAreaError::TooFew(2));
        assert_eq!(
            of(vec![[30.0, 120.0], [30.1, 120.0], [30.1, 120.1]]),
            GroundAreaError::NoPlace { index: 1, lon: 30.0, lat: 120.0 }
        );
        let bow = vec![[120.0, 30.0], [120.1, 30.1], [120.1, 30.0], [120.0, 30.1]];
        assert_eq!(of(bow), GroundAreaError::Crossing(1, 3));
        assert_eq!(of(vec![[120.0, 30.0], [120.1, 30.1], [120.2, 30.2]]), GroundAreaError::Flat);
        assert!(matches!(
            of(vec![[f64::NAN, 30.0], [120.1, 30.1], [120.2, 30.0]]),
            GroundAreaError::NoPlace { .. }
        ));
        assert_eq!(GroundArea::new(Vec::new()), Err(GroundAreaError::Empty));
    }
}
