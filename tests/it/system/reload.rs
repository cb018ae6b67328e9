//! A running node gets another config: what changed changes, everything else does not notice.

use serde_json::{Value, json};

use super::node::{Node, Receiver, street};
use crate::support::mqtt::{Mosquitto, wait_for};
use crate::support::rtsp::{Options, RtspServer};

/// Outcome and changes of a reload.
fn reported(report: &Value) -> (String, Vec<String>) {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    (text(&report["outcome"]), report["changes"].as_array().expect("list").iter().map(text).collect())
}

fn problems(report: &Value) -> String {
    let lines = report["problems"].as_array().expect("list").iter();
    lines.map(|line| line.as_str().expect("text")).collect::<Vec<_>>().join("\n")
}

/// Every access unit since the start came over one connection and is in the ring or was there.
fn assert_untouched(node: &Node, camera: &str) {
    let at = |health: &Value, path: &str| health.pointer(&format!("/cameras/{camera}{path}")).cloned();
    let health = node.health();
    assert_eq!(at(&health, "/ingest/connections"), Some(json!(1)));
    for lost in ["lost_frames", "lost_packets", "skipped_frames"] {
        assert_eq!(at(&health, &format!("/ingest/{lost}")), Some(json!(0)), "{lost}");
    }
    let reconnects = at(&health, "/ingest/reconnects").expect("counts");
    assert!(reconnects.as_object().is_some_and(|all| all.values().all(|count| *count == 0)), "{reconnects}");
    assert_eq!(at(&health, "/ring/headless_frames"), Some(json!(0)));
    // Both are counted one after the other, so they differ while a unit is on its way.
    wait_for("every unit in the ring", || {
        let health = node.health();
        at(&health, "/ingest/frames") == at(&health, "/ring/kept_frames")
    });
}

/// `opened`, `updated`, `closed` or `expired` of each event, as last reported.
fn last_transitions(receiver: &Receiver) -> Vec<String> {
    let last = |event: super::node::Received| {
        let kinds = event.messages.iter().rev().filter_map(|message| message["type"].as_str());
        kinds.filter_map(|kind| kind.strip_prefix("cn.lintel.violation.")).next().map(str::to_owned)
    };
    // The evidence of an event may come before its first message.
    receiver.events().into_iter().filter_map(last).collect()
}

#[test]
fn one_more_camera_and_a_moved_zone_touch_no_other_stream_and_no_event_of_another_rule() {
    let broker = Mosquitto::plain();
    let streams = [("gate", street()), ("yard", street())];
    let streams: Vec<_> = streams.iter().map(|(name, file)| (*name, file.as_path())).collect();
    let camera = RtspServer::start(&streams, Options::default());
    let receiver = Receiver::start(&broker, None);
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.replace(
        "[[camera.rule]]",
        "[[camera.zone]]\nid = \"lawn\"\npolygon = [[0.0, 0.8], [0.2, 0.8], [0.2, 1.0]]\n[[camera.rule]]",
    );
    node.start();
    receiver.wait_for_evidence(2);
    assert_eq!(reported(&node.reload()), ("unchanged".into(), vec![]));

    // A camera more.
    let yard =
        format!("[[camera]]\nid = \"yard\"\nurl = \"{}\"\n[[camera]]\nid = \"gate\"", camera.url("yard"));
    node.replace("[[camera]]\nid = \"gate\"", &yard);
    assert_eq!(reported(&node.reload()), ("applied".into(), vec!["camera yard: added".into()]));
    wait_for("pictures of the new camera", || {
        node.health()["cameras"]["yard"]["detect"]["analysed"].as_u64().is_some_and(|n| n >= 2)
    });
    assert_untouched(&node, "gate");

    // A zone that no open event is about.
    node.replace("[0.2, 0.8], [0.2, 1.0]", "[0.3, 0.8], [0.3, 1.0]");
    assert_eq!(reported(&node.reload()), ("applied".into(), vec!["camera gate: zones".into()]));
    let analysed = node.analysed();
    wait_for("four more pictures", || node.analysed() >= analysed + 4);
    assert_eq!(node.health()["cameras"]["gate"]["open_events"], 2);
    assert!(!last_transitions(&receiver).iter().any(|t| t == "expired" || t == "closed"));

    // The zone of the open events: what they were about is no more, and the rule begins anew.
    node.replace("[0.82, 0.07]", "[0.80, 0.07]");
    assert_eq!(reported(&node.reload()), ("applied".into(), vec!["camera gate: zones, rules".into()]));
    wait_for("both to expire and to be found again", || {
        let last = last_transitions(&receiver);
        last.iter().filter(|t| *t == "expired").count() == 2 && last.len() == 4
    });
    assert_untouched(&node, "gate");

    // And a camera less.
    node.replace(&yard, "[[camera]]\nid = \"gate\"");
    assert_eq!(reported(&node.reload()), ("applied".into(), vec!["camera yard: removed".into()]));
    assert!(node.health()["cameras"]["yard"].is_null());
    assert_untouched(&node, "gate");
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
}

