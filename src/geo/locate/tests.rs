use proptest::prelude::*;

use super::super::accuracy::CHI2_95;
use super::super::dem::{DemGrid, GridCrs};
use super::super::lens::Lens;
use super::super::projection::TransverseMercator;
use super::super::view::{Attitude, PoseSigma};
use super::*;

const SIZE: [u32; 2] = [1920, 1080];
const HOME: [f64; 2] = [120.6, 29.7];

/// Rolling country: 200 x 200 heights 20 m apart in UTM, `height` of metres east and north of the middle.
fn dem(height: impl Fn(f64, f64) -> f64) -> Arc<Dem> {
    let crs = TransverseMercator::utm(51, true);
    let middle = crs.forward(HOME[0], HOME[1]);
    let n = 200;
    let at = |i: usize| (i as f64 - (n - 1) as f64 / 2.0) * 20.0;
    let heights = (0..n * n).map(|i| height(at(i % n), -at(i / n)) as f32).collect();
    let origin = [middle[0] + at(0), middle[1] - at(0)];
    let grid =
        DemGrid { columns: n, rows: n, heights, origin, step: [20.0, -20.0], crs: GridCrs::Projected(crs) };
    Arc::new(Dem::new(grid).expect("a grid"))
}

fn hills() -> Arc<Dem> {
    dem(|e, n| 30.0 * (e / 300.0).sin() * (n / 250.0).cos() + 0.02 * n)
}

fn view(alt: f64, heading_deg: f64, pitch_deg: f64) -> View {
    let attitude = Attitude { heading_deg, pitch_deg, roll_deg: 0.0 };
    let at = Geodetic::new(HOME[0], HOME[1], alt);
    View::from_pose(SIZE, Lens::new(1500.0, SIZE), at, attitude, PoseSigma::default()).expect("a pose")
}

#[test]
fn level_ground_is_met_where_geometry_says() {
    let locator = Locator::new(view(100.0, 90.0, -45.0), Ground::Plane { alt: 0.0 });
    let fix = locator.locate([960.0, 540.0], 1.0).expect("ground");
    let [east, north, up] = fix.position.offset_from(&locator.view().position());
    assert!((east - 100.0).abs() < 0.01 && north.abs() < 1e-6 && (up + 100.0).abs() < 0.01);
    assert!(fix.position.alt.abs() < 1e-6 && (fix.distance_m - 100.0 * 2.0_f64.sqrt()).abs() < 0.01);
    assert!((fix.metres_per_pixel - fix.distance_m / 1500.0).abs() < 1e-6);
    assert_eq!(fix.method, Method::TelemetryPlane);
    // One pixel is one metres-per-pixel across, and twice the root of two of it along; the ground's metre
    // adds up along.
    let across = fix.metres_per_pixel * CHI2_95.sqrt();
    assert!((fix.accuracy.semi_minor_m - across).abs() < 1e-3, "{fix:?}");
    let along = ((fix.metres_per_pixel.powi(2) * 2.0 + 1.0) * CHI2_95).sqrt();
    assert!((fix.accuracy.semi_major_m - along).abs() < 1e-3, "{fix:?}");
    assert!((fix.accuracy.azimuth_deg - 90.0).abs() < 0.01);
}

#[test]
fn the_sky_the_edge_and_a_hole_have_no_place() {
    let over = |ground: Ground, pitch: f64| {
        Locator::new(view(100.0, 0.0, pitch), ground).locate([960.0, 540.0], 1.0).expect_err("no place")
    };
    assert_eq!(over(Ground::Plane { alt: 0.0 }, 1.0), NoFix::Sky);
    assert_eq!(over(Ground::Plane { alt: 0.0 }, -0.25), NoFix::Sky, "below level, above the curved horizon");
    assert_eq!(over(Ground::Dem(hills()), 10.0), NoFix::Sky);
    let edge = over(Ground::Dem(dem(|_, _| 0.0)), -1.0);
    assert!(
        matches!(edge, NoFix::BeyondGround { distance_m } if (distance_m - 1990.0).abs() < 20.0),
        "{edge:?}"
    );
    let hole = dem(|_, n| if (200.0..600.0).contains(&n) { f64::NAN } else { 0.0 });
    assert!(matches!(over(Ground::Dem(hole), -14.0), NoFix::BeyondGround { .. }));
    assert!(
        matches!(over(Ground::Dem(dem(|_, _| 130.0)), -14.0), NoFix::UnderGround { depth_m } if (depth_m - 30.0).abs() < 1e-3)
    );
    assert!(matches!(over(Ground::Plane { alt: 130.0 }, -14.0), NoFix::UnderGround { .. }));
    let locator = Locator::new(view(100.0, 0.0, -20.0), Ground::Plane { alt: 0.0 });
    assert!(matches!(locator.locate([-1.0, 5.0], 1.0), Err(NoFix::OutOfPicture { .. })));
    assert_eq!(locator.locate([f64::NAN, 5.0], 1.0), Err(NoFix::NotANumber));
    assert_eq!(locator.locate([5.0, 5.0], f64::INFINITY), Err(NoFix::NotANumber));
}

