use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sha2::Digest;
use tempfile::TempDir;
use uuid::Uuid;

use super::store::{Confirmed, Pushed};
use super::*;
use crate::outbox::MediaChunk;
use crate::wire::{Outcome, encode_chunk};

mod carried;
mod custody;
mod upkeep;

const EVENT: &str = "lintel/v1/n/camera/c/event";
const EVIDENCE: &str = "lintel/v1/n/camera/c/evidence";

struct Rig {
    dir: TempDir,
    store: Option<Store>,
    stats: Arc<ReceiveStats>,
}

impl Rig {
    fn new() -> Self {
        let dir = TempDir::new().expect("temp dir");
        let stats = Arc::new(ReceiveStats::default());
        let store =
            Store::open(dir.path().join("out"), "lintel", TimeZone::UTC, Arc::clone(&stats)).expect("store");
        Self { dir, store: Some(store), stats }
    }

    fn restart(&mut self) {
        let out = self.dir.path().join("out");
        // Two at a time are not let in.
        self.store = None;
        self.store = Some(Store::open(out, "lintel", TimeZone::UTC, Arc::clone(&self.stats)).expect("store"));
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("open")
    }

    fn push(&mut self, topic: &str, payload: &Bytes) -> Result<Vec<Line>, StoreError> {
        let Pushed { lines, refusal, .. } = self.store().push(topic, payload)?;
        refusal.map_or(Ok(lines), |refusal| Err(refusal.into()))
    }

    fn event(&mut self, message: &Value) -> Result<Vec<Line>, StoreError> {
        let evidence = message["type"] == "cn.lintel.evidence.ready";
        self.push(if evidence { EVIDENCE } else { EVENT }, &Bytes::from(message.to_string()))
    }

    fn piece(&mut self, chunk: &MediaChunk) -> Result<Vec<Line>, StoreError> {
        self.piece_of("n", chunk)
    }

    fn piece_of(&mut self, node: &str, chunk: &MediaChunk) -> Result<Vec<Line>, StoreError> {
        let topic = format!("lintel/v1/{node}/media/{}/{}/{}", chunk.event, chunk.kind, chunk.index);
        self.push(&topic, &encode_chunk(chunk))
    }

    fn event_dir(&self) -> PathBuf {
        self.dir.path().join("out/2026-11-22").join(id().to_string())
    }

    fn refused(&self) -> u64 {
        self.stats.refused.load(Ordering::Relaxed)
    }

    /// All files under the test's folder, so that one written beside the output shows.
    fn files(&self) -> Vec<String> {
        fn walk(dir: &Path, root: &Path, into: &mut Vec<String>) {
            for entry in fs::read_dir(dir).expect("readable") {
                let path = entry.expect("entry").path();
                if path.is_dir() {
                    walk(&path, root, into);
                } else if !path.ends_with(".lock") {
                    into.push(path.strip_prefix(root).expect("inside").display().to_string());
                }
            }
        }
        let mut found = Vec::new();
        walk(self.dir.path(), self.dir.path(), &mut found);
        found.sort();
        found
    }
}

fn id() -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(1_795_321_800_120, &[1; 10]).into_uuid()
}

fn message(revision: u32) -> Value {
    let kind = if revision == 0 { "opened" } else { "updated" };
    json!({
        "specversion": "1.0", "id": format!("{}/{revision}", id()), "source": "/lintel/n/c",
        "type": format!("cn.lintel.violation.{kind}"), "subject": id(), "time": "2026-11-22T04:31:00Z",
        "datacontenttype": "application/json", "dataschema": "urn:lintel:schema:violation:1",
        "data": { "event": id(), "revision": revision, "class": { "id": "clutter", "zh": "乱堆物料" }, "reason": "r" },
    })
}

