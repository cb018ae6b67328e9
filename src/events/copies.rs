//! The messages of an event beside its files, so that the folders alone can fill the outbox again.
//!
//! Takes: each batch that the outbox has stored. Gives: `events.jsonl` (every message) and `event.json` (the
//! newest) in the event's folder; at the start, records for all that the outbox does not know. On failure: a copy
//! that cannot be written is logged; the outbox has the record. Not here: deleting folders.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::backlog::Store;
use super::journal::media;
use super::pending_evidence::PendingEvidence;
use crate::base::{CameraId, error_chain, replace_file};
use crate::evidence::{EvidenceFile, EvidenceKind, event_dir, event_folders};
use crate::outbox::{Batch, DELIVERED_MARK, OutMedia, OutMessage, Outbox, OutboxError};
use crate::wire::{CLOUD_EVENT, CloudEvent, EvidenceData, Topics};

const MESSAGES: &str = "events.jsonl";
const NEWEST: &str = "event.json";

/// The outbox of a node, with a copy of each event's messages in its folder.
pub(crate) struct FolderStore {
    pub outbox: Arc<Outbox>,
    pub data_dir: PathBuf,
}

impl Store for FolderStore {
    fn append(&self, batch: &Batch) -> Result<(), OutboxError> {
        self.outbox.append(batch)?;
        for message in &batch.messages {
            if let Some((event, step)) = about(&message.payload)
                && let Err(error) = copy(&event_dir(&self.data_dir, event), &message.payload, step)
            {
                tracing::warn!(%event, "no copy of its message beside its evidence: {}", error_chain(&error));
            }
        }
        Ok(())
    }
}

/// What a message is to its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Opened,
    Later,
    Evidence,
}

/// The event that a message is about.
fn about(payload: &[u8]) -> Option<(Uuid, Step)> {
    let message: CloudEvent<Value> = serde_json::from_slice(payload).ok()?;
    let event = Uuid::parse_str(&message.subject).ok()?;
    let step = match message.kind.strip_prefix("cn.lintel.")? {
        "violation.opened" => Step::Opened,
        kind if kind.starts_with("violation.") => Step::Later,
        "evidence.ready" => Step::Evidence,
        _ => return None,
    };
    Some((event, step))
}

/// Later messages do not bring a folder back whose files were delivered and deleted.
fn copy(dir: &Path, payload: &[u8], step: Step) -> io::Result<()> {
    if step == Step::Opened {
        fs::create_dir_all(dir)?;
    } else if !dir.exists() {
        return Ok(());
    }
    let mut line = payload.to_vec();
    line.push(b'\n');
    let mut file = OpenOptions::new().create(true).append(true).open(dir.join(MESSAGES))?;
    file.write_all(&line)?;
    file.sync_data()?;
    if step == Step::Evidence { Ok(()) } else { replace_file(&dir.join(NEWEST), &line) }
}

/// What was put back into the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requeued {
    pub events: u64,
    pub messages: u64,
    pub files: u64,
}

/// Queues the records of every folder that is not delivered and that the outbox knows nothing of: it was
/// damaged, cut, emptied or deleted. A platform drops what it has already. A folder without messages was begun
/// and never recorded, for a command or a flight that comes again; only beside a damaged outbox it may be one of
/// an earlier version.
///
/// # Errors
/// The outbox, or the folder of all evidence.
pub(crate) fn requeue(
    outbox: &Outbox,
    data_dir: &Path,
    topics: &Topics,
    node: &str,
) -> Result<Requeued, OutboxError> {
    let mut done = Requeued::default();
    for (event, dir) in event_folders(data_dir) {
        if dir.join(DELIVERED_MARK).exists() && !is_newer(&dir) {
            continue;
        }
        if !dir.join(MESSAGES).exists() && !outbox.stats().damaged {
            continue;
        }
        if outbox.knows(event)? || outbox.state(&PendingEvidence::key(event))?.is_some() {
            continue;
        }
        let mut batch = event_again(data_dir, event, topics, node);
        let held = on_request(&batch.messages);
        batch.media.retain(|media| !held.contains(&media.kind));
        if batch.messages.is_empty() && batch.media.is_empty() {
            continue;
        }
        done.events += 1;
        done.messages += batch.messages.len() as u64;
        done.files += batch.media.len() as u64;
        outbox.append(&batch)?;
    }
    Ok(done)
}

