//! Brokers that offer less than MQTT 5 has, and those that cannot be used: worked with as far as it goes, and named.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use lintel::config::{Confirm, MqttConfig, TlsConfig};
use lintel::publish::{Publisher, probe};
use lintel::rules::Transition;
use tempfile::TempDir;

use super::facts::{event_id, message};
use super::{Node, Receiver, runtime, same, stored_ids};
use crate::support::mqtt::{Mosquitto, Pki, command, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);

fn probed(config: &MqttConfig) -> Result<lintel::publish::BrokerReport, String> {
    runtime().block_on(probe(config, "node-1", PATIENCE)).map_err(|error| error.to_string())
}

/// An event with a still gets to a platform, over one connection.
#[track_caller]
fn carries_an_event(broker: &Mosquitto) {
    let out = TempDir::new().expect("temp dir");
    let receiver = Receiver::start(broker, out.path(), &[]);
    receiver.subscribed(1);
    let mut node = Node::new(&MqttConfig { confirm: Confirm::Platform, ..broker.config("node-1") });
    let still = node.media(event_id(1), "still", "still.jpg", 200_000);
    node.append(vec![message(event_id(1), Transition::Opened, 0)], vec![still.clone()]);
    let dir = receiver.event_dir(event_id(1));
    wait_for("the still", || same(&dir.join("still.jpg"), &still));
    wait_for("the platform's word", || node.drained());
    assert_eq!((stored_ids(&dir).len(), node.stats().reconnects), (1, 0));
    node.stop();
}

#[test]
fn a_broker_without_retained_messages_carries_events_and_is_probed_as_it_is_used() {
    let broker = Mosquitto::limited("retain_available false");
    let report = probed(&broker.config("node-1")).expect("usable");
    assert!(!report.retain_available && report.acknowledges, "{report:?}");
    assert!(report.advice.iter().any(|advice| advice.contains("who subscribes later")), "{report:?}");
    carries_an_event(&broker);
}

#[test]
fn a_broker_that_acknowledges_nothing_carries_events_by_the_word_of_the_platform_only() {
    let broker = Mosquitto::limited("max_qos 0");
    let by_platform = MqttConfig { confirm: Confirm::Platform, ..broker.config("node-1") };
    let report = probed(&by_platform).expect("usable");
    assert!(report.retain_available && !report.acknowledges, "{report:?}");
    carries_an_event(&broker);

    let refused = probed(&broker.config("node-1")).expect_err("nobody would say what has arrived");
    assert!(refused.contains("mqtt.confirm = \"platform\""), "{refused}");
    let node = Node::new(&broker.config("node-2"));
    node.append(vec![message(event_id(2), Transition::Opened, 0)], vec![]);
    wait_for("the reason", || node.stats().last_error.is_some_and(|e| e.contains("mqtt.confirm")));
    assert_eq!(node.outbox.stats().messages, 1, "the event stays");
}

#[test]
fn access_rules_without_files_hold_up_the_files_only_and_no_state_flaps() {
    // A mosquitto 2.0 without a bound of queued messages cuts the connection with each refusal.
    for (settings, cuts) in [("max_queued_messages 1000", 0), ("max_queued_messages 0", 1)] {
        let rules = "topic read #\ntopic write lintel/v1/+/state\ntopic write lintel/v1/+/camera/#\n";
        let broker = Mosquitto::with_acl(rules, settings);
        let node = Node::new(&broker.config("node-1"));
        let still = node.media(event_id(1), "still", "still.jpg", 2_000_000);
        node.append(vec![], vec![still]);
        wait_for("a refusal", || node.stats().refused >= 1);
        let said = || {
            node.stats().last_error.is_some_and(|e| e.contains("publish files") && e.contains("access rules"))
        };
        wait_for("its words", || cuts > 0 || said());
        wait_for("a connection that stays", || node.stats().connected && node.stats().reconnects == cuts);

        let out = TempDir::new().expect("temp dir");
        let receiver = Receiver::start(&broker, out.path(), &[]);
        receiver.subscribed(1);
        node.append(vec![message(event_id(2), Transition::Opened, 0)], vec![]);
        let dir = receiver.event_dir(event_id(2));
        wait_for("the event", || stored_ids(&dir).len() == 1);
        let stats = node.stats();
        assert_eq!((stats.reconnects, stats.outbox.media), (cuts, 1), "{settings}");
        // Of the 31 pieces only those that were under way at the first refusal.
        assert!(stats.refused <= 8, "{stats:?}");
        let state = out.path().join("store/nodes/node-1/state.json");
        wait_for("the state", || state.exists());
        let state = std::fs::read_to_string(state).expect("the state");
        assert!(state.contains("\"online\""), "{state}");
    }
}

