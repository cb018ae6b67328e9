//! Keeps people's decisions about events as files to train on, outside the evidence quota.
//!
//! Takes: a feedback command and what is known of its event. Gives: `<data_dir>/feedback/<event>.json` with the
//! newest decision, `<event>.jsonl` with all of them, and if the event has a still, `<event>.jpg`. [`FeedbackRecord`] is the layout; docs/mqtt.md describes it.
//! When full: deletes the oldest decision and logs it. On failure: returns the IO error to the command.
//! Not here: what feedback changes in the rules (`scene`).

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::{CameraId, ClassName, Rect, replace_file};
use crate::evidence::event_dir;
use crate::rules::{Decision, Violation, ViolationObject};
use crate::wire::{Feedback, FeedbackCommand};

/// Version of the layout of [`FeedbackRecord`].
const VERSION: u32 = 1;
/// Number of decisions kept; the oldest go first. With stills of 200 KB this is a gigabyte.
const MAX_KEPT: usize = 5_000;

/// Prefix of a known event's key in the outbox's state.
pub(crate) const KNOWN_PREFIX: &str = "known/";
/// Events older than this are forgotten: feedback comes within days.
pub(crate) const KNOWN_DAYS: u64 = 90;

/// The facts of an event that feedback needs, possibly long after the event ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KnownEvent {
    pub camera: CameraId,
    pub class: String,
    pub rule: String,
    pub started: String,
    pub rect: Rect,
    pub objects: Vec<KnownObject>,
}

/// A box of an event in shares of the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnownObject {
    pub class: ClassName,
    pub score: f32,
    #[serde(rename = "box")]
    pub rect: Rect,
}

impl KnownEvent {
    pub fn of(violation: &Violation) -> Self {
        let object =
            |o: &ViolationObject| KnownObject { class: o.class.clone(), score: o.score, rect: o.rect };
        Self {
            camera: violation.camera.clone(),
            class: violation.class.clone(),
            rule: violation.rule.clone(),
            started: violation.started.to_string(),
            rect: violation.rect,
            objects: violation.objects.iter().map(object).collect(),
        }
    }

    pub fn key(event: Uuid) -> String {
        format!("{KNOWN_PREFIX}{event}")
    }

    /// Boxes of the event's objects, or the event's own box if it has none.
    pub fn places(&self) -> Vec<Rect> {
        if self.objects.is_empty() { vec![self.rect] } else { self.objects.iter().map(|o| o.rect).collect() }
    }
}

/// One stored decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedbackRecord {
    pub version: u32,
    pub event: Uuid,
    pub verdict: Feedback,
    pub reason: Option<String>,
    /// In the command's words.
    pub by: Option<String>,
    /// The proved sender of the command, if the config names senders.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Id of the command.
    #[serde(default)]
    pub command: Option<String>,
    pub permit: Option<String>,
    /// When the command arrived, RFC 3339.
    pub at: String,
    pub node: String,
    pub camera: CameraId,
    /// Violation class.
    pub class: String,
    pub rule: String,
    /// When the object was first seen.
    pub started: String,
    /// Around all objects.
    #[serde(rename = "box")]
    pub rect: Rect,
    /// Objects at the opening of the event, in the picture `still`.
    pub objects: Vec<KnownObject>,
    /// File name beside the record; `None` if the event's still is gone.
    pub still: Option<String>,
}

/// The folder of all decisions of a node.
pub fn feedback_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("feedback")
}

impl FeedbackRecord {
    pub(crate) fn new(
        verdict: Feedback,
        command: &FeedbackCommand,
        known: &KnownEvent,
        node: &str,
        decision: &Decision,
    ) -> Self {
        Self {
            version: VERSION,
            event: command.event,
            verdict,
            reason: command.reason.clone(),
            by: decision.by.clone(),
            issuer: decision.issuer.clone(),
            command: decision.command.clone(),
            permit: command.permit.clone(),
            at: decision.at.to_string(),
            node: node.to_owned(),
            camera: known.camera.clone(),
            class: known.class.clone(),
            rule: known.rule.clone(),
            started: known.started.clone(),
            rect: known.rect,
            objects: known.objects.clone(),
            still: None,
        }
    }

