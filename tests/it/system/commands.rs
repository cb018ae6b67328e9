//! Commands from the platform: what people decided about events, and what is wrong with a command.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver as Lines, sync_channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::node::{Node, Receiver, street};
use crate::mqtt::wire::validate;
use crate::support::mqtt::{DEADLINE, Mosquitto, command, wait_for};
use crate::support::rtsp::{Options, RtspServer};

/// A platform that sends commands and hears answers, by mosquitto's own clients.
pub struct Platform {
    port: String,
    listener: Child,
    lines: Lines<String>,
}

/// An answer with the correlation data that it came with.
pub struct Answer {
    pub topic: String,
    pub correlation: String,
    pub message: Value,
}

impl Platform {
    pub fn start(broker: &Mosquitto) -> Self {
        let port = broker.port.to_string();
        let mut listen = Command::new("mosquitto_sub");
        listen.args(["-p", &port, "-V", "5", "-q", "1", "-t", "lintel/v1/test/reply/#", "-t", "platform/#"]);
        // Subscribed once the node's retained state has come.
        listen.args(["-t", "lintel/v1/test/state", "-F", "%t\t%D\t%p"]);
        let mut listener = listen.stdout(Stdio::piped()).spawn().expect("mosquitto_sub");
        let out = BufReader::new(listener.stdout.take().expect("piped"));
        let (sender, lines) = sync_channel(64);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let platform = Self { port, listener, lines };
        wait_for("the node's state", || {
            platform.lines.recv_timeout(Duration::from_millis(100)).is_ok_and(|l| l.contains("\"online\""))
        });
        platform
    }

    pub fn send(&self, name: &str, payload: &str) {
        self.send_with(name, payload, &[]);
    }

    pub fn send_with(&self, name: &str, payload: &str, more: &[&str]) {
        let topic = format!("lintel/v1/test/command/{name}");
        let mut args = vec!["-p", &self.port, "-V", "5", "-q", "1", "-t", &topic, "-m", payload];
        args.extend(more);
        command("mosquitto_pub", &args);
    }

    #[track_caller]
    pub fn answer(&self) -> Answer {
        loop {
            let line = self.lines.recv_timeout(DEADLINE).expect("an answer");
            let mut parts = line.splitn(3, '\t');
            let mut next = || parts.next().expect("three parts").to_owned();
            let (topic, correlation, payload) = (next(), next(), next());
            if topic.ends_with("/state") {
                continue;
            }
            let message: Value = serde_json::from_str(&payload).expect("JSON");
            validate("reply", &message);
            return Answer { topic, correlation, message };
        }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        drop(self.listener.kill());
        drop(self.listener.wait());
    }
}

#[track_caller]
fn refused(platform: &Platform, name: &str, payload: &str, part: &str) {
    platform.send(name, payload);
    let answer = platform.answer().message;
    assert_eq!(answer["data"]["status"], "refused", "{answer}");
    let error = &answer["data"]["error"];
    assert!(error["reason"].as_str().is_some_and(|r| r.contains(part)), "{part:?} is not in {error}");
    assert!(error["help"].as_str().is_some_and(|h| !h.is_empty()), "{error}");
}