/// Everything that lies in an event's folder, as records.
pub(crate) fn event_again(data_dir: &Path, event: Uuid, topics: &Topics, node: &str) -> Batch {
    let dir = event_dir(data_dir, event);
    Batch { messages: messages(&dir, topics, node), media: files(event, &dir), state: Vec::new() }
}

/// Kinds of files that stay until somebody asks for them, by the newest message about the evidence.
fn on_request(messages: &[OutMessage]) -> Vec<String> {
    let evidence = |message: &OutMessage| {
        serde_json::from_slice::<CloudEvent<EvidenceData>>(&message.payload).ok().map(|message| message.data)
    };
    let newest = messages.iter().rev().find_map(evidence);
    let held = newest.into_iter().flat_map(|evidence| evidence.media).filter(|media| media.on_request);
    held.map(|media| media.kind).collect()
}

/// Whether a message came after the files were delivered.
fn is_newer(dir: &Path) -> bool {
    let changed = |name: &str| fs::metadata(dir.join(name)).and_then(|m| m.modified()).ok();
    changed(MESSAGES).zip(changed(DELIVERED_MARK)).is_some_and(|(message, mark)| message > mark)
}

fn messages(dir: &Path, topics: &Topics, node: &str) -> Vec<OutMessage> {
    let text = fs::read(dir.join(MESSAGES)).unwrap_or_default();
    let message = |line: &[u8]| {
        let message: CloudEvent<Value> = serde_json::from_slice(line).ok()?;
        // Of another node's name no platform would take it.
        let camera = message.source.strip_prefix("/lintel/")?.strip_prefix(node)?.strip_prefix('/')?;
        let camera = CameraId::new(camera);
        let topic = match about(line)? {
            (_, Step::Opened | Step::Later) => topics.event(&camera),
            (_, Step::Evidence) => topics.evidence(&camera),
        };
        Some(OutMessage {
            topic,
            content_type: CLOUD_EVENT.to_owned(),
            payload: line.to_vec(),
            event: about(line).map(|(event, _)| event),
            reply_to: None,
        })
    };
    text.split(|byte| *byte == b'\n').filter_map(message).collect()
}