    /// Writes the record and a copy of the event's still, and syncs both to the disk.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn keep(mut self, data_dir: &Path) -> io::Result<()> {
        let dir = feedback_dir(data_dir);
        fs::create_dir_all(&dir)?;
        let name = format!("{}.jpg", self.event);
        let (still, kept) = (event_dir(data_dir, self.event).join("still.jpg"), dir.join(&name));
        // A hard link costs nothing and outlives the evidence folder.
        let there = kept.exists() || fs::hard_link(&still, &kept).is_ok() || fs::copy(&still, &kept).is_ok();
        self.still = there.then_some(name);
        // One line each, so that the concatenated records are JSON lines.
        let mut line = serde_json::to_vec(&self)?;
        line.push(b'\n');
        // First the history, where no decision takes the place of an earlier one. A repeat after a crash may add
        // its line twice.
        let mut history =
            fs::File::options().create(true).append(true).open(dir.join(format!("{}.jsonl", self.event)))?;
        history.write_all(&line)?;
        history.sync_all()?;
        replace_file(&dir.join(format!("{}.json", self.event)), &line)?;
        forget_oldest(&dir)
    }
}

/// File names start with the event's time, so sorting by name sorts by time.
fn forget_oldest(dir: &Path) -> io::Result<()> {
    let mut names: Vec<PathBuf> = fs::read_dir(dir)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    if names.len() <= MAX_KEPT {
        return Ok(());
    }
    names.sort();
    for old in &names[..names.len() - MAX_KEPT] {
        tracing::warn!(record = %old.display(), "feedback is full: the oldest decision is deleted; collect them with lintel harvest");
        fs::remove_file(old)?;
        // It may have had no still, and no history before version 0.3.
        drop(fs::remove_file(old.with_extension("jpg")));
        drop(fs::remove_file(old.with_extension("jsonl")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_kept_with_its_still_beside_the_earlier_ones_and_the_newest_counts() {
        let dir = tempfile::tempdir().expect("folder");
        let event = uuid::Builder::from_unix_timestamp_millis(1_795_321_800_120, &[3; 10]).into_uuid();
        let rect = Rect::new(0.1, 0.2, 0.3, 0.4);
        let known = KnownEvent {
            camera: CameraId::new("gate"),
            class: "clutter".into(),
            rule: "clutter".into(),
            started: "2026-11-22T04:30:00.120Z".into(),
            rect,
            objects: vec![KnownObject { class: "box".into(), score: 0.5, rect }],
        };
        let still = event_dir(dir.path(), event).join("still.jpg");
        std::fs::create_dir_all(still.parent().expect("a folder")).expect("folder");
        std::fs::write(&still, b"jpeg").expect("still");
        let command = FeedbackCommand {
            id: None,
            issued_at: None,
            event,
            reason: Some("a shrine".into()),
            by: None,
            ignore_days: None,
            permit: None,
        };
        for verdict in [Feedback::Confirmed, Feedback::Rejected] {
            let decision = Decision {
                verdict: format!("{verdict:?}"),
                by: Some("patrol 3".into()),
                issuer: None,
                command: None,
                at: crate::base::WallTime(1_795_400_000_000_000),
            };
            let record = FeedbackRecord::new(verdict, &command, &known, "box", &decision);
            record.keep(dir.path()).expect("kept");
        }
        std::fs::remove_file(&still).expect("the quota took it");
        let folder = feedback_dir(dir.path());
        let text = std::fs::read(folder.join(format!("{event}.json"))).expect("record");
        let record: FeedbackRecord = serde_json::from_slice(&text).expect("JSON");
        assert_eq!((record.verdict, record.reason.as_deref()), (Feedback::Rejected, Some("a shrine")));
        let kept = std::fs::read(folder.join(record.still.expect("a still"))).expect("still");
        assert_eq!(kept, b"jpeg");
        let history = std::fs::read_to_string(folder.join(format!("{event}.jsonl"))).expect("history");
        let verdicts =
            history.lines().map(|line| serde_json::from_str::<FeedbackRecord>(line).expect("JSON").verdict);
        assert_eq!(verdicts.collect::<Vec<_>>(), [Feedback::Confirmed, Feedback::Rejected]);
        assert_eq!(std::fs::read_dir(folder).expect("folder").count(), 3);
    }
}