/// 2500 bytes in pieces of 1000.
fn chunk(index: u32) -> MediaChunk {
    let content: Vec<u8> = (0..2500u32).map(|n| (n % 251) as u8).collect();
    let offset = index as usize * 1000;
    MediaChunk {
        event: id(),
        kind: "clip".to_owned(),
        file: "clip.mp4".to_owned(),
        media_type: "video/mp4".to_owned(),
        index,
        count: 3,
        offset: offset as u64,
        total: 2500,
        sha256: format!("{:x}", sha2::Sha256::digest(&content)),
        data: Bytes::copy_from_slice(&content[offset..(offset + 1000).min(2500)]),
    }
}

#[test]
fn pieces_in_any_order_with_repeats_and_restarts_make_one_file() {
    let mut rig = Rig::new();
    assert_eq!(rig.piece(&chunk(2)).expect("piece"), []);
    assert_eq!(rig.piece(&chunk(2)).expect("piece"), [Line::Repeat]);
    rig.restart();
    assert_eq!(rig.piece(&chunk(2)).expect("piece"), [Line::Repeat], "known after a restart");
    assert_eq!(rig.piece(&chunk(0)).expect("piece"), []);
    rig.restart();
    let whole = rig.piece(&chunk(1)).expect("piece");
    assert!(matches!(&whole[..], [Line::File { bytes: 2500, .. }]), "{whole:?}");
    assert_eq!(fs::read(rig.event_dir().join("clip.mp4")).expect("clip").len(), 2500);
    assert_eq!(rig.piece(&chunk(1)).expect("piece"), [Line::Repeat], "known once it is whole");
    assert_eq!(rig.files(), [".node", "clip.mp4"].map(|file| format!("out/2026-11-22/{}/{file}", id())));
}

#[test]
fn a_piece_that_a_power_cut_tore_is_asked_of_the_sender_again() {
    let mut rig = Rig::new();
    rig.piece(&chunk(0)).expect("piece");
    rig.piece(&chunk(1)).expect("piece");
    let part =
        rig.dir.path().join(rig.files().into_iter().find(|file| file.ends_with(".part")).expect("a part"));
    let mut content = fs::read(&part).expect("part");
    content[1500] ^= 1;
    fs::write(&part, content).expect("tear");
    rig.restart();
    assert_eq!(rig.piece(&chunk(2)).expect("piece"), []);
    assert_eq!(rig.piece(&chunk(0)).expect("piece"), [Line::Repeat]);
    assert!(matches!(rig.piece(&chunk(1)).expect("piece")[..], [Line::File { .. }]));
}

#[test]
fn a_file_with_a_wrong_hash_is_not_kept_and_can_be_sent_again() {
    let mut rig = Rig::new();
    for index in [0, 1] {
        rig.piece(&MediaChunk { sha256: "0".repeat(64), ..chunk(index) }).expect("piece");
    }
    let wrong = rig.piece(&MediaChunk { sha256: "0".repeat(64), ..chunk(2) });
    assert!(matches!(wrong, Err(StoreError::Refused(Refusal::Hash { .. }))), "{wrong:?}");
    assert_eq!(rig.refused(), 1);
    assert!(!rig.files().iter().any(|file| file.contains("clip")), "{:?}", rig.files());
    for index in 0..3 {
        rig.piece(&chunk(index)).expect("piece");
    }
    assert!(rig.event_dir().join("clip.mp4").exists());
}

#[test]
fn a_sender_that_changes_the_size_of_its_pieces_begins_anew() {
    let mut rig = Rig::new();
    rig.piece(&chunk(0)).expect("piece");
    let all: Vec<u8> = (0..3).flat_map(|n| chunk(n).data).collect();
    for index in 0..2u32 {
        let offset = index as usize * 2000;
        let piece = MediaChunk {
            index,
            count: 2,
            offset: offset as u64,
            data: Bytes::copy_from_slice(&all[offset..(offset + 2000).min(2500)]),
            ..chunk(0)
        };
        rig.piece(&piece).expect("piece");
    }
    assert_eq!(fs::read(rig.event_dir().join("clip.mp4")).expect("clip"), all);
}

