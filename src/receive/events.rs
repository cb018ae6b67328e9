//! Stores what nodes say of events: every message in events.jsonl, the newest state in event.json. What
//! contradicts that is kept apart.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tracing::warn;
use uuid::Uuid;

use super::error::{Refusal, StoreError};
use super::files::{OutputFolder, append_line, make_dir, whole_lines};
use super::folder::{EventFolder, Known, LOG, revision_of};
use super::quarantine::Quarantine;
use super::report::Line;
use crate::base::{replace_file, sync_folder};
use crate::wire::{CloudEvent, EvidenceData, LostData, Outcome, is_storable};

const NEWEST: &str = "event.json";
const EVIDENCE: &str = "evidence.json";
/// Names the node whose event this is.
const NODE: &str = ".node";
/// Earlier contents of files that the node has replaced.
const EARLIER: &str = "earlier";
/// Messages of events that are kept in memory.
const MOST_KNOWN: usize = 100_000;
/// Bytes of messages of one event in quarantine.
const MOST_QUARANTINED: usize = 4 << 20;

/// The result of storing: lines for the operator, and what the node is told. `None`: nothing yet.
pub(super) type Stored = (Vec<Line>, Option<Outcome>);

#[derive(Debug)]
pub(super) struct EventStore {
    folder: OutputFolder,
    known: HashMap<Uuid, EventFolder>,
    weight: usize,
    quarantine: Quarantine,
}

impl EventStore {
    pub fn new(folder: OutputFolder) -> Self {
        Self { folder, known: HashMap::new(), weight: 0, quarantine: Quarantine::default() }
    }

    /// The kinds of files that an event waits for.
    pub fn missing(&mut self, event: Uuid) -> Result<Vec<String>, StoreError> {
        Ok(self.of(event)?.missing())
    }

    /// Whose event it is, if it has begun.
    pub fn owner(&self, event: Uuid) -> Option<String> {
        let mark = self.folder.event_dir(event)?.join(NODE);
        Some(fs::read_to_string(mark).ok()?.trim_end().to_owned())
    }

    /// The folder of an event was deleted.
    pub fn forget(&mut self, event: Uuid) {
        if let Some(folder) = self.known.remove(&event) {
            self.weight -= folder.weight();
        }
        self.quarantine.forget();
    }

    /// Stores a CloudEvent of `node` unless it is here already.
    pub fn push(
        &mut self,
        node: &str,
        message: &CloudEvent<Value>,
        raw: &[u8],
    ) -> Result<Stored, StoreError> {
        let subject = || StoreError::from(Refusal::Subject(message.subject.clone()));
        let event = Uuid::parse_str(&message.subject).map_err(|_| subject())?;
        self.folder.event_dir(event).ok_or_else(subject)?;
        let kind = Kind::of(message, event)?;
        if !self.owns(node, event)? {
            return self.quarantine_message(node, event, message, raw, "the event is another node's");
        }
        let folder = self.of(event)?;
        match folder.known(message, raw) {
            Known::Same => return Ok((vec![Line::Repeat], Some(Outcome::Stored))),
            Known::Other => {
                let why = "another message with this source and id is stored";
                return self.quarantine_message(node, event, message, raw, why);
            }
            Known::New => {}
        }
        // Write the views first and the log last: after a crash in between, the message comes again.
        let mut lines = Vec::new();
        match &kind {
            Kind::Event { revision, .. } => {
                if folder.would_lead(*revision) {
                    view(&folder.dir, NEWEST, message)?;
                } else {
                    lines.extend(far_ahead(folder, *revision, event, node));
                }
            }
            Kind::Evidence(_) => view(&folder.dir, EVIDENCE, message)?,
            Kind::Lost(_) => {}
        }
        let path = folder.dir.clone();
        folder.append(message, raw).map_err(StoreError::io(path))?;
        self.weight += 1;
        match kind {
            Kind::Event { line, .. } | Kind::Lost(line) => lines.push(line),
            Kind::Evidence(evidence) => {
                lines.extend(self.sort_out(node, event, &evidence)?);
                lines.extend(self.complete(event)?);
            }
        }
        Ok((lines, Some(Outcome::Stored)))
    }

    /// The place that a file of this content may have, and whether it is there already.
    pub fn holds(&mut self, node: &str, event: Uuid, file: &str, sha256: &str) -> Result<bool, StoreError> {
        if !self.owns(node, event)? {
            return Ok(self.quarantined(node, event, file, sha256)?.exists());
        }
        let folder = self.of(event)?;
        let here = folder.hash(file).map_err(StoreError::io(&folder.dir))?;
        if here.as_deref() == Some(sha256) {
            return Ok(true);
        }
        let earlier = folder.dir.join(EARLIER).join(kept_name(file, sha256)).exists();
        Ok(earlier || self.quarantined(node, event, file, sha256)?.exists())
    }

