//! `lintel calibrate`, `locate` and `sees` on testdata/calibration/hill, whose truth comes from PROJ.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use lintel::base::error_chain;
use lintel::calibration::{Calibration, Features, load_dem};
use lintel::geo::{Dem, Geodetic, Ground, Locator, NoFix};

use crate::support::{program, root};

fn hill(name: &str) -> PathBuf {
    root().join("testdata/calibration/hill").join(name)
}

fn lintel(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = Command::new(program("lintel"));
    for arg in args {
        command.arg(arg.as_ref());
    }
    command.output().expect("lintel runs")
}

fn calibrate(points: &Path, out: &Path) -> Output {
    let (image, dem) = (hill("hill.jpg"), hill("dem.tif"));
    lintel(&[
        &"calibrate",
        &"--camera",
        &"hill",
        &"--points",
        &points,
        &"--image",
        &image,
        &"--dem",
        &dem,
        &"--out",
        &out,
        &"--date",
        &"2026-05-01",
    ])
}

fn reported(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn dem() -> Arc<Dem> {
    Arc::new(load_dem(&hill("dem.tif")).expect("a terrain model"))
}

/// The points file with one of its lines changed.
fn changed(folder: &Path, point: &str, change: impl Fn(&[&str]) -> String) -> PathBuf {
    let text = std::fs::read_to_string(hill("points.csv")).expect("points");
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        if fields[0] == point { change(&fields) } else { line.to_owned() }
    };
    let path = folder.join("points.csv");
    std::fs::write(&path, text.lines().map(line).collect::<Vec<_>>().join("\n")).expect("written");
    path
}

#[derive(serde::Deserialize)]
struct Truth {
    lon: f64,
    lat: f64,
    alt: f64,
    heading_deg: f64,
    pitch_deg: f64,
    roll_deg: f64,
    focal_px: f64,
}

#[test]
fn a_camera_on_a_hill_is_calibrated_and_asked() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("calibration/hill.toml");
    let output = calibrate(&hill("points.csv"), &out);
    let (stdout, stderr) = reported(&output);
    assert!(output.status.success() && stderr.is_empty(), "{stdout}{stderr}");
    assert!(stdout.contains("16 of 16 points"), "{stdout}");

    let calibration = Calibration::load(&out).expect("reads back");
    let truth: Truth = toml::from_str(&std::fs::read_to_string(hill("truth.toml")).unwrap()).unwrap();
    let view = calibration.view();
    let off = view.position().distance_m(&Geodetic::new(truth.lon, truth.lat, truth.alt));
    assert!(off < 1.0, "the camera is {off} m off");
    let attitude = view.attitude();
    for (found, wanted) in [
        (attitude.heading_deg, truth.heading_deg),
        (attitude.pitch_deg, truth.pitch_deg),
        (attitude.roll_deg, truth.roll_deg),
    ] {
        assert!((found - wanted).abs() < 0.25, "{found} instead of {wanted}");
    }
    assert!((view.lens().focal_px / truth.focal_px - 1.0).abs() < 0.02, "{}", view.lens().focal_px);
    assert_eq!((calibration.survey_date.as_str(), calibration.picture_size()), ("2026-05-01", [960, 540]));

    let drawing = image::open(out.with_extension("png")).unwrap().to_rgb8();
    assert!(drawing.width() > 960 && drawing.height() >= 540, "{:?}", drawing.dimensions());
    let features = calibration.reference_features().unwrap().expect("kept");
    let reference = image::open(calibration.reference_image().unwrap()).unwrap().to_rgb8();
    let again = Features::of(&image::imageops::grayscale(&reference)).unwrap();
    assert!(features.points.len() > 300 && features.size == [960, 540]);
    assert_eq!(features.points.len(), again.points.len());

    let dem_file = hill("dem.tif");
    let located = lintel(&[
        &"locate",
        &"--calibration",
        &out,
        &"--dem",
        &dem_file,
        &"--pixel",
        &"520,450",
        &"--json",
        &"--gcj02",
    ]);
    let found: serde_json::Value = serde_json::from_slice(&located.stdout).expect("one line of JSON");
    assert_eq!((found["method"].as_str(), found["crs"].as_str()), (Some("pose_dem"), Some("WGS-84")));
    assert!(found["accuracy"]["semi_major_m"].as_f64().unwrap() < 15.0, "{found}");
    assert!(
        (found["gcj02"]["lon"].as_f64().unwrap() - found["position"]["lon"].as_f64().unwrap()).abs() > 0.003
    );
    let number = |name: &str| found["position"][name].to_string();
    let sees = lintel(&[
        &"sees",
        &"--calibration",
        &out,
        &"--dem",
        &dem_file,
        &"--lon",
        &number("lon"),
        &"--lat",
        &number("lat"),
        &"--json",
    ]);
    let seen: serde_json::Value = serde_json::from_slice(&sees.stdout).expect("one line of JSON");
    let pixel = |i: usize| seen["pixel"][i].as_f64().unwrap();
    assert!((pixel(0) - 520.0).hypot(pixel(1) - 450.0) < 0.1 && seen["hidden"] == false, "{seen}");

    let behind = lintel(&[
        &"sees",
        &"--calibration",
        &out,
        &"--dem",
        &dem_file,
        &"--lon",
        &"120.615",
        &"--lat",
        &"29.705",
    ]);
    assert!(!behind.status.success() && reported(&behind).1.contains("none of 1 cameras sees"));
    let swapped = lintel(&[&"sees", &"--calibration", &out, &"--lon", &"29.71", &"--lat", &"120.62"]);
    assert!(reported(&swapped).1.contains("no place on earth"), "{swapped:?}");
    let sky = lintel(&[&"locate", &"--calibration", &out, &"--dem", &dem_file, &"--pixel", &"480,20"]);
    assert!(!sky.status.success() && reported(&sky).1.contains("goes into the sky"), "{sky:?}");

    the_config_names_them(place.path(), &out, &found);
    inverse(&Locator::new(view, Ground::Dem(dem())));
}

