//! The one door to OpenCV in this stage: features of two pictures, the homography that they agree on,
//! outlines of masks.

use image::RgbImage;
use opencv::core::{DMatch, KeyPoint, Mat, NORM_L2, Point, Point2f, Vector, no_array};
use opencv::features2d::{BFMatcher, SIFT};
use opencv::prelude::*;
use opencv::{calib3d, imgproc};

/// Features of one picture. SIFT (Lowe, 2004): it finds places again after weeks, which binary features
/// seldom do.
const FEATURES: i32 = 4000;
/// A match is good when the second best is worse by this.
const RATIO: f32 = 0.8;

#[derive(Debug, thiserror::Error)]
#[error("OpenCV cannot compare the pictures; install libopencv-features2d-dev and libopencv-calib3d-dev")]
pub struct VisionError(#[from] opencv::Error);

/// A place in both pictures, pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Match {
    pub before: [f64; 2],
    pub after: [f64; 2],
}

pub(super) type Homography = [[f64; 3]; 3];

/// From now on OpenCV works on the calling thread only, in the whole program: its own threads would not give
/// way to the cameras' as a caller of low priority does.
///
/// # Errors
/// OpenCV's own.
pub fn stay_on_this_thread() -> Result<(), VisionError> {
    Ok(opencv::core::set_num_threads(1)?)
}

/// Places that look alike in both pictures; some of them wrong.
///
/// # Errors
/// OpenCV's own.
pub(super) fn matches(before: &RgbImage, after: &RgbImage) -> Result<Vec<Match>, VisionError> {
    let mut sift = SIFT::create(FEATURES, 3, 0.02, 10.0, 1.6)?;
    let mut features = |picture: &RgbImage| -> Result<(Vector<KeyPoint>, Mat), VisionError> {
        let raw = picture.as_raw();
        let flat = Mat::from_slice(raw)?;
        let whole = flat.reshape(3, picture.height() as i32)?;
        let mut grey = Mat::default();
        imgproc::cvt_color_def(&whole, &mut grey, imgproc::COLOR_RGB2GRAY)?;
        let (mut points, mut descriptors) = (Vector::new(), Mat::default());
        sift.detect_and_compute(&grey, &no_array(), &mut points, &mut descriptors, false)?;
        Ok((points, descriptors))
    };
    let (from, to) = (features(before)?, features(after)?);
    if from.0.len() < 2 || to.0.len() < 2 {
        return Ok(Vec::new());
    }
    let matcher = BFMatcher::create(NORM_L2, false)?;
    let mut pairs: Vector<Vector<DMatch>> = Vector::new();
    matcher.knn_train_match_def(&from.1, &to.1, &mut pairs, 2)?;
    let mut found = Vec::new();
    for pair in &pairs {
        if pair.len() < 2 {
            continue;
        }
        let (best, second) = (pair.get(0)?, pair.get(1)?);
        if best.distance < RATIO * second.distance {
            let at = |p: Point2f| [f64::from(p.x), f64::from(p.y)];
            let before = at(from.0.get(best.query_idx as usize)?.pt());
            found.push(Match { before, after: at(to.0.get(best.train_idx as usize)?.pt()) });
        }
    }
    Ok(found)
}

/// The homography from before to after that most agree on (RANSAC), within `agree` pixels. `None`: there is
/// none.
///
/// # Errors
/// OpenCV's own.
pub(super) fn homography(found: &[Match], agree: f64) -> Result<Option<Homography>, VisionError> {
    if found.len() < 4 {
        return Ok(None);
    }
    let point = |p: [f64; 2]| Point2f::new(p[0] as f32, p[1] as f32);
    let from: Vector<Point2f> = found.iter().map(|m| point(m.before)).collect();
    let to: Vector<Point2f> = found.iter().map(|m| point(m.after)).collect();
    let mut mask = Mat::default();
    let h = calib3d::find_homography(&from, &to, &mut mask, calib3d::RANSAC, agree)?;
    if h.rows() != 3 {
        return Ok(None);
    }
    let mut out = [[0.0; 3]; 3];
    for (i, row) in out.iter_mut().enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            *value = *h.at_2d::<f64>(i as i32, j as i32)?;
        }
    }
    Ok(out.iter().flatten().all(|v| v.is_finite()).then_some(out))
}

/// One connected part of a mask.
pub(super) struct Shape {
    /// Of its outer outline, pixels.
    pub corners: Vec<[f64; 2]>,
    /// Of the smallest rectangle around it, longer first.
    pub sides: [f64; 2],
}

/// The outer outline of each connected part of a mask, straightened to within `slack` pixels.
///
/// # Errors
/// OpenCV's own.
pub(super) fn outlines(mask: &[u8], width: usize, slack: f64) -> Result<Vec<Shape>, VisionError> {
    let flat = Mat::from_slice(mask)?;
    let whole = flat.reshape(1, (mask.len() / width.max(1)) as i32)?;
    let mut contours: Vector<Vector<Point>> = Vector::new();
    imgproc::find_contours_def(&whole, &mut contours, imgproc::RETR_EXTERNAL, imgproc::CHAIN_APPROX_NONE)?;
    let mut found = Vec::new();
    for contour in &contours {
        let around = imgproc::min_area_rect(&contour)?.size;
        let mut simple: Vector<Point> = Vector::new();
        imgproc::approx_poly_dp(&contour, &mut simple, slack, true)?;
        // Contours run through the middles of pixels.
        let corners: Vec<[f64; 2]> =
            simple.iter().map(|p| [f64::from(p.x) + 0.5, f64::from(p.y) + 0.5]).collect();
        let (a, b) = (f64::from(around.width) + 1.0, f64::from(around.height) + 1.0);
        if corners.len() > 2 {
            found.push(Shape { corners, sides: [a.max(b), a.min(b)] });
        }
    }
    Ok(found)
}
