//! What comes in a folder instead of over MQTT.

use super::*;
use crate::carry::{Carried, ExportReport, export, take_words};
use crate::config::OutboxConfig;
use crate::outbox::{Batch, OutMedia, OutMessage, Outbox};

/// A node with an outbox that it holds open, and a stick.
struct Node {
    data: TempDir,
    stick: TempDir,
    outbox: Outbox,
}

impl Node {
    fn new() -> Self {
        let (data, stick) = (TempDir::new().expect("temp dir"), TempDir::new().expect("temp dir"));
        let outbox = Outbox::open(data.path(), &OutboxConfig { max_bytes: 1 << 20 }).expect("outbox");
        Self { data, stick, outbox }
    }

    fn says(&self, revision: u32) {
        let (topic, content_type) = (EVENT.to_owned(), "c".to_owned());
        let payload = message(revision).to_string().into_bytes();
        let message = OutMessage { topic, content_type, payload, event: Some(id()), reply_to: None };
        self.outbox.append(&Batch { messages: vec![message], ..Batch::default() }).expect("append");
    }

    fn has_clip(&self) {
        let content: Vec<u8> = (0..2_500_000u32).map(|n| (n % 251) as u8).collect();
        let path = self.data.path().join("evidence/clip.mp4");
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, &content).expect("written");
        let media = OutMedia {
            event: id(),
            kind: "clip".to_owned(),
            path,
            media_type: "video/mp4".to_owned(),
            bytes: content.len() as u64,
            sha256: format!("{:x}", sha2::Sha256::digest(&content)),
        };
        self.outbox.append(&Batch { media: vec![media], ..Batch::default() }).expect("append");
    }

    fn export(&self) -> ExportReport {
        export(self.data.path(), "n", self.stick.path()).expect("exported")
    }

    fn carried(&self) -> Carried {
        Carried::of(self.stick.path(), "n")
    }
}

fn take_in(rig: &mut Rig, stick: &Path) -> TakenIn {
    super::super::take_in(rig.store(), stick, "platform", &Shutdown::new(), drop).expect("taken in")
}

#[test]
fn what_a_stick_carries_is_stored_and_leaves_the_node_when_the_stick_is_back() {
    let (node, mut rig) = (Node::new(), Rig::new());
    node.says(0);
    node.has_clip();
    assert_eq!(
        node.export(),
        ExportReport { messages: 1, files: 1, file_bytes: 2_500_000, ..ExportReport::default() }
    );
    let all = TakenIn { nodes: 1, stored: 2, ..TakenIn::default() };
    assert_eq!(take_in(&mut rig, node.stick.path()), all);
    assert_eq!(fs::read(rig.event_dir().join("clip.mp4")).expect("the clip").len(), 2_500_000);
    assert_eq!(take_in(&mut rig, node.stick.path()), all, "twice is once");

    // One message comes while the stick is away.
    node.says(1);
    assert_eq!(node.export(), ExportReport { messages: 1, confirmed: 2, ..ExportReport::default() });
    assert!(!node.carried().files_dir().join(id().to_string()).exists(), "the stick has room again");
    assert_eq!(node.outbox.stats().messages, 2, "the node itself takes the word");
    let words = || take_words(node.data.path(), |records| node.outbox.confirm(records)).expect("taken");
    assert_eq!((words(), words()), (2, 0));
    let stats = node.outbox.stats();
    assert_eq!((stats.messages, stats.media), (1, 0));
    assert!(node.outbox.is_delivered(id()).expect("outbox"));
    assert_eq!(take_in(&mut rig, node.stick.path()).stored, 1);
    assert_eq!(fs::read_to_string(rig.event_dir().join("events.jsonl")).expect("log").lines().count(), 2);
}

#[test]
fn a_folder_that_somebody_has_changed_costs_what_was_changed_and_writes_nowhere_else() {
    let (node, mut rig) = (Node::new(), Rig::new());
    node.says(0);
    node.has_clip();
    node.export();
    let carried = node.carried();
    let add = |path: PathBuf, lines: &[String]| {
        let before = fs::read_to_string(&path).expect("a list");
        fs::write(path, format!("{}\n{before}", lines.join("\n"))).expect("written");
    };
    let other = json!({ "topic": "lintel/v1/b/camera/c/event", "payload": message(1).to_string() });
    let nobody = json!({ "topic": "else/where", "payload": "{}" });
    add(carried.messages(), &[other.to_string(), nobody.to_string(), "no JSON".to_owned()]);
    let file = |file: &str, bytes: u64, sha256: &str| {
        json!({ "event": id(), "kind": "still", "file": file, "media_type": "m", "bytes": bytes, "sha256": sha256 })
            .to_string()
    };
    fs::write(carried.files_dir().join(id().to_string()).join("still.jpg"), b"seen").expect("written");
    let (zeros, other) = ("0".repeat(64), "1".repeat(64));
    add(
        carried.files(),
        &[
            file("../../../../precious", 4, &zeros),
            file("still.jpg", 4, &zeros),
            file("still.jpg", 9, &other),
            file("gone.jpg", 4, &zeros),
        ],
    );
    let found = take_in(&mut rig, node.stick.path());
    assert_eq!(found, TakenIn { nodes: 1, stored: 2, refused: 7, ..TakenIn::default() });
    let stored = ["clip.mp4", "event.json", "events.jsonl"].map(|name| rig.event_dir().join(name));
    assert!(stored.iter().all(|path| path.exists()) && !rig.event_dir().join("still.jpg").exists());
}

#[test]
fn a_stick_pulled_out_in_the_middle_is_read_as_it_was_and_the_rest_comes_later() {
    let (node, mut rig) = (Node::new(), Rig::new());
    node.says(0);
    node.has_clip();
    node.export();
    fs::remove_file(node.carried().files()).expect("not written yet");
    assert_eq!(take_in(&mut rig, node.stick.path()).stored, 1);
    assert_eq!(
        node.export(),
        ExportReport { files: 1, file_bytes: 2_500_000, confirmed: 1, ..ExportReport::default() }
    );
    assert_eq!(take_in(&mut rig, node.stick.path()).stored, 1);
}

#[test]
fn two_receivers_on_one_folder_are_refused() {
    let rig = Rig::new();
    let again = Store::open(rig.dir.path().join("out"), "lintel", TimeZone::UTC, Arc::default());
    assert!(matches!(again, Err(StoreError::InUse { .. })), "{again:?}");
}
