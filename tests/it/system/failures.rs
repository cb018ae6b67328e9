//! Starts that cannot work: each ends with a code and a message that says what, where and what to do.

use std::time::Duration;

use super::node::{Node, Receiver, street};
use crate::support::mqtt::{Mosquitto, wait_for, wait_within};
use crate::support::root;
use crate::support::rtsp::{Options, RtspServer};

#[track_caller]
fn start_fails(change: impl FnOnce(&mut Node), code: i32, expected: &[&str]) {
    let broker = Mosquitto::plain();
    let mut node = Node::new("rtsp://127.0.0.1:1/gate", &broker, None);
    change(&mut node);
    node.start();
    let status = node.wait();
    let said = node.log();
    assert_eq!(status.code(), Some(code), "{said}");
    for part in expected {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

#[test]
fn a_missing_model_is_named() {
    let model = format!("{}/models/lintel-nano", root().display());
    start_fails(|node| node.replace(&model, "/nowhere/model"), 1, &["/nowhere/model", "model.toml"]);
}

#[test]
fn a_missing_onnx_runtime_is_named() {
    let wrong = "[runtime]\nonnxruntime = \"/nowhere/libonnxruntime.so\"\n[detect]";
    start_fails(|node| node.replace("[detect]", wrong), 1, &["/nowhere/libonnxruntime.so"]);
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    start_fails(|node| node.data_dir(std::path::Path::new("/proc/lintel")), 1, &["data_dir", "/proc/lintel"]);
}

#[test]
fn a_taken_port_of_http_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("address").to_string();
    start_fails(|node| node.listen_on(&address), 1, &["http.listen", &address]);
}

#[test]
fn an_object_that_the_model_lacks_is_refused_with_its_place() {
    let objects = "dwell = \"3s\"\nobjects = [\"zeppelin\"]";
    start_fails(|node| node.replace("dwell = \"3s\"", objects), 2, &["zeppelin", "lintel.toml:"]);
}

#[test]
fn a_wrong_key_is_refused_with_its_place() {
    start_fails(|node| node.replace("pre_roll", "preroll"), 2, &["preroll", "pre_roll", "lintel.toml:"]);
}

#[test]
fn a_wrong_camera_password_is_reported_and_the_node_runs_on() {
    let broker = Mosquitto::plain();
    let auth = Some(("digest", "operator", "right"));
    let camera = RtspServer::start(&[("gate", street().as_path())], Options { auth, ..Options::default() });
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.camera_login("operator", "wrong-one");
    node.start();
    wait_for("the refusal", || {
        node.health()["cameras"]["gate"]["ingest"]["reconnects"]["auth"].as_u64().is_some_and(|n| n > 0)
    });
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    assert!(!node.log().contains("wrong-one"), "the password is in the log: {}", node.log());
}

#[test]
fn a_node_that_sees_nothing_is_not_well_and_says_when_it_sees_again() {
    let broker = Mosquitto::plain();
    let receiver = Receiver::start(&broker, None);
    let mut camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.start();
    node.wait_until_streaming();
    camera.stop();
    let troubles = || receiver.node_health()["troubles"].to_string();
    wait_within(Duration::from_secs(120), "the trouble", || troubles().contains("no_camera_streams"));
    assert_eq!(receiver.node_health()["status"], "degraded");
    assert!(node.log().contains("none of 1 cameras streams"), "{}", node.log());

    camera.start_again();
    wait_for("the stream", || node.log().contains("the camera streams again"));
    wait_for("the end of the trouble", || !troubles().contains("no_camera_streams"));
    node.terminate();
}
