//! `lintel compare` on a committed pair of rendered flights, and on what is wrong with pictures in the field.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{onnxruntime, program, root};

fn data(name: &str) -> PathBuf {
    root().join("testdata/compare").join(name)
}

fn compare(before: &Path, after: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(program("lintel"));
    command.arg("compare").args([before, after]).arg("--out").arg(out).args(more);
    command.output().expect("lintel compare")
}

fn features(path: &Path) -> Vec<Value> {
    let all: Value = serde_json::from_slice(&std::fs::read(path).expect("GeoJSON")).expect("JSON");
    assert_eq!(all["type"], "FeatureCollection");
    all["features"].as_array().expect("features").clone()
}

fn ring(feature: &Value) -> Vec<[f64; 2]> {
    serde_json::from_value(feature["geometry"]["coordinates"][0].clone()).expect("a ring of places")
}

/// The middle of one lies in the other, or the other way round.
fn on(found: &Value, planted: &Value) -> bool {
    let contains = |ring: &[[f64; 2]], [x, y]: [f64; 2]| {
        let crossed = |w: &&[[f64; 2]]| {
            let (a, b) = (w[0], w[1]);
            (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0]
        };
        ring.windows(2).filter(crossed).count() % 2 == 1
    };
    let middle = |ring: &[[f64; 2]]| {
        let n = (ring.len() - 1) as f64;
        [0, 1].map(|axis| ring.iter().skip(1).map(|p| p[axis]).sum::<f64>() / n)
    };
    let (found, planted) = (ring(found), ring(planted));
    contains(&planted, middle(&found)) || contains(&found, middle(&planted))
}

/// Each finding is on something planted and of its kind; gives the kinds that were found, sorted.
#[track_caller]
fn kinds_on_truth(found: &[Value]) -> Vec<String> {
    let truth = features(&data("truth.geojson"));
    let mut kinds: Vec<String> = Vec::new();
    for feature in found {
        let kind = feature["properties"]["kind"].as_str().expect("a kind").to_owned();
        let planted =
            truth.iter().find(|t| on(feature, t)).unwrap_or_else(|| panic!("on nothing: {feature:#}"));
        assert_eq!(kind, planted["properties"]["kind"].as_str().expect("a kind"), "{feature:#}");
        kinds.push(kind);
    }
    kinds.sort();
    kinds
}