#[test]
fn a_config_that_is_wrong_or_needs_a_restart_is_refused_by_key_and_the_old_one_runs_on() {
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.start();
    node.wait_until_streaming();

    node.replace("interval = \"1s\"", "intervall = \"1s\"");
    let report = node.reload();
    assert_eq!(report["outcome"], "refused");
    assert!(
        problems(&report).contains("intervall") && problems(&report).contains("lintel.toml:"),
        "{report}"
    );

    node.replace("intervall = \"1s\"", "interval = \"1s\"");
    node.replace("id = \"test\"", "id = \"other\"");
    node.replace("[camera_defaults]", "[outbox]\nmax_mb = 9\n[camera_defaults]");
    let report = node.reload();
    assert_eq!(report["outcome"], "refused");
    for key in ["node.id", "outbox.max_mb", "mqtt.client_id"] {
        assert!(problems(&report).contains(key), "{key}: {report}");
    }
    node.replace("id = \"other\"", "id = \"test\"");
    node.replace("[outbox]\nmax_mb = 9\n", "");

    // Right in itself; what it names is not what it should be.
    let font = node.folder().join("not-a-font.ttf");
    std::fs::write(&font, "text").expect("written");
    let with_font = format!("[evidence]\nfont = \"{}\"", font.display());
    node.replace("[evidence]", &with_font);
    node.replace("interval = \"1s\"", "interval = \"2s\"");
    let report = node.reload();
    assert_eq!(report["outcome"], "refused");
    assert!(problems(&report).contains("not-a-font.ttf"), "{report}");
    assert_untouched(&node, "gate");
    assert_eq!(node.health()["config"]["refused"], 3);
    assert_eq!(node.health()["config"]["applied"], 0);
    assert!(node.log().contains("the old one runs on"), "{}", node.log());

    // Put right, and noticed without a signal.
    node.replace(&with_font, "[evidence]");
    node.replace("[node]", "[log]\nfilter = \"debug\"\n[node]");
    node.write_config();
    wait_for("the changed file", || node.health()["config"]["applied"] == 1);
    let report = node.health()["config"]["last_reload"].clone();
    assert_eq!(reported(&report).1, ["log.filter", "camera gate: interval"]);
    assert_untouched(&node, "gate");
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
}

#[test]
fn a_camera_gets_a_new_address_and_a_new_password_and_its_events_go_on() {
    let broker = Mosquitto::plain();
    let old = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let auth = Some(("digest", "operator", "street-cam"));
    let new = RtspServer::start(&[("gate", street().as_path())], Options { auth, ..Options::default() });
    let receiver = Receiver::start(&broker, None);
    let mut node = Node::new(&old.url("gate"), &broker, None);
    node.start();
    receiver.wait_for_evidence(2);

    // A wrong password first: the address is taken, the camera is reported as down, and then the file alone
    // is put right.
    node.replace(&old.url("gate"), &new.url("gate"));
    node.camera_login("operator", "wrong");
    assert_eq!(reported(&node.reload()), ("applied".into(), vec!["camera gate: source".into()]));
    drop(old);
    wait_for("the refusal", || {
        let error = node.health()["cameras"]["gate"]["ingest"]["last_error"].clone();
        error.as_str().is_some_and(|error| error.contains("password"))
    });
    node.camera_login("operator", "street-cam");
    assert_eq!(reported(&node.reload_as_it_is()), ("applied".into(), vec!["camera gate: source".into()]));
    node.wait_until_streaming();
    let analysed = node.analysed();
    wait_for("four more pictures", || node.analysed() >= analysed + 4);
    assert_eq!(receiver.events().len(), 2, "the vehicles have not moved");
    assert_eq!(node.health()["cameras"]["gate"]["open_events"], 2);
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    assert!(!node.log().contains("street-cam"), "the password is in the log");
}

#[test]
fn another_broker_is_connected_to_and_gets_what_the_old_one_does_not_have() {
    let (mut old, new) = (Mosquitto::plain(), Mosquitto::plain());
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let receiver = Receiver::start(&new, None);
    let mut node = Node::new(&camera.url("gate"), &old, None);
    node.start();
    wait_for("the old broker", || node.health()["publish"]["connected"] == true);
    old.stop();
    wait_for("events that wait", || node.health()["publish"]["outbox"]["messages"].as_u64() >= Some(2));
    node.replace(&old.url(), &new.url());
    assert_eq!(reported(&node.reload()), ("applied".into(), vec!["mqtt.url".into()]));
    receiver.wait_for_evidence(2);
    assert_untouched(&node, "gate");

    // Between two brokers that are both there: what comes from now on goes to the other one.
    old.start();
    let second = Receiver::start(&old, None);
    node.replace(&new.url(), &old.url());
    assert_eq!(reported(&node.reload()).0, "applied");
    wait_for("the first broker again", || node.health()["publish"]["connected"] == true);
    node.replace("[0.82, 0.07]", "[0.80, 0.07]");
    assert_eq!(reported(&node.reload()).0, "applied");
    wait_for("two that expire and two that open", || {
        let last = last_transitions(&second);
        last.iter().filter(|t| *t == "expired").count() == 2 && last.len() == 4
    });
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
}

#[test]
fn what_is_open_of_a_camera_that_a_restart_finds_gone_expires() {
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let receiver = Receiver::start(&broker, None);
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.start();
    receiver.wait_for_evidence(2);
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    // A node that was stopped does not leave a camera behind that streams for ever.
    wait_for("the state of the stopped camera", || receiver.camera_state("gate")["status"] == "ended");

    node.replace("id = \"gate\"", "id = \"yard\"");
    node.start();
    wait_for("both to expire", || {
        last_transitions(&receiver).iter().filter(|transition| *transition == "expired").count() == 2
    });
    wait_for("no state of the camera", || receiver.camera_state("gate").is_null());
    node.terminate();

    let gone = "the camera is not in the config any more";
    assert_eq!(node.log().matches(gone).count(), 1, "{}", node.log());
    node.start();
    wait_for("the next start", || node.health()["cameras"]["yard"]["ingest"]["state"] == "streaming");
    assert_eq!(node.log().matches(gone).count(), 1, "{}", node.log());
    node.terminate();
}
