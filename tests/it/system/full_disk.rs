//! A full disk: events are delayed, old evidence makes room, and the node stops when asked to.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lintel::config::OutboxConfig;
use lintel::evidence::event_dir;
use lintel::outbox::{Batch, Next, OutMedia, Outbox};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use uuid::Uuid;

use super::node::{Node, Receiver, street};
use super::outages::assert_whole;
use crate::support::mqtt::{Mosquitto, command, now, wait_for};
use crate::support::rtsp::{Options, RtspServer};

#[test]
fn a_full_disk_delays_events_with_all_of_their_evidence() {
    let Some(disk) = SmallDisk::mount("a_full_disk_delays_events_with_all_of_their_evidence", 8) else {
        return;
    };
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let receiver = Receiver::start(&broker, None);
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.data_dir(disk.path());
    // First an outbox that exists, then no room for anything more.
    node.replace("dwell = \"3s\"", "dwell = \"8s\"");
    node.start();
    node.wait_until_streaming();
    disk.fill();
    wait_for("the outbox to be full", || {
        node.health()["events"]["outbox_full_seconds"].as_u64().is_some_and(|seconds| seconds > 0)
    });
    assert_eq!(receiver.events().len(), 0);
    disk.free();
    wait_for("the delayed events", || receiver.events().len() == 2);
    receiver.wait_for_evidence(2);
    // The stills wait with their events for room, in memory. A clip that is cut at the same time may be
    // published first.
    wait_for("the stills", || {
        receiver.events().iter().all(|event| event.folder.join("annotated.jpg").exists())
    });
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    assert_whole(&receiver, 2);
    for event in receiver.events() {
        event.check_files(&["still.jpg", "annotated.jpg", "clip.mp4", "manifest.json"]);
        assert_eq!(event.manifest()["missing"].to_string(), "[]");
    }
}

#[test]
fn delivered_evidence_makes_room_for_an_event_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount("delivered_evidence_makes_room_for_an_event_on_a_full_disk", 96) else {
        return;
    };
    let delivered = deliver_evidence(disk.path(), 12);
    let left = || delivered.iter().filter(|folder| folder.exists()).count();
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let receiver = Receiver::start(&broker, None);
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.data_dir(disk.path());
    node.replace("min_free_mb = 1", "min_free_mb = 16");
    node.replace("dwell = \"3s\"", "dwell = \"8s\"");
    node.start();
    node.wait_until_streaming();
    assert_eq!(left(), 12, "there was room");
    disk.fill();
    receiver.wait_for_evidence(2);
    assert!((1..12).contains(&left()), "{} of 12 are left", left());
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    assert_whole(&receiver, 2);
    for event in receiver.events() {
        event.check_files(&["still.jpg", "annotated.jpg", "clip.mp4", "manifest.json"]);
        assert_eq!(event.manifest()["missing"].to_string(), "[]");
    }
}

#[test]
fn a_node_on_a_full_disk_stops_in_time_and_repeats_what_it_could_not_store() {
    let Some(disk) =
        SmallDisk::mount("a_node_on_a_full_disk_stops_in_time_and_repeats_what_it_could_not_store", 8)
    else {
        return;
    };
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let receiver = Receiver::start(&broker, None);
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.data_dir(disk.path());
    node.replace("dwell = \"3s\"", "dwell = \"8s\"");
    node.start();
    node.wait_until_streaming();
    disk.fill();
    // Old evidence is looked for every five seconds while a record waits, here in vain.
    wait_for("a disk that is full for long", || {
        node.health()["events"]["outbox_full_seconds"].as_u64().is_some_and(|seconds| seconds >= 12)
    });
    let asked = now();
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    assert!(asked.elapsed() < Duration::from_secs(20), "it took {:?}", asked.elapsed());
    assert!(node.log().contains("stopped before these could be stored"), "{}", node.log());
    assert_eq!(receiver.events().len(), 0);
    disk.free();
    node.start();
    receiver.wait_for_evidence(2);
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    assert_whole(&receiver, 2);
}

/// Evidence of this many events, 4 MB each, that the platform has. Returns their folders.
fn deliver_evidence(data_dir: &Path, events: u64) -> Vec<PathBuf> {
    let outbox = Outbox::open(data_dir, &OutboxConfig { max_bytes: u64::MAX }).expect("outbox");
    let deliver = |second: u64| {
        let event: Uuid =
            uuid::Builder::from_unix_timestamp_millis(1_700_000_000_000 + second * 1000, &[7; 10])
                .into_uuid();
        let folder = event_dir(data_dir, event);
        let (path, content) = (folder.join("clip.mp4"), vec![0; 4 << 20]);
        std::fs::create_dir_all(&folder).expect("folder");
        std::fs::write(&path, &content).expect("written");
        let sha256 = format!("{:x}", Sha256::digest(&content));
        let (bytes, media_type) = (content.len() as u64, "video/mp4".to_owned());
        let media = OutMedia { event, kind: "clip".to_owned(), path, media_type, bytes, sha256 };
        outbox.append(&Batch { media: vec![media], ..Batch::default() }).expect("appended");
        folder
    };
    let folders = (0..events).map(deliver).collect();
    while let Some(next) = outbox.next(true, 8 << 20).expect("outbox") {
        let Next::Chunk { id, .. } = next else { panic!("{next:?}") };
        outbox.ack(&[id]).expect("acknowledged");
    }
    folders
}

/// A tmpfs; unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where this user may not mount, and then the test says that it is skipped.
    fn mount(test: &str, megabytes: u32) -> Option<Self> {
        let dir = TempDir::new().expect("temp dir");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|out| out.status.success());
        if !mounted {
            crate::support::skipped(test, "mounting a tmpfs needs root");
            return None;
        }
        Some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.ballast()).expect("ballast");
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("remove ballast");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The node's files may still be open for a moment.
        command("umount", &["-l", self.path().to_str().expect("UTF-8")]);
    }
}
