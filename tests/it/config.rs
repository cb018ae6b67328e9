//! Configs as files: what good ones become, which errors bad ones give, and that all keys are documented.

mod ahead;
mod coverage;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use lintel::base::ClassName;
use lintel::config::{self, Config, Pace, RuleKind, Severity, SourceConfig};

use crate::support::{program, root};

/// As an operator would name it, from the project's folder, so that stored messages hold on every machine.
fn load(path: &str) -> Result<config::Loaded, config::ConfigErrors> {
    assert_eq!(std::env::current_dir().expect("cwd"), root(), "cargo runs tests in the package's folder");
    config::load(Path::new(path))
}

fn good(path: &str) -> config::Loaded {
    load(path).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn each_broken_config_gives_all_its_errors_with_their_places() {
    let folder = root().join("testdata/config/bad");
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    names.retain(|p| p.extension().is_some_and(|e| e == "toml"));
    names.sort();
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for path in &names {
        let name = path.file_stem().expect("stem").to_string_lossy();
        let shown = format!("testdata/config/bad/{name}.toml");
        let errors = match load(&shown) {
            Err(errors) => errors,
            Ok(loaded) => loaded
                .check_objects(&["person", "car", "truck", "dog"].map(ClassName::from))
                .expect_err(&format!("{shown} is taken for good")),
        };
        let text = format!("{errors}\n");
        assert!(
            text.contains(&format!("{shown}:")) || text.contains("parts/"),
            "{shown}: no place in {text}"
        );
        assert!(
            !text.contains("hunter2") && !format!("{errors:?}").contains("hunter2"),
            "{shown} shows a password"
        );
        let stored = folder.join(format!("{name}.expected.txt"));
        if bless {
            std::fs::write(&stored, &text).expect("write");
        } else if std::fs::read_to_string(&stored).unwrap_or_default() != text {
            wrong.push(format!("{shown} gives\n{text}"));
        }
    }
    assert!(names.len() >= 35, "only {} broken configs", names.len());
    assert!(
        wrong.is_empty(),
        "run with BLESS=1 if these are better than the stored ones:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_drawing_for_terminals_hides_passwords_and_has_places_too() {
    for name in ["password_in_url", "password_inline", "syntax_error_password", "duplicate_camera"] {
        let errors = load(&format!("testdata/config/bad/{name}.toml")).expect_err(name);
        let mut drawn = String::new();
        miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
            .render_report(&mut drawn, &errors)
            .expect("drawn");
        assert!(!drawn.contains("hunter2"), "{drawn}");
        assert!(drawn.contains(&format!("testdata/config/bad/{name}.toml:")), "{drawn}");
    }
}

#[test]
fn every_key_of_the_schema_stands_in_the_example() {
    let text = std::fs::read_to_string(root().join("config/lintel.example.toml")).expect("example");
    // Keys that stand there as examples in comments count, prose does not.
    let lines: Vec<&str> = text.lines().map(|l| l.trim_start_matches('#').trim()).collect();
    let documented = |key: &str| {
        lines.iter().any(|line| {
            let section = line.trim_matches(['[', ']']);
            let header = line.starts_with('[') && section.split('.').any(|part| part == key);
            header
                || line
                    .split(['{', ','])
                    .any(|part| part.trim().split_once(" =").is_some_and(|(k, _)| k == key))
        })
    };
    let mut keys = Vec::new();
    collect_keys(&config::schema(), &mut keys);
    assert!(keys.len() > 80, "the schema has only {} keys", keys.len());
    keys.retain(|key| !documented(key));
    assert!(keys.is_empty(), "config/lintel.example.toml says nothing of {keys:?}");
}

fn collect_keys(schema: &serde_json::Value, keys: &mut Vec<String>) {
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        assert!(inner["description"].is_string(), "`{key}` has no description in the schema");
        keys.push(key.clone());
        collect_keys(inner, keys);
    }
    for place in ["items", "additionalProperties"] {
        if schema[place].is_object() {
            collect_keys(&schema[place], keys);
        }
    }
}

#[test]
fn the_examples_are_valid_by_the_schema_and_the_broken_structure_is_not() {
    let schema = jsonschema::validator_for(&config::schema()).expect("a JSON Schema");
    let json = |path: &str| -> serde_json::Value {
        let text = std::fs::read_to_string(root().join(path)).expect(path);
        serde_json::to_value(text.parse::<toml::Table>().expect(path)).expect(path)
    };
    for path in ["config/lintel.example.toml", "config/cameras/gate.toml", "testdata/config/good/layers.toml"]
    {
        let errors: Vec<String> = schema
            .iter_errors(&json(path))
            .map(|e| e.to_string())
            .filter(|e| path.contains("lintel") || !e.contains("is a required property"))
            .collect();
        assert!(errors.is_empty(), "{path}: {errors:?}");
    }
    for name in ["unknown_key", "wrong_type", "missing_required", "out_of_range", "bad_sampling"] {
        assert!(!schema.is_valid(&json(&format!("testdata/config/bad/{name}.toml"))), "{name}");
    }
}

#[test]
fn the_example_says_the_true_defaults() {
    let example = good("config/lintel.example.toml").config;
    let minimal = good("testdata/config/good/minimal.toml").config;
    // What the example changes on purpose is marked there as an example; all else must be the default.
    let defaults = |config: &Config| {
        let sections =
            (&config.runtime, &config.decode, &config.evidence, &config.outbox, &config.http, &config.log);
        let mqtt = (
            &config.mqtt.topic_prefix,
            config.mqtt.chunk_bytes,
            config.mqtt.in_flight,
            config.mqtt.keep_alive,
        );
        format!("{sections:?} {mqtt:?} {:?} {}", config.node.time_zone, config.detect.workers)
    };
    assert_eq!(defaults(&example), defaults(&minimal));
    let plain = &minimal.cameras[0];
    let full = example.cameras.iter().find(|c| c.id.as_str() == "crossing").expect("crossing");
    assert_eq!((full.tiling, full.ring, full.track), (plain.tiling, plain.ring, plain.track));
    assert_eq!(full.interval, Duration::from_secs(1), "a camera's own value wins");
}

#[test]
fn the_nearest_layer_wins_value_by_value() {
    let loaded = good("testdata/config/good/layers.toml");
    let camera = |id: &str| loaded.config.cameras.iter().find(|c| c.id.as_str() == id).expect("camera");
    let (defaults, street, plaza) = (camera("defaults"), camera("street"), camera("plaza"));

    assert_eq!([defaults, street, plaza].map(|c| c.interval.as_secs()), [9, 8, 7]);
    assert_eq!([defaults, street, plaza].map(|c| c.tiling.columns), [2, 2, 2], "[camera_defaults]");
    assert_eq!((plaza.tiling.rows, plaza.tiling.overlap), (4, 0.4), "profile, then camera");
    assert_eq!(street.track.max_gap, Duration::from_secs(77));
    assert_eq!(street.track.high_score, defaults.track.high_score);

    let SourceConfig::Rtsp(rtsp) = &plaza.source else { panic!("a url") };
    assert_eq!(rtsp.username.as_deref(), Some("all"));
    assert_eq!(
        rtsp.password.as_ref().map(|p| p.expose()),
        Some("hunter2"),
        "the camera's file, not the default's variable"
    );
    let SourceConfig::File(file) = &street.source else { panic!("a file") };
    assert_eq!(file.path, Path::new("testdata/config/good/recording.mp4"), "relative to the config");
    assert!(file.repeat && file.pace == Pace::AsFastAsPossible);
    assert_eq!(loaded.config.node.data_dir, Path::new("testdata/config/good/data"));
    assert!(!format!("{:?}", loaded.config).contains("hunter2"), "Debug shows a password");
}

#[test]
fn shared_rules_go_where_their_zones_and_profiles_are_and_cameras_change_them() {
    let config = good("testdata/config/good/layers.toml").config;
    let rules = |id: &str| {
        let camera = config.cameras.iter().find(|c| c.id.as_str() == id).expect("camera");
        camera.rules.iter().map(|r| (r.id.as_str(), r)).collect::<Vec<_>>()
    };
    assert!(rules("defaults").is_empty(), "no zone `kerb` there");
    let street = rules("street");
    let [("motor_vehicle_parking", parking)] = street.as_slice() else { panic!("{street:?}") };
    assert_eq!(parking.kind, RuleKind::Presence { dwell: Duration::from_secs(660), still: true });
    assert_eq!(parking.zones[0].id.as_str(), "kerb");

    let plaza = rules("plaza");
    let [("motor_vehicle_parking", parking), ("crowd", crowd)] = plaza.as_slice() else {
        panic!("{plaza:?}")
    };
    assert_eq!(parking.kind, RuleKind::Presence { dwell: Duration::from_secs(720), still: true });
    assert_eq!((parking.severity, parking.zones.len()), (Severity::High, 1), "what it does not change stays");
    assert_eq!(crowd.kind, RuleKind::Count { limit: 10, dwell: Duration::from_secs(600) });
    assert_eq!(crowd.class.code, "0506");
    let vending = config.catalogue.iter().find(|c| c.id == "mobile_vending").expect("class");
    assert_eq!(vending.code, "990501", "[codes]");
}

#[test]
fn the_shipped_catalogue_has_all_classes_of_the_domain() {
    let catalogue = good("testdata/config/good/minimal.toml").config.catalogue;
    let count = |group| catalogue.iter().filter(|c| c.group == group).count();
    assert_eq!((count(config::Group::Construction), count(config::Group::Street)), (7, 14));
    assert!(catalogue.iter().all(|c| !c.zh.is_ascii() && !c.en.is_empty()));
}

#[test]
fn a_missing_config_is_reported_with_the_next_step() {
    let errors = load("testdata/config/none.toml").expect_err("missing");
    assert!(errors.to_string().contains("cannot read testdata/config/none.toml"), "{errors}");
}

fn check(config: &Path, more: &[&str], credentials: Option<&Path>) -> Output {
    let mut command = Command::new(program("lintel"));
    command.arg("check").arg("--config").arg(config).args(more).current_dir(root());
    command.env("ORT_DYLIB_PATH", crate::support::onnxruntime());
    if let Some(folder) = credentials {
        command.env("CREDENTIALS_DIRECTORY", folder);
    }
    command.output().expect("lintel runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A config beside a model of three classes, in a folder that can be written.
fn node_in(folder: &Path, sections: &str) -> PathBuf {
    let model = root().join("testdata/models/yolox");
    let config = format!(
        "[node]\nid = \"box\"\ndata_dir = \"data\"\n[detect]\nmodel = \"{}\"\n{sections}",
        model.display()
    );
    let path = folder.join("lintel.toml");
    std::fs::write(&path, config).expect("write");
    path
}

const CAMERA: &str = "[[camera]]\nid = \"gate\"\nurl = \"rtsp://192.0.2.1/stream\"\n";

#[test]
fn check_passes_the_example_and_says_what_will_run() {
    let output = check(Path::new("config/lintel.example.toml"), &[], None);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    for part in ["config/lintel.example.toml: all right", "crossing", "rtsp 192.0.2.10", "lintel-nano"] {
        assert!(out.contains(part), "{part} is missing in {out}");
    }
}

#[test]
fn check_points_at_the_line_of_whatever_cannot_be_opened() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("data"), b"a file where the folder should be").expect("write");
    let sections = "threads = 1\n[decode]\nh264_decoder = \"no_such_decoder\"\n[evidence]\nfont = \"none.ttf\"\n\
        [mqtt]\nurl = \"mqtts://127.0.0.1\"\ntls = { ca_file = \"none.pem\" }\n\
        [[camera]]\nid = \"gate\"\nfile = \"none.mp4\"\n[[camera.rule]]\nclass = \"unleashed_dog\"\n";
    let config = node_in(folder.path(), sections);
    let output = check(&config, &[], None);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    let at = |line: u32, column: u32| format!("{}:{line}:{column}: error: ", config.display());
    for (place, part) in [
        (at(3, 12), "cannot write into"),
        (at(8, 16), "no_such_decoder"),
        (at(10, 8), "none.ttf"),
        (at(13, 19), "none.pem"),
        (at(16, 8), "none.mp4"),
        (at(18, 9), "the model knows none of the objects of `unleashed_dog`"),
    ] {
        let reported = err.lines().any(|line| line.starts_with(&place) && line.contains(part));
        assert!(reported, "{place}... {part} is missing in {err}");
    }
    assert!(err.contains("6 errors in the config"), "{err}");
}

#[test]
fn check_refuses_a_model_that_is_not_there() {
    let folder = tempfile::tempdir().expect("folder");
    let config = folder.path().join("lintel.toml");
    let lines = "[node]\nid = \"box\"\ndata_dir = \"data\"\n[mqtt]\nurl = \"mqtt://127.0.0.1\"\n[detect]\nmodel = \"none\"\n";
    std::fs::write(&config, format!("{lines}{CAMERA}")).expect("write");
    let output = check(&config, &[], None);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains(&format!("{}:7:9: error: ", config.display())), "{err}");
}

