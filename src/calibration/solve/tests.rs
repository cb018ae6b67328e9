use super::super::file::Calibration;
use super::*;
use crate::geo::{Lens, PoseSigma, View};

/// A hill country of formulas: no file needed.
fn height(east: f64, north: f64) -> f64 {
    100.0 + 25.0 * (east / 180.0).sin() * (north / 230.0).cos() + 0.03 * north
}

const SIZE: [u32; 2] = [1920, 1080];
const HOME: (f64, f64) = (120.62, 29.71);

struct Truth {
    view: View,
    points: Vec<SurveyPoint>,
}

/// Points at given places of the picture; pixel noise of a normal distribution drawn by a fixed generator.
fn truth(roll_deg: f64, lens: Lens, pixels: &[[f64; 2]], noise_px: f64) -> Truth {
    let ground = LocalFrame::new(Geodetic::new(HOME.0, HOME.1, 0.0));
    let place = ground.to_geodetic([0.0, 0.0, height(0.0, 0.0) + 40.0]);
    let attitude = Attitude { heading_deg: 33.0, pitch_deg: -9.0, roll_deg };
    let view = View::from_pose(SIZE, lens, place, attitude, PoseSigma::default()).expect("a pose");
    let mut state = 7_u64;
    let mut normal = || {
        let mut sum = -6.0;
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 11) as f64 / (1_u64 << 53) as f64;
        }
        sum
    };
    let points = pixels
        .iter()
        .enumerate()
        .filter_map(|(i, pixel)| {
            let ray = view.ray(*pixel);
            let hit = (0..40_000).map(|i| f64::from(i) * 0.1).find(|t| {
                let p = view.frame().to_geodetic(ray.direction.map(|v| v * t));
                let [east, north, _] = ground.to_enu(p);
                p.alt <= height(east, north)
            })?;
            Some(SurveyPoint {
                name: format!("P{}", i + 1),
                pixel: [pixel[0] + noise_px * normal(), pixel[1] + noise_px * normal()],
                place: view.frame().to_geodetic(ray.direction.map(|v| v * hit)),
            })
        })
        .collect();
    Truth { view, points }
}

fn spread() -> Vec<[f64; 2]> {
    let mut pixels = Vec::new();
    for (y, xs) in [(300.0, 3), (420.0, 4), (620.0, 4), (980.0, 3)] {
        for i in 0..xs {
            pixels.push([120.0 + 1680.0 * f64::from(i) / f64::from(xs - 1), y + 25.0 * f64::from(i % 2)]);
        }
    }
    pixels
}

fn survey(points: &[SurveyPoint]) -> Survey<'_> {
    Survey {
        points,
        size: SIZE,
        known: Known::default(),
        pixel_sigma_px: 1.0,
        survey_sigma_m: 0.1,
        dem: None,
    }
}

fn lens() -> Lens {
    Lens { k1: -0.08, ..Lens::new(1500.0, SIZE) }
}

fn calibrate(points: &[SurveyPoint]) -> Result<Calibration, CalibrationError> {
    Calibration::solve("hill", "2026-05-01", &survey(points))
}

#[test]
fn a_camera_is_found_again_within_its_own_error() {
    let truth = truth(1.5, lens(), &spread(), 1.0);
    assert!(truth.points.len() >= 12, "{} points", truth.points.len());
    let found = calibrate(&truth.points).expect("solved");
    let view = found.view();
    let off = view.position().offset_from(&truth.view.position());
    for i in 0..3 {
        let sigma = view.covariance()[(i, i)].sqrt();
        assert!(off[i].abs() < 4.0 * sigma && sigma < 2.0, "{off:?}, sigma {sigma}");
    }
    assert!((view.attitude().heading_deg - 33.0).abs() < 0.2, "{:?}", view.attitude());
    assert!((view.lens().focal_px - 1500.0).abs() < 4.0 * view.covariance()[(6, 6)].sqrt());
    assert!(found.fit.left_out.is_empty() && found.fit.distortion_solved && found.fit.rms_px < 2.0);
    assert!(found.fit.leave_one_out_rms_px >= found.fit.rms_px);
}

