//! Kill, broker outage: nothing is lost, nothing is doubled.

use std::time::Duration;

use super::node::{Node, Receiver, street};
use crate::support::mqtt::{Mosquitto, wait_for};
use crate::support::rtsp::{Options, RtspServer};

/// Every event has its revisions 0, 1, 2, ... once each.
#[track_caller]
pub fn assert_whole(receiver: &Receiver, events: usize) {
    let received = receiver.events();
    assert_eq!(received.len(), events);
    for event in received {
        let revisions = event.revisions();
        let expected: Vec<u64> = (0..revisions.len() as u64).collect();
        assert_eq!(revisions, expected, "lost or doubled in {:?}", event.folder);
    }
}

#[test]
fn a_kill_in_the_middle_of_an_event_loses_and_doubles_nothing() {
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let receiver = Receiver::start(&broker, None);
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.replace("post_roll = \"2s\"", "post_roll = \"20s\"");

    // The first kill: events are open, their clips are still owed.
    node.start();
    wait_for("two opened events", || receiver.events().len() == 2);
    node.kill();
    // The second: the node has just come up again.
    node.start();
    node.wait_until_streaming();
    node.kill();
    node.start();
    receiver.wait_for_evidence(2);
    let before = node.analysed();
    wait_for("six more pictures", || node.analysed() >= before + 6);
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    assert_whole(&receiver, 2);
    for event in receiver.events() {
        event.check_files(&["manifest.json"]);
        let manifest = event.manifest();
        let said = |kind: &str| {
            manifest["missing"].as_array().is_some_and(|all| all.iter().any(|m| m["kind"] == kind))
        };
        // Stills are written a moment after the event is durable: a kill in between takes them, and the
        // manifest says so.
        for kind in ["still", "annotated"] {
            let there = event.folder.join(format!("{kind}.jpg")).exists();
            assert!(there != said(kind), "{kind}.jpg: there {there}, and the manifest is {manifest}");
        }
        // The footage before the kill died with the process: either the new one saw part of the span, or
        // none.
        let late = manifest["clip"]["starts_late"] == true;
        assert!(
            late || said("clip"),
            "the clip lost its beginning and the manifest does not say so: {manifest}"
        );
    }
}

#[test]
fn a_broker_that_is_down_at_the_start_and_later_delays_but_loses_nothing() {
    let mut broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let receiver = Receiver::start(&broker, None);
    std::thread::sleep(Duration::from_millis(500));
    broker.stop();
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.start();
    wait_for("events without a broker", || node.health()["events"]["opened"] == 2);
    assert_eq!(node.health()["publish"]["connected"], false);
    broker.start();
    receiver.wait_for_evidence(2);
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    assert_whole(&receiver, 2);
}