#[test]
fn a_password_comes_from_a_systemd_credential() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("mqtt"), "hunter2\n").expect("write");
    let sections = format!(
        "[mqtt]\nurl = \"mqtt://127.0.0.1\"\nusername = \"box\"\npassword_credential = \"mqtt\"\n{CAMERA}"
    );
    let config = node_in(folder.path(), &sections);
    let output = check(&config, &[], Some(folder.path()));
    let shown = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let output = check(&config, &[], None);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("CREDENTIALS_DIRECTORY is not set"));
}

#[test]
fn a_probe_reports_the_stream_and_fails_with_a_closed_broker() {
    let folder = tempfile::tempdir().expect("folder");
    let clip = root().join("testdata/clips/street.mp4");
    // A port that was free a moment ago and that nobody listens on.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port();
    let sections = format!(
        "[mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\n[[camera]]\nid = \"gate\"\nfile = \"{}\"\n",
        clip.display()
    );
    let output = check(&node_in(folder.path(), &sections), &["--probe", "--timeout", "20"], None);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert!(out.contains("H264 768x576, 10.0 fps") && out.contains("GOP of 20 frames"), "{out}");
    assert!(out.contains("broker   FAILED"), "{out}");
}

#[test]
fn the_schema_command_prints_the_schema() {
    let output = Command::new(program("lintel")).args(["config", "schema"]).output().expect("lintel runs");
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(printed, config::schema());
}

