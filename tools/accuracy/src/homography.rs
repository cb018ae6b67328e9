//! What most systems do: one projective map from the picture to a flat ground, from the same points.

use nalgebra::{DMatrix, Matrix3, Vector3};

pub struct Homography(Matrix3<f64>);

impl Homography {
    /// Least squares over all points (direct linear transformation, normalised after Hartley 1997).
    pub fn fit(pairs: &[([f64; 2], [f64; 2])]) -> Option<Self> {
        let (from, to) = (normal(pairs.iter().map(|p| p.0)), normal(pairs.iter().map(|p| p.1)));
        let mut rows = DMatrix::zeros(2 * pairs.len(), 9);
        for (i, (pixel, place)) in pairs.iter().enumerate() {
            let p = from * Vector3::new(pixel[0], pixel[1], 1.0);
            let q = to * Vector3::new(place[0], place[1], 1.0);
            for j in 0..3 {
                rows[(2 * i, j)] = p[j];
                rows[(2 * i, 6 + j)] = -q.x * p[j];
                rows[(2 * i + 1, 3 + j)] = p[j];
                rows[(2 * i + 1, 6 + j)] = -q.y * p[j];
            }
        }
        let eigen = (rows.transpose() * rows).symmetric_eigen();
        let least = eigen.eigenvectors.column(eigen.eigenvalues.imin()).into_owned();
        let h = Matrix3::from_row_slice(least.as_slice());
        Some(Self(to.try_inverse()? * h * from))
    }

    pub fn place(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let p = self.0 * Vector3::new(x, y, 1.0);
        let place = [p.x / p.z, p.y / p.z];
        place.iter().all(|v| v.is_finite()).then_some(place)
    }
}

/// Moves the middle to 0 and the mean distance to the root of 2.
fn normal(points: impl Iterator<Item = [f64; 2]> + Clone) -> Matrix3<f64> {
    let n = points.clone().count() as f64;
    let (x, y) = points.clone().fold((0.0, 0.0), |s, p| (s.0 + p[0] / n, s.1 + p[1] / n));
    let spread = points.map(|p| (p[0] - x).hypot(p[1] - y) / n).sum::<f64>();
    let s = std::f64::consts::SQRT_2 / spread.max(1e-9);
    Matrix3::new(s, 0.0, -s * x, 0.0, s, -s * y, 0.0, 0.0, 1.0)
}
