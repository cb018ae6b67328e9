//! Wrong settings and unwilling brokers: clear words, nothing lost.

use std::time::Duration;

use lintel::config::{Secret, TlsConfig};
use lintel::outbox::{Batch, Outbox};
use lintel::publish::{Publisher, probe};
use lintel::rules::Transition;
use tempfile::TempDir;

use super::facts::{event_id, message};
use super::{Node, Observer, Receiver, runtime, same};
use crate::support::mqtt::{Mosquitto, Pki, free_port, wait_for};

#[track_caller]
fn wait_for_error(node: &Node, words: &str) {
    wait_for("a reason", || node.stats().last_error.is_some());
    let reason = node.stats().last_error.expect("waited for");
    assert!(reason.contains(words), "{reason}");
    assert!(!node.stats().connected);
    assert_eq!(node.outbox.stats().messages, 1, "the event stays");
}

/// `join` must come back although nothing can be sent, and the event must stay.
fn stop_without_flush(mut node: Node) -> TempDir {
    node.stop();
    assert_eq!(node.outbox.stats().messages, 1);
    node.dir
}

#[test]
fn tls_with_client_certificates_carries_an_event_and_a_still() {
    let pki = Pki::new();
    let broker = Mosquitto::tls(&pki);
    let out = TempDir::new().expect("temp dir");
    let [ca, cert, key] =
        ["ca.pem", "client.pem", "client.key"].map(|n| pki.path(n).to_str().expect("UTF-8").to_owned());
    let receiver = Receiver::start(&broker, out.path(), &["--ca", &ca, "--cert", &cert, "--key", &key]);
    receiver.subscribed(1);
    let mut node = Node::new(&broker.config("node-1"));
    let still = node.media(event_id(1), "still", "still.jpg", 200_000);
    node.append(vec![message(event_id(1), Transition::Opened, 0)], vec![still.clone()]);
    node.stop();
    assert!(node.drained(), "join flushes");
    let dir = receiver.event_dir(event_id(1));
    wait_for("the still", || same(&dir.join("still.jpg"), &still));
    assert!(dir.join("event.json").exists());
    let report = runtime()
        .block_on(probe(&broker.config("node-1"), "node-1", Duration::from_secs(20)))
        .expect("a good broker");
    assert!(report.tls && report.advice.is_empty(), "{report:?}");
}

#[test]
fn an_unknown_authority_is_refused_by_us_and_a_missing_certificate_by_the_broker() {
    let pki = Pki::new();
    let broker = Mosquitto::tls(&pki);
    let good = broker.config("node-1");
    let (other, renewed) = (Pki::named("Other CA"), Pki::new());
    let stranger = TlsConfig { ca_file: Some(other.path("ca.pem")), ..pki.client() };
    let old = TlsConfig { ca_file: Some(renewed.path("ca.pem")), ..pki.client() };
    let nobody = TlsConfig { client_cert_file: None, client_key_file: None, ..pki.client() };
    for (tls, words) in [
        (stranger, "not signed by the CA"),
        (old, "not signed by the CA"),
        (nobody, "asks for a client certificate"),
    ] {
        let node = Node::new(&lintel::config::MqttConfig { tls: Some(tls), ..good.clone() });
        node.append(vec![message(event_id(1), Transition::Opened, 0)], vec![]);
        wait_for_error(&node, words);
    }
}

#[test]
fn files_that_hold_no_certificate_stop_the_start() {
    let pki = Pki::new();
    let dir = TempDir::new().expect("temp dir");
    let outbox = || std::sync::Arc::new(super::open(dir.path()));
    let rt = runtime();
    let with = |tls: TlsConfig| {
        let config = lintel::config::MqttConfig { tls: Some(tls), ..Mosquitto::plain().config("node-1") };
        Publisher::spawn(rt.handle(), &config, "node-1", outbox()).expect_err("refused").to_string()
    };
    let missing = with(TlsConfig { ca_file: Some("/nowhere/ca.pem".into()), ..pki.client() });
    assert!(missing.contains("mqtt.tls.ca_file") && missing.contains("/nowhere/ca.pem"), "{missing}");
    let wrong = with(TlsConfig { ca_file: Some(pki.path("ext")), ..pki.client() });
    assert!(wrong.contains("holds no certificate"), "{wrong}");
    let half = with(TlsConfig { client_key_file: None, ..pki.client() });
    assert!(half.contains("both"), "{half}");
    let swapped = with(TlsConfig { client_key_file: Some(pki.path("server.key")), ..pki.client() });
    assert!(swapped.contains("do not fit together"), "{swapped}");
}

#[test]
fn a_wrong_password_is_reported_and_nothing_is_lost() {
    let broker = Mosquitto::password("node", "right");
    let wrong = lintel::config::MqttConfig {
        password: Some(Secret::new("guessed".to_owned())),
        ..broker.config("node-1")
    };
    let node = Node::new(&wrong);
    node.append(vec![message(event_id(1), Transition::Opened, 0)], vec![]);
    wait_for_error(&node, "refuses the user name or password");
    assert!(!node.stats().last_error.expect("an error").contains("guessed"));
    let reported = runtime()
        .block_on(probe(&wrong, "node-1", Duration::from_secs(20)))
        .expect_err("refused")
        .to_string();
    assert!(reported.contains("refuses the user name or password"), "{reported}");

    let Node { dir, publisher, outbox, runtime } = node;
    drop((publisher, outbox));
    runtime.shutdown_timeout(Duration::from_secs(20));
    let node = Node::on(dir, &broker.config("node-1"));
    wait_for("the event to get to the broker, which has nobody for it", || {
        node.outbox.stats().told_nobody == 1
    });
}

