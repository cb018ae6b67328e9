//! What each kind of change requires, with configs as an operator writes them.

use super::*;

const BASE: &str = r#"
[node]
id = "node-1"
data_dir = "data"
[mqtt]
url = "mqtt://localhost"
[[camera]]
id = "gate"
url = "rtsp://10.0.0.1/a"
[[camera.zone]]
id = "road"
polygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
[[camera.rule]]
class = "motor_vehicle_parking"
zones = ["road"]
[[camera]]
id = "yard"
url = "rtsp://10.0.0.2/a"
"#;

fn config(text: &str) -> Config {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("lintel.toml");
    std::fs::write(&path, text).expect("written");
    let mut config = crate::config::load(&path).unwrap_or_else(|errors| panic!("{errors}")).config;
    // Beside the file, which is in another folder each time.
    config.node.data_dir = "data".into();
    config.detect.model = "model".into();
    config
}

/// The plan for a change of the text.
fn plan(changes: &[(&str, &str)]) -> Plan {
    let mut text = BASE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    Plan::new(&config(BASE), &config(&text), &Stamps::new(), &Stamps::new())
}

fn ids(ids: &[&str]) -> BTreeSet<CameraId> {
    ids.iter().map(|id| CameraId::from(*id)).collect()
}

#[test]
fn the_same_config_changes_nothing() {
    assert_eq!(plan(&[]), Plan::default());
    assert_eq!(plan(&[("[node]", "# a comment\n[node]")]), Plan::default());
}

#[test]
fn a_zone_that_moves_concerns_its_own_camera_and_not_its_stream() {
    let plan = plan(&[("[0.9, 0.9]", "[0.8, 0.9]")]);
    assert_eq!(plan.changes, ["camera gate: zones, rules"]);
    assert_eq!((plan.adjusted, plan.sources), (ids(&["gate"]), ids(&[])));
    assert!(plan.restart.is_empty() && !plan.mqtt);
}

#[test]
fn one_more_camera_concerns_no_other() {
    let plan = plan(&[("[node]", "[[camera]]\nid = \"new\"\nurl = \"rtsp://10.0.0.3/a\"\n[node]")]);
    assert_eq!(plan.changes, ["camera new: added"]);
    assert_eq!((plan.added, plan.removed, plan.adjusted), (ids(&["new"]), ids(&[]), ids(&[])));
}

#[test]
fn a_new_address_is_a_new_source_and_a_new_id_another_camera() {
    let address = plan(&[("10.0.0.2", "10.0.0.9")]);
    assert_eq!(address.changes, ["camera yard: source"]);
    assert_eq!((address.sources, address.adjusted), (ids(&["yard"]), ids(&["yard"])));
    let id = plan(&[("\"yard\"", "\"court\"")]);
    assert_eq!(id.changes, ["camera yard: removed", "camera court: added"]);
    assert_eq!((id.added, id.removed), (ids(&["court"]), ids(&["yard"])));
}

#[test]
fn what_needs_a_restart_is_named_as_the_operator_writes_it() {
    let plan = plan(&[
        ("node-1", "node-2"),
        (
            "[mqtt]",
            "[outbox]\nmax_mb = 7\n[http]\nlisten = \"127.0.0.1:1\"\n[mqtt]\ntopic_prefix = \"other\"",
        ),
    ]);
    assert_eq!(
        plan.restart,
        ["node.id", "outbox.max_mb", "mqtt.client_id", "mqtt.topic_prefix", "http.listen"]
    );
}

#[test]
fn another_time_zone_concerns_all_cameras_and_other_mqtt_settings_none() {
    let zone = plan(&[("[mqtt]", "time_zone = \"UTC\"\n[mqtt]")]);
    assert_eq!(zone.adjusted, ids(&["gate", "yard"]));
    let mqtt = plan(&[("mqtt://localhost", "mqtt://broker")]);
    assert_eq!(mqtt.changes, ["mqtt.url"]);
    assert!(mqtt.mqtt && mqtt.adjusted.is_empty());
}

#[test]
fn a_file_with_a_new_content_concerns_who_reads_it() {
    let config = config(BASE);
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("gate.toml");
    let mut with_file = config.clone();
    with_file.cameras[0].calibration = Some(path.clone());
    std::fs::write(&path, "1").expect("written");
    let before = super::super::stamps(&with_file);
    std::fs::write(&path, "12").expect("written");
    let after = super::super::stamps(&with_file);
    let plan = Plan::new(&with_file, &with_file, &before, &after);
    assert_eq!(plan.adjusted, ids(&["gate"]));
    assert_eq!(plan.changes, [format!("content of {}", path.display())]);
}
