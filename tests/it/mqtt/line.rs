//! A line that others need too, and a broker that takes small packets only.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use lintel::config::{Confirm, LineLimit, MqttConfig, Schedule, WeekSpan};
use lintel::outbox::OutMessage;
use lintel::rules::Transition;
use tempfile::TempDir;

use super::facts::{event_id, message};
use super::{Node, Receiver, same, stored_ids};
use crate::support::mqtt::{Mosquitto, now, wait_for};

#[test]
fn files_keep_to_the_rate_and_an_event_passes_them() {
    let broker = Mosquitto::plain();
    let out = TempDir::new().expect("temp dir");
    let receiver = Receiver::start(&broker, out.path(), &[]);
    receiver.subscribed(1);
    let whole_day = WeekSpan { days: [true; 7], from: Time::midnight(), to: Time::midnight() };
    let hours = Schedule { time_zone: TimeZone::UTC, spans: vec![whole_day] };
    let limits = vec![LineLimit { hours, bytes_s: 64 << 10 }];
    let began = now();
    let node = Node::new(&MqttConfig { limits, chunk_bytes: 16 << 10, ..broker.config("node-1") });
    let clip = node.media(event_id(1), "clip", "clip.mp4", 320 << 10);
    node.append(vec![message(event_id(1), Transition::Opened, 0)], vec![clip.clone()]);
    let dir = receiver.event_dir(event_id(1));
    std::thread::sleep(Duration::from_secs(1));
    node.append(vec![message(event_id(2), Transition::Opened, 0)], vec![]);
    let other = receiver.event_dir(event_id(2));
    wait_for("the new event", || stored_ids(&other).len() == 1);
    assert!(!dir.join("clip.mp4").exists(), "the file is still on its way");
    wait_for("the clip", || same(&dir.join("clip.mp4"), &clip));
    // A second's worth goes at once.
    assert!(began.elapsed() > Duration::from_millis(3500), "{:?} for 5 s' worth", began.elapsed());
}

#[test]
fn pieces_follow_the_broker_and_a_message_that_it_does_not_take_holds_up_nothing() {
    let broker = Mosquitto::limited("max_packet_size 20000");
    let out = TempDir::new().expect("temp dir");
    let receiver = Receiver::start(&broker, out.path(), &[]);
    receiver.subscribed(1);
    let node = Node::new(&MqttConfig { confirm: Confirm::Platform, ..broker.config("node-1") });
    let clip = node.media(event_id(1), "clip", "clip.mp4", 300_000);
    let opened = message(event_id(1), Transition::Opened, 0);
    let large = OutMessage { payload: vec![b' '; 30_000], ..opened.clone() };
    node.append(vec![large, opened], vec![clip.clone()]);
    let dir = receiver.event_dir(event_id(1));
    wait_for("the clip", || same(&dir.join("clip.mp4"), &clip));
    wait_for("everything but the large one", || {
        let stats = node.outbox.stats();
        (stats.messages, stats.media) == (1, 0)
    });
    assert_eq!((stored_ids(&dir).len(), node.stats().reconnects), (1, 0));
}
