//! Points, boxes and polygons in normalised picture coordinates: x right, y down, the picture is 0..1 by
//! 0..1.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 2]", into = "[f32; 2]")]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

impl From<[f32; 2]> for Point {
    fn from([x, y]: [f32; 2]) -> Self {
        Self { x, y }
    }
}

impl From<Point> for [f32; 2] {
    fn from(p: Point) -> Self {
        [p.x, p.y]
    }
}

/// Axis-aligned box by its corners; `x0 <= x1`, `y0 <= y1`. May reach outside 0..1 where a thing is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    pub x0: f32,
    pub y0: f32,
    pub x1: f32,
    pub y1: f32,
}

impl Rect {
    pub fn new(x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        Self { x0, y0, x1, y1 }
    }

    /// The smallest that holds all points; `None` where there are none.
    pub fn around(points: &[Point]) -> Option<Self> {
        let own = |p: &Point| Self::new(p.x, p.y, p.x, p.y);
        let both =
            |a: Self, b: Self| Self::new(a.x0.min(b.x0), a.y0.min(b.y0), a.x1.max(b.x1), a.y1.max(b.y1));
        points.iter().map(own).reduce(both)
    }

    pub fn width(&self) -> f32 {
        self.x1 - self.x0
    }

    pub fn height(&self) -> f32 {
        self.y1 - self.y0
    }

    pub fn area(&self) -> f32 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    pub fn center(&self) -> Point {
        Point { x: (self.x0 + self.x1) / 2.0, y: (self.y0 + self.y1) / 2.0 }
    }

    /// Where a thing stands on the ground.
    pub fn bottom_center(&self) -> Point {
        Point { x: (self.x0 + self.x1) / 2.0, y: self.y1 }
    }

    pub fn intersection(&self, other: &Rect) -> f32 {
        Rect::new(self.x0.max(other.x0), self.y0.max(other.y0), self.x1.min(other.x1), self.y1.min(other.y1))
            .area()
    }

    /// Intersection over union, 0..1; 0 for empty boxes.
    pub fn iou(&self, other: &Rect) -> f32 {
        let both = self.intersection(other);
        let union = self.area() + other.area() - both;
        if union > 0.0 { both / union } else { 0.0 }
    }

    /// `share` of the way from this box to the other.
    pub fn towards(&self, other: &Rect, share: f32) -> Rect {
        let mix = |a: f32, b: f32| a + (b - a) * share;
        Rect::new(
            mix(self.x0, other.x0),
            mix(self.y0, other.y0),
            mix(self.x1, other.x1),
            mix(self.y1, other.y1),
        )
    }

    pub fn clamped(&self) -> Rect {
        let c = |v: f32| v.clamp(0.0, 1.0);
        Rect::new(c(self.x0), c(self.y0), c(self.x1), c(self.y1))
    }
}

/// Simple polygon (no crossing edges) with at least three corners inside the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Polygon(Vec<Point>);

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PolygonError {
    #[error("a polygon needs at least 3 corners, this one has {0}")]
    TooFew(usize),
    #[error("corner {index} ({x}, {y}) is outside the picture: coordinates run from 0 to 1")]
    Outside { index: usize, x: f32, y: f32 },
    #[error("the edges after corner {0} and after corner {1} cross")]
    Crossing(usize, usize),
    #[error("the polygon has no area")]
    Flat,
}

impl Polygon {
    /// # Errors
    /// Fewer than three corners, a corner outside 0..1 or not a number, crossing edges, no area. Corners
    /// count from 1.
    pub fn new(corners: Vec<Point>) -> Result<Self, PolygonError> {
        let n = corners.len();
        if n < 3 {
            return Err(PolygonError::TooFew(n));
        }
        let inside = |v: f32| (0.0..=1.0).contains(&v);
        if let Some(i) = corners.iter().position(|p| !inside(p.x) || !inside(p.y)) {
            return Err(PolygonError::Outside { index: i + 1, x: corners[i].x, y: corners[i].y });
        }
        for i in 0..n {
            for j in i + 1..n {
                let neighbours = j == i + 1 || (i == 0 && j == n - 1);
                let edge = |k: usize| (corners[k], corners[(k + 1) % n]);
                if !neighbours && cross(edge(i), edge(j)) {
                    return Err(PolygonError::Crossing(i + 1, j + 1));
                }
            }
        }
        let polygon = Self(corners);
        if polygon.area() < 1e-6 { Err(PolygonError::Flat) } else { Ok(polygon) }
    }