/// As a node's config has the camera and the ground: the same answer, and wrong names are reported with the
/// right ones.
fn the_config_names_them(folder: &Path, calibration: &Path, expected: &serde_json::Value) {
    let config = folder.join("lintel.toml");
    let text = format!(
        r#"
[node]
id = "test"
[detect]
model = "{}"
[mqtt]
url = "mqtt://127.0.0.1:1"
[map]
dem = "{}"
[[camera]]
id = "roof"
url = "rtsp://127.0.0.1/1"
calibration = "{}"
[[camera]]
id = "street"
url = "rtsp://127.0.0.1/2"
"#,
        root().join("models/lintel-nano").display(),
        hill("dem.tif").display(),
        calibration.display()
    );
    std::fs::write(&config, &text).expect("written");
    let located = lintel(&[&"locate", &"--config", &config, &"--pixel", &"520,450", &"--json", &"--gcj02"]);
    let found: serde_json::Value = serde_json::from_slice(&located.stdout).expect("one line of JSON");
    assert_eq!(found["camera"], "roof", "the config's name, not the file's: {found}");
    for key in ["position", "accuracy", "method", "distance_m", "gcj02"] {
        assert!(!found[key].is_null() && found[key] == expected[key], "{key}: {found} instead of {expected}");
    }
    let coordinate = |name: &str| expected["position"][name].to_string();
    let (lon, lat) = (coordinate("lon"), coordinate("lat"));
    let sees = lintel(&[&"sees", &"--config", &config, &"--lon", &lon, &"--lat", &lat, &"--json"]);
    let seen: serde_json::Value = serde_json::from_slice(&sees.stdout).expect("one line of JSON");
    assert_eq!((&seen["camera"], &seen["hidden"]), (&"roof".into(), &false.into()), "{seen}");
    let other = lintel(&[&"locate", &"--config", &config, &"--camera", &"street", &"--pixel", &"520,450"]);
    assert!(!other.status.success() && reported(&other).1.contains("street; there are: roof"), "{other:?}");
    std::fs::write(&config, text.replace("calibration =", "name =")).expect("written");
    let none = lintel(&[&"locate", &"--config", &config, &"--pixel", &"520,450"]);
    assert!(!none.status.success() && reported(&none).1.contains("lintel calibrate"), "{none:?}");
}