    /// Gives a whole and checked file its name. `part` is where it lies.
    pub fn place(
        &mut self,
        node: &str,
        event: Uuid,
        file: &str,
        sha256: &str,
        part: &Path,
    ) -> Result<Stored, StoreError> {
        let why = if !self.owns(node, event)? {
            Some("the event is another node's")
        } else {
            let folder = self.of(event)?;
            let here = folder.hash(file).map_err(StoreError::io(&folder.dir))?;
            match here {
                Some(_) if folder.wants(file, sha256) => None,
                // The node has replaced it before it came.
                Some(_) if folder.meant(file, sha256) => {
                    move_to(part, &folder.dir.join(EARLIER).join(kept_name(file, sha256)))?;
                    return Ok((Vec::new(), Some(Outcome::Stored)));
                }
                Some(_) => Some("another file of this name is stored"),
                None if folder.denies(file, sha256) => Some("the evidence message names another hash for it"),
                None => None,
            }
        };
        if let Some(why) = why {
            let target = self.quarantined(node, event, file, sha256)?;
            let bytes = fs::metadata(part).map_err(StoreError::io(part))?.len();
            if let Err(full) = self.quarantine.take(&self.folder, node, bytes) {
                fs::remove_file(part).map_err(StoreError::io(part))?;
                return Err(full);
            }
            move_to(part, &target)?;
            warn!(node, %event, file, sha256, kept = %target.display(), "{why}: kept in quarantine");
            let line = Line::Quarantined { event, what: file.to_owned(), reason: why.to_owned() };
            return Ok((vec![line], Some(Outcome::Quarantined)));
        }
        self.put(event, file, sha256, part)?;
        let folder = self.of(event)?;
        let path = folder.dir.join(file);
        let bytes = fs::metadata(&path).map_err(StoreError::io(&path))?.len();
        let spoken_of = folder.wants(file, sha256);
        let mut lines = vec![Line::File { event, path, bytes }];
        if spoken_of {
            lines.extend(self.complete(event)?);
        }
        Ok((lines, Some(Outcome::Stored)))
    }

    /// After an evidence message: takes away files that it contradicts, and takes in those that waited for it.
    fn sort_out(
        &mut self,
        node: &str,
        event: Uuid,
        evidence: &EvidenceData,
    ) -> Result<Vec<Line>, StoreError> {
        let mut lines = Vec::new();
        for media in &evidence.media {
            let folder = self.of(event)?;
            let here = folder.hash(&media.file).map_err(StoreError::io(&folder.dir))?;
            if here.as_deref() == Some(&media.sha256) {
                continue;
            }
            if let Some(hash) = here.filter(|hash| !folder.meant(&media.file, hash)) {
                let from = folder.dir.join(&media.file);
                let target = self.quarantined(node, event, &media.file, &hash)?;
                move_to(&from, &target)?;
                self.of(event)?.changed(&media.file, None);
                let reason = "the evidence message names another hash for it".to_owned();
                warn!(node, %event, file = media.file, kept = %target.display(), "{reason}: moved to quarantine");
                lines.push(Line::Quarantined { event, what: media.file.clone(), reason });
            }
            let waiting = self.quarantined(node, event, &media.file, &media.sha256)?;
            if waiting.exists() {
                self.put(event, &media.file, &media.sha256, &waiting)?;
            }
        }
        Ok(lines)
    }

    /// Moves a file to its name. A file there before is one that the node itself has replaced: it is kept.
    fn put(&mut self, event: Uuid, file: &str, sha256: &str, from: &Path) -> Result<(), StoreError> {
        let folder = self.of(event)?;
        let target = folder.dir.join(file);
        if let Some(before) = folder.hash(file).map_err(StoreError::io(&target))? {
            move_to(&target, &folder.dir.join(EARLIER).join(kept_name(file, &before)))?;
            folder.changed(file, None);
        }
        move_to(from, &target)?;
        folder.changed(file, Some(sha256));
        Ok(())
    }

    /// A line if all files of the newest evidence message are here with the hashes that it names; those on request
    /// may be missing.
    fn complete(&mut self, event: Uuid) -> Result<Option<Line>, StoreError> {
        let folder = self.of(event)?;
        let Some(media) = folder.evidence.as_ref().map(|evidence| evidence.media.clone()) else {
            return Ok(None);
        };
        let mut files = 0;
        for file in &media {
            let here = folder.hash(&file.file).map_err(StoreError::io(&folder.dir))?;
            match here.as_deref() == Some(&file.sha256) {
                true => files += 1,
                false if file.on_request => {}
                false => return Ok(None),
            }
        }
        Ok(Some(Line::Complete { event, dir: folder.dir.clone(), files }))
    }

    /// An event is of the node that spoke of it first.
    fn owns(&mut self, node: &str, event: Uuid) -> Result<bool, StoreError> {
        let dir = self.folder.event_dir(event).ok_or_else(|| Refusal::Subject(event.to_string()))?;
        let mark = dir.join(NODE);
        match fs::read_to_string(&mark) {
            Ok(owner) => return Ok(owner.trim_end() == node),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(StoreError::io(mark)(e)),
        }
        // A folder of an earlier version has no mark, but its log says whose it is.
        let log = whole_lines(&dir.join(LOG)).map_err(StoreError::io(&dir))?;
        let first = log.split(|b| *b == b'\n').next().unwrap_or_default();
        let source = serde_json::from_slice::<CloudEvent<Value>>(first).map(|m| m.source).unwrap_or_default();
        let owner = source.strip_prefix("/lintel/").and_then(|s| s.split('/').next()).unwrap_or(node);
        make_dir(&dir).map_err(StoreError::io(&dir))?;
        replace_file(&mark, format!("{owner}\n").as_bytes()).map_err(StoreError::io(&mark))?;
        dir.parent().map_or(Ok(()), sync_folder).map_err(StoreError::io(&dir))?;
        Ok(owner == node)
    }

