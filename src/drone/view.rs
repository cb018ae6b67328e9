//! A pose as a camera that pixels are placed on the ground with, and how far off each part of it may be.

use std::sync::Arc;

use super::{LonLat, Pose, Sampled, Still, TakenSize};
use crate::config::DroneConfig;
use crate::geo::{Attitude, Dem, Geodetic, Ground, Lens, Locator, PoseSigma, View, ViewError};

/// Why a pose places nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoView {
    #[error(
        "no angle of view: give it from the camera's data sheet, with --fov-deg (locate, compare), `fov_deg` of a \
         `[[flight_area]]` or `drone.fov_deg` of a camera"
    )]
    NoLens,
    #[error(
        "it was cropped or turned: it is {}x{} pixels, and was taken with {:.0}x{:.0}. Take the file from the drone's \
         card, or give the angle of view of what is left with --fov-deg", size[0], size[1], taken[0], taken[1]
    )]
    Cropped { size: [u32; 2], taken: [f64; 2] },
    #[error(
        "no height above the ground: the telemetry has none above the place of take-off; give a terrain model (--dem, \
         `map.dem`) or the ground's altitude (--takeoff-alt-m, `takeoff_alt_m`), or switch the relative height on in the \
         drone's captions"
    )]
    NoHeight,
    #[error("the terrain model does not reach to the place of take-off, {lon:.5}, {lat:.5}")]
    OffTerrain { lon: f64, lat: f64 },
    #[error("{above_m:.0} m above the ground is no flight")]
    OnGround { above_m: f64 },
    #[error(transparent)]
    View(#[from] ViewError),
}

/// Width in millimetres of the picture that a focal length on 36 by 24 mm film is of, for the 4:3 sensors of
/// drones: the diagonal of both is the same.
const FILM_WIDTH_MM: f64 = 34.6;
/// Diagonal of 36 by 24 mm film.
const FILM_DIAGONAL_MM: f64 = 43.27;
/// A calibrated optical centre lies this near to the middle of the still, as a share of its width.
const CENTRE_SHARE: f64 = 0.04;
/// A calibrated focal length and one by film equivalent agree within this factor; a resized still's do not.
const FILM_AGREES: std::ops::RangeInclusive<f64> = 0.7..=1.4;
/// How far the angle of view may be off, as a share of the focal length: as written, and by film equivalent
/// (which is rounded, and video may be cropped).
const FOV_ERROR: f64 = 0.01;
const FILM_ERROR: f64 = 0.04;
/// Errors in degrees where the telemetry has no angle: the airframe's compass for the gimbal's, the course
/// for the compass, nothing at all.
const AIRFRAME_HEADING: f64 = 5.0;
const COURSE_HEADING: f64 = 15.0;
const ANY_HEADING: f64 = 52.0;
/// A camera that is said to look straight down, and one of which nothing is known: it may look up to 70
/// degrees away.
const NADIR_TILT: f64 = 3.0;
const ANY_TILT: f64 = 35.0;
const ROLL: f64 = 1.0;
/// An altitude above the sea comes from satellites, and the terrain's datum is seldom the same.
const ABSOLUTE_ALTITUDE_M: f64 = 10.0;
/// Below this above the ground nothing can be placed.
const LOWEST_M: f64 = 1.0;

/// The camera of this moment over this ground. `takeoff`: where the flight began, for heights above it.
///
/// # Errors
/// The telemetry says too little.
pub fn locator(
    seen: &Sampled,
    size: [u32; 2],
    config: &DroneConfig,
    takeoff: LonLat,
    dem: Option<&Arc<Dem>>,
) -> Result<Locator, NoView> {
    let pose = &seen.pose;
    let (lens, focal_error) = lens(pose, size, config).ok_or(NoView::NoLens)?;
    let (altitude, altitude_error, ground) = height(pose, config, takeoff, dem)?;
    let below = match &ground {
        Ground::Plane { alt } => Some(*alt),
        Ground::Dem(dem) => dem.height(pose.position.lon, pose.position.lat),
    };
    if let Some(above_m) = below.map(|b| altitude - b).filter(|a| *a < LOWEST_M) {
        return Err(NoView::OnGround { above_m });
    }
    let (attitude, [heading, tilt, roll]) = attitude(seen, config);
    let sigma = PoseSigma {
        horizontal_m: config.position_error_m.hypot(seen.position_sigma_m),
        vertical_m: altitude_error,
        heading_deg: heading,
        pitch_deg: tilt,
        roll_deg: roll,
        focal_px: lens.focal_px * focal_error,
    };
    let position = Geodetic::new(pose.position.lon, pose.position.lat, altitude);
    Ok(Locator::new(View::from_pose(size, lens, position, attitude, sigma)?, ground))
}