#[test]
fn a_ridge_hides_what_is_behind_it_and_is_met_first() {
    let wall = dem(|_, n| if (290.0..330.0).contains(&n) { 60.0 } else { 0.0 });
    let locator = Locator::new(view(40.0, 0.0, -5.0), Ground::Dem(wall));
    let place = |north: f64| {
        let p = locator.view().frame().to_geodetic([0.0, north, -40.0]);
        Geodetic { alt: locator.ground_height(p.lon, p.lat).expect("covered"), ..p }
    };
    assert!(!locator.sees(place(200.0)).expect("in the picture").hidden);
    assert!(locator.sees(place(500.0)).expect("in the picture").hidden);
    let fix = locator.locate([960.0, 540.0], 1.0).expect("the ridge");
    assert!((270.0..291.0).contains(&fix.distance_m), "{fix:?}");
}

/// A line of sight half a metre above a ridge may as well end on it: the ellipse reaches back to it.
#[test]
fn the_ellipse_reaches_the_slope_that_a_small_error_would_meet() {
    let reach = |ridge_m: f64| {
        let ground = Ground::Dem(dem(|_, n| if (290.0..330.0).contains(&n) { ridge_m } else { 0.0 }));
        let locator = Locator::new(view(40.0, 0.0, -4.0), ground).with_ground_sigma(0.5);
        let fix = locator.locate([960.0, 540.0], 1.0).expect("ground behind the ridge");
        assert!((560.0..580.0).contains(&fix.distance_m), "{fix:?}");
        fix.accuracy
    };
    let (level, ridge) = (reach(0.0), reach(17.8));
    assert!(level.semi_major_m < 30.0, "{level:?}");
    assert!((230.0..290.0).contains(&ridge.semi_major_m), "{ridge:?}");
    assert!(
        (ridge.semi_minor_m - level.semi_minor_m).abs() < 0.1
            && ridge.azimuth_deg.min(180.0 - ridge.azimuth_deg) < 0.1
    );
}

#[test]
fn a_roof_is_nearer_than_the_ground_behind_it() {
    let locator = Locator::new(view(60.0, 0.0, -20.0), Ground::Dem(dem(|_, _| 0.0)));
    let (ground, roof) = (
        locator.locate([960.0, 540.0], 1.0).expect("ground"),
        locator.locate_at_height([960.0, 540.0], 1.0, 18.0).expect("roof"),
    );
    assert!((roof.position.alt - 18.0).abs() < 1e-3, "{roof:?}");
    assert!((roof.distance_m / ground.distance_m - 42.0 / 60.0).abs() < 1e-3);
}

#[test]
fn ten_metres_of_error_in_the_camera_are_ten_metres_on_the_ground() {
    let attitude = Attitude { heading_deg: 0.0, pitch_deg: -90.0, roll_deg: 0.0 };
    let at = Geodetic::new(HOME[0], HOME[1], 120.0);
    let sigma = PoseSigma { horizontal_m: 10.0, ..PoseSigma::default() };
    let view = View::from_pose(SIZE, Lens::new(1500.0, SIZE), at, attitude, sigma).expect("a pose");
    let fix = Locator::new(view, Ground::Plane { alt: 0.0 }).with_ground_sigma(0.0);
    let fix = fix.locate([960.0, 540.0], 0.0).expect("ground");
    let wanted = 10.0 * CHI2_95.sqrt();
    assert!(
        (fix.accuracy.semi_major_m - wanted).abs() < 1e-6
            && (fix.accuracy.semi_minor_m - wanted).abs() < 1e-6
    );
}