    /// What is known of an event; read once, then kept.
    fn of(&mut self, event: Uuid) -> Result<&mut EventFolder, StoreError> {
        if !self.known.contains_key(&event) {
            let dir = self.folder.event_dir(event).ok_or_else(|| Refusal::Subject(event.to_string()))?;
            let read = EventFolder::read(dir.clone()).map_err(StoreError::io(dir))?;
            if self.weight + read.weight() > MOST_KNOWN {
                self.known.clear();
                self.weight = 0;
            }
            self.weight += read.weight();
            self.known.insert(event, read);
        }
        Ok(self.known.get_mut(&event).expect("just put there"))
    }

    fn quarantined(&self, node: &str, event: Uuid, file: &str, sha256: &str) -> Result<PathBuf, StoreError> {
        let dir =
            self.folder.quarantine_dir(node, event).ok_or_else(|| Refusal::Subject(event.to_string()))?;
        Ok(dir.join(kept_name(file, sha256)))
    }

    fn quarantine_message(
        &mut self,
        node: &str,
        event: Uuid,
        message: &CloudEvent<Value>,
        raw: &[u8],
        why: &str,
    ) -> Result<Stored, StoreError> {
        let dir =
            self.folder.quarantine_dir(node, event).ok_or_else(|| Refusal::Subject(event.to_string()))?;
        make_dir(&dir).map_err(StoreError::io(&dir))?;
        let log = dir.join(LOG);
        let before = whole_lines(&log).map_err(StoreError::io(&log))?;
        if before.split(|byte| *byte == b'\n').any(|line| line == raw) {
            return Ok((vec![Line::Repeat], Some(Outcome::Quarantined)));
        }
        if before.len() + raw.len() > MOST_QUARANTINED {
            return Err(Refusal::Quarantine(dir.display().to_string()).into());
        }
        self.quarantine.take(&self.folder, node, raw.len() as u64)?;
        append_line(&log, before.len() as u64, raw).map_err(StoreError::io(&log))?;
        warn!(node, %event, id = message.id, kept = %log.display(), "{why}: kept in quarantine");
        let line = Line::Quarantined { event, what: message.id.clone(), reason: why.to_owned() };
        Ok((vec![line], Some(Outcome::Quarantined)))
    }
}

/// For a revision that does not become the state: a line if it is above all others.
fn far_ahead(folder: &EventFolder, revision: u32, event: Uuid, node: &str) -> Option<Line> {
    folder.is_ahead(revision).then(|| {
        let reason =
            "its revision is far from all others: stored, but not taken for the event's state".to_owned();
        warn!(node, %event, revision, "{reason}");
        Line::Quarantined { event, what: format!("revision {revision}"), reason }
    })
}

/// `<begin of the hash>-<file>`.
fn kept_name(file: &str, sha256: &str) -> String {
    format!("{}-{file}", &sha256[..sha256.len().min(16)])
}

fn move_to(from: &Path, target: &Path) -> Result<(), StoreError> {
    let dir = target.parent().unwrap_or(target);
    make_dir(dir).map_err(StoreError::io(dir))?;
    fs::rename(from, target).map_err(StoreError::io(target))?;
    sync_folder(dir).map_err(StoreError::io(dir))?;
    // The name of a new folder, too.
    dir.parent().map_or(Ok(()), sync_folder).map_err(StoreError::io(dir))
}

fn view(dir: &Path, name: &str, message: &CloudEvent<Value>) -> Result<(), StoreError> {
    let path = dir.join(name);
    let mut text = serde_json::to_vec_pretty(message).expect("JSON values have string keys");
    text.push(b'\n');
    replace_file(&path, &text).map_err(StoreError::io(path))
}

/// The kind of a message, with every field that is used checked.
enum Kind {
    Event { revision: u32, line: Line },
    Evidence(EvidenceData),
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
                let evidence: EvidenceData = serde_json::from_value(data.clone()).map_err(bad)?;
                match evidence.media.iter().find(|media| !is_storable(&media.kind, &media.file)) {
                    Some(media) => Err(Refusal::FileType(media.file.clone())),
                    None => Ok(Kind::Evidence(evidence)),
                }
            }
            Some("evidence.lost") => {
                let lost: LostData = serde_json::from_value(data.clone()).map_err(bad)?;
                Ok(Kind::Lost(Line::Lost { event, file: lost.file, reason: lost.reason }))
            }
            _ => Err(Refusal::NotAnEvent(format!("type {:?}", message.kind))),
        }
    }
}
