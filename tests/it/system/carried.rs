//! A box without a network: its records go to the platform on a stick, and the platform's word comes back on it.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::node::{Node, street};
use crate::support::mqtt::{Mosquitto, wait_for};
use crate::support::program;
use crate::support::rtsp::{Options, RtspServer};

fn lintel(args: &[&str]) -> Output {
    Command::new(program("lintel")).args(args).output().expect("lintel")
}

#[track_caller]
fn well(out: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{}{}", text(&out.stdout), text(&out.stderr));
    text(&out.stdout)
}

/// Files with this name in all events of a folder of days.
fn count(root: &Path, name: &str) -> usize {
    let entries = |dir: &Path| -> Vec<_> {
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    entries(root).iter().flat_map(|day| entries(day)).filter(|event| event.join(name).exists()).count()
}

#[test]
fn a_stick_carries_events_and_files_to_the_platform_and_its_word_back() {
    let mut broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    broker.stop();
    node.start();
    let evidence = node.data().join("evidence");
    wait_for("two events with all their evidence", || {
        ["clip.mp4", "manifest.json"].iter().all(|name| count(&evidence, name) == 2)
            && node.health()["publish"]["outbox"]["media"].as_u64() >= Some(8)
    });

    let (stick, out) = (TempDir::new().expect("temp dir"), TempDir::new().expect("temp dir"));
    let config = node.folder().join("lintel.toml");
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let (stick, store, config) = (path(stick.path()), path(&out.path().join("store")), path(&config));
    let export = || lintel(&["export", "--config", &config, "--to", &stick]);
    let told = well(&export());
    assert!(told.contains("8 files"), "{told}");
    let taken = well(&lintel(&["receive", "--from", &stick, "--out", &store]));
    assert_eq!(taken.matches("complete").count(), 2, "{taken}");
    for name in ["event.json", "still.jpg", "annotated.jpg", "clip.mp4", "manifest.json"] {
        assert_eq!(count(Path::new(&store), name), 2, "{name}");
    }

    let waits = |node: &Node| {
        let outbox = &node.health()["publish"]["outbox"];
        outbox["messages"].as_u64().zip(outbox["media"].as_u64())
    };
    assert!(waits(&node) > Some((0, 0)), "until the stick is back");
    well(&export());
    wait_for("the node to let them go", || waits(&node) == Some((0, 0)));
    wait_for("the marks", || count(&evidence, "delivered") == 2);
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    assert!(node.log().contains("carried by hand"), "{}", node.log());

    let nowhere = lintel(&["export", "--config", &config, "--to", "/no/stick"]);
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("is the stick mounted?"));
}