#[test]
fn two_flights_are_paired_by_place_and_written_as_places_pictures_and_a_page() {
    let out = TempDir::new().expect("temp dir");
    let output = compare(&data("before"), &data("after"), out.path(), &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let found = features(&out.path().join("changes.geojson"));
    // Of the house the later flight shows no more than a rim; cars and moved shadows are left out.
    assert_eq!(kinds_on_truth(&found), ["cleared", "stockpile"]);
    for feature in &found {
        let ring = ring(feature);
        assert!(ring.len() > 3 && ring.first() == ring.last());
        let near = |p: &[f64; 2]| (p[0] - 120.156).abs() < 0.002 && (p[1] - 30.2747).abs() < 0.002;
        assert!(ring.iter().all(near), "{ring:?}");
        assert!(feature["properties"]["area_m2"].as_f64().expect("an area") > 1.0);
    }
    let page = std::fs::read_to_string(out.path().join("report.html")).expect("the page");
    assert!(page.contains("DJI_0010.jpg → DJI_0020.jpg") && page.contains("DJI_0011.jpg → DJI_0021.jpg"));
    assert!(page.matches("data:image/jpeg;base64,").count() == 4 && !page.contains("http"));
    for pair in 1..=2 {
        let picture = image::open(out.path().join(format!("{pair}-side-by-side.png"))).expect("a picture");
        assert!(picture.width() > 2 * picture.height(), "two beside each other");
    }
}

#[test]
fn two_mosaics_are_compared_by_their_georeference() {
    let out = TempDir::new().expect("temp dir");
    let output = compare(&data("before.tif"), &data("after.tif"), out.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found = features(&out.path().join("changes.geojson"));
    assert_eq!(kinds_on_truth(&found), ["built_up", "cleared", "stockpile"]);
}

/// A shed of 90 x 60 pixels on a picture that is not moved: found where it is, and nothing else.
#[test]
fn sheets_of_one_map_are_compared_as_they_lie() {
    let dir = TempDir::new().expect("temp dir");
    let before = data("after/DJI_0020.jpg");
    let mut picture = image::open(&before).expect("a still").to_rgb8();
    for (x, y) in (0..90 * 60).map(|i| (300 + i % 90, 420 + i / 90)) {
        picture.put_pixel(x, y, image::Rgb([230, 232, 236]));
    }
    let after = dir.path().join("shed.png");
    picture.save(&after).expect("saved");
    let output = compare(&before, &after, dir.path(), &["--aligned"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found = features(&dir.path().join("changes.geojson"));
    assert_eq!(found.len(), 1, "{found:#?}");
    let outline: Vec<[f64; 2]> =
        serde_json::from_value(found[0]["properties"]["outline_px"].clone()).expect("an outline");
    let on_shed = |[x, y]: &[f64; 2]| (285.0..405.0).contains(x) && (405.0..495.0).contains(y);
    assert!(outline.len() > 3 && outline.iter().all(on_shed), "{outline:?}");

    picture = image::imageops::resize(&picture, 500, 400, image::imageops::FilterType::Triangle);
    picture.save(&after).expect("saved");
    let output = compare(&before, &after, dir.path(), &["--aligned"]);
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("leave --aligned out"), "{said}");
}

/// Six minutes on a street: people walk, two vehicles stay where they are, nothing is built.
#[test]
fn people_and_vehicles_that_the_detector_sees_are_no_changes() {
    let dir = TempDir::new().expect("temp dir");
    let frame = |name: &str| root().join("testdata/frames").join(name);
    let model = root().join("models/lintel-nano").display().to_string();
    let found = |more: &[&str]| {
        let out = dir.path().join(format!("{}", more.len()));
        let mut command = Command::new(program("lintel"));
        command.arg("compare").args([frame("street_000.jpg"), frame("street_300.jpg")]).arg("--aligned");
        let output = command.arg("--out").arg(&out).args(more).env("ORT_DYLIB_PATH", onnxruntime()).output();
        let output = output.expect("lintel compare");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        features(&out.join("changes.geojson"))
    };
    let (without, with) = (found(&[]), found(&["--model", &model]));
    assert!(without.len() >= 5, "{}", without.len());
    assert!(with.len() * 3 <= without.len(), "{with:#?}");
    assert!(with.iter().all(|f| f["properties"]["near"].is_array()), "{with:#?}");
}

/// The later flight's stills as a table, their places moved north.
fn table(dir: &Path, north_m: f64) -> String {
    let mut text = "name,lon,lat,height_m,heading_deg,pitch_deg,fov_deg\n".to_owned();
    let lat = |north: f64| 30.2741 + (north + north_m) / 111_320.0;
    let lon = |east: f64| 120.1551 + east / (111_320.0 * 30.2741f64.to_radians().cos());
    for (name, east, north, height, heading) in
        [("DJI_0020.jpg", 62.0, 66.0, 92.0, 11.0), ("DJI_0021.jpg", 126.0, 64.0, 90.0, -7.0)]
    {
        text += &format!("{name},{:.8},{:.8},{height},{heading},-90,60.67\n", lon(east), lat(north));
    }
    let path = dir.join(format!("table-{north_m}.csv"));
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

#[test]
fn what_cannot_be_compared_is_named_and_never_guessed() {
    let dir = TempDir::new().expect("temp dir");
    let check = |before: &Path, after: &Path, more: &[&str], code: i32, words: &str| {
        let out = dir.path().join("out");
        let output = compare(before, after, &out, more);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "no `{words}` in: {said}");
        features(&out.join("changes.geojson"))
    };
    let (before, after) = (data("before/DJI_0010.jpg"), data("after/DJI_0020.jpg"));

    // Telemetry of another place: no pair. Of a place 45 m off: compared, and said so.
    let found =
        check(&data("before"), &data("after"), &["--telemetry", &table(dir.path(), 5000.0)], 2, "m away");
    assert!(found.is_empty());
    check(
        &data("before"),
        &data("after"),
        &["--telemetry", &table(dir.path(), 45.0)],
        0,
        "the telemetry is off",
    );

    // One of two is cut short: the other is compared.
    let torn = dir.path().join("torn");
    std::fs::create_dir(&torn).expect("folder");
    std::fs::copy(data("after/DJI_0021.jpg"), torn.join("DJI_0021.jpg")).expect("copied");
    let bytes = std::fs::read(&after).expect("a still");
    std::fs::write(torn.join("DJI_0020.jpg"), &bytes[..300]).expect("written");
    let found = check(&data("before"), &torn, &[], 1, "not compared: DJI_0020.jpg");
    assert!(!found.is_empty());

    // Another size, and no place at all: laid over each other all the same.
    let small = dir.path().join("small.png");
    let picture =
        image::open(&after).expect("a still").resize(600, 600, image::imageops::FilterType::Triangle);
    picture.save(&small).expect("saved");
    let found = check(&before, &small, &[], 0, "no scale");
    assert!(found.iter().any(|f| f["geometry"].is_null() && f["properties"]["outline_px"].is_array()));

    // Another ground, and nothing at all.
    let other = dir.path().join("other.png");
    let noise =
        |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503).rotate_left(9)) as u8;
    image::GrayImage::from_fn(640, 480, |x, y| image::Luma([noise(x / 3, y / 3)]))
        .save(&other)
        .expect("saved");
    check(&before, &other, &[], 2, "cannot be laid over each other");
    image::GrayImage::from_pixel(640, 480, image::Luma([90])).save(&other).expect("saved");
    check(&before, &other, &[], 2, "cannot be laid over each other");
    check(&before, &dir.path().join("nowhere"), &[], 2, "not compared: nowhere");
}
