//! Least squares: pose, focal length and distortion from points, by Levenberg-Marquardt.
//!
//! Our own code, because it needs the information matrix, which the `levenberg-marquardt` crate does not
//! return. (The crate also needs an older `nalgebra`.) The matrix yields the covariance, reveals wrong points
//! by their leverage, and shows where one more point helps most.

use nalgebra::{Matrix2x3, Matrix3, Rotation3, SMatrix, SVector, Vector2, Vector3};

use crate::geo::{Lens, PARAMETERS};

pub(super) type Information = SMatrix<f64, PARAMETERS, PARAMETERS>;
type Gradient = SVector<f64, PARAMETERS>;
type Rows = SMatrix<f64, 2, PARAMETERS>;

/// A point behind the camera, or where the lens' model ends, counts as so far off, pixels.
const LOST_PX: f64 = 1e4;
const ROUNDS: usize = 60;

/// What is solved for, in a local frame.
#[derive(Clone, Debug)]
pub(super) struct Pose {
    pub center: Vector3<f64>,
    /// Rows: right, down, forward.
    pub rotation: Matrix3<f64>,
    pub lens: Lens,
}

/// A point as the sums need it.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    pub pixel: Vector2<f64>,
    pub place: Vector3<f64>,
}

/// Standard deviations of what was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    pub pixel_px: f64,
    pub survey_m: f64,
}

/// What is known beforehand: value and standard deviation.
#[derive(Clone, Debug)]
pub(super) struct Priors {
    pub position: Option<(Vector3<f64>, [f64; 3])>,
    pub focal: Option<(f64, f64)>,
    /// Of k1 and k2 about 0.
    pub distortion: [f64; 2],
}

impl Pose {
    /// Pixel, and its change with each parameter and with the place.
    fn see(&self, place: &Vector3<f64>) -> Option<(Vector2<f64>, Rows, Matrix2x3<f64>)> {
        let seen = self.rotation * (place - self.center);
        if seen.z <= 1e-3 {
            return None;
        }
        let p = Vector2::new(seen.x / seen.z, seen.y / seen.z);
        let pixel = Vector2::from(self.lens.pixel_of(p.x, p.y)?);
        let flat = Matrix2x3::new(1.0, 0.0, -p.x, 0.0, 1.0, -p.y) / seen.z;
        let by_seen = self.lens.jacobian(&p) * flat * self.lens.focal_px;
        let by_place = by_seen * self.rotation;
        let (r2, distorted) = (p.norm_squared(), self.lens.distorted(pixel.into()));
        let mut rows = Rows::zeros();
        rows.fixed_view_mut::<2, 3>(0, 0).copy_from(&-by_place);
        rows.fixed_view_mut::<2, 3>(0, 3).copy_from(&(by_seen * -seen.cross_matrix()));
        rows.set_column(6, &distorted);
        rows.set_column(7, &(p * r2 * self.lens.focal_px));
        rows.set_column(8, &(p * r2 * r2 * self.lens.focal_px));
        Some((pixel, rows, by_place))
    }

    /// Measured minus reprojected, pixels.
    pub fn residual(&self, point: &Observation) -> Option<Vector2<f64>> {
        Some(point.pixel - self.see(&point.place)?.0)
    }

    /// Variance of a residual from pixel and survey, pixels squared.
    pub fn variance(&self, point: &Observation, noise: &Noise) -> f64 {
        let depth = (self.rotation * (point.place - self.center)).z.max(1.0);
        noise.pixel_px.powi(2) + (self.lens.focal_px / depth * noise.survey_m).powi(2)
    }

    /// Square of how far a point is off against what can be expected, where `information` says how well the
    /// parameters are known without it. Chi-square with two degrees of freedom if the point is right.
    pub fn surprise(&self, point: &Observation, noise: &Noise, information: &Information) -> f64 {
        let Some((pixel, rows, _)) = self.see(&point.place) else { return f64::INFINITY };
        let Some(covariance) = information.try_inverse() else { return 0.0 };
        let expected = rows * covariance * rows.transpose()
            + nalgebra::Matrix2::identity() * self.variance(point, noise);
        let off = point.pixel - pixel;
        expected.try_inverse().map_or(0.0, |inverse| (off.transpose() * inverse * off)[0])
    }

    /// The information that one more point there would add.
    pub fn information_of(&self, place: &Vector3<f64>, noise: &Noise) -> Option<Information> {
        let (pixel, rows, _) = self.see(place)?;
        let variance = self.variance(&Observation { pixel, place: *place }, noise);
        Some(rows.transpose() * rows / variance)
    }