/// The camera of a still over this ground. Without a flight around it, the ground at the place of take-off is
/// taken to be as high as below the drone.
///
/// # Errors
/// The still says too little, or was cropped.
pub fn still_locator(
    still: &Still,
    size: [u32; 2],
    config: &DroneConfig,
    dem: Option<&Arc<Dem>>,
) -> Result<Locator, NoView> {
    let mut pose = still.pose;
    // As a table says; else by calibration, by film equivalent, by the sensor's width.
    if config.fov_deg.or(pose.fov.0).or(pose.fov.1).is_none() {
        let width = f64::from(size[0]);
        match still_focal(still, size)? {
            Some((focal, true)) => pose.fov.0 = Some(2.0 * (width / 2.0 / focal).atan().to_degrees()),
            Some((focal, false)) => pose.focal_35mm = Some(focal / width * FILM_WIDTH_MM),
            None => {}
        }
    }
    let seen = Sampled { pose, position_sigma_m: 0.0, speed: 0.0, course: None };
    locator(&seen, size, config, still.pose.home.unwrap_or(still.pose.position), dem)
}

/// Focal length in pixels of the still as it is now, and whether it was calibrated: copies that were made smaller keep
/// the metadata.
fn still_focal(still: &Still, size: [u32; 2]) -> Result<Option<(f64, bool)>, NoView> {
    let [width, height] = size.map(f64::from);
    let lens = &still.lens;
    let aspect = (width / height).clamp(4.0 / 3.0, 3.0 / 2.0);
    let film_width = FILM_DIAGONAL_MM * aspect / aspect.hypot(1.0);
    let film = still.pose.focal_35mm.map(|f| f / film_width * width);
    let fallback = film.or_else(|| lens.share.map(|share| share * width));
    let rough = |focal: Option<f64>| Ok(focal.map(|f| (f, false)));
    let Some(focal) = lens.focal_px else { return rough(fallback) };
    let same = |taken: &TakenSize| (width / taken.width - 1.0).abs() < CENTRE_SHARE;
    if let Some(taken) = lens.calibrated.or(lens.taken).filter(|taken| !same(taken)) {
        let cropped = |tall: &f64| ((width / height) / (taken.width / tall) - 1.0).abs() > 2.0 * CENTRE_SHARE;
        if let Some(tall) = taken.height.filter(cropped) {
            return Err(NoView::Cropped { size, taken: [taken.width, tall] });
        }
        return Ok(Some((focal * width / taken.width, true)));
    }
    // Without an optical centre, a program may have adjusted the size when it made the still smaller.
    let agrees = film.is_none_or(|film| FILM_AGREES.contains(&(focal / film)));
    if agrees || lens.calibrated.is_some() { Ok(Some((focal, true))) } else { rough(film) }
}

fn lens(pose: &Pose, size: [u32; 2], config: &DroneConfig) -> Option<(Lens, f64)> {
    let (width, height) = (f64::from(size[0]), f64::from(size[1]));
    let across = config.fov_deg.or(pose.fov.0).filter(|f| *f > 0.1 && *f < 175.0);
    if let Some(fov) = across {
        return Some((Lens::from_fov(fov, size), FOV_ERROR));
    }
    if let Some(fov) = pose.fov.1.filter(|f| *f > 0.1 && *f < 175.0) {
        let focal = height / 2.0 / (fov.to_radians() / 2.0).tan();
        return Some((Lens::new(focal, size), FOV_ERROR));
    }
    let film = pose.focal_35mm.filter(|f| *f > 1.0)?;
    Some((Lens::new(film / FILM_WIDTH_MM * width, size), FILM_ERROR))
}

