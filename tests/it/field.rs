//! What the field really sends: public fault reports of people who do this job, tried on the program. The cases lie
//! beside other people's pictures (`LINTEL_SHARED`); each kind is tested beside its module too.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use lintel::config::{self, Config};
use serde_json::Value;

use crate::support::{onnxruntime, program, root, shared, skipped};

fn case(test: &str, name: &str) -> Option<PathBuf> {
    let folder = shared(test)?.join("cases/data").join(name);
    if folder.exists() {
        return Some(folder);
    }
    skipped(test, &format!("{} is not there", folder.display()));
    None
}

fn lintel(args: &[&str]) -> Output {
    let mut command = Command::new(program("lintel"));
    command.args(args).env("ORT_DYLIB_PATH", onnxruntime()).output().expect("lintel runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Kind and area of each change, largest first; fails unless all pictures were compared.
fn changes(args: &[&str]) -> Vec<(String, i64)> {
    let out = tempfile::tempdir().expect("a folder");
    let output = lintel(&[&["compare"], args, &["--out", text(out.path())]].concat());
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
    let mut found: Vec<(String, i64)> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let (kind, rest) = line.strip_prefix("  ")?.split_once("  ")?;
            Some((kind.to_owned(), rest.split_once(" m2")?.0.trim().parse().ok()?))
        })
        .collect();
    found.sort_by_key(|(_, area)| -area);
    found
}

fn assert_near(found: &[(String, i64)], wanted: &[(&str, i64)]) {
    let fits = |((kind, area), (name, wanted)): (&(String, i64), &(&str, i64))| {
        kind == name && (area - wanted).abs() * 50 <= *wanted + 50
    };
    let same = found.len() == wanted.len() && found.iter().zip(wanted).all(fits);
    assert!(same, "{found:?} instead of {wanted:?}");
}

/// Of a still at a pixel; the error's text if it has no place.
fn located(args: &[&str]) -> Result<Value, String> {
    let output = lintel(&[&["locate", "--json"], args].concat());
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).expect("JSON"));
    }
    Err(said(&output))
}

#[test]
fn mosaics_interleaved_by_band_are_compared_as_those_by_pixel() {
    let Some(case) = case("mosaics interleaved by band", "01-mosaic-band-interleaved") else { return };
    let (before, after) = (case.join("before_band.tif"), case.join("after_band.tif"));
    let pixel = root().join("testdata/compare/before.tif");
    let wanted = [("cleared", 970), ("built_up", 512), ("stockpile", 68)];
    assert_near(&changes(&[text(&before), text(&after)]), &wanted);
    assert_near(&changes(&[text(&pixel), text(&after)]), &wanted);
}

#[test]
fn stills_without_a_calibrated_focal_length_have_their_lens_from_exif_or_by_hand() {
    let Some(case) = case("stills without focal length", "07-dji-stills-without-calibrated-focal") else {
        return;
    };
    for (still, mm) in [("mavic3classic_no_calib.jpg", 24.0), ("p4_fc330.jpg", 20.0)] {
        let place = located(&["--still", text(&case.join(still)), "--pixel", "200,150"]).expect(still);
        let number = |pointer: &str| place.pointer(pointer).and_then(Value::as_f64).expect("a number");
        assert!((number("/position/lon") - 120.156).abs() < 1e-5, "{place}");
        assert!((number("/position/lat") - 30.2747).abs() < 1e-5, "{place}");
        // 80 m above the ground, 400 pixels wide, on film of 34.6 mm.
        let wanted = 80.0 / (mm / 34.6 * 400.0);
        assert!((number("/metres_per_pixel") / wanted - 1.0).abs() < 0.02, "{place}");
    }
    let (before, after) = (case.join("nocal_before"), case.join("nocal_after"));
    let out = tempfile::tempdir().expect("a folder");
    let output = lintel(&["compare", text(&before), text(&after), "--out", text(out.path())]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("--fov-deg"), "{}", said(&output));
    let found = changes(&[text(&before), text(&after), "--fov-deg", "60.686"]);
    assert_near(&found, &[("cleared", 202), ("stockpile", 67)]);
}

#[test]
fn tables_of_two_flights_with_equal_names_never_mix() {
    let Some(case) = case("tables of equal names", "08-telemetry-tables-same-names") else { return };
    let (before, after) = (case.join("same_before"), case.join("same_after"));
    let (sb, sa) = (case.join("sb.csv"), case.join("sa.csv"));
    let out = tempfile::tempdir().expect("a folder");
    let flights = [text(&before), text(&after)];
    for tables in [vec!["--telemetry", text(&sb), "--telemetry", text(&sa)], vec!["--telemetry", text(&sa)]] {
        let args = [&["compare"], &flights[..], &tables, &["--out", text(out.path())]].concat();
        let output = lintel(&args);
        assert!(!output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("--telemetry-before"), "{}", said(&output));
    }
    let named = ["--telemetry-before", text(&sb), "--telemetry-after", text(&sa)];
    assert_near(&changes(&[&flights[..], &named].concat()), &[("cleared", 202), ("stockpile", 67)]);
}

