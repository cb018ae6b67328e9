use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;

mod crashes;
mod custody;
mod look;

const CHUNK: usize = 16;

fn config() -> OutboxConfig {
    OutboxConfig { max_bytes: 1 << 20 }
}

fn event(n: u8) -> Uuid {
    Uuid::from_bytes([n; 16])
}

fn message(text: &str) -> OutMessage {
    OutMessage {
        topic: "t".into(),
        content_type: "c".into(),
        payload: text.as_bytes().to_vec(),
        event: None,
        reply_to: None,
    }
}

fn messages(texts: &[&str]) -> Batch {
    Batch { messages: texts.iter().map(|t| message(t)).collect(), ..Batch::default() }
}

/// Writes the file and describes it.
fn file(dir: &Path, n: u8, kind: &str, content: &[u8]) -> OutMedia {
    let path = dir.join(format!("{n}-{kind}.jpg"));
    fs::write(&path, content).expect("write");
    OutMedia {
        event: event(n),
        kind: kind.into(),
        path,
        media_type: "image/jpeg".into(),
        bytes: content.len() as u64,
        sha256: format!("{:x}", Sha256::digest(content)),
    }
}

/// What `next` gave, without ids.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    Message(Vec<u8>),
    Chunk { n: u8, kind: String, index: u32, data: Vec<u8> },
    Lost { n: u8, kind: String },
}

fn next(outbox: &Outbox, media: bool) -> Option<(Option<RecordId>, Got)> {
    outbox.next(media, CHUNK).expect("next").map(|next| match next {
        Next::Message { id, message } => (Some(id), Got::Message(message.payload)),
        Next::Chunk { id, chunk } => (
            Some(id),
            Got::Chunk {
                n: chunk.event.as_bytes()[0],
                kind: chunk.kind,
                index: chunk.index,
                data: chunk.data.to_vec(),
            },
        ),
        Next::Lost(lost) => (None, Got::Lost { n: lost.event.as_bytes()[0], kind: lost.kind }),
    })
}

/// The outbox as a few lists in memory.
#[derive(Default)]
struct Model {
    messages: BTreeMap<usize, Vec<u8>>,
    media: BTreeMap<usize, Media>,
    delivered: BTreeSet<u8>,
    state: BTreeMap<String, Vec<u8>>,
    count: usize,
    on_the_way: BTreeSet<(usize, u32)>,
}

struct Media {
    n: u8,
    kind: String,
    content: Vec<u8>,
    acked: BTreeSet<u32>,
}

impl Model {
    fn next(&mut self, media: bool) -> Option<((usize, u32), Got)> {
        let found = self
            .messages
            .iter()
            .find(|(id, _)| !self.on_the_way.contains(&(**id, 0)))
            .map(|(id, payload)| ((*id, 0), Got::Message(payload.clone())));
        let chunk = || {
            self.media.iter().find_map(|(id, m)| {
                let count = m.content.len().div_ceil(CHUNK).max(1);
                (0..count).find_map(|i| {
                    let index = u32::try_from(i).expect("small");
                    let free = !m.acked.contains(&index) && !self.on_the_way.contains(&(*id, index));
                    let data = m.content
                        [(i * CHUNK).min(m.content.len())..((i + 1) * CHUNK).min(m.content.len())]
                        .to_vec();
                    free.then(|| ((*id, index), Got::Chunk { n: m.n, kind: m.kind.clone(), index, data }))
                })
            })
        };
        let found = if media { found.or_else(chunk) } else { found };
        if let Some((key, _)) = &found {
            self.on_the_way.insert(*key);
        }
        found
    }

