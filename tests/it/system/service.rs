//! What a service manager hears of a node, over a socket as systemd's.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::node::{Node, street};
use crate::support::mqtt::{Mosquitto, now, wait_for};
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
fn systemd_is_notified_of_start_reload_life_and_stop_and_a_dead_camera_is_no_reason_to_be_silent() {
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

/// Stops one thread of another process until it is let go, or the caller's thread ends.
struct Held(Pid);

impl Held {
    fn thread(process: u32, name: &str) -> Self {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("a process");
        let mut tasks = tasks.map(|task| task.expect("a task").path());
        let is_it = |task: &std::path::PathBuf| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
        };
        let task = tasks.find(is_it).unwrap_or_else(|| panic!("no thread {name}"));
        let id = task.file_name().and_then(|id| id.to_str()?.parse().ok()).expect("a thread's id");
        let thread = Pid::from_raw(id);
        ptrace::seize(thread, ptrace::Options::empty()).expect("a thread of a child");
        ptrace::interrupt(thread).expect("it stops");
        waitpid(thread, Some(WaitPidFlag::__WALL)).expect("it has stopped");
        Self(thread)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        ptrace::detach(self.0, None).expect("it goes on");
    }
}

#[test]
fn a_stage_that_hangs_is_named_and_systemd_hears_no_more_of_life() {
    let mut manager = Manager::new();
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.set("NOTIFY_SOCKET", &manager.path);
    node.set("WATCHDOG_USEC", "3000000");
    node.replace("[detect]", "[detect]\nworkers = 1");
    node.start();
    wait_for("pictures", || node.analysed() > 0);
    manager.wait_for("life", "WATCHDOG=1");

    let held = Held::thread(node.id(), "detect-0");
    let begun = now();
    while !node.log().contains("detect has work and does not move") {
        assert!(begun.elapsed() < Duration::from_secs(180), "{}", node.log());
        // A socket that nobody reads holds up whoever writes.
        manager.listen();
        std::thread::sleep(Duration::from_millis(200));
    }
    let alive = manager.count("WATCHDOG=1");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(manager.count("WATCHDOG=1"), alive, "systemd would restart it by now");

    drop(held);
    wait_for("life again", || manager.count("WATCHDOG=1") > alive);
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
}

#[test]
fn the_unit_that_is_shipped_matches_what_the_program_sends() {
    let unit = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/lintel.service"));
    let unit = unit.expect("the unit");
    for line in ["Type=notify", "WatchdogSec=", "ExecReload=", "LoadCredential="] {
        assert!(unit.contains(line), "{line}");
    }
}
