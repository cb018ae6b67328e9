//! From errors of pixel, pose and ground to the error of a place on the map: to first order, and widened
//! where a line of sight is flat over the ground.

use nalgebra::{Matrix2, Matrix3, SMatrix, Vector2, Vector3};

use super::accuracy::CHI2_95;
use super::geodesy::LocalFrame;
use super::view::{PARAMETERS, Ray, View};

/// A flatter look than this (rise over run against the ground) is taken as this flat: the ellipse stays a
/// number.
const FLATTEST: f64 = 1e-4;

/// 97.5 % quantile of the normal distribution: 95 of 100 errors are less in size.
const NORMAL_95: f64 = 1.959_963_984_540_054;
/// A look with less gain than this is steep (over 60 degrees on level ground): an error moves the place by
/// about as much, and first order is enough.
const STEEP: f64 = 0.5;

/// How far a found place may be off.
pub(crate) struct Spread {
    /// Of east and north to first order, square metres.
    pub covariance: Matrix2<f64>,
    /// Standard deviations of the height of the line of sight above the place, and of the ground there,
    /// metres.
    sight_m: f64,
    ground_m: f64,
    /// Line of sight, and the direction across it that rises most above the ground, in the camera's local
    /// frame.
    sight: Vector3<f64>,
    upward: Vector3<f64>,
    /// Height above the ground won by a metre in that direction, and lost by a metre along the line of sight.
    gain: f64,
    fall: f64,
    distance: f64,
    /// Of the line of sight on the map, east and north.
    along: Vector2<f64>,
}

impl Spread {
    /// Widens the ellipse along the line of sight to what the lines of sight meet that pass the found place
    /// higher and lower by what 95 of 100 errors stay within. On hills first order is too little: the next
    /// slope may be far. `meet` gives the distance at which a ray meets the ground that is lifted by so many
    /// metres; where the higher ray meets none, nothing is known beyond the distance itself.
    pub fn widened(self, meet: impl Fn(&Ray, f64) -> Option<f64>) -> Matrix2<f64> {
        let gap = self.sight_m.hypot(self.ground_m);
        if gap <= 0.0 || self.gain <= STEEP {
            return self.covariance;
        }
        // The likeliest way in which both errors together come to so much.
        let (by_sight, by_ground) = (self.sight_m * self.sight_m / gap, self.ground_m * self.ground_m / gap);
        let reach = [NORMAL_95, -NORMAL_95].map(|q| {
            let direction = self.sight + self.upward * (q * by_sight / self.gain / self.distance);
            let ray = Ray { origin: [0.0; 3], direction: direction.normalize().into() };
            let met = meet(&ray, -q * by_ground);
            met.map_or(self.distance, |t| (t - self.distance).abs())
        });
        let reach = reach[0].max(reach[1]) * self.along.norm();
        let along = self.along.normalize();
        let first_order = gap / self.fall * self.along.norm();
        let missing = (reach * reach / CHI2_95 - first_order * first_order).max(0.0);
        self.covariance + along * along.transpose() * missing
    }
}

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
    /// To first order, on ground that rises by `slope` towards east and north. `noise_px` and `ground_m` are
    /// standard deviations of the pixel in each direction and of the ground's height.
    pub fn spread(&self, noise_px: f64, ground_m: f64, slope: [f64; 2]) -> Spread {
        let to_place = self.view.frame().rotation_to(self.frame);
        let from_camera = self.line_of_sight().normalize();
        let sight = to_place * from_camera;
        let normal = Vector3::new(-slope[0], -slope[1], 1.0);
        let fall = normal.dot(&sight).min(-FLATTEST);
        let (by_parameters, by_pixel) = (self.displacement(), self.displacement_by_pixel() * noise_px);
        let displaced = by_parameters * self.view.covariance() * by_parameters.transpose()
            + by_pixel * by_pixel.transpose();
        let displaced = to_place * displaced * to_place.transpose();
        // A displaced ray meets the ground elsewhere: along the line of sight until it is back on the slope.
        let onto_ground = Matrix3::identity() - sight * normal.transpose() / fall;
        let by_ground = sight / fall * ground_m;
        let all = onto_ground * displaced * onto_ground.transpose() + by_ground * by_ground.transpose();
        let rising = normal - sight * normal.dot(&sight);
        Spread {
            covariance: all.fixed_view::<2, 2>(0, 0).into_owned(),
            sight_m: (normal.transpose() * displaced * normal)[(0, 0)].max(0.0).sqrt(),
            ground_m,
            sight: from_camera,
            upward: to_place.tr_mul(&rising.normalize()),
            gain: rising.norm(),
            fall: -fall,
            distance: self.distance,
            along: sight.xy(),
        }
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
