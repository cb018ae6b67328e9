//! From surveyed points to a camera.

mod adjust;
mod advice;
mod start;
mod statistics;
mod survey;

use nalgebra::{Vector2, Vector3};

use super::error::CalibrationError;
use super::points::SurveyPoint;
use crate::geo::{Attitude, Geodetic, LocalFrame, PARAMETERS};
use adjust::{Adjustment, Information, Noise, Observation, Pose, Priors};
use statistics::{chi2_95, median};
pub(crate) use survey::{Fit, Solution};
pub use survey::{Known, Survey};

/// 99.99 % of right points are off by less than the root of this, in standard deviations (chi-square, two
/// degrees).
const WRONG: f64 = 18.42;
/// Where even the better half of the points is off by more than the root of this, in standard deviations,
/// they are of no camera.
const USELESS: f64 = 400.0;
/// Median of chi-square with two degrees of freedom.
const MEDIAN: f64 = 1.386;
/// Of all points, at most so many may be wrong.
const WRONG_SHARE: f64 = 0.4;
/// Prior standard deviation of k1 and k2 about 0: if the points constrain them, and if not.
const DISTORTION: ([f64; 2], [f64; 2]) = ([0.3, 0.2], [0.02, 0.01]);
/// What counts as known when it is said to be exact: metres, and a share of the focal length.
const EXACT: f64 = 1e-3;

/// # Errors
/// Too few points, points that do not determine a camera (with advice), points of which too many are wrong.
pub(crate) fn solve(survey: &Survey) -> Result<Solution, CalibrationError> {
    let needed = needed(&survey.known);
    let count = survey.points.len();
    if count < needed {
        return Err(CalibrationError::TooFew { count, needed });
    }
    advice::refuse_lines(survey)?;
    let middle = middle(survey.points);
    let first = Problem::new(survey, LocalFrame::new(middle));
    let candidates = start::candidates(&first.points, survey.size, survey.noise(), &first.priors)?;
    let (_, best) = candidates.into_iter().next().ok_or(CalibrationError::NoPose)?;
    let (used, pose, _) = first.agree(&best, needed, survey)?;
    // Once more around the camera itself, so that its axes are those of the place where it stands.
    let position = first.frame.to_geodetic(pose.center.into());
    let frame = LocalFrame::new(position);
    let rotation = pose.rotation * first.frame.rotation_to(&frame).transpose();
    let around = Problem::new(survey, frame);
    let start = Pose { center: Vector3::zeros(), rotation, lens: pose.lens };
    let (pose, information) = around.adjust(&used, &start).ok_or(CalibrationError::NoPose)?;
    let scale = around.scale(&used, &pose);
    advice::refuse_weak(survey, &around.frame, &pose, &(information / scale))?;
    around.solution(&used, &pose, &information, scale)
}

/// Twice as many equations as unknowns and two points more, so that a wrong one can be found.
fn needed(known: &Known) -> usize {
    let unknown = 3 + usize::from(known.focal.is_none()) + 3 * usize::from(known.position.is_none());
    (unknown + 4).div_ceil(2).max(4)
}

fn middle(points: &[SurveyPoint]) -> Geodetic {
    let n = points.len() as f64;
    let mean = |value: fn(&Geodetic) -> f64| points.iter().map(|p| value(&p.place)).sum::<f64>() / n;
    Geodetic::new(mean(|p| p.lon), mean(|p| p.lat), mean(|p| p.alt))
}

/// The survey in a local frame.
struct Problem {
    frame: LocalFrame,
    points: Vec<Observation>,
    priors: Priors,
    noise: Noise,
    distortion: bool,
}

impl Problem {
    fn new(survey: &Survey, frame: LocalFrame) -> Self {
        let observed = |p: &SurveyPoint| Observation {
            pixel: Vector2::from(p.pixel),
            place: Vector3::from(frame.to_enu(p.place)),
        };
        let points: Vec<Observation> = survey.points.iter().map(observed).collect();
        let distortion = determines_distortion(survey);
        let exact = |sigma: f64, least: f64| sigma.max(least);
        let priors = Priors {
            position: survey
                .known
                .position
                .map(|(place, sigma)| (Vector3::from(frame.to_enu(place)), [exact(sigma, EXACT); 3])),
            focal: survey.known.focal.map(|(focal, sigma)| (focal, exact(sigma, EXACT * focal))),
            distortion: if distortion { DISTORTION.0 } else { DISTORTION.1 },
        };
        Self { frame, points, priors, noise: survey.noise(), distortion }
    }

    fn adjust(&self, used: &[bool], start: &Pose) -> Option<(Pose, Information)> {
        let (points, priors, noise) = (&self.points, &self.priors, self.noise);
        Adjustment { points, used, noise, priors, soft: None }.solve(start)
    }