#[test]
fn feedback_is_kept_learned_and_answered_also_after_a_restart() {
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let receiver = Receiver::start(&broker, None);
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.replace("[http]", "[commands]\nreply_prefixes = [\"platform/\"]\n[http]");
    node.start();
    let platform = Platform::start(&broker);
    receiver.wait_for_evidence(2);
    let events = receiver.events();
    let id = |n: usize| events[n].state["subject"].as_str().expect("an id").to_owned();
    let (first, second) = (id(0), id(1));

    // Still there: answered with a picture, on the topic and with the data that the command named.
    let ask = json!({ "id": "case-1", "event": first, "by": "patrol 3" }).to_string();
    let asked =
        ["-D", "publish", "response-topic", "platform/cases", "-D", "publish", "correlation-data", "abc"];
    platform.send_with("rectified", &ask, &asked);
    let answer = platform.answer();
    assert_eq!((answer.topic.as_str(), answer.correlation.as_str()), ("platform/cases", "abc"));
    let data = &answer.message["data"];
    assert_eq!((&data["id"], &data["verdict"]), (&json!("case-1"), &json!("still_there")), "{data}");
    let evidence = data["cameras"][0]["evidence"].as_str().expect("evidence").to_owned();
    let folder = |id: &str| -> Option<PathBuf> { receiver.folder(id) };
    wait_for("the still of the answer", || {
        folder(&evidence)
            .is_some_and(|f| f.join("annotated.jpg").exists() && f.join("manifest.json").exists())
    });

    // Rejected: the event closes, and the vehicle that still stands there is reported no more.
    let reject = json!({ "event": first, "reason": "a police car", "ignore_days": 3 }).to_string();
    platform.send("rejected", &reject);
    assert_eq!(platform.answer().message["data"]["status"], "done");
    wait_for("the closing message", || {
        let state = receiver.events().into_iter().find(|e| e.state["subject"] == *first);
        state.is_some_and(|e| e.state["data"]["status"] == "rejected")
    });
    platform.send("permitted", &json!({ "event": second, "permit": "2026-17" }).to_string());
    assert_eq!(platform.answer().message["data"]["status"], "done");
    wait_for("the permitted message", || {
        let state = receiver.events().into_iter().find(|e| e.state["subject"] == *second);
        state.is_some_and(|e| {
            e.state["data"]["permit"] == "2026-17" && e.state["data"]["status"] == "permitted"
        })
    });

    // Who decided stands in the message; the hidden place is listed; and the same command again does nothing.
    let closing = receiver.events().into_iter().find(|e| e.state["subject"] == *first).expect("there");
    assert_eq!(closing.state["data"]["decision"]["verdict"], "rejected");
    assert_eq!(closing.state["data"]["decision"]["command"], Value::Null);
    platform.send("ignored", r#"{"camera": "gate"}"#);
    let listed = platform.answer().message["data"]["ignored"].clone();
    assert_eq!((&listed[0]["event"], listed.as_array().map(Vec::len)), (&json!(first), Some(1)), "{listed}");
    assert_eq!(node.health()["cameras"]["gate"]["ignored"][0]["event"], *first);
    platform.send_with("rectified", &ask, &asked);
    let again = platform.answer().message;
    assert_eq!(
        (&again["id"], &again["data"]),
        (&answer.message["id"], &answer.message["data"]),
        "the same answer"
    );
    let other = json!({ "id": "case-1", "event": second }).to_string();
    refused(&platform, "rectified", &other, "used for another command");
    let long = json!({ "event": second, "ignore_days": 91 }).to_string();
    refused(&platform, "rejected", &long, "ignore_days");

    let kept = node.data().join("feedback").join(format!("{first}.json"));
    let kept: Value = serde_json::from_slice(&std::fs::read(&kept).expect("kept")).expect("JSON");
    assert_eq!((&kept["verdict"], &kept["reason"]), (&json!("rejected"), &json!("a police car")));
    assert_eq!(kept["objects"][0]["class"], events[0].state["data"]["objects"][0]["class"]);
    assert!(node.data().join("feedback").join(kept["still"].as_str().expect("a still")).exists());

    // What was learned outlives the process.
    node.kill();
    node.start();
    node.wait_until_streaming();
    let analysed = node.analysed();
    wait_for("eight more pictures", || node.analysed() >= analysed + 8);
    assert_eq!(receiver.events().len(), 2, "the rejected place is left alone");
    platform.send("confirmed", &json!({ "event": first }).to_string());
    assert_eq!(platform.answer().message["data"]["status"], "done");
    wait_for("a new event at the place", || receiver.events().len() == 3);
    let history = node.data().join("feedback").join(format!("{first}.jsonl"));
    let history = std::fs::read_to_string(history).expect("the history");
    let verdicts =
        history.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["verdict"].clone());
    assert_eq!(verdicts.collect::<Vec<_>>(), ["rectified", "rejected", "confirmed"]);
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
}