/// On 1,000 random pixels: what is located is seen where it was.
fn inverse(locator: &Locator) {
    let mut state = 11_u64;
    let mut random = |to: f64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        to * (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let (mut found, mut looked) = (0, 0);
    while found < 1000 {
        looked += 1;
        assert!(looked < 10_000, "most of the picture has no place");
        let (x, y) = (random(960.0), random(540.0));
        match locator.locate([x, y], 1.0) {
            Ok(fix) => {
                found += 1;
                let seen = locator.sees(fix.position).expect("in the picture");
                let off = (seen.pixel[0] - x).hypot(seen.pixel[1] - y);
                assert!(off < 0.5 && !seen.hidden, "{x}, {y}: {seen:?}");
            }
            Err(NoFix::Sky | NoFix::BeyondGround { .. }) => {}
            Err(other) => panic!("{x}, {y}: {other}"),
        }
    }
}

#[test]
fn a_point_moved_by_20_m_is_named_and_left_out() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("hill.toml");
    // 20 m to the north.
    let moved = changed(place.path(), "G7", |f| {
        let lat: f64 = f[4].parse().unwrap();
        format!("{},{},{},{},{:.8},{}", f[0], f[1], f[2], f[3], lat + 20.0 / 110_850.0, f[5])
    });
    let output = calibrate(&moved, &out);
    let (stdout, stderr) = reported(&output);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("point G7 is off by") && stderr.contains("was left out"), "{stderr}");
    assert!(stdout.contains("15 of 16 points"), "{stdout}");
    assert_eq!(Calibration::load(&out).unwrap().fit.left_out, ["G7"]);
}

#[test]
fn heights_agree_with_what_proj_says_of_the_same_file() {
    let dem = dem();
    let points = std::fs::read_to_string(hill("points.csv")).expect("points");
    let mut compared = 0;
    for line in points.lines().skip(2) {
        let fields: Vec<&str> = line.split(',').collect();
        let [lon, lat] = [3, 4].map(|i| fields[i].parse::<f64>().unwrap());
        let Ok(alt) = fields[5].parse::<f64>() else { continue };
        let height = dem.height(lon, lat).expect("covered");
        assert!((height - alt).abs() < 0.5, "{}: {height} instead of {alt}", fields[0]);
        compared += 1;
    }
    assert_eq!(compared, 13);
}

#[test]
fn points_that_cannot_be_right_are_reported_with_their_line() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("hill.toml");
    let check = |point: &str, change: &dyn Fn(&[&str]) -> String, wanted: &[&str]| {
        let output = calibrate(&changed(place.path(), point, change), &out);
        let (_, stderr) = reported(&output);
        assert!(!output.status.success() && !out.exists(), "{stderr}");
        assert!(wanted.iter().all(|w| stderr.contains(w)), "{stderr}");
    };
    let swap = |f: &[&str]| [f[0], f[1], f[2], f[4], f[3], f[5]].join(",");
    check("G3", &swap, &["points.csv:5: point G3", "look swapped"]);
    let nan = |f: &[&str]| [f[0], "NaN", f[2], f[3], f[4], f[5]].join(",");
    check("G3", &nan, &["points.csv:5: x `NaN` is not a number"]);
    let outside = |f: &[&str]| [f[0], f[1], f[2], "120.66", f[4], ""].join(",");
    check("G5", &outside, &["points.csv:7: point G5 has no altitude", "outside the terrain model"]);
}

#[test]
fn terrain_models_that_are_none_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let plain = place.path().join("plain.tif");
    let write = |path: &Path, samples: usize| {
        let mut encoder = tiff::encoder::TiffEncoder::new(std::fs::File::create(path).unwrap()).unwrap();
        if samples == 1 {
            encoder.write_image::<tiff::encoder::colortype::Gray16>(8, 8, &[100; 64]).unwrap();
        } else {
            encoder.write_image::<tiff::encoder::colortype::RGB8>(8, 8, &[100; 192]).unwrap();
        }
    };
    let refused = |path: &Path| error_chain(&load_dem(path).expect_err("refused"));
    write(&plain, 1);
    let reported = refused(&plain);
    assert!(
        reported.contains("plain.tif")
            && reported.contains("no georeference")
            && reported.contains("GeoTIFF"),
        "{reported}"
    );
    let text = place.path().join("text.tif");
    std::fs::write(&text, "not a picture").unwrap();
    assert!(refused(&text).contains("not a TIFF"), "{}", refused(&text));
    assert!(refused(&place.path().join("none.tif")).contains("cannot open it"));
    let whole = std::fs::read(hill("dem.tif")).unwrap();
    for cut in [4, 60, 200, whole.len() / 2] {
        let torn = place.path().join("torn.tif");
        std::fs::write(&torn, &whole[..cut]).unwrap();
        assert!(refused(&torn).contains("torn.tif"), "cut at {cut}");
    }
}

#[test]
fn a_calibration_file_that_is_none_is_refused_with_its_place() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bad.toml");
    std::fs::write(&path, "format = 1\ncamera = 3\n").unwrap();
    let reported = Calibration::load(&path).expect_err("refused").to_string();
    assert!(reported.contains("bad.toml") && reported.contains("line 2"), "{reported}");
}
