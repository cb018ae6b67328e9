//! A covariance on the map as an ellipse that officers can read.

use nalgebra::Matrix2;
use serde::{Deserialize, Serialize};

/// 95 % quantile of chi-square with two degrees of freedom.
pub(crate) const CHI2_95: f64 = 5.991_464_547_107_979;

/// The ellipse that holds the true place in 95 of 100 cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    pub semi_major_m: f64,
    pub semi_minor_m: f64,
    /// Of the major axis, clockwise from north, 0..180.
    pub azimuth_deg: f64,
}

impl Accuracy {
    /// From the covariance of east and north, square metres.
    pub(crate) fn from_covariance(c: &Matrix2<f64>) -> Self {
        let (mean, half) = ((c[(0, 0)] + c[(1, 1)]) / 2.0, (c[(1, 1)] - c[(0, 0)]) / 2.0);
        let cross = (c[(0, 1)] + c[(1, 0)]) / 2.0;
        let spread = half.hypot(cross);
        let axis = |variance: f64| (variance.max(0.0) * CHI2_95).sqrt();
        let azimuth_deg = (cross.atan2(half) / 2.0).to_degrees().rem_euclid(180.0);
        Self { semi_major_m: axis(mean + spread), semi_minor_m: axis(mean - spread), azimuth_deg }
    }

    /// Whether a place so many metres east and north of the found one is within.
    pub fn contains(&self, east: f64, north: f64) -> bool {
        let (sin, cos) = self.azimuth_deg.to_radians().sin_cos();
        let (along, across) = (east * sin + north * cos, east * cos - north * sin);
        (along / self.semi_major_m).powi(2) + (across / self.semi_minor_m).powi(2) <= 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_and_azimuth_of_known_covariances() {
        // Nine times as much along north-east as across.
        let ellipse = Accuracy::from_covariance(&Matrix2::new(5.0, 4.0, 4.0, 5.0));
        assert!((ellipse.azimuth_deg - 45.0).abs() < 1e-9, "{ellipse:?}");
        assert!((ellipse.semi_major_m - 3.0 * CHI2_95.sqrt()).abs() < 1e-9);
        assert!((ellipse.semi_minor_m - CHI2_95.sqrt()).abs() < 1e-9);
        assert!(ellipse.contains(5.0, 5.0) && !ellipse.contains(5.0, -5.0));
        let east = Accuracy::from_covariance(&Matrix2::new(4.0, 0.0, 0.0, 1.0));
        assert!((east.azimuth_deg - 90.0).abs() < 1e-9);
    }
}
