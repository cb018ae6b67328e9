//! A record leaves the node once a platform has it; bursts, other nodes and a closed output lose nothing.

use std::process::{Command, Stdio};
use std::time::Duration;

use lintel::config::{Confirm, MqttConfig};
use lintel::outbox::OutMessage;
use lintel::rules::Transition;
use lintel::wire::evidence_message;
use serde_json::json;
use tempfile::TempDir;

use super::facts::{event_id, message, topics};
use super::{Node, Receiver, same, stored_ids};
use crate::support::mqtt::{DEADLINE, Mosquitto, terminate, wait_for};

fn by_platform(broker: &Mosquitto) -> MqttConfig {
    MqttConfig { confirm: Confirm::Platform, chunk_bytes: 64 << 10, ..broker.config("node-1") }
}

/// Revisions of one event.
fn burst(event: u8, revisions: std::ops::Range<u32>) -> Vec<OutMessage> {
    let step = |revision| {
        let kind = if revision == 0 { Transition::Opened } else { Transition::Updated };
        message(event_id(event), kind, revision)
    };
    revisions.map(step).collect()
}

fn stopped(mut receiver: Receiver) -> String {
    // The acknowledgement goes out after the message is stored.
    std::thread::sleep(Duration::from_millis(500));
    terminate(&receiver.child);
    assert!(receiver.child.wait().expect("ends").success());
    receiver.stderr()
}

#[test]
fn a_burst_beyond_the_receive_maximum_is_stored_and_acknowledged_to_its_end() {
    let broker = Mosquitto::plain();
    let out = TempDir::new().expect("temp dir");
    let receiver = Receiver::start(&broker, out.path(), &[]);
    receiver.subscribed(1);
    let receiver_out = stopped(receiver);
    assert!(receiver_out.contains("stopped"));
    // Waits at the broker: it sends all of it at once, whatever the receive maximum.
    let node = Node::new(&MqttConfig { in_flight: 100, ..broker.config("node-1") });
    node.append(burst(1, 0..1500), vec![]);
    wait_for("the broker to have it", || node.drained());

    let receiver = Receiver::start(&broker, out.path(), &[]);
    let dir = receiver.event_dir(event_id(1));
    wait_for("the burst", || stored_ids(&dir).len() == 1500);
    node.append(burst(2, 0..1), vec![]);
    let other = receiver.event_dir(event_id(2));
    wait_for("what comes after it", || stored_ids(&other).len() == 1);
    let log = stopped(receiver);
    assert!(log.contains("repeats=0"), "{log}");
    // What was not acknowledged would come again now.
    let receiver = Receiver::start(&broker, out.path(), &[]);
    node.append(burst(3, 0..1), vec![]);
    receiver.event_dir(event_id(3));
    let log = stopped(receiver);
    assert_eq!(log.matches("repeats=0").count(), 3, "{log}");
}

