//! The one door to OpenCV in this stage: a first pose from points, features of pictures, lines and letters.

use image::GrayImage;
use nalgebra::{Matrix3, Vector3};
use opencv::core::{self, KeyPoint, Mat, Point2d, Point3d, Vector};
use opencv::prelude::*;
use opencv::{calib3d, features2d};

use super::CalibrationError;
use crate::geo::Lens;

/// Length of an ORB descriptor.
pub(super) const DESCRIPTOR_BYTES: usize = 32;
/// The most features of one picture.
const FEATURES: i32 = 1500;

impl From<opencv::Error> for CalibrationError {
    fn from(e: opencv::Error) -> Self {
        Self::Vision(e.message)
    }
}

/// Rotation (rows: right, down, forward) and centre of a camera.
type Perspective = (Matrix3<f64>, Vector3<f64>);

/// Pixel and descriptor of a feature.
type Orb = ([f32; 2], [u8; DESCRIPTOR_BYTES]);

/// The camera that sees the points so, without distortion.
/// Points are pixels and places. `None` where there is no such camera.
pub(super) fn perspective(
    points: &[([f64; 2], [f64; 3])],
    lens: &Lens,
) -> Result<Option<Perspective>, CalibrationError> {
    let places: Vector<Point3d> = points.iter().map(|p| Point3d::new(p.1[0], p.1[1], p.1[2])).collect();
    let pixels: Vector<Point2d> = points.iter().map(|p| Point2d::new(p.0[0], p.0[1])).collect();
    let (f, [cx, cy]) = (lens.focal_px, lens.center);
    let camera = Mat::from_slice_2d(&[[f, 0.0, cx], [0.0, f, cy], [0.0, 0.0, 1.0]])?;
    let (mut turn, mut shift) = (Mat::default(), Mat::default());
    // SQPnP: Terzakis and Lourakis, ECCV 2020; from three points on, flat or not. A set that it refuses is
    // none.
    let solved = calib3d::solve_pnp(
        &places,
        &pixels,
        &camera,
        &core::no_array(),
        &mut turn,
        &mut shift,
        false,
        calib3d::SOLVEPNP_SQPNP,
    );
    if !solved.unwrap_or(false) {
        return Ok(None);
    }
    let mut rotation = Mat::default();
    calib3d::rodrigues_def(&turn, &mut rotation)?;
    let number = |mat: &Mat, i: i32, j: i32| -> opencv::Result<f64> { Ok(*mat.at_2d::<f64>(i, j)?) };
    let mut r = Matrix3::zeros();
    for i in 0..3 {
        for j in 0..3 {
            r[(i, j)] = number(&rotation, i as i32, j as i32)?;
        }
    }
    let t = Vector3::new(number(&shift, 0, 0)?, number(&shift, 1, 0)?, number(&shift, 2, 0)?);
    let center = -r.tr_mul(&t);
    Ok((r.iter().chain(center.iter()).all(|v| v.is_finite())).then_some((r, center)))
}

/// ORB features, strongest first: pixel and descriptor.
///
/// # Errors
/// OpenCV's own.
pub(super) fn orb(picture: &GrayImage) -> Result<Vec<Orb>, CalibrationError> {
    let (rows, columns) = (side(picture.height())?, side(picture.width())?);
    let mat = Mat::new_rows_cols_with_data(rows, columns, picture.as_raw())?;
    let mut orb =
        features2d::ORB::create(FEATURES, 1.2, 8, 31, 0, 2, features2d::ORB_ScoreType::HARRIS_SCORE, 31, 12)?;
    let (mut points, mut descriptors) = (Vector::<KeyPoint>::new(), Mat::default());
    orb.detect_and_compute_def(&mat, &core::no_array(), &mut points, &mut descriptors)?;
    let mut found = Vec::with_capacity(points.len());
    for (i, point) in points.iter().enumerate() {
        let mut descriptor = [0; DESCRIPTOR_BYTES];
        descriptor.copy_from_slice(&descriptors.at_row::<u8>(i as i32)?[..DESCRIPTOR_BYTES]);
        // OpenCV counts from the middle of the first pixel, we from its corner.
        found.push(([point.pt().x + 0.5, point.pt().y + 0.5], descriptor));
    }
    Ok(found)
}

fn side(n: u32) -> Result<i32, CalibrationError> {
    i32::try_from(n).map_err(|e| CalibrationError::Vision(e.to_string()))
}