fn files(event: Uuid, dir: &Path) -> Vec<OutMedia> {
    let file = |kind: EvidenceKind| -> io::Result<OutMedia> {
        let path = dir.join(kind.file_name());
        let mut hash = Sha256::new();
        let bytes = io::copy(&mut File::open(&path)?, &mut hash)?;
        let (media_type, sha256) = (kind.media_type().to_owned(), format!("{:x}", hash.finalize()));
        Ok(media(event, &EvidenceFile { kind, path, media_type, bytes, sha256 }))
    };
    EvidenceKind::ALL.into_iter().filter_map(|kind| file(kind).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::OutboxConfig;
    use crate::outbox::{Confirmed, Next};

    fn event() -> Uuid {
        uuid::Builder::from_unix_timestamp_millis(1_795_321_800_120, &[1; 10]).into_uuid()
    }

    fn step(revision: u32) -> OutMessage {
        let payload = json!({
            "specversion": "1.0", "id": format!("{}/{revision}", event()), "source": "/lintel/n/gate",
            "type": "cn.lintel.violation.opened", "subject": event(), "time": "2026-11-22T04:31:00Z",
            "datacontenttype": "application/json", "dataschema": "", "data": { "revision": revision },
        });
        let payload = serde_json::to_vec(&payload).expect("JSON");
        let topic = "lintel/v1/n/camera/gate/event".to_owned();
        let event = Some(event());
        OutMessage { topic, content_type: CLOUD_EVENT.to_owned(), payload, event, reply_to: None }
    }

    struct Rig {
        dir: tempfile::TempDir,
        store: Option<FolderStore>,
    }

    impl Rig {
        /// Two messages and a still wait.
        fn new() -> Self {
            let mut rig = Self { dir: tempfile::tempdir().expect("a folder"), store: None };
            rig.open();
            let dir = event_dir(rig.dir.path(), event());
            fs::create_dir_all(&dir).expect("made");
            fs::write(dir.join("still.jpg"), b"picture").expect("written");
            let batch =
                Batch { messages: vec![step(0), step(1)], media: files(event(), &dir), state: Vec::new() };
            rig.store.as_ref().expect("open").append(&batch).expect("stored");
            rig
        }

        fn open(&mut self) -> Requeued {
            self.store = None;
            let config = OutboxConfig { max_bytes: 1 << 20 };
            let outbox = Arc::new(Outbox::open(self.dir.path(), &config).expect("outbox"));
            self.store = Some(FolderStore { outbox, data_dir: self.dir.path().to_owned() });
            requeue(self.outbox(), self.dir.path(), &Topics::new("lintel", "n"), "n").expect("requeued")
        }

        fn outbox(&self) -> &Outbox {
            &self.store.as_ref().expect("open").outbox
        }

        fn db(&self) -> PathBuf {
            self.dir.path().join("outbox.db")
        }

        fn damage(&mut self, how: impl Fn(&Path)) -> Requeued {
            self.store = None;
            how(&self.db());
            self.open()
        }
    }

    const ALL: Requeued = Requeued { events: 1, messages: 2, files: 1 };

    #[test]
    fn an_outbox_that_is_gone_cut_overwritten_or_emptied_is_filled_from_the_folders() {
        let gone = |db: &Path| fs::remove_file(db).expect("removed");
        let cut = |db: &Path| fs::write(db, b"").expect("written");
        let text = |db: &Path| fs::write(db, b"this is no database").expect("written");
        let half = |db: &Path| {
            let whole = fs::read(db).expect("read");
            fs::write(db, &whole[..whole.len() / 2]).expect("written");
        };
        for (what, how) in
            [("gone", &gone as &dyn Fn(&Path)), ("cut", &cut), ("text", &text), ("half", &half)]
        {
            let mut rig = Rig::new();
            let found = rig.damage(how);
            let stats = rig.outbox().stats();
            assert_eq!((stats.messages, stats.media), (2, 1), "{what}: {found:?} {stats:?}");
            let Some(Next::Message { message, .. }) = rig.outbox().next(true, 1024).expect("outbox") else {
                panic!("{what}: a message")
            };
            assert_eq!(message, step(0), "{what}");
        }
        let mut rig = Rig::new();
        assert_eq!(rig.damage(gone), ALL);
        assert_eq!(rig.open(), Requeued::default(), "once is enough");
    }

    #[test]
    fn what_a_platform_has_is_not_queued_again() {
        let mut rig = Rig::new();
        let sha256 = format!("{:x}", Sha256::digest(b"picture"));
        let still = Confirmed { sha256, file: Some((event(), "still".to_owned())), refused: false };
        rig.outbox().confirm(&[still]).expect("confirmed");
        assert_eq!(rig.damage(|db| fs::remove_file(db).expect("removed")), Requeued::default());
    }

    #[test]
    fn a_file_that_comes_after_the_delivery_counts_as_undelivered() {
        let mut rig = Rig::new();
        let sha256 = format!("{:x}", Sha256::digest(b"picture"));
        let still = Confirmed { sha256, file: Some((event(), "still".to_owned())), refused: false };
        rig.outbox().confirm(&[still]).expect("confirmed");
        let dir = event_dir(rig.dir.path(), event());
        fs::write(dir.join("closed.jpg"), b"later").expect("written");
        let closed = files(event(), &dir).into_iter().filter(|m| m.kind == "closed").collect();
        rig.outbox().append(&Batch { media: closed, ..Batch::default() }).expect("stored");
        let found = rig.damage(|db| fs::remove_file(db).expect("removed"));
        assert_eq!(found, Requeued { files: 2, ..ALL });
    }

    #[test]
    fn a_folder_that_was_never_recorded_is_no_sign_of_damage() {
        let mut rig = Rig::new();
        let other = uuid::Builder::from_unix_timestamp_millis(1_795_321_800_120, &[2; 10]).into_uuid();
        let dir = event_dir(rig.dir.path(), other);
        fs::create_dir_all(&dir).expect("made");
        fs::write(dir.join("still.jpg"), b"of a command that comes again").expect("written");
        assert_eq!(rig.open(), Requeued::default());
    }

    #[test]
    fn a_later_message_does_not_bring_a_deleted_folder_back() {
        let rig = Rig::new();
        let dir = event_dir(rig.dir.path(), event());
        fs::remove_dir_all(&dir).expect("deleted");
        let later = OutMessage {
            payload: String::from_utf8(step(2).payload)
                .expect("JSON")
                .replace("opened", "closed")
                .into_bytes(),
            ..step(2)
        };
        let batch = Batch { messages: vec![later], ..Batch::default() };
        rig.store.as_ref().expect("open").append(&batch).expect("stored");
        assert!(!dir.exists());
    }

    #[test]
    fn an_event_has_its_newest_message_beside_its_files() {
        let rig = Rig::new();
        let newest = fs::read(event_dir(rig.dir.path(), event()).join(NEWEST)).expect("event.json");
        assert_eq!(newest.trim_ascii_end(), step(1).payload);
    }
}
