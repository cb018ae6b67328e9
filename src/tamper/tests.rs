use std::time::Duration;

use image::{GrayImage, RgbImage, imageops};

use super::*;
use crate::base::{CameraId, Capture, FrameSeq, TimeSource, WallTime};
use crate::calibration::Features;
use crate::decode::{FrameStats, Picture, Pixels};

const START: WallTime = WallTime(1_795_321_800_000_000);

/// A picture of a real street.
fn street(name: &str) -> RgbImage {
    let path = format!("{}/testdata/frames/{name}.jpg", env!("CARGO_MANIFEST_DIR"));
    image::open(path).expect("a frame").to_rgb8()
}

fn picture(image: &RgbImage, second: u64) -> Picture {
    let at = START + Duration::from_secs(second);
    Picture {
        camera: CameraId::new("gate"),
        seq: FrameSeq(second),
        stream: 0,
        capture: Capture { at, source: TimeSource::Footage, offset_ms: None, clock: None },
        width: image.width(),
        height: image.height(),
        series: None,
        pixels: Pixels::Rgb(image.as_raw().clone().into()),
    }
}

fn gray(image: &RgbImage) -> GrayImage {
    image::DynamicImage::ImageRgb8(image.clone()).to_luma8()
}

/// The picture of a camera that turned: shifted by so many pixels, and turned about the middle by so many
/// degrees.
fn moved(image: &RgbImage, shift: [f64; 2], turn_deg: f64) -> RgbImage {
    let (width, height) = image.dimensions();
    let (sin, cos) = turn_deg.to_radians().sin_cos();
    let (cx, cy) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
    RgbImage::from_fn(width, height, |x, y| {
        let (dx, dy) = (f64::from(x) - cx - shift[0], f64::from(y) - cy - shift[1]);
        let (sx, sy) = (cos * dx + sin * dy + cx, -sin * dx + cos * dy + cy);
        imageops::interpolate_bilinear(image, sx as f32, sy as f32).unwrap_or(image::Rgb([90, 90, 90]))
    })
}

fn even(value: u8) -> RgbImage {
    RgbImage::from_pixel(768, 576, image::Rgb([value; 3]))
}

/// The findings in pictures that come every four seconds, each with its second.
fn found(watch: &mut TamperDetector, films: &[(&RgbImage, u64)]) -> Vec<(u64, Finding)> {
    found_every(4, watch, films)
}

fn found_every(pause: u64, watch: &mut TamperDetector, films: &[(&RgbImage, u64)]) -> Vec<(u64, Finding)> {
    let (mut second, mut found) = (0, Vec::new());
    for (image, seconds) in films {
        let end = second + seconds;
        while second < end {
            let picture = picture(image, second);
            found.extend(watch.inspect(&picture, &FrameStats::of(&picture)).map(|f| (second, f)));
            second += pause;
        }
    }
    found
}

fn calibrated() -> TamperDetector {
    let features = Features::of(&gray(&street("street_000"))).expect("features");
    TamperDetector::new(Some(Reference { features }))
}

#[test]
fn a_shift_and_a_turn_are_measured_on_a_real_picture() {
    let (image, later) = (street("street_000"), street("street_600"));
    let reference = Features::of(&gray(&image)).expect("features");
    for (shift, turn) in [([0.0, 0.0], 0.0), ([6.0, -3.0], 0.0), ([-20.0, 12.0], 0.8), ([120.0, 40.0], 4.0)] {
        // A later minute of the street, with people and vehicles elsewhere.
        let now = Features::of(&gray(&moved(&later, shift, turn))).expect("features");
        let found = compare(&reference, &now).expect("they are of one street");
        assert!((found.turn_deg - turn).abs() < 0.15, "{found:?} for {shift:?}, {turn}");
        let off = (found.shift[0] - shift[0]).hypot(found.shift[1] - shift[1]);
        assert!(off < 1.5, "{found:?} for {shift:?}, {turn}");
    }
    let other = Features::of(&gray(&even(120))).expect("features");
    assert_eq!(compare(&reference, &other), None);
}

#[test]
fn a_bag_over_the_lens_is_reported_once_and_so_is_its_end() {
    let (day, bag) = (street("street_000"), even(70));
    let blurred = imageops::blur(&day, 30.0);
    for cover in [&bag, &blurred] {
        let findings = found(&mut TamperDetector::new(None), &[(&day, 400), (cover, 200), (&day, 200)]);
        let [(covered, Finding::Covered), (well, Finding::Well)] = findings[..] else {
            panic!("{findings:?}")
        };
        assert!((420..=424).contains(&covered) && (620..=624).contains(&well), "{findings:?}");
    }
}