#[test]
fn broken_commands_are_answered_with_the_error() {
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.start();
    let platform = Platform::start(&broker);
    let unknown = json!({ "event": "01a20184-a5b8-7101-8101-010101010101" }).to_string();
    refused(&platform, "confirmed", &unknown, "is not known here");
    refused(&platform, "confirmed", "{", "cannot be read");
    refused(&platform, "confirmed", "", "cannot be read");
    refused(&platform, "dance", "{}", "no command `dance`");
    refused(&platform, "lead", r#"{"lon": 30.2, "lat": 120.1}"#, "no place");
    refused(&platform, "lead", r#"{"lon": 120.1, "lat": 30.2}"#, "calibrated");
    // A topic that means something else, or that nobody has allowed, is not answered on.
    for topic in ["lintel/v1/test/state", "platform/answers"] {
        platform.send_with("ignored", "{}", &["-D", "publish", "response-topic", topic]);
        let answer = platform.answer();
        assert_eq!(answer.topic, "lintel/v1/test/reply");
        let reason = answer.message["data"]["error"]["reason"].clone();
        assert!(reason.as_str().is_some_and(|r| r.contains(topic)), "{reason}");
    }
    let old = r#"{"id": "1", "issued_at": "2020-01-01T00:00:00Z"}"#;
    refused(&platform, "ignored", old, "too old");
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
}

/// The proof that `issuers` of the config asks for, by openssl.
fn proof(key: &str, name: &str, payload: &str) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-hmac", key]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = openssl.spawn().expect("openssl");
    let text = format!("lintel/v1/test/command/{name}\n{payload}");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("written");
    let said = String::from_utf8(child.wait_with_output().expect("openssl").stdout).expect("text");
    said.trim().rsplit(' ').next().expect("hex").to_owned()
}

#[test]
fn where_the_config_names_issuers_only_they_command() {
    const KEY: &str = "0123456789abcdef0123456789abcdef";
    let broker = Mosquitto::plain();
    let camera = RtspServer::start(&[("gate", street().as_path())], Options::default());
    let mut node = Node::new(&camera.url("gate"), &broker, None);
    node.file("city.key", KEY);
    let file = node.folder().join("city.key");
    let issuer = format!(
        "[[commands.issuers]]\nname = \"city\"\nkey_file = \"{}\"\nmay = [\"ignored\", \"confirmed\"]\n[http]",
        file.display()
    );
    node.replace("[http]", &issuer);
    node.start();
    let platform = Platform::start(&broker);
    let now = jiff::Timestamp::now();
    let payload = json!({ "id": "1", "issued_at": now.to_string() }).to_string();
    let signed = |name: &str, payload: &str, proof: &str| {
        let issuer = ["-D", "publish", "user-property", "issuer", "city"];
        let proof = ["-D", "publish", "user-property", "proof", proof];
        platform.send_with(name, payload, &[issuer, proof].concat());
        platform.answer().message["data"].clone()
    };
    refused(&platform, "ignored", &payload, "no proof");
    let wrong =
        signed("ignored", &payload, &proof("another key that is not the right one", "ignored", &payload));
    assert!(
        wrong["error"]["reason"].as_str().is_some_and(|r| r.contains("proof of the sender is wrong")),
        "{wrong}"
    );
    let denied = signed("lead", &payload, &proof(KEY, "lead", &payload));
    assert!(denied["error"]["reason"].is_string(), "{denied}");
    let good = proof(KEY, "ignored", &payload);
    let done = signed("ignored", &payload, &good);
    assert_eq!((&done["status"], &done["ignored"]), (&json!("done"), &json!([])), "{done}");
    let undated = r#"{"id": "2"}"#;
    let undated = signed("ignored", undated, &proof(KEY, "ignored", undated));
    assert!(undated["error"]["reason"].as_str().is_some_and(|r| r.contains("issued_at")), "{undated}");
    assert_eq!(node.terminate().code(), Some(0), "{}", node.log());
    assert!(!node.log().contains(KEY), "the key is in the log");
}
