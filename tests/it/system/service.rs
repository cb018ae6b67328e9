//! What a service manager hears of a node, over a socket as systemd's.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use tempfile::TempDir;

use super::node::{Node, street};
use crate::support::mqtt::{Mosquitto, wait_for};
use crate::support::rtsp::{Options, RtspServer};

struct Manager {
    _dir: TempDir,
    socket: UnixDatagram,
    path: String,
    heard: Vec<String>,
}

impl Manager {
    fn new() -> Self {
        let dir = TempDir::new().expect("temp dir");
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("bind");
        socket.set_nonblocking(true).expect("set");
        Self { path: path.display().to_string(), _dir: dir, socket, heard: Vec::new() }
    }

    /// Everything that was said so far.
    fn listen(&mut self) -> &[String] {
        let mut buffer = [0; 4096];
        while let Ok(n) = self.socket.recv(&mut buffer) {
            self.heard.push(String::from_utf8_lossy(&buffer[..n]).into_owned());
        }
        &self.heard
    }

    fn wait_for(&mut self, what: &str, words: &str) {
        wait_for(what, || self.listen().iter().any(|said| said.contains(words)));
    }

    fn count(&mut self, words: &str) -> usize {
        self.listen().iter().filter(|said| said.contains(words)).count()
    }
}

#[test]
fn systemd_is_told_of_start_reload_life_and_stop_and_a_dead_camera_is_no_reason_to_be_silent() {
    let mut manager = Manager::new();
    let broker = Mosquitto::plain();
    let mut camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.set("NOTIFY_SOCKET", &manager.path);
    node.set("WATCHDOG_USEC", "3000000");
    node.start();
    manager.wait_for("the start", "READY=1");
    manager.wait_for("its status", "STATUS=1 of 1 cameras stream");
    manager.wait_for("life", "WATCHDOG=1");

    let ready = manager.count("READY=1");
    node.replace("interval = \"1s\"", "interval = \"2s\"");
    assert_eq!(node.reload()["outcome"], "applied");
    manager.wait_for("the reload", "RELOADING=1");
    assert!(manager.listen().iter().any(|said| said.contains("MONOTONIC_USEC=")));
    wait_for("the end of the reload", || manager.count("READY=1") > ready);

    camera.stop();
    manager.wait_for("the dead camera", "STATUS=0 of 1 cameras stream");
    let alive = manager.count("WATCHDOG=1");
    wait_for("life all the same", || manager.count("WATCHDOG=1") >= alive + 3);

    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    manager.wait_for("the stop", "STOPPING=1");
}

#[test]
fn the_unit_that_is_shipped_asks_for_what_the_program_tells() {
    let unit = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/lintel.service"));
    let unit = unit.expect("the unit");
    for line in ["Type=notify", "WatchdogSec=", "ExecStartPre=", "ExecReload=", "LoadCredential="] {
        assert!(unit.contains(line), "{line}");
    }
}