#[test]
fn an_empty_file_is_a_file() {
    let mut rig = Rig::new();
    let empty = MediaChunk {
        total: 0,
        count: 1,
        data: Bytes::new(),
        sha256: format!("{:x}", sha2::Sha256::digest([])),
        ..chunk(0)
    };
    assert!(matches!(rig.piece(&empty).expect("piece")[..], [Line::File { bytes: 0, .. }]));
}

#[test]
fn hostile_pieces_are_refused_and_nothing_is_written() {
    let cases: Vec<(&str, MediaChunk)> = vec![
        ("path", MediaChunk { file: "../../evil.sh".into(), ..chunk(0) }),
        ("absolute", MediaChunk { file: "/etc/passwd".into(), ..chunk(0) }),
        ("hidden", MediaChunk { file: ".ssh".into(), ..chunk(0) }),
        ("ours", MediaChunk { kind: "event".into(), file: "event.json".into(), ..chunk(0) }),
        ("page", MediaChunk { file: "clip.html".into(), ..chunk(0) }),
        ("script", MediaChunk { kind: "run".into(), file: "run.sh".into(), ..chunk(0) }),
        ("other name", MediaChunk { file: "still.jpg".into(), ..chunk(0) }),
        ("kind", MediaChunk { kind: "../x".into(), ..chunk(0) }),
        ("hash", MediaChunk { sha256: "../".repeat(22), ..chunk(0) }),
        ("id", MediaChunk { event: Uuid::nil(), ..chunk(0) }),
        ("v4", MediaChunk { event: uuid::Builder::from_random_bytes([7; 16]).into_uuid(), ..chunk(0) }),
        ("huge", MediaChunk { total: u64::MAX, ..chunk(0) }),
        ("offset", MediaChunk { offset: u64::MAX, ..chunk(1) }),
        ("index", MediaChunk { index: 3, ..chunk(2) }),
        ("count", MediaChunk { count: u32::MAX, ..chunk(0) }),
        ("zero", MediaChunk { count: 0, ..chunk(0) }),
        ("too many", MediaChunk { count: 4, ..chunk(0) }),
        ("too few", MediaChunk { count: 2, ..chunk(0) }),
        ("past the end", MediaChunk { total: 2400, ..chunk(2) }),
        ("short", MediaChunk { data: Bytes::new(), ..chunk(0) }),
    ];
    let mut rig = Rig::new();
    for (number, (what, piece)) in cases.iter().enumerate() {
        let result = rig.piece(piece);
        assert!(matches!(result, Err(StoreError::Refused(_))), "{what}: {result:?}");
        assert_eq!(rig.refused(), number as u64 + 1);
    }
    for payload in [&b""[..], b"LTC1", b"LTC1\xff\xff\xff\xff{}", b"LTC1\0\0\0\x02{}", b"{\"specversion\":1}"]
    {
        let topic = format!("lintel/v1/n/media/{}/clip/0", id());
        let result = rig.push(&topic, &Bytes::from_static(payload));
        assert!(matches!(result, Err(StoreError::Refused(_))), "{payload:?}: {result:?}");
    }
    assert_eq!(rig.files(), [] as [&str; 0]);
}

#[test]
fn hostile_events_are_refused_and_nothing_is_written() {
    let mut rig = Rig::new();
    for (pointer, wrong) in [
        ("/specversion", json!("2.0")),
        ("/type", json!("com.example.other")),
        ("/subject", json!("../../../tmp/x")),
        ("/subject", json!("00000000-0000-0000-0000-000000000000")),
        ("/id", json!("something/else")),
        ("/data/event", json!("00000000-0000-0000-0000-000000000000")),
        ("/data/revision", json!(-1)),
        ("/data", json!(null)),
    ] {
        let mut bad = message(0);
        *bad.pointer_mut(pointer).expect(pointer) = wrong;
        let result = rig.event(&bad);
        assert!(matches!(result, Err(StoreError::Refused(_))), "{pointer}: {result:?}");
    }
    for payload in [&b"not json"[..], b"", b"[]", b"\xff\xfe"] {
        assert!(rig.push(EVENT, &Bytes::from_static(payload)).is_err());
    }
    assert!(rig.push("lintel/v1/n/other", &Bytes::new()).is_err());
    assert_eq!(rig.refused(), 13);
    assert_eq!(rig.files(), [] as [&str; 0]);
}

