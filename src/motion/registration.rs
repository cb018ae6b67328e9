//! Registration of consecutive pictures. ORB features (Rublee et al. 2011) of small grey pictures are matched
//! both ways. RANSAC then finds the homography that most matches agree on. The ground outvotes moving
//! objects.
//!
//! The only file here that uses OpenCV. Takes about 15 ms a picture on one core of a small board.

use opencv::core::{DMatch, KeyPoint, Mat, NORM_HAMMING, Point2f, Ptr, Size, Vector, no_array};
use opencv::features2d::{BFMatcher, ORB, ORB_ScoreType};
use opencv::prelude::*;
use opencv::{calib3d, imgproc};

use super::Motion;
use crate::decode::{Picture, Pixels};

/// Longer side of the grey pictures, pixels.
const SIDE: i32 = 640;
const FEATURES: i32 = 1_000;
/// Largest error of an agreeing feature, in pixels of the small picture.
const AGREES: f64 = 2.5;
/// Fewer agreeing features than this, or a smaller share of all matches, are chance.
const LEAST: (usize, f64) = (15, 0.2);
/// Largest plausible change of scale between two pictures, as a ratio of areas.
const GROWTH: f64 = 6.0;

#[derive(Debug, thiserror::Error)]
#[error("pictures cannot be registered; install libopencv-features2d-dev and libopencv-calib3d-dev")]
pub struct MotionError(#[from] opencv::Error);

/// Registers the pictures of one camera. Use one per camera.
pub struct Registrar {
    orb: Ptr<ORB>,
    matcher: Ptr<BFMatcher>,
    last: Option<Features>,
}

struct Features {
    points: Vector<KeyPoint>,
    descriptors: Mat,
    size: (f64, f64),
}

impl Registrar {
    /// # Errors
    /// OpenCV cannot create the detector or the matcher.
    pub fn new() -> Result<Self, MotionError> {
        let orb = ORB::create(FEATURES, 1.2, 8, 31, 0, 2, ORB_ScoreType::HARRIS_SCORE, 31, 12)?;
        // Cross-check: keeps a match only if each feature is the other's best.
        let matcher = BFMatcher::create(NORM_HAMMING, true)?;
        Ok(Self { orb, matcher, last: None })
    }

    /// The motion since the previous picture. `None` for the first one, or if the two have too little in
    /// common.
    ///
    /// # Errors
    /// OpenCV fails. The next picture then counts as the first one.
    pub fn register(&mut self, picture: &Picture) -> Result<Option<Motion>, MotionError> {
        let before = self.last.take();
        let now = self.features(picture)?;
        let motion = match &before {
            Some(before) => self.motion(before, &now)?,
            None => None,
        };
        self.last = Some(now);
        Ok(motion)
    }

    fn features(&mut self, picture: &Picture) -> Result<Features, MotionError> {
        let grey = small_grey(picture)?;
        let (mut points, mut descriptors) = (Vector::new(), Mat::default());
        self.orb.detect_and_compute(&grey, &no_array(), &mut points, &mut descriptors, false)?;
        Ok(Features { points, descriptors, size: (f64::from(grey.cols()), f64::from(grey.rows())) })
    }

    fn motion(&self, before: &Features, now: &Features) -> Result<Option<Motion>, MotionError> {
        if before.points.len() < LEAST.0 || now.points.len() < LEAST.0 {
            return Ok(None);
        }
        let mut matches: Vector<DMatch> = Vector::new();
        self.matcher.train_match(&before.descriptors, &now.descriptors, &mut matches, &no_array())?;
        let (mut from, mut to): (Vector<Point2f>, Vector<Point2f>) = (Vector::new(), Vector::new());
        for m in &matches {
            from.push(before.points.get(m.query_idx as usize)?.pt());
            to.push(now.points.get(m.train_idx as usize)?.pt());
        }
        if from.len() < LEAST.0 {
            return Ok(None);
        }
        let mut agree = Mat::default();
        let h = calib3d::find_homography(&from, &to, &mut agree, calib3d::RANSAC, AGREES)?;
        let agreeing = opencv::core::count_non_zero(&agree)? as usize;
        if h.rows() != 3 || agreeing < LEAST.0.max((LEAST.1 * from.len() as f64) as usize) {
            return Ok(None);
        }
        let mut rows = [[0.0; 3]; 3];
        for (i, row) in rows.iter_mut().enumerate() {
            for (j, value) in row.iter_mut().enumerate() {
                *value = *h.at_2d::<f64>(i as i32, j as i32)?;
            }
        }
        // From pixels of the small pictures to normalised coordinates.
        let ((w0, h0), (w1, h1)) = (before.size, now.size);
        let scaled = std::array::from_fn(|i| {
            std::array::from_fn(|j| rows[i][j] * [w0, h0, 1.0][j] / [w1, h1, 1.0][i])
        });
        Ok(Motion::new(scaled).filter(plausible))
    }
}

/// A flying camera does not change its scale six-fold between two pictures.
fn plausible(motion: &Motion) -> bool {
    [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]].iter().all(|corner| {
        motion.steps_at(*corner).is_some_and(|[[a, b], [c, d]]| {
            let growth = a * d - b * c;
            growth > 1.0 / GROWTH && growth < GROWTH
        })
    })
}

/// Uses the decoder's luma plane where there is one, without conversion.
fn small_grey(picture: &Picture) -> Result<Mat, MotionError> {
    let (width, height) = (picture.width as i32, picture.height as i32);
    let scale = (f64::from(SIDE) / f64::from(width.max(height))).min(1.0);
    let size = Size::new((f64::from(width) * scale) as i32, (f64::from(height) * scale) as i32);
    let mut small = Mat::default();
    match &picture.pixels {
        Pixels::Yuv(yuv) => {
            let columns = picture.width as usize;
            let luma: Vec<u8> =
                (0..picture.height as usize).flat_map(|row| &yuv.luma_row(row)[..columns]).copied().collect();
            let whole = Mat::from_slice(&luma)?;
            imgproc::resize(&whole.reshape(1, height)?, &mut small, size, 0.0, 0.0, imgproc::INTER_AREA)?;
            Ok(small)
        }
        Pixels::Rgb(rgb) => {
            let whole = Mat::from_slice(rgb)?;
            imgproc::resize(&whole.reshape(3, height)?, &mut small, size, 0.0, 0.0, imgproc::INTER_AREA)?;
            let mut grey = Mat::default();
            imgproc::cvt_color_def(&small, &mut grey, imgproc::COLOR_RGB2GRAY)?;
            Ok(grey)
        }
    }
}
