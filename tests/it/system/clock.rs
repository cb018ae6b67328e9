//! The real program beside a camera whose clock is right, while its own is set (libfaketime).

use std::path::PathBuf;

use serde_json::Value;

use super::node::{Node, Receiver, street};
use crate::support::mqtt::{Mosquitto, wait_for};
use crate::support::rtsp::{Options, RtspServer};
use crate::support::skipped;

/// A node whose wall clock differs from the true one by what `set` says.
struct Shifted {
    node: Node,
    file: PathBuf,
}

impl Shifted {
    /// `None`: libfaketime is not installed.
    fn new(test: &str, camera: &RtspServer, broker: &Mosquitto, offset_s: i64) -> Option<Self> {
        let places = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let library = places.map(|dir| dir.path().join("faketime/libfaketimeMT.so.1")).find(|l| l.exists());
        let Some(library) = library else {
            skipped(test, "libfaketime is not installed; run scripts/setup.sh");
            return None;
        };
        let mut node = Node::new(&camera.url("gate"), broker, None);
        let file = node.folder().join("offset");
        node.set("LD_PRELOAD", library.to_str().expect("UTF-8"));
        node.set("FAKETIME_TIMESTAMP_FILE", file.to_str().expect("UTF-8"));
        node.set("FAKETIME_CACHE_DURATION", "1");
        node.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let shifted = Self { node, file };
        shifted.shift(offset_s);
        Some(shifted)
    }

    fn shift(&self, offset_s: i64) {
        std::fs::write(&self.file, format!("{offset_s:+}\n")).expect("written");
    }

    fn ingest(&self) -> Value {
        self.node.health()["cameras"]["gate"]["ingest"].clone()
    }

    /// Waits for so many more pictures.
    fn look(&self, pictures: u64) {
        let analysed = self.node.analysed();
        wait_for("pictures", || self.node.analysed() >= analysed + pictures);
    }
}

#[test]
fn a_step_of_the_nodes_clock_makes_no_violation_and_the_camera_is_believed() {
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let Some(mut shifted) = Shifted::new("clock: a step", &camera, &broker, 0) else { return };
    shifted.node.replace("dwell = \"3s\"", "dwell = \"10m\"");
    shifted.node.start();
    wait_for("the camera's clock", || shifted.ingest()["time_source"] == "rtcp");
    shifted.look(5);
    shifted.shift(900);
    wait_for("the step to be noticed", || shifted.ingest()["waits_for_clock"] == true);
    shifted.look(8);
    let health = shifted.node.health();
    assert_eq!(health["events"]["opened"], 0, "nothing stood for ten minutes");
    let ingest = shifted.ingest();
    assert_eq!(ingest["time_source"], "rtcp", "{ingest}");
    assert!(ingest["offset_ms"].as_i64().is_some_and(|ms| (ms + 900_000).abs() < 3_000), "{ingest}");
    assert!(shifted.node.log().contains("set away from the camera's"), "{}", shifted.node.log());
    shifted.shift(0);
    wait_for("it to be in step again", || shifted.ingest()["waits_for_clock"] == false);
    assert_eq!(shifted.node.health()["events"]["opened"], 0);
    assert_eq!(shifted.node.terminate().code(), Some(0), "{}", shifted.node.log());
}

#[test]
fn events_of_a_box_that_was_two_days_behind_go_on_when_its_clock_is_set_right() {
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let receiver = Receiver::start(&broker, None);
    let Some(mut shifted) = Shifted::new("clock: days behind", &camera, &broker, -172_800) else { return };
    shifted.node.start();
    wait_for("two events", || shifted.node.health()["events"]["opened"] == 2);
    shifted.shift(0);
    wait_for("the connection with the new time", || shifted.ingest()["connections"] == 2);
    shifted.look(8);
    let events = shifted.node.health()["events"].clone();
    assert_eq!((&events["opened"], &events["expired"], &events["closed"]), (&2.into(), &0.into(), &0.into()));
    wait_for("the events at the platform", || receiver.events().len() == 2);
    for event in receiver.events() {
        let clock = &event.state["data"]["capture"]["clock"];
        assert!(clock["synchronised"].is_boolean() && clock["stepped"] == false, "{clock}");
    }
    assert_eq!(shifted.node.terminate().code(), Some(0), "{}", shifted.node.log());
}
