//! Things break in the middle of a transfer: nothing is lost, nothing doubled.

use lintel::base::WallTime;
use lintel::rules::Transition;
use lintel::wire::evidence_message;
use serde_json::json;
use tempfile::TempDir;

use super::facts::{event_id, message, topics};
use super::{Node, Observer, Receiver, same, stored_ids};
use crate::support::mqtt::{Line, Mosquitto, terminate, wait_for};

const CLIP_BYTES: usize = 3_000_000;
const CHUNK_BYTES: usize = 32 << 10;
const CHUNKS: u64 = CLIP_BYTES.div_ceil(CHUNK_BYTES) as u64;

/// Event, clip and evidence message of one event.
fn send(node: &Node, n: u8) -> lintel::outbox::OutMedia {
    let event = event_id(n);
    let clip = node.media(event, "clip", "clip.mp4", CLIP_BYTES);
    let evidence = evidence_message(
        &topics(),
        "node-1",
        &"gate".into(),
        event,
        WallTime(1_795_321_900_000_000),
        json!({}),
        vec![(&clip).into()],
    );
    node.append(vec![message(event, Transition::Opened, 0), evidence], vec![clip.clone()]);
    clip
}

#[test]
fn a_broker_that_stops_in_the_middle_of_a_clip_gets_only_the_rest() {
    let mut broker = Mosquitto::plain();
    let out = TempDir::new().expect("temp dir");
    let receiver = Receiver::start(&broker, out.path(), &[]);
    receiver.subscribed(1);
    let line = Line::to(broker.port, 1_000_000);
    let mut config = broker.config("node-1");
    (config.port, config.chunk_bytes) = (line.port, CHUNK_BYTES);
    let node = Node::new(&config);
    let clip = send(&node, 1);

    wait_for("a part of the clip", || node.stats().acked >= 12);
    broker.stop();
    wait_for("the lost connection", || !node.stats().connected);
    let before = node.stats();
    assert!(before.acked < CHUNKS, "the clip was through before the broker stopped");
    assert!(!node.drained());
    broker.start();
    line.set_speed(50_000_000);

    wait_for("an empty outbox", || node.drained());
    // A record is counted after the outbox has written it.
    wait_for("each record to be acknowledged once", || node.stats().acked >= CHUNKS + 2);
    let after = node.stats();
    assert_eq!(after.acked, CHUNKS + 2, "each record acknowledged once");
    assert_eq!(after.sent, CHUNKS + 2 + after.resent, "nothing sent again but what was not acknowledged");
    assert!(after.resent <= u64::from(config.in_flight), "{} sent again", after.resent);
    assert_eq!(after.reconnects, 1);

    let dir = receiver.event_dir(event_id(1));
    wait_for("the clip", || same(&dir.join("clip.mp4"), &clip));
    wait_for("the complete line", || receiver.stdout().contains("complete"));
    assert_eq!(stored_ids(&dir).len(), 2);
    let stdout = receiver.stdout();
    assert_eq!(stdout.matches("opened").count(), 1, "{stdout}");
    assert_eq!(stdout.matches("clip.mp4").count(), 1, "{stdout}");
    assert!(node.outbox.is_delivered(event_id(1)).expect("outbox"));
}

#[test]
fn a_receiver_that_is_killed_in_the_middle_of_a_clip_goes_on_where_it_was() {
    let broker = Mosquitto::plain();
    let out = TempDir::new().expect("temp dir");
    let mut receiver = Receiver::start(&broker, out.path(), &[]);
    receiver.subscribed(1);
    let line = Line::to(broker.port, 1_000_000);
    let mut config = broker.config("node-1");
    (config.port, config.chunk_bytes) = (line.port, CHUNK_BYTES);
    let node = Node::new(&config);
    let clip = send(&node, 1);

    wait_for("a part of the clip", || node.stats().acked >= 20);
    receiver.child.kill().expect("kill");
    receiver.child.wait().expect("ends");
    assert!(node.stats().acked < CHUNKS);
    node.append(vec![message(event_id(1), Transition::Updated, 1)], vec![]);
    line.set_speed(50_000_000);
    wait_for("an empty outbox", || node.drained());

    let receiver = Receiver::start(&broker, out.path(), &[]);
    let dir = receiver.event_dir(event_id(1));
    wait_for("the clip", || same(&dir.join("clip.mp4"), &clip));
    wait_for("the update", || stored_ids(&dir).len() == 3);
    let newest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("event.json")).expect("event.json")).expect("JSON");
    assert_eq!(newest["type"], "cn.lintel.violation.updated");
    wait_for("the complete line", || receiver.stdout().contains("complete"));
    let stdout = receiver.stdout();
    assert_eq!(stdout.matches("opened").count(), 1, "{stdout}");
    assert_eq!(stdout.matches("clip.mp4").count(), 1, "{stdout}");
    assert_eq!(std::fs::read_dir(out.path().join("store/.parts/node-1")).expect("parts").count(), 0);

    let mut receiver = receiver;
    terminate(&receiver.child);
    assert!(receiver.child.wait().expect("ends").success());
    assert!(receiver.stderr().contains("stopped"), "{}", receiver.stderr());
}

#[test]
fn an_outbox_that_is_opened_again_sends_only_what_was_not_acknowledged() {
    let broker = Mosquitto::plain();
    let out = TempDir::new().expect("temp dir");
    let receiver = Receiver::start(&broker, out.path(), &[]);
    receiver.subscribed(1);
    let line = Line::to(broker.port, 1_000_000);
    let mut config = broker.config("node-1");
    (config.port, config.chunk_bytes) = (line.port, CHUNK_BYTES);
    let node = Node::new(&config);
    let clip = send(&node, 1);

    wait_for("a part of the clip", || node.stats().acked >= 20);
    // As a crash does it: no flush, no farewell.
    let Node { dir, outbox, publisher, runtime } = node;
    let first = publisher.as_ref().expect("running").stats.snapshot().acked;
    line.cut();
    drop((publisher, outbox));
    runtime.shutdown_timeout(std::time::Duration::from_secs(20));
    line.set_speed(50_000_000);

    let node = Node::on(dir, &config);
    wait_for("an empty outbox", || node.drained());
    let second = node.stats();
    assert!(second.sent <= CHUNKS + 2 - first, "{} sent after {first} were acknowledged", second.sent);
    let dir = receiver.event_dir(event_id(1));
    wait_for("the clip", || same(&dir.join("clip.mp4"), &clip));
    assert_eq!(stored_ids(&dir).len(), 2);
}

#[test]
fn a_cut_line_shows_the_last_will_and_then_the_node_again() {
    let broker = Mosquitto::plain();
    let mut observer = Observer::new(broker.config("observer"), &["lintel/v1/node-1/state"]);
    let line = Line::to(broker.port, 50_000_000);
    let mut config = broker.config("node-1");
    config.port = line.port;
    let mut node = Node::new(&config);

    let status = |observer: &mut Observer, wanted: &str| {
        let seen = observer.until(|seen| {
            let state: serde_json::Value = serde_json::from_slice(&seen.payload).expect("JSON");
            super::wire::validate("node-state", &state);
            state["status"] == wanted
        });
        assert_eq!(seen.topic, "lintel/v1/node-1/state");
    };
    status(&mut observer, "online");
    line.cut();
    status(&mut observer, "offline");
    status(&mut observer, "online");
    node.stop();
    status(&mut observer, "stopped");
    let mut late = Observer::new(broker.config("late"), &["lintel/v1/node-1/state"]);
    assert!(late.next().retained);
}
