//! The whole program: what nobody has heard of lies on the node, and its folders bring it back.

use std::path::PathBuf;

use super::node::{Node, Received, Receiver, street};
use crate::support::mqtt::{Mosquitto, command, wait_for};
use crate::support::rtsp::{Options, RtspServer};

fn by_platform(camera: &RtspServer, broker: &Mosquitto) -> Node {
    let mut node = Node::new(&camera.url("gate"), broker, None);
    node.replace("confirm = \"broker\"", "confirm = \"platform\"");
    node
}

/// Folders of the node's events that have a manifest.
fn recorded(node: &Node) -> Vec<PathBuf> {
    let folders =
        |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    folders(node.data().join("evidence"))
        .flat_map(folders)
        .filter(|folder| folder.join("manifest.json").exists() && folder.join("events.jsonl").exists())
        .collect()
}

#[test]
fn events_that_nobody_heard_of_survive_the_loss_of_the_outbox_with_all_their_files() {
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let mut node = by_platform(&camera, &broker);
    node.start();
    wait_for("two events with their evidence", || recorded(&node).len() == 2);
    wait_for("nobody", || node.health()["publish"]["outbox"]["told_nobody"].as_u64() > Some(0));
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    let events: Vec<_> = recorded(&node);
    for suffix in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(node.data().join(format!("outbox.db{suffix}"))));
    }
    node.start();
    let receiver = Receiver::start(&broker, None);
    for folder in &events {
        let id = folder.file_name().expect("a name").to_str().expect("UTF-8");
        wait_for("the event and its files", || {
            receiver.folder(id).is_some_and(|there| {
                ["event.json", "manifest.json", "still.jpg", "annotated.jpg", "clip.mp4"]
                    .iter()
                    .all(|name| there.join(name).exists())
            })
        });
        wait_for("the mark of the delivery", || folder.join("delivered").exists());
    }
    assert_eq!(node.health()["publish"]["outbox"]["damaged"], true);
    // A file that the platform has lost since, and asks for.
    let id = events[0].file_name().expect("a name").to_str().expect("UTF-8");
    let clip = receiver.folder(id).expect("there").join("clip.mp4");
    std::fs::remove_file(&clip).expect("deleted");
    let port = broker.port.to_string();
    let ask = format!("{{\"event\":\"{id}\",\"kinds\":[\"clip\"]}}");
    let topic = "lintel/v1/test/command/resend";
    command("mosquitto_pub", &["-p", &port, "-V", "5", "-q", "1", "-t", topic, "-m", &ask]);
    wait_for("the clip again", || clip.exists());
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    for received in receiver.events() {
        received.check_files(&[]);
    }
}

#[test]
fn a_clip_on_request_stays_on_the_node_until_the_platform_asks_for_it() {
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let receiver = Receiver::start(&broker, None);
    let mut node = by_platform(&camera, &broker);
    node.replace("confirm = \"platform\"", "confirm = \"platform\"\nmedia = \"on_request\"");
    node.start();
    wait_for("two events with a manifest that names a clip", || {
        let with_clip = |event: &Received| {
            let files = || event.manifest()["files"].to_string();
            event.folder.join("manifest.json").exists()
                && ["annotated.jpg", "clip.mp4"].iter().all(|name| files().contains(name))
        };
        receiver.events().iter().filter(|event| with_clip(event)).count() == 2
    });
    let events = receiver.events();
    wait_for("everything else confirmed", || {
        let outbox = &node.health()["publish"]["outbox"];
        outbox["messages"] == 0 && outbox["media"] == 0
    });
    for event in &events {
        assert!(event.folder.join("annotated.jpg").exists() && !event.folder.join("clip.mp4").exists());
    }
    let id = events[0].folder.file_name().expect("a name").to_str().expect("UTF-8");
    let port = broker.port.to_string();
    let ask = format!("{{\"event\":\"{id}\",\"kinds\":[\"clip\"]}}");
    let topic = "lintel/v1/test/command/resend";
    command("mosquitto_pub", &["-p", &port, "-V", "5", "-q", "1", "-t", topic, "-m", &ask]);
    wait_for("the clip that was asked for", || events[0].folder.join("clip.mp4").exists());
    events[0].check_files(&["clip.mp4"]);
    assert!(!events[1].folder.join("clip.mp4").exists(), "nobody asked for this one");
    // The folders alone do not send it either.
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    for suffix in ["", "-wal"] {
        drop(std::fs::remove_file(node.data().join(format!("outbox.db{suffix}"))));
    }
    for event in recorded(&node) {
        drop(std::fs::remove_file(event.join("delivered")));
    }
    node.start();
    wait_for("the folders to be sent again", || {
        let outbox = &node.health()["publish"]["outbox"];
        outbox["damaged"] == true && outbox["media"] == 0
    });
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    assert!(!events[1].folder.join("clip.mp4").exists());
}
