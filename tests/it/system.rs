//! The whole node: a real camera server, a real broker, the real program and the platform's side, and what
//! goes wrong between them.

mod carried;
mod clock;
mod commands;
mod custody;
mod failures;
mod flights;
mod full_disk;
mod hostile;
mod live_drone;
mod node;
mod outages;
mod places;
mod reload;
mod service;

use std::time::Duration;

use crate::support::mqtt::{Mosquitto, Pki, wait_for};
use crate::support::rtsp::{Options, RtspServer};
use node::{Node, Receiver, street};

#[test]
fn events_and_evidence_arrive_over_tls_from_a_camera_that_asks_for_a_password() {
    let pki = Pki::new();
    let broker = Mosquitto::tls(&pki);
    let auth = Some(("digest", "operator", "street-cam"));
    let camera = RtspServer::start(&[("gate", street().as_path())], Options { auth, ..Options::default() });
    let receiver = Receiver::start(&broker, Some(&pki));
    let mut node = Node::new(&camera.url("gate"), &broker, Some(&pki));
    node.camera_login("operator", "street-cam");
    node.start();

    receiver.wait_for_evidence(2);
    let health = node.health();
    assert_eq!(health["cameras"]["gate"]["ingest"]["state"], "streaming");
    let metrics = node.get("/metrics");
    assert!(metrics.contains("lintel_events_opened_total 2"), "{metrics}");

    for event in receiver.events() {
        event.check_files(&["still.jpg", "annotated.jpg", "clip.mp4", "manifest.json"]);
        assert_eq!(event.state["data"]["class"]["id"], "motor_vehicle_parking");
    }
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    assert!(!node.log().contains("street-cam"), "the password is in the log");
}

#[test]
fn a_second_signal_ends_at_once() {
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.start();
    node.wait_until_streaming();
    node.signal("TERM");
    node.signal("TERM");
    let code = node.wait().code();
    // An orderly stop can be as fast as the second signal.
    assert!(code == Some(130) || code == Some(0), "{code:?}: {}", node.log());
}

#[test]
fn a_dead_stream_reads_zero_frames_a_second() {
    let broker = Mosquitto::plain();
    let mut camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.start();
    node.wait_until_streaming();
    camera.stop();
    wait_for("0 fps", || node.health()["cameras"]["gate"]["ingest"]["fps"] == 0.0);
    let ingest = node.health()["cameras"]["gate"]["ingest"].clone();
    assert_ne!(ingest["state"], "streaming");
    assert!(ingest["last_error"].is_string(), "{ingest}");
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
}

#[test]
fn a_camera_that_comes_back_goes_on_with_the_same_events() {
    let broker = Mosquitto::plain();
    let mut camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let receiver = Receiver::start(&broker, None);
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.start();
    receiver.wait_for_evidence(2);
    camera.stop();
    wait_for("the node to miss it", || node.health()["cameras"]["gate"]["ingest"]["state"] != "streaming");
    camera.start_again();
    node.wait_until_streaming();
    let analysed = node.analysed();
    wait_for("four more pictures", || node.analysed() >= analysed + 4);
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(receiver.events().len(), 2, "a standing vehicle is one event across an outage");
}
