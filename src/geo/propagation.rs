//! From errors of pixel, pose and ground to the error of a place on the map, to first order.

use nalgebra::{Matrix2, Matrix3, SMatrix, Vector2, Vector3};

use super::geodesy::LocalFrame;
use super::view::{PARAMETERS, View};

/// A flatter look than this (rise over run against the ground) is taken as this flat: the ellipse stays a number.
const FLATTEST: f64 = 1e-4;

/// A line of sight that has met the ground.
pub(crate) struct Hit<'a> {
    pub view: &'a View,
    pub pixel: [f64; 2],
    /// Metres from the camera.
    pub distance: f64,
    /// East, north, up at the place.
    pub frame: &'a LocalFrame,
}

impl Hit<'_> {
    /// Covariance of east and north in square metres. `noise_px` and `ground_m` are standard deviations of the pixel in
    /// each direction and of the ground's height; `slope` is the rise of the ground towards east and north.
    pub fn covariance(&self, noise_px: f64, ground_m: f64, slope: [f64; 2]) -> Matrix2<f64> {
        let to_place = self.view.frame().rotation_to(self.frame);
        let sight = to_place * self.line_of_sight();
        let normal = Vector3::new(-slope[0], -slope[1], 1.0);
        let fall = normal.dot(&sight).min(-FLATTEST);
        // A displaced ray meets the ground elsewhere: along the line of sight until it is back on the slope.
        let onto_ground = (Matrix3::identity() - sight * normal.transpose() / fall) * to_place;
        let by_parameters = onto_ground * self.displacement();
        let by_pixel = onto_ground * self.displacement_by_pixel() * noise_px;
        let by_ground = sight / fall * ground_m;
        let all = by_parameters * self.view.covariance() * by_parameters.transpose()
            + by_pixel * by_pixel.transpose()
            + by_ground * by_ground.transpose();
        all.fixed_view::<2, 2>(0, 0).into_owned()
    }

    /// In the camera's own axes, of length 1 along the optical axis.
    fn in_camera(&self) -> Vector3<f64> {
        let p = self.view.lens().direction_of(self.pixel);
        Vector3::new(p.x, p.y, 1.0)
    }

    fn line_of_sight(&self) -> Vector3<f64> {
        self.view.rotation().tr_mul(&self.in_camera())
    }

    /// How the seen place is displaced by each parameter, in the camera's local frame.
    fn displacement(&self) -> SMatrix<f64, 3, PARAMETERS> {
        let (lens, seen) = (self.view.lens(), self.in_camera());
        let p = Vector2::new(seen.x, seen.y);
        let r2 = p.norm_squared();
        let undistort = self.undistort(&p);
        let by_lens = [
            undistort * (-lens.distorted(self.pixel) / lens.focal_px),
            undistort * (-p * r2),
            undistort * (-p * r2 * r2),
        ];
        let mut columns = [Vector3::zeros(); PARAMETERS];
        let back = self.view.rotation().transpose() * self.depth();
        for i in 0..3 {
            let axis = Vector3::ith(i, 1.0);
            columns[i] = axis;
            columns[3 + i] = back * seen.cross(&axis);
            columns[6 + i] = back * Vector3::new(by_lens[i].x, by_lens[i].y, 0.0);
        }
        SMatrix::from_columns(&columns)
    }

    fn displacement_by_pixel(&self) -> SMatrix<f64, 3, 2> {
        let seen = self.in_camera();
        let undistort = self.undistort(&Vector2::new(seen.x, seen.y)) / self.view.lens().focal_px;
        let mut in_camera = SMatrix::<f64, 3, 2>::zeros();
        in_camera.fixed_view_mut::<2, 2>(0, 0).copy_from(&undistort);
        self.view.rotation().transpose() * self.depth() * in_camera
    }

    /// Metres along the optical axis.
    fn depth(&self) -> f64 {
        self.distance / self.in_camera().norm()
    }

    fn undistort(&self, p: &Vector2<f64>) -> Matrix2<f64> {
        self.view.lens().jacobian(p).try_inverse().unwrap_or_else(Matrix2::identity)
    }
}