    fn moved(&self, step: &Gradient) -> Self {
        let turn = Rotation3::new(step.fixed_rows::<3>(3).into_owned());
        let mut lens = self.lens;
        lens.focal_px += step[6];
        lens.k1 += step[7];
        lens.k2 += step[8];
        let center = self.center + step.fixed_rows::<3>(0);
        Self { center, rotation: turn.matrix() * self.rotation, lens }
    }
}

/// The points of one adjustment. `soft` is how many standard deviations a point may be off before it loses
/// its weight (Geman-McClure); `None` weighs all fully.
pub(super) struct Adjustment<'a> {
    pub points: &'a [Observation],
    pub used: &'a [bool],
    pub noise: Noise,
    pub priors: &'a Priors,
    pub soft: Option<f64>,
}

impl Adjustment<'_> {
    /// The best pose near `start`, and what is known of it. `None` where the points do not determine it.
    pub fn solve(&self, start: &Pose) -> Option<(Pose, Information)> {
        let mut pose = start.clone();
        let mut cost = self.cost(&pose);
        let mut damping = 1e-3;
        for _ in 0..ROUNDS {
            let (information, gradient) = self.normal(&pose);
            let mut damped = information;
            for i in 0..PARAMETERS {
                damped[(i, i)] *= 1.0 + damping;
            }
            let step = damped.cholesky()?.solve(&gradient);
            let next = pose.moved(&step);
            let next_cost = self.cost(&next);
            if next_cost < cost {
                let done = cost - next_cost < 1e-9 * cost.max(1e-9);
                (pose, cost) = (next, next_cost);
                damping = (damping / 5.0_f64).max(1e-12);
                if done {
                    break;
                }
            } else {
                damping *= 8.0;
                if damping > 1e9 {
                    break;
                }
            }
        }
        let information = self.normal(&pose).0;
        information.cholesky().map(|_| (pose, information))
    }

    /// Half of nothing: squares in standard deviations, summed.
    pub fn cost(&self, pose: &Pose) -> f64 {
        if pose.lens.focal_px.is_nan() || pose.lens.focal_px <= 0.0 {
            return f64::INFINITY;
        }
        let points: f64 = self.of_use().map(|point| self.soften(self.square(pose, point))).sum();
        points + self.prior_rows(pose).iter().map(|(_, off, sigma)| (off / sigma).powi(2)).sum::<f64>()
    }

    fn of_use(&self) -> impl Iterator<Item = &Observation> {
        self.points.iter().zip(self.used).filter(|(_, used)| **used).map(|(point, _)| point)
    }

    fn square(&self, pose: &Pose, point: &Observation) -> f64 {
        let off = pose.residual(point).map_or(LOST_PX * LOST_PX, |r| r.norm_squared());
        off / pose.variance(point, &self.noise)
    }

    fn soften(&self, square: f64) -> f64 {
        self.soft.map_or(square, |soft| square / (1.0 + square / (soft * soft)))
    }

    fn normal(&self, pose: &Pose) -> (Information, Gradient) {
        let (mut information, mut gradient) = (Information::zeros(), Gradient::zeros());
        for point in self.of_use() {
            let Some((pixel, rows, _)) = pose.see(&point.place) else { continue };
            let mut weight = 1.0 / pose.variance(point, &self.noise);
            if let Some(soft) = self.soft {
                weight /= (1.0 + self.square(pose, point) / (soft * soft)).powi(2);
            }
            information += rows.transpose() * rows * weight;
            gradient += rows.transpose() * (point.pixel - pixel) * weight;
        }
        for (i, off, sigma) in self.prior_rows(pose) {
            information[(i, i)] += 1.0 / (sigma * sigma);
            gradient[i] += off / (sigma * sigma);
        }
        (information, gradient)
    }

    /// Parameter, how far it should still move, standard deviation.
    fn prior_rows(&self, pose: &Pose) -> Vec<(usize, f64, f64)> {
        let [k1, k2] = self.priors.distortion;
        let mut rows = vec![(7, -pose.lens.k1, k1), (8, -pose.lens.k2, k2)];
        if let Some((focal, sigma)) = self.priors.focal {
            rows.push((6, focal - pose.lens.focal_px, sigma));
        }
        if let Some((place, sigma)) = &self.priors.position {
            rows.extend((0..3).map(|i| (i, place[i] - pose.center[i], sigma[i])));
        }
        rows
    }
}
