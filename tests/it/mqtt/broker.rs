//! The demo's own broker with both sides of the wire.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use lintel::rules::Transition;
use tempfile::TempDir;

use super::facts::{event_id, message};
use super::{Node, Receiver, same};
use crate::support::mqtt::{Mosquitto, free_port, wait_for};
use crate::support::program;

struct Broker(Child);

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_demo_broker_says_that_it_is_ready_and_carries_a_clip() {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut child = Command::new(program("lintel-broker"))
        .args(["--listen", &address])
        .stdout(Stdio::piped())
        .spawn()
        .expect("lintel-broker");
    let stdout = child.stdout.take().expect("piped");
    let _broker = Broker(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    assert_eq!(line.trim(), format!("ready {address}"));

    let out = TempDir::new().expect("temp dir");
    let receiver = Receiver::at(&format!("mqtt://{address}"), out.path(), &[]);
    receiver.subscribed(1);
    let config =
        lintel::config::MqttConfig { port, chunk_bytes: 256 << 10, ..Mosquitto::plain().config("node-1") };
    let mut node = Node::new(&config);
    let clip = node.media(event_id(1), "clip", "clip.mp4", 3_000_000);
    node.append(vec![message(event_id(1), Transition::Opened, 0)], vec![clip.clone()]);
    wait_for("an empty outbox", || node.drained());
    node.stop();
    let dir = receiver.event_dir(event_id(1));
    wait_for("the clip", || same(&dir.join("clip.mp4"), &clip));
    assert!(receiver.stdout().contains("opened"));
}