/// The camera's altitude, its error, and the ground below it, all in one datum.
fn height(
    pose: &Pose,
    config: &DroneConfig,
    takeoff: LonLat,
    dem: Option<&Arc<Dem>>,
) -> Result<(f64, f64, Ground), NoView> {
    let terrain = |at: LonLat| dem.map(|dem| dem.height(at.lon, at.lat));
    let base = match (config.takeoff_alt_m, terrain(takeoff)) {
        (Some(alt), _) => Some(alt),
        (None, Some(height)) => {
            Some(height.ok_or(NoView::OffTerrain { lon: takeoff.lon, lat: takeoff.lat })?)
        }
        (None, None) => None,
    };
    let ground = |plane: f64| dem.map_or(Ground::Plane { alt: plane }, |dem| Ground::Dem(Arc::clone(dem)));
    if let Some(above) = pose.alt_rel {
        // Without any altitude of the ground, that of the take-off is 0 and so is the map's.
        let base = base.unwrap_or(0.0);
        return Ok((base + above, config.altitude_error_m, ground(base)));
    }
    let absolute_error = config.altitude_error_m.max(ABSOLUTE_ALTITUDE_M);
    match (pose.alt_abs, base, pose.centre_alt) {
        // What the drone holds for the ground in its picture is in its own datum: their difference is well
        // known.
        (Some(altitude), _, Some(centre)) if dem.is_none() => {
            Ok((altitude, config.altitude_error_m, Ground::Plane { alt: centre }))
        }
        (Some(altitude), Some(base), _) => Ok((altitude, absolute_error, ground(base))),
        _ => Err(NoView::NoHeight),
    }
}