    fn ack(&mut self, (id, index): (usize, u32)) {
        self.messages.remove(&id);
        if let Some(media) = self.media.get_mut(&id) {
            media.acked.insert(index);
            if media.acked.len() == media.content.len().div_ceil(CHUNK).max(1) {
                let n = self.media.remove(&id).expect("there").n;
                if self.media.values().all(|m| m.n != n) {
                    self.delivered.insert(n);
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Action {
    Append { texts: Vec<u8>, media: Option<(u8, bool, Vec<u8>)>, state: Option<(u8, Option<u8>)> },
    Next { media: bool },
    Ack(prop::sample::Index),
    Release,
    Reopen,
}

fn action() -> impl Strategy<Value = Action> {
    let media = prop::option::of((0u8..3, any::<bool>(), prop::collection::vec(any::<u8>(), 0..60)));
    let state = prop::option::of((0u8..3, prop::option::of(any::<u8>())));
    prop_oneof![
        3 => (prop::collection::vec(any::<u8>(), 0..3), media, state)
            .prop_map(|(texts, media, state)| Action::Append { texts, media, state }),
        6 => any::<bool>().prop_map(|media| Action::Next { media }),
        5 => any::<prop::sample::Index>().prop_map(Action::Ack),
        1 => Just(Action::Release),
        1 => Just(Action::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_lists_in_memory_do_also_when_opened_again(actions in prop::collection::vec(action(), 1..60)) {
        let dir = TempDir::new().expect("temp dir");
        let mut outbox = Outbox::open(dir.path(), &config()).expect("open");
        let mut model = Model::default();
        let mut taken: Vec<(RecordId, (usize, u32))> = Vec::new();
        for action in actions {
            match action {
                Action::Append { texts, media, state } => {
                    let mut batch = Batch::default();
                    for text in texts {
                        model.count += 1;
                        model.messages.insert(model.count, vec![text]);
                        batch.messages.push(OutMessage { payload: vec![text], ..message("") });
                    }
                    if let Some((n, still, content)) = media {
                        let kind = if still { "still" } else { "clip" };
                        // A path of its own, as a file in use must not change.
                        model.count += 1;
                        let media = OutMedia { kind: kind.into(), ..file(dir.path(), n, &model.count.to_string(), &content) };
                        let old = model.media.iter().find(|(_, m)| m.n == n && m.kind == kind);
                        let old = old.map(|(id, m)| (*id, m.content == content));
                        if !matches!(old, Some((_, true))) {
                            if let Some((id, _)) = old {
                                model.media.remove(&id);
                            }
                            let media = Media { n, kind: kind.into(), content, acked: BTreeSet::new() };
                            model.media.insert(model.count, media);
                            model.delivered.remove(&n);
                        }
                        batch.media.push(media);
                    }
                    if let Some((key, value)) = state {
                        let key = format!("key/{key}");
                        match value {
                            Some(value) => model.state.insert(key.clone(), vec![value]),
                            None => model.state.remove(&key),
                        };
                        batch.state.push((key, value.map(|v| vec![v])));
                    }
                    outbox.append(&batch).expect("append");
                }
                Action::Next { media } => {
                    let (real, expected) = (next(&outbox, media), model.next(media));
                    prop_assert_eq!(real.as_ref().map(|(_, got)| got), expected.as_ref().map(|(_, got)| got));
                    if let (Some((Some(id), _)), Some((key, _))) = (real, expected) {
                        taken.push((id, key));
                    }
                }
                Action::Ack(which) if !taken.is_empty() => {
                    let (id, key) = taken.swap_remove(which.index(taken.len()));
                    outbox.ack(&[id]).expect("ack");
                    model.ack(key);
                }
                Action::Ack(_) => {}
                Action::Release => {
                    outbox.release();
                    model.on_the_way.clear();
                }
                Action::Reopen => {
                    drop(outbox);
                    outbox = Outbox::open(dir.path(), &config()).expect("open again");
                    model.on_the_way.clear();
                }
            }
            let stats = outbox.stats();
            prop_assert_eq!((stats.messages, stats.media), (model.messages.len() as u64, model.media.len() as u64));
            prop_assert_eq!(outbox.states("key/").expect("states"), Vec::from_iter(model.state.clone()));
            for n in 0..3 {
                prop_assert_eq!(outbox.is_delivered(event(n)).expect("delivered"), model.delivered.contains(&n));
            }
        }
        outbox.release();
        model.on_the_way.clear();
        while let Some((key, expected)) = model.next(true) {
            let (id, got) = next(&outbox, true).expect("as many as the model has");
            prop_assert_eq!(got, expected);
            outbox.ack(&[id.expect("no file is lost")]).expect("ack");
            model.ack(key);
        }
        prop_assert_eq!(next(&outbox, true), None);
    }

    #[test]
    fn a_damaged_file_never_stops_the_start(at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..600), cut in any::<bool>()) {
        let dir = TempDir::new().expect("temp dir");
        let path = dir.path().join("outbox.db");
        let outbox = Outbox::open(dir.path(), &config()).expect("open");
        let still = file(dir.path(), 1, "still", &[1; 100]);
        let many: Vec<OutMessage> = (0..60).map(|n| message(&format!("{n}").repeat(100))).collect();
        outbox.append(&Batch { messages: many, media: vec![still], state: vec![("k".into(), Some(vec![1]))] }).expect("append");
        drop(outbox);
        let mut content = fs::read(&path).expect("read");
        let at = at.index(content.len());
        if cut {
            content.truncate(at);
        } else {
            let end = content.len().min(at + bytes.len());
            content[at..end].copy_from_slice(&bytes[..end - at]);
        }
        fs::write(&path, content).expect("damage");
        // A newer layout number is the one thing that we must not touch.
        let outbox = match Outbox::open(dir.path(), &config()) {
            Err(OutboxError::Newer { .. }) => return Ok(()),
            other => other.expect("open"),
        };
        outbox.append(&messages(&["last"])).expect("append");
        let mut seen = Vec::new();
        while let Some((id, got)) = next(&outbox, true) {
            seen.push(got);
            prop_assert!(seen.len() < 1000);
            if let Some(id) = id {
                outbox.ack(&[id]).expect("ack");
            }
        }
        let last = Got::Message(b"last".to_vec());
        prop_assert_eq!(seen.iter().filter(|got| **got == last).count(), 1);
    }
}

#[test]
fn what_is_readable_in_a_damaged_file_is_carried_over() {
    let dir = TempDir::new().expect("temp dir");
    let path = dir.path().join("outbox.db");
    let outbox = Outbox::open(dir.path(), &config()).expect("open");
    let many: Vec<OutMessage> = (0..100).map(|n| message(&format!("{n:02}").repeat(200))).collect();
    outbox.append(&Batch { messages: many, ..Batch::default() }).expect("append");
    drop(outbox);
    let mut content = fs::read(&path).expect("read");
    // The last page of the file holds the newest messages.
    let end = content.len();
    content[end - 4096..].fill(0xff);
    fs::write(&path, content).expect("damage");
    let outbox = Outbox::open(dir.path(), &config()).expect("open");
    let found = outbox.stats().messages;
    assert!((50..100).contains(&found), "{found} carried over");
    let aside: Vec<_> = fs::read_dir(dir.path())
        .expect("dir")
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("outbox.db.damaged-"))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
}

#[test]
fn a_full_disk_is_reported_and_acknowledgements_go_on() {
    let dir = TempDir::new().expect("temp dir");
    let outbox = Outbox::open(dir.path(), &config()).expect("open");
    outbox.append(&messages(&["one", "two"])).expect("append");
    let pages: i64 =
        outbox.lock().connection().pragma_query_value(None, "page_count", |row| row.get(0)).expect("pages");
    outbox
        .lock()
        .connection()
        .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        .expect("limit");
    let big = "x".repeat(1 << 20);
    assert!(matches!(outbox.append(&messages(&[&big])), Err(OutboxError::Full { .. })));
    let (id, got) = next(&outbox, true).expect("reads go on");
    assert_eq!(got, Got::Message(b"one".to_vec()));
    outbox.ack(&[id.expect("id")]).expect("ack");
    assert_eq!(outbox.stats().messages, 1, "nothing of the refused batch, and the acknowledged one gone");
    outbox
        .lock()
        .connection()
        .pragma_update_and_check(None, "max_page_count", 100_000, |_| Ok(()))
        .expect("space");
    outbox.append(&messages(&[&big])).expect("again");
}

#[test]
fn another_process_is_kept_out() {
    let dir = TempDir::new().expect("temp dir");
    let outbox = Outbox::open(dir.path(), &config()).expect("open");
    assert!(matches!(Outbox::open(dir.path(), &config()), Err(OutboxError::InUse { .. })));
    drop(outbox);
    Outbox::open(dir.path(), &config()).expect("free again");
}

#[test]
fn a_newer_layout_is_left_alone() {
    let dir = TempDir::new().expect("temp dir");
    let outbox = Outbox::open(dir.path(), &config()).expect("open");
    outbox.lock().connection().pragma_update(None, "user_version", 99).expect("newer");
    drop(outbox);
    let error = Outbox::open(dir.path(), &config()).expect_err("refused");
    assert!(error.to_string().contains("layout 99"), "{error}");
}

#[test]
fn another_chunk_size_begins_the_file_anew() {
    let dir = TempDir::new().expect("temp dir");
    let outbox = Outbox::open(dir.path(), &config()).expect("open");
    let media = file(dir.path(), 1, "still", &[1; 40]);
    outbox.append(&Batch { media: vec![media], ..Batch::default() }).expect("append");
    let (id, _) = next(&outbox, true).expect("first");
    outbox.ack(&[id.expect("id")]).expect("ack");
    drop(outbox);
    let outbox = Outbox::open(dir.path(), &config()).expect("open");
    let Some(Next::Chunk { chunk, .. }) = outbox.next(true, 30).expect("next") else { panic!("a chunk") };
    assert_eq!((chunk.index, chunk.count, chunk.data.len()), (0, 2, 30));
}