#[test]
fn repeats_are_dropped_also_after_a_restart_and_an_old_revision_does_not_win() {
    let mut rig = Rig::new();
    assert!(matches!(rig.event(&message(1)).expect("new")[..], [Line::Event { revision: 1, .. }]));
    assert_eq!(rig.event(&message(1)).expect("known"), [Line::Repeat]);
    rig.restart();
    assert_eq!(rig.event(&message(1)).expect("known"), [Line::Repeat]);
    assert!(matches!(rig.event(&message(0)).expect("late")[..], [Line::Event { revision: 0, .. }]));
    let newest: Value =
        serde_json::from_slice(&fs::read(rig.event_dir().join("event.json")).expect("file")).expect("JSON");
    assert_eq!(newest["data"]["revision"], 1);
    let log = fs::read_to_string(rig.event_dir().join("events.jsonl")).expect("log");
    assert_eq!(log.lines().count(), 2);
}

#[test]
fn a_line_that_a_crash_cut_short_is_written_again() {
    let mut rig = Rig::new();
    rig.event(&message(0)).expect("new");
    let log = rig.event_dir().join("events.jsonl");
    let mut text = fs::read_to_string(&log).expect("log");
    text.push_str("{\"specversion\":\"1.0\",\"id\":\"");
    fs::write(&log, text).expect("cut");
    rig.event(&message(1)).expect("new");
    let text = fs::read_to_string(&log).expect("log");
    assert_eq!(text.lines().filter(|l| serde_json::from_str::<Value>(l).is_ok()).count(), 2);
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn evidence_is_complete_once_with_the_last_file_in_either_order() {
    let evidence = json!({
        "specversion": "1.0", "id": format!("{}/evidence/1", id()), "source": "/lintel/n/c",
        "type": "cn.lintel.evidence.ready", "subject": id(), "time": "2026-11-22T04:31:00Z",
        "datacontenttype": "application/json", "dataschema": "urn:lintel:schema:evidence:1",
        "data": { "event": id(), "manifest": {}, "media": [{ "kind": "clip", "file": "clip.mp4",
            "media_type": "video/mp4", "bytes": 2500, "sha256": chunk(0).sha256 }] },
    });
    let complete =
        |lines: &[Line]| lines.iter().filter(|l| matches!(l, Line::Complete { files: 1, .. })).count();
    let mut rig = Rig::new();
    let mut found = complete(&rig.event(&evidence).expect("new"));
    assert_eq!(found, 0);
    for index in 0..3 {
        found += complete(&rig.piece(&chunk(index)).expect("piece"));
    }
    found += complete(&rig.event(&evidence).expect("repeat"));
    assert_eq!(found, 1);

    let mut rig = Rig::new();
    for index in 0..3 {
        rig.piece(&chunk(index)).expect("piece");
    }
    assert_eq!(complete(&rig.event(&evidence).expect("new")), 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_no_refusal() {
    let mut rig = Rig::new();
    let day = rig.event_dir().parent().expect("day").to_owned();
    fs::write(&day, "a file where the folder should be").expect("write");
    let result = rig.event(&message(0));
    assert!(matches!(result, Err(StoreError::Io { .. })), "{result:?}");
    fs::remove_file(&day).expect("remove");
    assert!(matches!(rig.event(&message(0)).expect("new")[..], [Line::Event { .. }]));
}
