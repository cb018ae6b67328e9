//! Strangers at the addresses of cameras beside an honest one.

use super::node::{Node, street};
use crate::support::hostile::{Hostility, Stranger};
use crate::support::mqtt::{Mosquitto, wait_for};
use crate::support::rtsp::{Options, RtspServer};

/// What the process has held at most.
fn peak_mb(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.id())).expect("status");
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") / 1024
}

#[test]
fn strangers_that_send_without_end_take_no_memory_and_no_picture_of_an_honest_camera() {
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let hostile = [Hostility::Description, Hostility::Headers, Hostility::Fragments].map(Stranger::start);
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    let mut evil = Vec::new();
    let mut cameras = String::new();
    for (i, stranger) in hostile.iter().enumerate() {
        for transport in ["tcp", "gstreamer"] {
            let id = format!("evil-{i}-{transport}");
            let (url, rule) = (stranger.url(), "[[camera.rule]]\nclass = \"motor_vehicle_parking\"\n");
            cameras += &format!(
                "[[camera]]\nid = \"{id}\"\nurl = \"{url}\"\nrtsp.transport = \"{transport}\"\n{rule}"
            );
            evil.push(id);
        }
    }
    node.replace("[[camera]]", &format!("{cameras}[[camera]]"));
    node.start();
    node.wait_until_streaming();
    let analysed = node.analysed();
    let before = peak_mb(&node);
    wait_for("three attempts of each", || {
        let health = node.health();
        evil.iter().all(|id| {
            health["cameras"][id]["ingest"]["reconnects"]["protocol"].as_u64().is_some_and(|n| n >= 3)
        })
    });
    wait_for("pictures of the honest one", || node.analysed() >= analysed + 3);
    let peak = peak_mb(&node);
    assert!(peak < before.max(300) + 400, "{peak} MB after {before} MB");
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
}