/// What `detect` says about a model that it refuses.
fn refused(model: &Path) -> String {
    let picture = root().join("testdata/frames/street_000.jpg");
    let output =
        lintel(&["detect", text(&picture), "--model", text(model), "--out", "-", "--format", "jsonl"]);
    assert!(!output.status.success(), "{}: {}", model.display(), said(&output));
    let said = said(&output);
    assert_eq!(said.matches("it looks like").count(), 1, "said once: {said}");
    said
}

#[test]
fn exports_of_another_kind_are_told_by_what_they_look_like() {
    let Some(case) = case("exports of another kind", "09-yolox-decoded-export-silent") else { return };
    for (model, kind) in [
        ("yolox_decoded_as_yolox", "head.kind = \"yolov5\""),
        ("yolox_raw_as_yolov5", "head.kind = \"yolox\""),
        ("e2e_as_yolov5_1class", "head.kind = \"end_to_end\""),
    ] {
        let said = refused(&case.join(model));
        assert!(said.contains(kind), "{model}: {said}");
    }
    let config = tempfile::tempdir().expect("a folder");
    let path = config.path().join("yx.toml");
    let written = std::fs::read_to_string(case.join("yx.toml")).expect("the config");
    let written = written.replace("@LINTEL_ROOT@", text(root()));
    let written = written.replace("yolox_decoded_as_yolox", text(&case.join("yolox_decoded_as_yolox")));
    std::fs::write(&path, written).expect("written");
    let output = lintel(&["check", "--config", text(&path)]);
    assert!(
        !output.status.success() && said(&output).contains("head.kind = \"yolov5\""),
        "{}",
        said(&output)
    );
}

#[test]
fn segmentation_oriented_and_pose_networks_are_called_by_their_name() {
    let Some(case) = case("segmentation, oriented, pose", "10-yolo-seg-obb-advice") else { return };
    for (model, name) in [
        ("y8_seg", "segmentation"),
        ("y8_seg_advised2", "segmentation"),
        ("y8_obb", "oriented"),
        ("y8_obb_advised2", "oriented"),
        ("y8_pose", "pose"),
        ("y8_transposed", "exchanged"),
        ("e2e_as_yolov8", "head.kind = \"end_to_end\""),
    ] {
        let said = refused(&case.join(model));
        assert!(said.contains(name) && !said.contains("list its"), "{model}: {said}");
    }
    let output = lintel(&["detect", "--explain", text(&case.join("y8_pose"))]);
    let shown = said(&output);
    assert!(output.status.success() && shown.contains("images") && shown.contains("pose network"), "{shown}");
}

#[test]
fn the_datum_of_a_terrain_model_is_asked_for() {
    let Some(case) = case("datum of a terrain model", "11-dem-own-datum-ignored") else { return };
    let at = |still: usize, dem: &str| {
        let still = case.join(format!("dem{still}.jpg"));
        located(&["--still", text(&still), "--pixel", "200,150", "--dem", text(&case.join(dem))])
    };
    for still in 0..3 {
        let alt = |dem| at(still, dem).expect(dem)["position"]["alt"].as_f64().expect("an altitude");
        assert!((alt("cgcs_utm51.tif") - alt("base.tif")).abs() < 0.3, "still {still}");
        for (dem, name) in [
            ("beijing_local.tif", "Beijing 1954"),
            ("xian_local.tif", "Xian 1980"),
            ("bj54.tif", "Beijing 1954"),
        ] {
            let error = at(still, dem).expect_err(dem);
            assert!(error.contains(name) && error.contains("EPSG:4490"), "{error}");
        }
    }
}

#[test]
fn what_a_sparse_terrain_model_leaves_out_is_not_known() {
    let Some(case) = case("sparse terrain model", "13-dem-sparse") else { return };
    for still in ["sp12.jpg", "sp15.jpg"] {
        let at = |dem: &str| {
            let (still, dem) = (case.join(still), case.join(dem));
            located(&["--still", text(&still), "--pixel", "200,150", "--dem", text(&dem)])
        };
        let (plain, packed) = (at("sparse_None.tif"), at("sparse_deflate.tif"));
        assert_eq!(plain.is_ok(), packed.is_ok(), "{plain:?} {packed:?}");
        match (plain, packed) {
            (Ok(plain), Ok(packed)) => assert_eq!(plain["position"], packed["position"]),
            (Err(plain), _) => assert!(plain.contains("terrain model does not reach"), "{plain}"),
            _ => unreachable!("compared above"),
        }
    }
}

#[test]
fn a_still_that_was_made_smaller_is_placed_by_its_size() {
    let Some(case) = case("stills made smaller", "14-still-resized") else { return };
    for (still, focal) in [("resized_calib.jpg", 3666.67 * 400.0 / 5472.0), ("p4_calibrated.jpg", 300.0)] {
        let place = located(&["--still", text(&case.join(still)), "--pixel", "200,150"]).expect(still);
        let scale = place["metres_per_pixel"].as_f64().expect("a number");
        assert!((scale / (80.0 / focal) - 1.0).abs() < 0.01, "{still}: {place}");
    }
}