/// The Jacobians against differences of the model itself.
#[test]
fn the_ellipse_is_that_of_small_differences() {
    let attitude = Attitude { heading_deg: 37.0, pitch_deg: -12.0, roll_deg: 3.0 };
    let lens = Lens { k1: -0.1, k2: 0.02, ..Lens::new(1500.0, SIZE) };
    let at = Geodetic::new(HOME[0], HOME[1], 90.0);
    let pixel = [400.0, 800.0];
    let ground = Ground::Dem(dem(|e, n| 0.03 * e + 0.01 * n));
    let steps = [0.05, 0.05, 0.05, 1e-5, 1e-5, 1e-5, 0.2, 1e-4, 1e-4];
    let base = view_of(at, attitude, lens, [[0.0; 9]; 9]);
    let found = |view: View| {
        let fix = Locator::new(view, ground.clone()).locate(pixel, 0.0).expect("ground");
        fix.position.offset_from(&at)
    };
    for (i, step) in steps.into_iter().enumerate() {
        let moved = |by: f64| {
            let mut lens = lens;
            match i {
                0..3 => {
                    let mut enu = [0.0; 3];
                    enu[i] = by;
                    return found(view_of(base.frame().to_geodetic(enu), attitude, lens, [[0.0; 9]; 9]));
                }
                3..6 => {
                    let mut turn = [0.0; 3];
                    turn[i - 3] = by.to_degrees();
                    return found(base.turned(turn));
                }
                6 => lens.focal_px += by,
                7 => lens.k1 += by,
                _ => lens.k2 += by,
            }
            found(view_of(at, attitude, lens, [[0.0; 9]; 9]))
        };
        let (ahead, behind) = (moved(step), moved(-step));
        let shift = ((ahead[0] - behind[0]) / 2.0).hypot((ahead[1] - behind[1]) / 2.0);
        let mut covariance = [[0.0; 9]; 9];
        covariance[i][i] = step * step;
        let locator = Locator::new(view_of(at, attitude, lens, covariance), ground.clone());
        let fix = locator.with_ground_sigma(0.0).locate(pixel, 0.0).expect("ground");
        let reported = fix.accuracy.semi_major_m / CHI2_95.sqrt();
        assert!((reported / shift - 1.0).abs() < 0.01, "parameter {i}: {reported} instead of {shift}");
    }
}

fn view_of(at: Geodetic, attitude: Attitude, lens: Lens, covariance: [[f64; 9]; 9]) -> View {
    View::from_calibration(SIZE, lens, at, attitude, &covariance).expect("a pose")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn what_is_located_is_seen_at_the_same_pixel(
        x in 0.0..1920.0_f64, y in 0.0..1080.0_f64, heading in 0.0..360.0_f64, pitch in -60.0..-2.0_f64,
        k1 in -0.2..0.2_f64, above in 40.0..100.0_f64,
    ) {
        let attitude = Attitude { heading_deg: heading, pitch_deg: pitch, roll_deg: 2.0 };
        let lens = Lens { k1, ..Lens::new(1500.0, SIZE) };
        let hills = hills();
        let at = Geodetic::new(HOME[0], HOME[1], above);
        let view = View::from_pose(SIZE, lens, at, attitude, PoseSigma::default()).expect("a pose");
        let locator = Locator::new(view, Ground::Dem(hills));
        match locator.locate([x, y], 1.0) {
            Ok(fix) => {
                let height = locator.ground_height(fix.position.lon, fix.position.lat).expect("covered");
                prop_assert!((height - fix.position.alt).abs() < 1e-3, "{height} {fix:?}");
                let seen = locator.sees(fix.position).expect("in the picture");
                prop_assert!((seen.pixel[0] - x).hypot(seen.pixel[1] - y) < 0.01, "{seen:?}");
                prop_assert!(!seen.hidden, "{seen:?}");
                prop_assert!(fix.accuracy.semi_major_m.is_finite() && fix.accuracy.semi_minor_m > 0.0);
            }
            Err(NoFix::Sky | NoFix::BeyondGround { .. }) => {}
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }
}