#[test]
fn a_broker_that_is_down_at_the_start_gets_everything_when_it_comes() {
    let mut broker = Mosquitto::plain();
    let mut observer = Observer::new(broker.config("observer"), &["lintel/#"]);
    broker.stop();
    let node = Node::new(&broker.config("node-1"));
    node.append(vec![message(event_id(1), Transition::Opened, 0)], vec![]);
    wait_for_error(&node, "nothing listens there");
    let dir = stop_without_flush(node);
    let node = Node::on(dir, &broker.config("node-1"));
    wait_for_error(&node, "nothing listens there");
    broker.start();
    let seen = observer.until(|seen| seen.topic.ends_with("/event"));
    assert!(!seen.retained);
    wait_for("the acknowledgement", || node.drained());
}

#[test]
fn a_broker_without_rights_for_us_keeps_the_event_in_the_outbox() {
    let broker = Mosquitto::without_rights();
    let node = Node::new(&broker.config("node-1"));
    node.append(vec![message(event_id(1), Transition::Opened, 0)], vec![]);
    wait_for("a refusal", || node.stats().refused == 1);
    wait_for("a connection without it", || node.stats().connected && node.stats().reconnects == 1);
    assert_eq!(node.outbox.stats().messages, 1);
    assert_eq!(node.stats().acked, 0);
}

#[test]
fn a_missing_file_is_reported_and_the_queue_goes_on() {
    let broker = Mosquitto::plain();
    let mut observer =
        Observer::new(broker.config("observer"), &["lintel/v1/node-1/lost", "lintel/v1/+/media/#"]);
    let dir = TempDir::new().expect("temp dir");
    let media = |n: u8, kind: &str, file: &str| super::media(dir.path(), event_id(n), kind, file, 1000);
    let [gone, changed, good] = [(1, "clip", "clip.mp4"), (2, "clip", "clip.mp4"), (2, "still", "still.jpg")]
        .map(|(n, kind, file)| media(n, kind, file));
    std::fs::remove_file(&gone.path).expect("remove");
    std::fs::write(&changed.path, vec![7; 1000]).expect("change");
    let outbox: Outbox = super::open(dir.path());
    let batch = Batch { media: vec![gone, changed, good], ..Batch::default() };
    outbox.append(&batch).expect("append");
    drop(outbox);
    let node = Node::on(dir, &broker.config("node-1"));
    let mut lost = Vec::new();
    while lost.len() < 2 {
        let seen = observer.until(|seen| seen.topic.ends_with("/lost"));
        let message: serde_json::Value = serde_json::from_slice(&seen.payload).expect("JSON");
        super::wire::validate("evidence-lost", &message);
        lost.push(message["data"]["reason"].as_str().expect("reason").to_owned());
    }
    assert!(lost[0].contains("cannot open") && lost[1].contains("SHA-256 differs"), "{lost:?}");
    wait_for("the still", || node.drained());
    assert_eq!(node.outbox.stats().media_lost, 2);
    assert!(node.outbox.is_delivered(event_id(2)).expect("outbox"));
}

#[test]
fn events_overtake_media_and_media_keeps_its_order() {
    let broker = Mosquitto::plain();
    let mut observer =
        Observer::new(broker.config("observer"), &["lintel/v1/+/camera/+/event", "lintel/v1/+/media/#"]);
    let dir = TempDir::new().expect("temp dir");
    let outbox = super::open(dir.path());
    let clip = super::media(dir.path(), event_id(1), "clip", "clip.mp4", 300_000);
    outbox.append(&Batch { media: vec![clip], ..Batch::default() }).expect("append");
    let messages =
        vec![message(event_id(2), Transition::Opened, 0), message(event_id(2), Transition::Updated, 1)];
    outbox.append(&Batch { messages, ..Batch::default() }).expect("append");
    drop(outbox);
    let _node = Node::on(dir, &broker.config("node-1"));
    let topics: Vec<String> = (0..7).map(|_| observer.next().topic).collect();
    let media = (0..5).map(|n| format!("lintel/v1/node-1/media/{}/clip/{n}", event_id(1)));
    let expected: Vec<String> =
        std::iter::repeat_n("lintel/v1/node-1/camera/gate/event".to_owned(), 2).chain(media).collect();
    assert_eq!(topics, expected);
}

#[test]
fn probing_a_port_where_nothing_listens_says_so() {
    let config = lintel::config::MqttConfig { port: free_port(), ..Mosquitto::plain().config("node-1") };
    let reported = runtime()
        .block_on(probe(&config, "node-1", Duration::from_secs(20)))
        .expect_err("nothing there")
        .to_string();
    assert!(reported.contains("is the broker running?"), "{reported}");
}

#[test]
fn a_password_in_the_url_is_refused() {
    let out = TempDir::new().expect("temp dir");
    let mut receiver = Receiver::at("mqtt://me:secret@127.0.0.1:1", out.path(), &[]);
    assert!(!receiver.child.wait().expect("ends").success());
    assert!(receiver.stderr().contains("--password-env"), "{}", receiver.stderr());
    assert!(!receiver.stderr().contains("secret"));
}

#[test]
fn two_nodes_with_one_client_id_are_named_as_that() {
    let broker = Mosquitto::plain();
    let _observer = Observer::new(broker.config("observer"), &["lintel/#"]);
    let nodes = [Node::new(&broker.config("same")), Node::new(&broker.config("same"))];
    wait_for("the right words", || {
        nodes.iter().any(|node| {
            let reason = node.stats().last_error.unwrap_or_default();
            reason.contains("client id") || reason.contains("mqtt.client_id \"same\"")
        })
    });
}
