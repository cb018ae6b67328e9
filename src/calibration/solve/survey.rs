//! What the solver starts from and what it finds.

use std::sync::Arc;

use super::adjust::Noise;
use crate::calibration::points::SurveyPoint;
use crate::geo::{Attitude, Dem, Geodetic, Lens, PARAMETERS};

/// What is known of the camera beforehand.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Place, and standard deviation of each coordinate in metres; 0 is exact.
    pub position: Option<(Geodetic, f64)>,
    /// Focal length and its standard deviation in pixels; 0 is exact.
    pub focal: Option<(f64, f64)>,
}

/// What the points are and what they are worth.
pub struct Survey<'a> {
    pub points: &'a [SurveyPoint],
    /// Width and height of the picture.
    pub size: [u32; 2],
    pub known: Known,
    /// Standard deviation of a measured pixel in each direction.
    pub pixel_sigma_px: f64,
    /// Standard deviation of each coordinate of a surveyed place, metres.
    pub survey_sigma_m: f64,
    /// For advice on where a point is missing.
    pub dem: Option<Arc<Dem>>,
}

/// How one point fits.
#[derive(Clone, Debug)]
pub(crate) struct Fit {
    pub used: bool,
    /// Measured minus reprojected, pixels; not finite where the place is not before the camera.
    pub off_px: [f64; 2],
    /// Across the line of sight, metres.
    pub off_m: f64,
    pub distance_m: f64,
    /// How far off the point is where the camera is solved without it, pixels.
    pub without_px: f64,
}

/// The camera.
#[derive(Clone, Debug)]
pub(crate) struct Solution {
    pub position: Geodetic,
    pub attitude: Attitude,
    pub lens: Lens,
    pub covariance: [[f64; PARAMETERS]; PARAMETERS],
    pub fits: Vec<Fit>,
    /// Points fit this many times worse than pixel and survey noise explain; 1 where they fit as expected.
    pub scale: f64,
    /// There were points enough, and far enough from the middle, to solve for distortion.
    pub distortion: bool,
}

impl Survey<'_> {
    pub(super) fn noise(&self) -> Noise {
        Noise { pixel_px: self.pixel_sigma_px, survey_m: self.survey_sigma_m }
    }
}
