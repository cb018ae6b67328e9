//! Configs as files: what the good ones become, what the bad ones are told, and that all keys are documented.

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
fn each_broken_config_is_told_all_its_errors_with_their_places() {
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
fn a_missing_config_is_told_with_the_next_step() {
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
