//! A first pose: perspective-n-point over small sets of points and a ladder of focal lengths, whatever fits
//! most of the points best. Wrong points do no harm as long as some sets are without them.

use nalgebra::Vector3;

use super::adjust::{Adjustment, Noise, Observation, Pose, Priors};
use crate::calibration::CalibrationError;
use crate::calibration::vision;
use crate::geo::Lens;

/// Points of one set.
const SET: usize = 5;
/// Sets tried a focal length, at most.
const SETS: usize = 60;
/// So many points have so few sets that all are tried.
const FEW: usize = 8;
/// Steps of the ladder, from a field of view of 105 degrees to one of 4.
const FOCAL: (f64, f64, usize) = (0.38, 14.0, 16);
/// A point that is further off counts no more, as a share of the picture's width.
const CAP: f64 = 0.04;

/// The best starts, best first, after a first robust adjustment.
pub(super) fn candidates(
    points: &[Observation],
    size: [u32; 2],
    noise: Noise,
    priors: &Priors,
) -> Result<Vec<(f64, Pose)>, CalibrationError> {
    let sets = sets(points.len());
    let cap = (CAP * f64::from(size[0])).powi(2);
    let mut found = Vec::new();
    for focal in focals(size, priors) {
        let lens = Lens::new(focal, size);
        let mut best: Option<(f64, Pose)> = None;
        for set in &sets {
            let chosen: Vec<_> =
                set.iter().map(|i| (points[*i].pixel.into(), points[*i].place.into())).collect();
            let Some((rotation, center)) = vision::perspective(&chosen, &lens)? else { continue };
            let pose = Pose { center, rotation, lens };
            let off = |p: &Observation| pose.residual(p).map_or(cap, |r| r.norm_squared().min(cap));
            let mut score: f64 = points.iter().map(off).sum();
            if let Some((place, sigma)) = &priors.position {
                let far: Vector3<f64> = pose.center - place;
                score += cap * (far.norm() / (10.0 * sigma[0].max(sigma[2]) + 50.0)).min(3.0);
            }
            if best.as_ref().is_none_or(|(s, _)| score < *s) {
                best = Some((score, pose));
            }
        }
        found.extend(best);
    }
    // From loose to strict: a focal length that is a step off bends all residuals.
    let used = vec![true; points.len()];
    let mut adjusted: Vec<(f64, Pose)> = found
        .into_iter()
        .filter_map(|(_, start)| {
            let mut pose = start;
            for soft in [60.0, 20.0, 6.0] {
                let adjustment = Adjustment { points, used: &used, noise, priors, soft: Some(soft) };
                pose = adjustment.solve(&pose)?.0;
            }
            let last = Adjustment { points, used: &used, noise, priors, soft: Some(6.0) };
            Some((last.cost(&pose), pose))
        })
        .collect();
    adjusted.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(adjusted)
}

fn focals(size: [u32; 2], priors: &Priors) -> Vec<f64> {
    let (from, to, steps) = FOCAL;
    let width = f64::from(size[0]);
    let ladder = (0..steps).map(|i| width * from * (to / from).powf(i as f64 / (steps - 1) as f64));
    match priors.focal {
        Some((focal, sigma)) if sigma < 0.1 * focal => vec![focal],
        Some((focal, sigma)) => ladder.filter(|f| (f - focal).abs() < 4.0 * sigma).chain([focal]).collect(),
        None => ladder.collect(),
    }
}

/// Sets of points: all there are while they are few, else as many as are tried, drawn by a fixed generator so
/// that the same file always gives the same answer.
fn sets(points: usize) -> Vec<Vec<usize>> {
    let size = SET.min(points);
    if points <= FEW {
        return combinations(points, size);
    }
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % n
    };
    let drawn = |_| {
        let mut pool: Vec<usize> = (0..points).collect();
        (0..size).map(|_| pool.swap_remove(draw(pool.len()))).collect()
    };
    (0..SETS).map(drawn).collect()
}

fn combinations(points: usize, size: usize) -> Vec<Vec<usize>> {
    let longer = |sets: Vec<Vec<usize>>, _| {
        let with_one_more = |set: &Vec<usize>| -> Vec<Vec<usize>> {
            let first = set.last().map_or(0, |last| last + 1);
            (first..points).map(|i| [&set[..], &[i]].concat()).collect()
        };
        sets.iter().flat_map(with_one_more).collect()
    };
    (0..size).fold(vec![Vec::new()], longer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_distinct_points() {
        assert_eq!(combinations(8, SET).len(), 56);
        for set in sets(20) {
            let mut sorted = set.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!((sorted.len(), set.len()), (SET, SET));
        }
        assert_eq!(sets(20), sets(20));
    }
}