/// The reason why this broker cannot be used.
#[track_caller]
fn reason(config: &MqttConfig) -> String {
    probed(config).expect_err("not usable")
}

#[test]
fn a_broker_of_an_older_mqtt_is_named_whether_it_hangs_up_or_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for (n, stream) in listener.incoming().enumerate() {
            let mut stream = stream.expect("a connection");
            drop(stream.read(&mut [0; 512]));
            // MQTT 3.1.1: unacceptable protocol version.
            drop(stream.write_all(&[0x20, 2, 0, 1]));
            if n > 0 {
                held.push(stream);
            }
        }
    });
    let config = MqttConfig { port, ..Mosquitto::plain().config("node-1") };
    for _ in 0..2 {
        let said = reason(&config);
        assert!(said.contains("MQTT 5"), "{said}");
    }
}

fn openssl(args: &str, folder: &Path) {
    let in_folder = format!("cd '{}' && openssl {args}", folder.display());
    command("sh", &["-c", &in_folder]);
}

#[test]
fn certificates_as_broker_manuals_make_them_are_named_with_what_to_make_instead() {
    let pki = Pki::new();
    let folder = TempDir::new().expect("temp dir");
    let at = folder.path();
    let ca = pki.path("ca.pem").display().to_string();
    let sign = format!("-CA {ca} -CAkey {} -CAcreateserial -days 30", pki.path("ca.key").display());
    let key = "-newkey rsa:2048 -nodes";
    openssl(&format!("req {key} -keyout old.key -out old.csr -subj /CN=127.0.0.1"), at);
    openssl(&format!("x509 -req -in old.csr {sign} -out old.pem"), at);
    openssl(&format!("req -x509 {key} -keyout self.key -out self.pem -days 30 -subj /CN=127.0.0.1"), at);
    std::fs::write(at.join("ext"), "basicConstraints=CA:FALSE\n").expect("ext");
    openssl(&format!("x509 -req -in old.csr {sign} -extfile ext -out named.pem"), at);
    std::fs::copy(at.join("old.key"), at.join("named.key")).expect("copy");
    for (name, authority, words) in [
        ("old", Some(ca.clone()), "of version 1"),
        ("self", Some(at.join("self.pem").display().to_string()), "is a CA itself"),
        ("named", Some(ca.clone()), "subjectAltName"),
        ("named", None, "name its CA in mqtt.tls.ca_file"),
    ] {
        let file = |end: &str| at.join(format!("{name}.{end}")).display().to_string();
        let settings = format!("certfile {}\nkeyfile {}", file("pem"), file("key"));
        let broker = Mosquitto::limited(&settings);
        let ca_file = authority.map(Into::into);
        let tls = TlsConfig { ca_file, client_cert_file: None, client_key_file: None };
        let said = reason(&MqttConfig { tls: Some(tls), ..broker.config("node-1") });
        assert!(said.contains(words), "{name}: {said}");
    }

    openssl("pkey -in old.key -aes256 -passout pass:secret -out locked.key", at);
    let rt = runtime();
    for (cert, key, words) in [
        ("old.pem", "locked.key", "nobody is there to type its passphrase"),
        ("old.pem", "old.key", "of version 1"),
    ] {
        let tls = TlsConfig {
            ca_file: Some(ca.clone().into()),
            client_cert_file: Some(at.join(cert)),
            client_key_file: Some(at.join(key)),
        };
        let config = MqttConfig { tls: Some(tls), ..Mosquitto::plain().config("node-1") };
        let outbox = std::sync::Arc::new(super::open(TempDir::new().expect("temp dir").path()));
        let said = Publisher::spawn(rt.handle(), &config, "node-1", outbox).expect_err("refused").to_string();
        assert!(said.contains(words), "{key}: {said}");
    }
}