/// Where the camera looks, and the errors of heading, pitch and roll in degrees.
fn attitude(seen: &Sampled, config: &DroneConfig) -> (Attitude, [f64; 3]) {
    let (gimbal, platform) = (&seen.pose.gimbal, &seen.pose.platform);
    let (heading_deg, heading) = if let Some(heading) = gimbal.heading {
        (heading, config.heading_error_deg)
    } else if let Some(heading) = platform.heading {
        (heading, config.heading_error_deg.max(AIRFRAME_HEADING))
    } else if let Some(course) = seen.course {
        (course, COURSE_HEADING)
    } else {
        (0.0, ANY_HEADING)
    };
    let (pitch_deg, tilt) = match gimbal.pitch {
        Some(pitch) => (pitch, config.gimbal_error_deg),
        None if config.assume_nadir => (-90.0, NADIR_TILT),
        None => (-90.0, ANY_TILT),
    };
    let (roll_deg, roll) = match (gimbal.roll, gimbal.pitch) {
        (Some(roll), _) => (roll, config.gimbal_error_deg),
        // A gimbal that reports its pitch keeps the horizon level.
        (None, Some(_)) => (0.0, ROLL),
        // Straight down, a tilt to the side is as likely as one ahead.
        (None, None) => (0.0, tilt),
    };
    (Attitude { heading_deg, pitch_deg, roll_deg }, [heading, tilt, roll])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drone::{Angles, StillLens};

    const SIZE: [u32; 2] = [1920, 1080];
    const HERE: LonLat = LonLat { lon: 120.1614, lat: 30.2931 };

    fn config() -> DroneConfig {
        DroneConfig { fov_deg: Some(73.7), ..DroneConfig::default() }
    }

    fn seen(gimbal: Angles) -> Sampled {
        let pose = Pose { alt_rel: Some(80.0), gimbal, ..Pose::at(HERE) };
        Sampled { pose, position_sigma_m: 0.0, speed: 0.0, course: None }
    }

    fn fix(seen: &Sampled, config: &DroneConfig, pixel: [f64; 2]) -> crate::geo::Fix {
        let locator = locator(seen, SIZE, config, HERE, None).expect("a view");
        locator.locate(pixel, 2.0).expect("ground")
    }

    #[test]
    fn an_oblique_view_sees_ahead_and_says_how_well() {
        let east = Angles { heading: Some(90.0), pitch: Some(-45.0), roll: Some(0.0) };
        let fix = fix(&seen(east), &config(), [960.0, 540.0]);
        let metres = (fix.position.lon - HERE.lon) * 111_320.0 * HERE.lat.to_radians().cos();
        assert!((metres - 80.0).abs() < 0.5, "{metres}");
        assert!((fix.position.lat - HERE.lat).abs() < 1e-6);
        assert_eq!(fix.method, crate::geo::Method::TelemetryPlane);
        assert!(fix.accuracy.semi_major_m > 6.0 && fix.accuracy.semi_major_m < 20.0, "{:?}", fix.accuracy);
    }

    #[test]
    fn what_the_telemetry_does_not_say_makes_the_error_larger() {
        let known = Angles { heading: Some(0.0), pitch: Some(-90.0), roll: Some(0.0) };
        let corner = [1800.0, 1000.0];
        let error = |gimbal, config: &DroneConfig| fix(&seen(gimbal), config, corner).accuracy.semi_major_m;
        let nadir = DroneConfig { assume_nadir: true, ..config() };
        let (reported, assumed, unknown) =
            (error(known, &config()), error(Angles::default(), &nadir), error(Angles::default(), &config()));
        assert!(reported < assumed && assumed < unknown, "{reported} {assumed} {unknown}");
        assert!(unknown > 80.0, "a camera that may look anywhere sees a circle as wide as it is high");
    }

    #[test]
    fn what_is_missing_is_named_with_the_key_that_helps() {
        let said = |seen: &Sampled, config: &DroneConfig| {
            locator(seen, SIZE, config, HERE, None).expect_err("refused").to_string()
        };
        let blind = DroneConfig { fov_deg: None, ..config() };
        assert!(said(&seen(Angles::default()), &blind).contains("drone.fov_deg"));
        let mut high = seen(Angles::default());
        high.pose.alt_rel = None;
        assert!(said(&high, &config()).contains("takeoff_alt_m"));
        let mut landed = seen(Angles::default());
        landed.pose.alt_rel = Some(0.2);
        assert!(said(&landed, &config()).contains("no flight"));
        let mut film = seen(Angles::default());
        film.pose.focal_35mm = Some(24.0);
        let lens = *locator(&film, SIZE, &blind, HERE, None).expect("a view").view().lens();
        assert!((lens.fov_deg(SIZE) - 71.6).abs() < 0.2, "{}", lens.fov_deg(SIZE));
    }

    fn size(width: f64, height: f64) -> Option<TakenSize> {
        Some(TakenSize { width, height: Some(height) })
    }

    fn still(lens: StillLens, film: Option<f64>) -> Still {
        let pose = Pose { alt_rel: Some(80.0), focal_35mm: film, ..Pose::at(HERE) };
        Still { pose, lens }
    }

    fn focal(still: &Still, size: [u32; 2], config: &DroneConfig) -> Result<f64, NoView> {
        still_locator(still, size, config, None).map(|locator| locator.view().lens().focal_px)
    }

    #[test]
    fn a_stills_lens_is_that_of_its_size() {
        let plain = DroneConfig::default();
        let calibrated =
            StillLens { focal_px: Some(3666.67), calibrated: size(5472.0, 3648.0), ..StillLens::default() };
        let taken =
            StillLens { focal_px: Some(3666.67), taken: size(5472.0, 3648.0), ..StillLens::default() };
        let check = |lens: StillLens, film, size: [u32; 2], expected: f64| {
            let found = focal(&still(lens, film), size, &plain).expect("a lens");
            assert!((found / expected - 1.0).abs() < 0.03, "{lens:?} {film:?} {size:?}: {found}");
        };
        check(calibrated, Some(24.0), [5472, 3648], 3666.67);
        check(calibrated, None, [1368, 912], 916.67);
        check(taken, None, [1368, 912], 916.67);
        let wide = StillLens { calibrated: Some(TakenSize { width: 5472.0, height: None }), ..calibrated };
        check(wide, None, [400, 300], 268.03);
        // A centre that is off the middle by a few pixels is no other size; a photo of 16:9 is cut by the camera.
        check(StillLens { calibrated: size(5400.0, 3600.0), ..calibrated }, None, [5472, 3648], 3666.67);
        check(calibrated, None, [5472, 3078], 3666.67);
        // The size in the EXIF was adjusted, or there is none: the film equivalent shows it.
        check(StillLens { taken: size(1368.0, 912.0), ..taken }, Some(24.0), [1368, 912], 912.0);
        check(StillLens { taken: None, ..taken }, Some(24.0), [1368, 912], 912.0);
        // Without calibration.
        check(StillLens::default(), Some(24.0), [4000, 3000], 2774.0);
        check(StillLens { share: Some(8.8 / 13.2), ..StillLens::default() }, None, [5472, 3648], 3648.0);
    }

    #[test]
    fn a_still_without_its_lens_is_refused_with_what_to_do() {
        let plain = DroneConfig::default();
        let lens =
            StillLens { focal_px: Some(3666.67), calibrated: size(5472.0, 3648.0), ..StillLens::default() };
        let cropped = focal(&still(lens, None), [2000, 1000], &plain).expect_err("cropped").to_string();
        assert!(cropped.contains("5472x3648") && cropped.contains("--fov-deg"), "{cropped}");
        let none =
            focal(&still(StillLens::default(), None), [4000, 3000], &plain).expect_err("no lens").to_string();
        assert!(none.contains("--fov-deg") && none.contains("[[flight_area]]"), "{none}");
        let given = focal(&still(StillLens::default(), None), [4000, 3000], &config()).expect("as given");
        assert!((given - 2667.0).abs() < 5.0, "{given}");
    }
}