#[test]
fn each_wrong_point_is_named_and_has_no_say() {
    let clean = truth(0.0, lens(), &spread(), 1.0);
    for (wrong, metres) in [(0, 60.0), (5, 20.0), (9, 20.0)] {
        let mut points = clean.points.clone();
        let frame = LocalFrame::new(points[wrong].place);
        points[wrong].place = frame.to_geodetic([metres, 0.0, 0.0]);
        let found = calibrate(&points).expect("solved");
        assert_eq!(found.fit.left_out, [points[wrong].name.clone()], "moved by {metres} m");
        assert!(found.view().position().distance_m(&clean.view.position()) < 3.0);
    }
    let mut points = clean.points.clone();
    let (a, b) = (points[2].place, points[8].place);
    (points[2].place, points[8].place) = (b, a);
    let found = calibrate(&points).expect("solved");
    assert_eq!(found.fit.left_out, [points[2].name.clone(), points[8].name.clone()], "mixed up");
}

#[test]
fn a_camera_upside_down_is_a_camera() {
    let truth = truth(180.0, lens(), &spread(), 0.5);
    // Upside down, the ground is in the upper part of the picture.
    let upper: Vec<[f64; 2]> = spread().into_iter().map(|[x, y]| [x, 1080.0 - y]).collect();
    let truth = Truth { points: self::truth(180.0, lens(), &upper, 0.5).points, ..truth };
    let found = calibrate(&truth.points).expect("solved");
    assert!((found.view().attitude().roll_deg.abs() - 180.0).abs() < 0.5, "{:?}", found.view().attitude());
    assert!(found.view().position().distance_m(&truth.view.position()) < 3.0);
}

#[test]
fn what_is_known_is_kept() {
    let truth = truth(0.0, lens(), &spread(), 1.0);
    let known = Known { position: Some((truth.view.position(), 0.0)), focal: Some((1500.0, 0.0)) };
    let survey = Survey { known, ..survey(&truth.points[..4]) };
    let found = Calibration::solve("hill", "2026-05-01", &survey).expect("four points are enough then");
    assert!(found.view().position().distance_m(&truth.view.position()) < 0.01);
    assert!((found.view().lens().focal_px - 1500.0).abs() < 5.0);
}

fn refused(pixels: &[[f64; 2]]) -> String {
    let truth = truth(0.0, Lens::new(1500.0, SIZE), pixels, 1.0);
    calibrate(&truth.points).map(|c| format!("{:?}", c.fit)).expect_err("refused").to_string()
}

#[test]
fn points_that_do_not_determine_a_camera_are_refused_with_advice() {
    let few = refused(&spread()[..5]);
    assert!(few.contains("5 points are too few, 6 are needed"), "{few}");
    let line: Vec<[f64; 2]> =
        (0..9).map(|i| [200.0 + 170.0 * f64::from(i), 500.0 + 20.0 * f64::from(i)]).collect();
    let line = refused(&line);
    assert!(line.contains("along one line") && line.contains("near pixel"), "{line}");
    let together: Vec<[f64; 2]> =
        (0..9).map(|i| [900.0 + 25.0 * f64::from(i % 3), 500.0 + 8.0 * f64::from(i / 3)]).collect();
    let together = refused(&together);
    assert!(together.contains("about one distance") && together.contains("Add a point"), "{together}");
}

#[test]
fn points_that_contradict_each_other_are_refused() {
    let mut points = truth(0.0, lens(), &spread(), 1.0).points;
    let places: Vec<Geodetic> = points.iter().map(|p| p.place).collect();
    let n = points.len();
    for (i, point) in points.iter_mut().enumerate() {
        point.place = places[(i * 5 + 3) % n];
    }
    let error = calibrate(&points).expect_err("refused").to_string();
    assert!(error.contains("contradict each other") && error.contains("px off"), "{error}");
}