#[test]
fn a_hundred_and_thirty_four_camera_files_make_as_many_cameras() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::create_dir(folder.path().join("cameras")).expect("folder");
    for n in 1..=134 {
        let camera = format!(
            "[[camera]]\nid = \"point-{n}\"\nprofile = \"high_mount\"\nurl = \"rtsp://192.0.2.7/{n}\"\n"
        );
        std::fs::write(folder.path().join(format!("cameras/{n:03}.toml")), camera).expect("write");
    }
    let main = "include = [\"cameras/*.toml\"]\n[node]\nid = \"box\"\n[mqtt]\nurl = \"mqtt://127.0.0.1\"\n\
        [[rule]]\nclass = \"construction_work\"\nprofiles = [\"high_mount\"]\n";
    let path = folder.path().join("lintel.toml");
    std::fs::write(&path, main).expect("write");
    let cameras = config::load(&path).unwrap_or_else(|errors| panic!("{errors}")).config.cameras;
    assert_eq!(cameras.len(), 134);
    assert!(cameras.iter().all(|c| c.rules.len() == 1 && c.interval == Duration::from_secs(4)));

    // What is wrong for all of them is reported once.
    std::fs::write(&path, format!("{main}schedule = [\"never\"]\n")).expect("write");
    let errors = config::load(&path).expect_err("a wrong schedule");
    assert_eq!(errors.len(), 1, "{errors}");
}

#[test]
fn no_damage_to_a_config_makes_the_loader_panic_or_show_a_password() {
    let example = std::fs::read_to_string(root().join("config/lintel.example.toml")).expect("example");
    let whole = example
        .replace("# username = \"county-box-1\"", "password = \"hunter2\"\nurl = \"mqtt://a:hunter2@b\"");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("lintel.toml");
    let bytes = whole.as_bytes();
    let try_one = |damaged: &[u8]| {
        std::fs::write(&path, damaged).expect("write");
        if let Err(errors) = config::load(&path) {
            assert!(!errors.is_empty());
            let text = errors.to_string();
            assert!(!text.contains("hunter2"), "{text}");
        }
    };
    for step in 1..120 {
        let cut = bytes.len() * step / 120;
        try_one(&bytes[..cut]);
        let mut without = bytes[..cut].to_vec();
        without.extend(&bytes[(cut + step).min(bytes.len())..]);
        try_one(&without);
        let mut flipped = bytes.to_vec();
        flipped[cut] = b"\"=[]{}\n,.0\xff"[step % 11];
        try_one(&flipped);
    }
}
