//! Sets of points that do not determine a camera are refused, with a place where one more would help.

use nalgebra::{Matrix2, Vector2, Vector3};

use super::adjust::{Information, Pose};
use super::statistics::median;
use super::survey::Survey;
use crate::calibration::CalibrationError;
use crate::geo::{Attitude, Geodetic, Ground, LocalFrame, Locator, PoseSigma, View};

/// Points whose spread across is less than this share of their spread along are on a line.
const LINE: f64 = 0.06;
/// A focal length, or a distance, that is known worse than this share of itself is not known.
const WEAK: f64 = 0.03;

/// A pixel, the ground that it shows, and how far away that is.
type Candidate = ([f64; 2], Geodetic, f64);

/// # Errors
/// All points on a line of the picture.
pub(super) fn refuse_lines(survey: &Survey) -> Result<(), CalibrationError> {
    let pixels: Vec<Vector2<f64>> = survey.points.iter().map(|p| Vector2::from(p.pixel)).collect();
    let mean = pixels.iter().sum::<Vector2<f64>>() / pixels.len() as f64;
    let spread = pixels.iter().map(|p| (p - mean) * (p - mean).transpose()).sum::<Matrix2<f64>>();
    let axes = spread.symmetric_eigen();
    let along = axes.eigenvalues.imax();
    let (wide, narrow) = (axes.eigenvalues[along], axes.eigenvalues[1 - along]);
    if narrow > LINE * LINE * wide {
        return Ok(());
    }
    // As far to the side of the line as the picture allows.
    let across = axes.eigenvectors.column(1 - along).into_owned();
    let size = survey.size.map(f64::from);
    let reach = |sign: f64| {
        let mut far: f64 = 0.0;
        while far < size[0].max(size[1]) {
            let p = mean + across * sign * (far + 10.0);
            if p.x < 0.05 * size[0] || p.x > 0.95 * size[0] || p.y < 0.05 * size[1] || p.y > 0.95 * size[1] {
                break;
            }
            far += 10.0;
        }
        (far, mean + across * sign * far)
    };
    let (a, b) = (reach(1.0), reach(-1.0));
    let there = if a.0 > b.0 { a.1 } else { b.1 };
    Err(CalibrationError::Line { part: part(survey.size, there.into()), x: there.x, y: there.y })
}

/// # Errors
/// The camera is determined too badly to be of use.
pub(super) fn refuse_weak(
    survey: &Survey,
    frame: &LocalFrame,
    pose: &Pose,
    information: &Information,
) -> Result<(), CalibrationError> {
    let distances: Vec<f64> =
        survey.points.iter().map(|p| (Vector3::from(frame.to_enu(p.place)) - pose.center).norm()).collect();
    let near = distances.iter().copied().fold(f64::INFINITY, f64::min);
    let far = distances.iter().copied().fold(0.0, f64::max);
    let [focal, place] = weakness(information, pose, median(distances)).unwrap_or([f64::INFINITY; 2]);
    if focal <= WEAK && place <= WEAK {
        return Ok(());
    }
    let what = if focal > place {
        format!("the focal length is known to {:.0} % only", (focal * 100.0).min(999.0))
    } else {
        format!(
            "the camera's own place is known to {:.0} % of its distance from the points only",
            place * 100.0
        )
    };
    let why = if far < 1.6 * near {
        format!("all points are at about one distance, {near:.0} to {far:.0} m")
    } else {
        format!(
            "the points, {near:.0} to {far:.0} m away, lie too close together in the picture or on one plane"
        )
    };
    let advice = best_place(survey, frame, pose, information).map_or_else(
        || "Add a point much nearer or much farther, or give --position or --focal-px".to_owned(),
        |(pixel, place, distance)| {
            format!(
                "Add a point {} of the picture, near pixel {:.0}, {:.0} (about {:.6}, {:.6}, {distance:.0} m away), or give \
                 --position or --focal-px",
                part(survey.size, pixel),
                pixel[0],
                pixel[1],
                place.lon,
                place.lat
            )
        },
    );
    Err(CalibrationError::Weak { what, why, advice })
}

/// Errors of focal length and of the camera's place, as shares of the focal length and of a distance.
fn weakness(information: &Information, pose: &Pose, distance: f64) -> Option<[f64; 2]> {
    let covariance = information.try_inverse()?;
    let place = (0..3).map(|i| covariance[(i, i)]).fold(0.0, f64::max).sqrt();
    Some([covariance[(6, 6)].sqrt() / pose.lens.focal_px, place / distance])
}

/// Of a grid of pixels with ground in reach, the one where a point would add most information.
fn best_place(
    survey: &Survey,
    frame: &LocalFrame,
    pose: &Pose,
    information: &Information,
) -> Option<Candidate> {
    let locator = reach(survey, frame, pose)?;
    let mut best: Option<(f64, Candidate)> = None;
    for i in 0..6 {
        for j in 0..5 {
            let pixel = [
                f64::from(survey.size[0]) * (0.08 + 0.168 * f64::from(i)),
                f64::from(survey.size[1]) * (0.1 + 0.2 * f64::from(j)),
            ];
            let Ok(fix) = locator.locate(pixel, 1.0) else { continue };
            if fix.distance_m > 3_000.0 {
                continue;
            }
            let there = Vector3::from(frame.to_enu(fix.position));
            let Some(more) = pose.information_of(&there, &survey.noise()) else { continue };
            let Some([focal, place]) = weakness(&(information + more), pose, fix.distance_m) else {
                continue;
            };
            let score = focal.hypot(place);
            if best.as_ref().is_none_or(|(s, _)| score < *s) {
                best = Some((score, (pixel, fix.position, fix.distance_m)));
            }
        }
    }
    best.map(|(_, there)| there)
}

/// The ground as far as it is known: the terrain model, or level ground at the points' own height.
fn reach(survey: &Survey, frame: &LocalFrame, pose: &Pose) -> Option<Locator> {
    let position = frame.to_geodetic(pose.center.into());
    let attitude = Attitude::of(&pose.rotation);
    let view = View::from_pose(survey.size, pose.lens, position, attitude, PoseSigma::default()).ok()?;
    let alt = median(survey.points.iter().map(|p| p.place.alt).collect());
    let ground = match &survey.dem {
        Some(dem) => Ground::Dem(dem.clone()),
        None => Ground::Plane { alt },
    };
    Some(Locator::new(view, ground))
}

/// Which part of the picture a pixel is in.
fn part(size: [u32; 2], pixel: [f64; 2]) -> &'static str {
    let third = |v: f64, size: u32| ((3.0 * v / f64::from(size)) as usize).min(2);
    [
        ["in the upper left", "in the upper middle", "in the upper right"],
        ["at the left", "in the middle", "at the right"],
        ["in the lower left", "in the lower middle", "in the lower right"],
    ][third(pixel[1], size[1])][third(pixel[0], size[0])]
}