#[test]
fn an_output_that_nobody_reads_stops_neither_the_storing_nor_the_end() {
    let broker = Mosquitto::plain();
    let out = TempDir::new().expect("temp dir");
    let mut child = Command::new(env!("CARGO_BIN_EXE_lintel"))
        .args(["receive", "--broker", &broker.url(), "--out"])
        .arg(out.path().join("store"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("lintel receive");
    let node = Node::new(&by_platform(&broker));
    node.append(burst(1, 0..1200), vec![]);
    wait_for("every record confirmed", || node.drained());
    terminate(&child);
    let began = crate::support::mqtt::now();
    while child.try_wait().expect("child").is_none() {
        assert!(began.elapsed() < Duration::from_secs(10), "SIGTERM does not end it");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_record_leaves_the_node_when_the_platform_has_it_and_not_when_the_broker_does() {
    let broker = Mosquitto::plain();
    let out = TempDir::new().expect("temp dir");
    let receiver = Receiver::start(&broker, out.path(), &[]);
    receiver.subscribed(1);
    stopped(receiver);
    let node = Node::new(&by_platform(&broker));
    let clip = node.media(event_id(1), "clip", "clip.mp4", 300_000);
    node.append(burst(1, 0..2), vec![clip.clone()]);
    wait_for("the broker to have it", || node.outbox.stats().unconfirmed == 3);
    assert!(!node.outbox.is_delivered(event_id(1)).expect("outbox"));
    let receiver = Receiver::start(&broker, out.path(), &[]);
    wait_for("the platform's word", || node.drained());
    assert!(node.outbox.is_delivered(event_id(1)).expect("outbox"));
    let dir = receiver.event_dir(event_id(1));
    assert!(same(&dir.join("clip.mp4"), &clip));
    assert_eq!((stored_ids(&dir).len(), node.outbox.stats().sent_again), (2, 0));
}

#[test]
fn what_a_broker_forgot_is_sent_again_until_the_platform_has_all_of_it() {
    let mut broker = Mosquitto::plain();
    let out = TempDir::new().expect("temp dir");
    let node = Node::new(&by_platform(&broker));
    let receiver = Receiver::start(&broker, out.path(), &[]);
    receiver.subscribed(1);
    stopped(receiver);
    let clip = node.media(event_id(1), "clip", "clip.mp4", 300_000);
    let evidence = evidence_message(
        &topics(),
        "node-1",
        &"gate".into(),
        event_id(1),
        lintel::base::WallTime(1_795_321_900_000_000),
        json!({}),
        vec![(&clip).into()],
    );
    node.append(burst(1, 0..3).into_iter().chain([evidence]).collect(), vec![clip.clone()]);
    wait_for("the broker to have it", || node.outbox.stats().unconfirmed == 5);
    broker.kill();
    broker.start();
    let receiver = Receiver::start(&broker, out.path(), &[]);
    receiver.subscribed(2);
    wait_for("the connection", || node.stats().connected);
    node.append(burst(2, 0..1), vec![]);
    wait_for("everything confirmed", || node.drained());
    let dir = receiver.event_dir(event_id(1));
    assert!(same(&dir.join("clip.mp4"), &clip));
    assert_eq!(stored_ids(&dir).len(), 4);
    assert!(node.outbox.stats().sent_again >= 5, "{:?}", node.outbox.stats());
    assert!(receiver.stdout().contains("complete"), "{}", receiver.stdout());
}

#[test]
fn with_nobody_subscribed_everything_stays_and_goes_when_a_receiver_comes() {
    for confirm in [Confirm::Platform, Confirm::Broker] {
        let broker = Mosquitto::plain();
        let out = TempDir::new().expect("temp dir");
        let node = Node::new(&MqttConfig { confirm, ..by_platform(&broker) });
        let still = node.media(event_id(1), "still", "still.jpg", 200_000);
        node.append(burst(1, 0..2), vec![still.clone()]);
        wait_for("nobody to be found", || node.outbox.stats().told_nobody >= 3);
        assert_eq!((node.outbox.stats().messages, node.outbox.stats().media), (2, 1));
        let receiver = Receiver::start(&broker, out.path(), &[]);
        wait_for("everything to go", || node.drained());
        assert_eq!(node.outbox.stats().told_nobody, 0);
        let dir = receiver.event_dir(event_id(1));
        wait_for("the still", || same(&dir.join("still.jpg"), &still) && stored_ids(&dir).len() == 2);
    }
    assert!(DEADLINE > Duration::from_secs(30), "the node looks again every 20 s");
}

#[test]
fn another_nodes_messages_about_an_event_go_to_quarantine() {
    let broker = Mosquitto::plain();
    let out = TempDir::new().expect("temp dir");
    let receiver = Receiver::start(&broker, out.path(), &[]);
    receiver.subscribed(1);
    let node = Node::new(&by_platform(&broker));
    node.append(burst(1, 0..1), vec![]);
    let dir = receiver.event_dir(event_id(1));
    wait_for("the event", || stored_ids(&dir).len() == 1);
    let closing = message(event_id(1), Transition::Closed, 1);
    // Node b, under its own name and in the name of node-1, each on its own topic.
    let own =
        String::from_utf8(closing.payload.clone()).expect("JSON").replace("/lintel/node-1/", "/lintel/b/");
    for payload in [own, String::from_utf8(closing.payload.clone()).expect("JSON")] {
        let port = broker.port.to_string();
        let args = [
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-q",
            "1",
            "-t",
            "lintel/v1/b/camera/gate/event",
            "-m",
            &payload,
        ];
        crate::support::mqtt::command("mosquitto_pub", &args);
    }
    wait_for("both kept off", || {
        let log = receiver.stderr();
        log.contains("kept in quarantine") && log.contains("message refused")
    });
    node.append(vec![message(event_id(1), Transition::Updated, 1)], vec![]);
    wait_for("the genuine one", || stored_ids(&dir).len() == 2);
    let newest = std::fs::read_to_string(dir.join("event.json")).expect("event.json");
    assert!(newest.contains("violation.updated"), "{newest}");
    assert!(out.path().join("store/quarantine/b").exists());
}