    /// The whole picture.
    pub fn full() -> Self {
        Self([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]].map(Point::from).to_vec())
    }

    pub fn corners(&self) -> &[Point] {
        &self.0
    }

    /// Even-odd rule; points on the left or upper edge count as inside.
    pub fn contains(&self, p: Point) -> bool {
        let n = self.0.len();
        (0..n).fold(false, |inside, i| {
            let (a, b) = (self.0[i], self.0[(i + 1) % n]);
            let spans = (a.y > p.y) != (b.y > p.y);
            inside ^ (spans && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x)
        })
    }

    pub fn area(&self) -> f32 {
        let n = self.0.len();
        let doubled: f32 = (0..n)
            .map(|i| {
                let (a, b) = (self.0[i], self.0[(i + 1) % n]);
                a.x * b.y - b.x * a.y
            })
            .sum();
        doubled.abs() / 2.0
    }
}

/// Do two closed segments touch?
fn cross((a, b): (Point, Point), (c, d): (Point, Point)) -> bool {
    let side = |p: Point, q: Point, r: Point| (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x);
    let within = |p: Point, q: Point, r: Point| {
        r.x >= p.x.min(q.x) && r.x <= p.x.max(q.x) && r.y >= p.y.min(q.y) && r.y <= p.y.max(q.y)
    };
    let (d1, d2, d3, d4) = (side(c, d, a), side(c, d, b), side(a, b, c), side(a, b, d));
    ((d1 > 0.0) != (d2 > 0.0) && (d3 > 0.0) != (d4 > 0.0) && d1 != 0.0 && d2 != 0.0 && d3 != 0.0 && d4 != 0.0)
        || (d1 == 0.0 && within(c, d, a))
        || (d2 == 0.0 && within(c, d, b))
        || (d3 == 0.0 && within(a, b, c))
        || (d4 == 0.0 && within(a, b, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polygon(corners: &[[f32; 2]]) -> Result<Polygon, PolygonError> {
        Polygon::new(corners.iter().copied().map(Point::from).collect())
    }

    #[test]
    fn the_box_around_points_holds_them_all_and_nothing_more() {
        let points = [(0.4, 0.9), (0.2, 0.5), (1.1, 0.7)].map(|(x, y)| Point { x, y });
        assert_eq!(Rect::around(&points), Some(Rect::new(0.2, 0.5, 1.1, 0.9)));
        assert_eq!(Rect::around(&[]), None);
    }

    #[test]
    fn a_bow_tie_is_refused_and_names_its_edges() {
        let bow = polygon(&[[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]);
        assert_eq!(bow, Err(PolygonError::Crossing(1, 3)));
    }

    #[test]
    fn corners_outside_and_not_a_number_are_refused() {
        assert!(matches!(
            polygon(&[[0.0, 0.0], [1.2, 0.0], [0.0, 1.0]]),
            Err(PolygonError::Outside { index: 2, .. })
        ));
        assert!(matches!(
            polygon(&[[f32::NAN, 0.0], [1.0, 0.0], [0.0, 1.0]]),
            Err(PolygonError::Outside { index: 1, .. })
        ));
        assert_eq!(polygon(&[[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]), Err(PolygonError::Flat));
    }

    #[test]
    fn a_concave_zone_does_not_contain_its_notch() {
        let notch = polygon(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 0.2], [0.0, 1.0]]).expect("simple");
        assert!(notch.contains(Point { x: 0.1, y: 0.1 }));
        assert!(!notch.contains(Point { x: 0.5, y: 0.8 }));
    }

    #[test]
    fn iou_of_half_overlap_is_one_third() {
        let a = Rect::new(0.0, 0.0, 1.0, 1.0);
        let b = Rect::new(0.5, 0.0, 1.5, 1.0);
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-6);
    }
}
