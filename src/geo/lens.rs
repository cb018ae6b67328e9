//! A pinhole with radial distortion, as OpenCV's model with its first two coefficients.

use nalgebra::{Matrix2, Vector2};
use serde::{Deserialize, Serialize};

/// Square pixels; x_d = x (1 + k1 r^2 + k2 r^4) on the plane at distance 1 before the camera.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lens {
    /// Focal length, pixels.
    pub focal_px: f64,
    pub k1: f64,
    pub k2: f64,
    /// Where the optical axis meets the picture, pixels.
    pub center: [f64; 2],
}

impl Lens {
    /// Without distortion, its axis in the middle of the picture.
    pub fn new(focal_px: f64, size: [u32; 2]) -> Self {
        Self { focal_px, k1: 0.0, k2: 0.0, center: size.map(|v| f64::from(v) / 2.0) }
    }

    /// From the horizontal field of view as data sheets give it, degrees.
    pub fn from_fov(horizontal_deg: f64, size: [u32; 2]) -> Self {
        Self::new(f64::from(size[0]) / 2.0 / (horizontal_deg.to_radians() / 2.0).tan(), size)
    }

    /// Horizontal field of view without distortion, degrees.
    pub fn fov_deg(&self, size: [u32; 2]) -> f64 {
        2.0 * (f64::from(size[0]) / 2.0 / self.focal_px).atan().to_degrees()
    }

    /// From the plane at distance 1 to pixels; `None` where the model folds back on itself.
    pub(crate) fn pixel_of(self, x: f64, y: f64) -> Option<[f64; 2]> {
        let r2 = x * x + y * y;
        if r2 > self.fold_r2() {
            return None;
        }
        let s = self.stretch(r2);
        Some([self.center[0] + self.focal_px * x * s, self.center[1] + self.focal_px * y * s])
    }

    /// From pixels to the plane at distance 1. Pixels that no direction maps to are taken as the outermost
    /// that one does.
    pub(crate) fn direction_of(self, pixel: [f64; 2]) -> Vector2<f64> {
        let distorted = self.distorted(pixel);
        let rd = distorted.norm();
        if rd == 0.0 || (self.k1 == 0.0 && self.k2 == 0.0) {
            return distorted;
        }
        let fold = self.fold_r2().sqrt();
        let mut r = rd.min(fold);
        for _ in 0..30 {
            let r2 = r * r;
            let slope = 1.0 + 3.0 * self.k1 * r2 + 5.0 * self.k2 * r2 * r2;
            let step = (r * self.stretch(r2) - rd) / slope.max(1e-6);
            r = (r - step).clamp(0.0, fold);
            if step.abs() < 1e-14 {
                break;
            }
        }
        distorted * (r / rd)
    }

    /// How far from the middle the pixel is in focal lengths, distortion and all.
    pub(crate) fn distorted(&self, pixel: [f64; 2]) -> Vector2<f64> {
        Vector2::new(pixel[0] - self.center[0], pixel[1] - self.center[1]) / self.focal_px
    }

    /// Change of the distorted place with the undistorted one.
    pub(crate) fn jacobian(&self, p: &Vector2<f64>) -> Matrix2<f64> {
        let r2 = p.norm_squared();
        let outer = p * p.transpose();
        Matrix2::identity() * self.stretch(r2) + outer * (2.0 * self.k1 + 4.0 * self.k2 * r2)
    }

    fn stretch(&self, r2: f64) -> f64 {
        1.0 + self.k1 * r2 + self.k2 * r2 * r2
    }

    /// Square of the radius from which on a longer radius is drawn nearer to the middle.
    fn fold_r2(&self) -> f64 {
        // 1 + 3 k1 s + 5 k2 s^2 = 0, its smallest positive root.
        let (a, b) = (5.0 * self.k2, 3.0 * self.k1);
        if a.abs() < 1e-15 {
            return if b < 0.0 { -1.0 / b } else { f64::INFINITY };
        }
        let inside = b * b - 4.0 * a;
        if inside < 0.0 {
            return f64::INFINITY;
        }
        let roots = [(-b - inside.sqrt()) / (2.0 * a), (-b + inside.sqrt()) / (2.0 * a)];
        roots.into_iter().filter(|s| *s > 0.0).fold(f64::INFINITY, f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_barrel_ends_where_it_folds() {
        let lens = Lens { k1: -0.3, ..Lens::new(1000.0, [1920, 1080]) };
        assert_eq!(lens.pixel_of(2.0, 0.0), None);
        let edge = lens.direction_of([5_000.0, 540.0]);
        assert!((edge.norm_squared() - 1.0 / 0.9).abs() < 1e-9, "{edge}");
    }

    proptest! {
        #[test]
        fn pixels_there_and_back(
            x in 0.0..1920.0_f64, y in 0.0..1080.0_f64, k1 in -0.3..0.3_f64, k2 in -0.05..0.1_f64, f in 1400.0..9000.0_f64,
        ) {
            let lens = Lens { k1, k2, ..Lens::new(f, [1920, 1080]) };
            let p = lens.direction_of([x, y]);
            let back = lens.pixel_of(p.x, p.y).expect("within the picture");
            prop_assert!((back[0] - x).abs() < 1e-6 && (back[1] - y).abs() < 1e-6, "{back:?}");
        }
    }
}