    /// Takes away the points that the others contradict, one by one, and takes back those that fit after all.
    fn agree(
        &self,
        start: &Pose,
        needed: usize,
        survey: &Survey,
    ) -> Result<(Vec<bool>, Pose, Information), CalibrationError> {
        let squares = |pose: &Pose| -> Vec<f64> {
            let square = |p| {
                let off = pose.residual(p).map_or(f64::INFINITY, |r| r.norm_squared());
                off / pose.variance(p, &self.noise)
            };
            self.points.iter().map(square).collect()
        };
        // The error of the better half shows the quality of the survey, whatever the rest.
        let spread = |pose: &Pose| (median(squares(pose)) / MEDIAN).max(1.0);
        let limit = WRONG * spread(start);
        let mut used: Vec<bool> = squares(start).into_iter().map(|s| s <= limit).collect();
        let fewest = needed.max(((1.0 - WRONG_SHARE) * used.len() as f64).ceil() as usize);
        let mut pose = start.clone();
        for _ in 0..2 * used.len() {
            if used.iter().filter(|u| **u).count() < fewest {
                return Err(self.disagreement(&pose, survey));
            }
            let (next, information) = self.adjust(&used, &pose).ok_or(CalibrationError::NoPose)?;
            pose = next;
            let limit = WRONG * spread(&pose);
            let surprises: Vec<f64> = (0..used.len())
                .map(|i| {
                    if !used[i] {
                        return pose.surprise(&self.points[i], &self.noise, &information);
                    }
                    let (without, information) =
                        self.without(i, &used, &pose).unwrap_or_else(|| (pose.clone(), information));
                    without.surprise(&self.points[i], &self.noise, &information)
                })
                .collect();
            let worst = (0..used.len())
                .filter(|&i| used[i] && surprises[i] > limit)
                .max_by(|&a, &b| surprises[a].total_cmp(&surprises[b]));
            let back = (0..used.len()).find(|&i| !used[i] && surprises[i] < limit / 2.0);
            match (worst, back) {
                (Some(worst), _) => used[worst] = false,
                (None, Some(back)) => used[back] = true,
                (None, None) if spread(&pose) > USELESS => break,
                (None, None) => return Ok((used, pose, information)),
            }
        }
        Err(self.disagreement(&pose, survey))
    }

    fn without(&self, i: usize, used: &[bool], pose: &Pose) -> Option<(Pose, Information)> {
        let mut others = used.to_vec();
        others[i] = false;
        self.adjust(&others, pose)
    }

    fn disagreement(&self, pose: &Pose, survey: &Survey) -> CalibrationError {
        let off = |p| pose.residual(p).map_or(f64::INFINITY, |r| r.norm());
        let mut worst: Vec<(f64, &str)> =
            self.points.iter().map(off).zip(survey.points.iter().map(|p| p.name.as_str())).collect();
        worst.sort_by(|a, b| b.0.total_cmp(&a.0));
        let named: Vec<String> = worst
            .iter()
            .take(worst.len().div_ceil(2))
            .map(|(off, name)| {
                if off.is_finite() { format!("{name} ({off:.0} px off)") } else { format!("{name} (behind)") }
            })
            .collect();
        CalibrationError::Disagree { points: named.join(", ") }
    }

    /// Square of how many times worse the points fit than their noise explains; 1 where chance explains it.
    fn scale(&self, used: &[bool], pose: &Pose) -> f64 {
        let (points, priors, noise) = (&self.points, &self.priors, self.noise);
        let chi2 = Adjustment { points, used, noise, priors, soft: None }.cost(pose);
        let equations = 2 * used.iter().filter(|u| **u).count()
            + 2
            + usize::from(priors.focal.is_some())
            + 3 * usize::from(priors.position.is_some());
        let freedom = equations.saturating_sub(PARAMETERS) as f64;
        if freedom > 0.0 && chi2 > chi2_95(freedom) { chi2 / freedom } else { 1.0 }
    }

    fn solution(
        &self,
        used: &[bool],
        pose: &Pose,
        information: &Information,
        scale: f64,
    ) -> Result<Solution, CalibrationError> {
        let covariance = information.try_inverse().ok_or(CalibrationError::NoPose)? * scale;
        let fits = (0..self.points.len())
            .map(|i| {
                let without = if used[i] { self.without(i, used, pose) } else { None };
                self.fit(i, used[i], pose, without.as_ref().map_or(pose, |(p, _)| p))
            })
            .collect();
        let frame = &self.frame;
        Ok(Solution {
            position: frame.to_geodetic(pose.center.into()),
            attitude: Attitude::of(&pose.rotation),
            lens: pose.lens,
            covariance: std::array::from_fn(|i| std::array::from_fn(|j| covariance[(i, j)])),
            fits,
            scale: scale.sqrt(),
            distortion: self.distortion,
        })
    }

    fn fit(&self, i: usize, used: bool, pose: &Pose, without: &Pose) -> Fit {
        let point = &self.points[i];
        let off = pose.residual(point).unwrap_or_else(|| Vector2::repeat(f64::INFINITY));
        let seen = pose.rotation * (point.place - pose.center);
        Fit {
            used,
            off_px: off.into(),
            off_m: off.norm() * seen.z.abs() / pose.lens.focal_px,
            distance_m: seen.norm(),
            without_px: without.residual(point).map_or(f64::INFINITY, |r| r.norm()),
        }
    }
}

/// Ten points, and one of them far from the middle where lenses bend.
fn determines_distortion(survey: &Survey) -> bool {
    let half = survey.size.map(|v| f64::from(v) / 2.0);
    let far = |p: &SurveyPoint| (p.pixel[0] - half[0]).hypot(p.pixel[1] - half[1]);
    let furthest = survey.points.iter().map(far).fold(0.0, f64::max);
    survey.points.len() >= 10 && furthest > 0.6 * half[0].hypot(half[1])
}

#[cfg(test)]
mod tests;
