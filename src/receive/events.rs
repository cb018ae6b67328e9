//! Stores event messages: all of them in events.jsonl, the newest revision in event.json.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use super::files::OutputFolder;
use super::report::Line;
use super::{Refusal, StoreError};
use crate::base::{replace_file, sync_folder};
use crate::wire::{CloudEvent, EvidenceData, LostData, MediaFile};

const EVENTS: &str = "events.jsonl";
const NEWEST: &str = "event.json";
const EVIDENCE: &str = "evidence.json";

#[derive(Debug)]
pub(super) struct EventStore {
    folder: OutputFolder,
}

impl EventStore {
    pub fn new(folder: OutputFolder) -> Self {
        Self { folder }
    }

    /// Stores a CloudEvent unless one with its source and id exists.
    pub fn push(&mut self, payload: &Bytes) -> Result<Vec<Line>, StoreError> {
        let wrong = |e: String| StoreError::from(Refusal::NotAnEvent(e));
        let message: CloudEvent<Value> = serde_json::from_slice(payload).map_err(|e| wrong(e.to_string()))?;
        if message.specversion != "1.0" {
            return Err(wrong(format!("specversion {:?}", message.specversion)));
        }
        let subject = || StoreError::from(Refusal::Subject(message.subject.clone()));
        let event = Uuid::parse_str(&message.subject).map_err(|_| subject())?;
        let dir = self.folder.event_dir(event).ok_or_else(subject)?;
        let kind = Kind::of(&message, event)?;

        fs::create_dir_all(&dir).map_err(StoreError::io(&dir))?;
        let log = dir.join(EVENTS);
        let before = read_log(&log).map_err(StoreError::io(&log))?;
        let same = |m: &CloudEvent<Value>| m.id == message.id && m.source == message.source;
        if before.messages.iter().any(same) {
            return Ok(vec![Line::Repeat]);
        }
        // Write the views first and the log last: after a crash in between, the message comes again.
        match &kind {
            Kind::Event { revision, .. } => {
                let newest = before.messages.iter().filter_map(revision_of).max();
                if newest.is_none_or(|newest| *revision > newest) {
                    self.view(&dir, NEWEST, &message)?;
                }
            }
            Kind::Evidence => self.view(&dir, EVIDENCE, &message)?,
            Kind::Lost(_) => {}
        }
        before.append(&log, &message).map_err(StoreError::io(&log))?;
        match kind {
            Kind::Event { line, .. } => Ok(vec![line]),
            Kind::Evidence => self.completed(event, |_| true),
            Kind::Lost(line) => Ok(vec![line]),
        }
    }

    /// A line if `file` was the last missing file of the evidence message.
    pub fn completed_by(&self, event: Uuid, file: &str) -> Result<Vec<Line>, StoreError> {
        self.completed(event, |media| media.iter().any(|m| m.file == file))
    }

    /// A line if all files of the evidence message exist and `concerned` accepts them.
    fn completed(
        &self,
        event: Uuid,
        concerned: impl FnOnce(&[MediaFile]) -> bool,
    ) -> Result<Vec<Line>, StoreError> {
        let Some(dir) = self.folder.event_dir(event) else { return Ok(Vec::new()) };
        let path = dir.join(EVIDENCE);
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(StoreError::io(path)(e)),
        };
        let Ok(message) = serde_json::from_slice::<CloudEvent<EvidenceData>>(&content) else {
            return Ok(Vec::new());
        };
        let media = &message.data.media;
        // A file gets its name only after its hash was checked, so the size is enough here.
        let there = media.iter().all(|m| {
            matches!(Path::new(&m.file).components().collect::<Vec<_>>()[..], [Component::Normal(_)])
                && fs::metadata(dir.join(&m.file)).is_ok_and(|found| found.len() == m.bytes)
        });
        Ok(if there && concerned(media) {
            vec![Line::Complete { event, dir, files: media.len() }]
        } else {
            Vec::new()
        })
    }

    fn view(&self, dir: &Path, name: &str, message: &CloudEvent<Value>) -> Result<(), StoreError> {
        let path: PathBuf = dir.join(name);
        let mut text = serde_json::to_vec_pretty(message).expect("JSON values have string keys");
        text.push(b'\n');
        replace_file(&path, &text).map_err(StoreError::io(path))
    }
}

/// The kind of a message, with every field that is used checked.
enum Kind {
    Event { revision: u32, line: Line },
    Evidence,
    Lost(Line),
}

impl Kind {
    fn of(message: &CloudEvent<Value>, event: Uuid) -> Result<Self, Refusal> {
        let data = &message.data;
        if data.get("event").and_then(Value::as_str).and_then(|e| Uuid::parse_str(e).ok()) != Some(event) {
            return Err(Refusal::Mismatch);
        }
        let bad = |e: serde_json::Error| Refusal::NotAnEvent(e.to_string());
        match message.kind.strip_prefix("cn.lintel.") {
            Some(
                kind @ ("violation.opened" | "violation.updated" | "violation.closed" | "violation.expired"),
            ) => {
                let revision = revision_of(message).ok_or(Refusal::Mismatch)?;
                let text = |path: &str| data.pointer(path).and_then(Value::as_str).unwrap_or("-").to_owned();
                let line = Line::Event {
                    time: message.time.clone(),
                    transition: kind.rsplit('.').next().unwrap_or(kind).to_owned(),
                    event,
                    revision,
                    camera: message.source.trim_start_matches("/lintel/").to_owned(),
                    class: text("/class/id"),
                    zh: text("/class/zh"),
                    reason: text("/reason"),
                };
                Ok(Kind::Event { revision, line })
            }
            Some("evidence.ready") => {
                serde_json::from_value::<EvidenceData>(data.clone()).map_err(bad)?;
                Ok(Kind::Evidence)
            }
            Some("evidence.lost") => {
                let lost: LostData = serde_json::from_value(data.clone()).map_err(bad)?;
                Ok(Kind::Lost(Line::Lost { event, file: lost.file, reason: lost.reason }))
            }
            _ => Err(Refusal::NotAnEvent(format!("type {:?}", message.kind))),
        }
    }
}

/// `None` for messages that are not transitions. The id must say the same as the data.
fn revision_of(message: &CloudEvent<Value>) -> Option<u32> {
    let revision = u32::try_from(message.data.get("revision")?.as_u64()?).ok()?;
    (message.id == format!("{}/{revision}", message.subject)).then_some(revision)
}

struct Log {
    messages: Vec<CloudEvent<Value>>,
    /// Length in bytes up to the end of the last complete line.
    whole: u64,
}

/// Ignores a last line that a crash cut short.
fn read_log(path: &Path) -> io::Result<Log> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e),
    };
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let messages = text[..whole]
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    Ok(Log { messages, whole: whole as u64 })
}

impl Log {
    fn append(&self, path: &Path, message: &CloudEvent<Value>) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.set_len(self.whole)?;
        let mut line = serde_json::to_vec(message).expect("JSON values have string keys");
        line.push(b'\n');
        file.write_all(&line)?;
        file.sync_all()?;
        path.parent().map_or(Ok(()), sync_folder)
    }
}