#[test]
fn a_light_that_blinds_is_reported() {
    let findings = found(&mut TamperDetector::new(None), &[(&street("street_000"), 100), (&even(255), 100)]);
    assert!(matches!(findings[..], [(120..=124, Finding::Blinded)]), "{findings:?}");
}

#[test]
fn a_lorry_and_the_night_are_not_reported() {
    let day = street("street_000");
    let lorry = found(&mut calibrated(), &[(&day, 100), (&even(130), 12), (&day, 300)]);
    assert_eq!(lorry, []);
    // An hour of dusk, then a dark night, then dawn.
    let shades: Vec<RgbImage> = (0..=30)
        .map(|i| {
            let left = 1.0 - i as f32 / 30.0;
            let dim = |v: u8| (f32::from(v) * left * left + 6.0 * (1.0 - left)) as u8;
            RgbImage::from_fn(day.width(), day.height(), |x, y| image::Rgb(day.get_pixel(x, y).0.map(dim)))
        })
        .collect();
    let dusk = shades.iter().map(|image| (image, 120));
    let dawn = shades.iter().rev().map(|image| (image, 120));
    let films: Vec<(&RgbImage, u64)> = dusk.chain([(&shades[30], 3600)]).chain(dawn).collect();
    let findings = found_every(30, &mut calibrated(), &films);
    assert_eq!(findings, []);
}

#[test]
fn a_nudge_is_measured_and_a_push_is_reported() {
    let day = street("street_000");
    let (nudged, pushed) = (moved(&day, [9.0, -4.0], 0.4), moved(&day, [150.0, 30.0], 3.0));
    let findings = found(&mut calibrated(), &[(&day, 320), (&nudged, 700), (&pushed, 700), (&day, 700)]);
    let [(_, Finding::Nudged(nudge)), (_, Finding::Moved(Some(push))), (_, Finding::Well)] = findings[..]
    else {
        panic!("{findings:?}")
    };
    assert!((nudge.pixels() - 97f64.sqrt()).abs() < 1.0, "{nudge:?}");
    assert!((push.pixels() - 153.0).abs() < 3.0, "{push:?}");
}

#[test]
fn a_camera_that_looks_elsewhere_is_moved() {
    let day = street("street_000");
    let elsewhere = imageops::rotate180(&imageops::flip_horizontal(&day));
    let findings = found(&mut calibrated(), &[(&day, 320), (&elsewhere, 900)]);
    assert!(matches!(findings[..], [(_, Finding::Moved(None))]), "{findings:?}");
}

#[test]
fn a_view_that_is_turned_by_what_was_measured_shows_places_where_the_picture_does() {
    use crate::geo::{Attitude, Geodetic, Lens, PoseSigma, View};
    let lens = Lens::new(1000.0, [768, 576]);
    let position = Geodetic::new(120.1, 30.2, 40.0);
    let attitude = Attitude { heading_deg: 40.0, pitch_deg: -12.0, roll_deg: 0.0 };
    let sigma = PoseSigma {
        horizontal_m: 0.1,
        vertical_m: 0.1,
        heading_deg: 0.1,
        pitch_deg: 0.1,
        roll_deg: 0.1,
        focal_px: 1.0,
    };
    let view = View::from_pose([768, 576], lens, position, attitude, sigma).expect("a view");
    let movement = Movement { shift: [9.0, -4.0], turn_deg: 0.4, scale: 1.0, agreeing: 100 };
    let turned = view.turned(movement.angles_deg(&view));
    for place in [[120.1011, 30.2012], [120.1009, 30.2014], [120.1016, 30.2019]] {
        let place = Geodetic::new(place[0], place[1], 0.0);
        let (before, after) = (view.project(place).expect("ahead"), turned.project(place).expect("ahead"));
        let (x, y) = (before[0] - 384.0, before[1] - 288.0);
        let (sin, cos) = movement.turn_deg.to_radians().sin_cos();
        let expected = [cos * x - sin * y + 384.0 + 9.0, sin * x + cos * y + 288.0 - 4.0];
        let off = (after[0] - expected[0]).hypot(after[1] - expected[1]);
        // Turning the camera shifts the sides of the picture a little further than its middle.
        assert!(off < 0.5, "{after:?} instead of {expected:?}");
    }
}
