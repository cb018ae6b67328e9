//! What can be wrong with a calibration, in words for who stands on the roof.

use std::path::PathBuf;

use crate::geo::ViewError;

#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    #[error(
        "{count} points are too few, {needed} are needed: survey {} more, spread over the picture from near to far",
        needed - count
    )]
    TooFew { count: usize, needed: usize },
    #[error(
        "all points lie along one line of the picture, so the camera could be anywhere around it. Add a point to the side of \
         it, for example {part} of the picture near pixel {x:.0}, {y:.0}"
    )]
    Line { part: &'static str, x: f64, y: f64 },
    #[error("the points do not determine the camera: {what}, because {why}. {advice}")]
    Weak { what: String, why: String, advice: String },
    #[error(
        "the points contradict each other, no camera fits most of them. Worst: {points}. Check that pixels and places were not \
         mixed up between points, that y counts downwards from the picture's upper edge, that longitude comes before \
         latitude, and that all altitudes are in one datum"
    )]
    Disagree { points: String },
    #[error("no camera pose fits the points: check that pixels and places belong together")]
    NoPose,
    #[error(transparent)]
    View(#[from] ViewError),
    #[error("OpenCV: {0}")]
    Vision(String),
    #[error(transparent)]
    Draw(#[from] crate::draw::DrawError),
    #[error("calibration {}: {problem}", path.display())]
    File { path: PathBuf, problem: String },
}

impl CalibrationError {
    pub(crate) fn file(path: &std::path::Path, problem: impl ToString) -> Self {
        Self::File { path: path.to_path_buf(), problem: problem.to_string() }
    }
}