#[test]
fn texts_with_a_byte_order_mark_are_read() {
    let Some(case) = case("byte order marks", "17-byte-order-mark") else { return };
    let flights = case.with_file_name("07-dji-stills-without-calibrated-focal");
    let (before, after) = (flights.join("nocal_before"), flights.join("nocal_after"));
    let place = tempfile::tempdir().expect("a folder");
    let output = lintel(&[
        "compare",
        text(&before),
        text(&after),
        "--telemetry",
        text(&case.join("t_bom.csv")),
        "--out",
        text(place.path()),
    ]);
    let shown = said(&output);
    assert!(!shown.contains("first line"), "{shown}");
    let config = place.path().join("gj.toml");
    let written = std::fs::read_to_string(case.join("gj.toml")).expect("the config");
    std::fs::write(&config, written.replace("@LINTEL_ROOT@", text(root()))).expect("written");
    std::fs::copy(case.join("bom.geojson"), place.path().join("bom.geojson")).expect("copied");
    let output = lintel(&["check", "--config", text(&config)]);
    assert!(!said(&output).contains("JSON"), "{}", said(&output));
}

const CONFIG: &str = "\
[node]
id = \"n1\"
name = \"东门，高杆\"
data_dir = \"data\"
time_zone = \"Asia/Shanghai\"
[detect]
model = \"models/lintel-nano\"
[mqtt]
url = \"mqtt://127.0.0.1:1883\"
[map]
zones = \"zones.geojson\"
[[flight_area]]
id = \"east\"
folder = \"drop\"
settle = \"5分钟\"
fov_deg = 73.7
[[flight_area.rule]]
class = \"land_occupation\"
zones = [\"field\"]
";
const ZONES: &str = "{\"type\": \"FeatureCollection\", \"features\": [{\"type\": \"Feature\", \"properties\": {\"id\": \
    \"field\", \"name\": \"水田\"},\n \"geometry\": {\"type\": \"Polygon\", \"coordinates\": [[[120.1, 30.1], [120.2, \
    30.1], [120.2, 30.2], [120.1, 30.1]]]}}]}\n";

fn loaded(config: &[u8], zones: &[u8]) -> Result<Config, String> {
    let place = tempfile::tempdir().expect("a folder");
    std::fs::write(place.path().join("zones.geojson"), zones).expect("written");
    let path = place.path().join("lintel.toml");
    std::fs::write(&path, config).expect("written");
    config::load(&path).map(|loaded| loaded.config).map_err(|errors| errors.to_string())
}

#[test]
fn configs_and_zones_are_read_in_every_encoding_of_the_field() {
    let utf16 = |text: &str| {
        [&[0xff, 0xfe][..], &text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat()
    };
    let marked = |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let gbk = |text: &str| encoding_rs::GBK.encode(text).0.into_owned();
    type Encoding<'a> = &'a dyn Fn(&str) -> Vec<u8>;
    let encodings: [Encoding<'_>; 4] = [&|text: &str| text.as_bytes().to_vec(), &marked, &gbk, &utf16];
    for encode in encodings {
        let config = loaded(&encode(CONFIG), &encode(ZONES)).expect("a config");
        assert_eq!(config.node.name, "东门，高杆");
        assert_eq!(config.map.zones[0].name, "水田");
        let area = &config.flight_areas[0];
        assert_eq!((area.settle, area.fov_deg), (Duration::from_secs(300), Some(73.7)));
    }
}

#[test]
fn full_width_punctuation_is_named_with_its_place_and_what_to_write() {
    for (from, to, place) in [
        ("id = \"n1\"", "id = “n1”", "lintel.toml:2:6"),
        ("[detect]", "［detect］", "lintel.toml:6:1"),
        ("fov_deg = 73.7", "fov_deg　＝ 73.7", "lintel.toml:16:8"),
        ("mqtt://127", "mqtt：//127", "lintel.toml:9:7"),
    ] {
        let said = loaded(CONFIG.replace(from, to).as_bytes(), ZONES.as_bytes()).expect_err(to);
        assert!(
            said.contains(place) && said.contains("full-width") && said.contains("English punctuation"),
            "{said}"
        );
        assert_eq!(said.matches(": error:").count(), 1, "no follow-on errors: {said}");
    }
    let zones = ZONES.replace("\"features\": [", "\"features\"： [");
    let said = loaded(CONFIG.as_bytes(), zones.as_bytes()).expect_err("zones");
    assert!(said.contains("zones.geojson:1:") && said.contains("full-width"), "{said}");
    let mut cut = CONFIG.as_bytes().to_vec();
    cut.remove(CONFIG.find('东').expect("there"));
    let said = loaded(&cut, ZONES.as_bytes()).expect_err("damaged");
    assert!(said.contains("line 3") && said.contains("damaged"), "{said}");
}
