//! Why two pictures cannot be compared.

use super::vision::VisionError;
use crate::detect::DetectError;

#[derive(Debug, thiserror::Error)]
pub enum NotComparable {
    #[error("{name}: {why}")]
    Unreadable { name: String, why: String },
    #[error(
        "the pictures cannot be laid over each other: only {features} of {matches} matching points agree. They show different \
         ground, or one of them shows too little"
    )]
    NoRegistration { features: usize, matches: usize },
    #[error(
        "after registration the pictures are still {0:.1} pixels apart: the height of the ground differs too much between the views"
    )]
    TooFarOff(f64),
    #[error(
        "they are said to be aligned, but one has {} x {} pixels and the other {} x {}: leave --aligned out, or \
         bring them to one size",
        .0[0], .0[1], .1[0], .1[1]
    )]
    OtherSize([u32; 2], [u32; 2]),
    #[error("they have less than a tenth of the picture in common")]
    NoOverlap,
    #[error("the detector fails")]
    Detector(#[from] DetectError),
    #[error(transparent)]
    Vision(#[from] VisionError),
}
