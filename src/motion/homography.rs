//! The motion of the ground in the picture, as a homography in normalised picture coordinates.

use crate::base::{Point, Rect};

/// Maps a point of the previous picture to the same point of the ground in the current one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion {
    /// Row-major.
    h: [[f64; 3]; 3],
}

impl Motion {
    /// The camera did not move.
    pub const STILL: Motion = Motion { h: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]] };

    /// `None` if a value is not finite, or if the map mirrors the picture.
    pub fn new(h: [[f64; 3]; 3]) -> Option<Self> {
        let scale = h[2][2];
        let motion = Self { h: h.map(|row| row.map(|v| v / scale)) };
        let finite = motion.h.iter().flatten().all(|v| v.is_finite());
        let corners = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]];
        (finite && corners.iter().all(|c| motion.scale_at(*c).is_some_and(|s| s > 0.0))).then_some(motion)
    }

    pub fn shift(dx: f64, dy: f64) -> Self {
        Self { h: [[1.0, 0.0, dx], [0.0, 1.0, dy], [0.0, 0.0, 1.0]] }
    }

    /// The map of four points to four others. `None` if three of them are on a line.
    pub fn through(from: [[f64; 2]; 4], to: [[f64; 2]; 4]) -> Option<Self> {
        // Two rows per pair, for the eight unknowns of the map with h33 = 1 (Hartley and Zisserman 2004,
        // 4.1).
        let mut rows = [[0.0; 9]; 8];
        for (i, ([x, y], [u, v])) in from.into_iter().zip(to).enumerate() {
            rows[2 * i] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
            rows[2 * i + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
        }
        let s = solve(rows)?;
        Self::new([[s[0], s[1], s[2]], [s[3], s[4], s[5]], [s[6], s[7], 1.0]])
    }

    /// `None` if the point is now behind the camera.
    pub fn point(&self, p: Point) -> Option<Point> {
        let [x, y] = self.apply([f64::from(p.x), f64::from(p.y)])?;
        Some(Point { x: x as f32, y: y as f32 })
    }

    /// Maps an object's box: moves its centre and scales its sides by the local scale. A rotation keeps its
    /// shape. Otherwise repeated rotations would make the box grow.
    pub fn rect(&self, rect: &Rect) -> Option<Rect> {
        let c = rect.center();
        let centre = [f64::from(c.x), f64::from(c.y)];
        let ([x, y], scale) = (self.apply(centre)?, self.scale_at(centre)?.sqrt());
        let (w, h) = (f64::from(rect.width()) * scale / 2.0, f64::from(rect.height()) * scale / 2.0);
        Some(Rect::new((x - w) as f32, (y - h) as f32, (x + w) as f32, (y + h) as f32))
    }

    /// The Jacobian matrix at `p`, row-major.
    pub fn steps_at(&self, p: [f64; 2]) -> Option<[[f64; 2]; 2]> {
        let h = &self.h;
        let w = self.weight(p)?;
        let [u, v] = self.apply(p)?;
        Some([
            [(h[0][0] - u * h[2][0]) / w, (h[0][1] - u * h[2][1]) / w],
            [(h[1][0] - v * h[2][0]) / w, (h[1][1] - v * h[2][1]) / w],
        ])
    }

    /// The ratio of areas at `p`; negative if the map mirrors.
    fn scale_at(&self, p: [f64; 2]) -> Option<f64> {
        let [[a, b], [c, d]] = self.steps_at(p)?;
        Some(a * d - b * c)
    }

    fn weight(&self, [x, y]: [f64; 2]) -> Option<f64> {
        let w = self.h[2][0] * x + self.h[2][1] * y + self.h[2][2];
        (w > 1e-9).then_some(w)
    }

    fn apply(&self, p: [f64; 2]) -> Option<[f64; 2]> {
        let (h, w) = (&self.h, self.weight(p)?);
        let along = |row: [f64; 3]| (row[0] * p[0] + row[1] * p[1] + row[2]) / w;
        Some([along(h[0]), along(h[1])])
    }

    /// Largest displacement of a corner of the picture, in normalised coordinates.
    pub fn size(&self) -> f64 {
        let way = |p: [f64; 2]| self.apply(p).map_or(f64::INFINITY, |q| (q[0] - p[0]).hypot(q[1] - p[1]));
        [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]].into_iter().map(way).fold(0.0, f64::max)
    }
}

/// Gaussian elimination with pivoting; the ninth column is the right-hand side.
fn solve(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let pivot = (column..8).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        let lead = rows[column];
        if lead[column].is_nan() || lead[column].abs() <= 1e-12 {
            return None;
        }
        for (i, row) in rows.iter_mut().enumerate() {
            if i != column {
                let factor = row[column] / lead[column];
                row.iter_mut().zip(lead).for_each(|(v, l)| *v -= factor * l);
            }
        }
    }
    Some(std::array::from_fn(|i| rows[i][8] / rows[i][i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: [[f64; 2]; 4] = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];

    #[test]
    fn four_points_make_the_map_that_takes_them_there() {
        let to = [[0.1, 0.05], [0.9, 0.1], [1.1, 1.05], [-0.1, 0.95]];
        let motion = Motion::through(SQUARE, to).expect("a map");
        for (from, to) in SQUARE.into_iter().zip(to) {
            let q = motion.apply(from).expect("in front");
            assert!((q[0] - to[0]).abs() < 1e-9 && (q[1] - to[1]).abs() < 1e-9);
        }
        assert!(Motion::through(SQUARE, [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]).is_none());
        assert!(
            Motion::through(SQUARE, [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]).is_none(),
            "a mirror"
        );
        assert!(Motion::new([[f64::NAN; 3]; 3]).is_none());
    }

    #[test]
    fn a_box_moves_and_grows_but_does_not_swell_by_turning() {
        let rect = Rect::new(0.4, 0.4, 0.6, 0.5);
        let (s, c) = 30f64.to_radians().sin_cos();
        let turn = Motion::new([[c, -s, 0.2], [s, c, -0.1], [0.0, 0.0, 1.0]]).expect("a map");
        let turned = turn.rect(&rect).expect("in front");
        assert!((turned.area() - rect.area()).abs() < 1e-6);
        let nearer = Motion::new([[2.0, 0.0, -0.5], [0.0, 2.0, -0.5], [0.0, 0.0, 1.0]]).expect("a map");
        assert!((nearer.rect(&rect).expect("in front").width() - 0.4).abs() < 1e-6);
        assert!((Motion::shift(0.3, 0.4).size() - 0.5).abs() < 1e-12);
    }
}
