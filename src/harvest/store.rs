//! Reads events stored by `lintel receive`, and the decisions stored by a node (docs/mqtt.md).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use uuid::Uuid;

use super::{HarvestError, Judgement, Verdict};

const EVENT: &str = "event.json";
const MESSAGES: &str = "events.jsonl";
const STILL: &str = "still.jpg";
/// `DIR/<date>/<event>/event.json`.
const DEPTH: usize = 3;

/// The fields of an event that are used.
#[derive(Debug)]
pub(super) struct Event {
    pub id: Uuid,
    pub camera: String,
    pub zone: String,
    /// As `2026-11-22`.
    pub day: String,
    /// Boxes are left, top, right, bottom as shares of the picture.
    pub objects: Vec<Object>,
    pub still: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Object {
    pub class: String,
    #[serde(rename = "box")]
    pub rect: [f64; 4],
}

#[derive(Deserialize)]
struct Message {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    event: Uuid,
    revision: u32,
    camera: Named,
    zone: Option<Named>,
    at: String,
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

/// The path of a stored event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EventPath {
    /// A folder of the receiver.
    Folder(PathBuf),
    /// `feedback/<event>.json` of a node.
    Record(PathBuf),
}

/// Paths of all events below `root`, sorted.
pub(super) fn event_paths(root: &Path) -> Result<Vec<EventPath>, HarvestError> {
    let mut found = Vec::new();
    search(root, DEPTH, &mut found)?;
    found.sort();
    if found.is_empty() {
        return Err(HarvestError::NoEvents { path: root.to_path_buf() });
    }
    Ok(found)
}

fn search(dir: &Path, depth: usize, found: &mut Vec<EventPath>) -> Result<(), HarvestError> {
    if dir.join(EVENT).is_file() {
        found.push(EventPath::Folder(dir.to_path_buf()));
        return Ok(());
    }
    for entry in fs::read_dir(dir).map_err(HarvestError::io(dir))? {
        let path = entry.map_err(HarvestError::io(dir))?.path();
        if path.is_dir() && depth > 0 {
            search(&path, depth - 1, found)?;
        } else if is_record(&path) {
            found.push(EventPath::Record(path));
        }
    }
    Ok(())
}

/// Whether a file is called `<event>.json`.
fn is_record(path: &Path) -> bool {
    let named = path.file_stem().and_then(|s| s.to_str()).is_some_and(|s| Uuid::parse_str(s).is_ok());
    named && path.extension().is_some_and(|e| e == "json")
}

/// A decision as a node stores it, next to its still.
#[derive(Deserialize)]
struct Record {
    event: Uuid,
    verdict: Verdict,
    reason: Option<String>,
    camera: String,
    rule: String,
    started: String,
    objects: Vec<RecordObject>,
    still: Option<String>,
}

#[derive(Deserialize)]
struct RecordObject {
    class: String,
    #[serde(rename = "box")]
    rect: Corners,
}

#[derive(Deserialize)]
struct Corners {
    x0: f64,
    y0: f64,
    x1: f64,
    y1: f64,
}

pub(super) fn read_record(path: &Path) -> Result<(Event, Judgement), String> {
    let text = fs::read(path).map_err(|e| e.to_string())?;
    let record: Record = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    let Some(name) = record.still.filter(|n| Path::new(n).components().count() == 1) else {
        return Err("the event had no still any more".to_owned());
    };
    let still = path.with_file_name(name);
    if !still.is_file() {
        return Err(format!("{}: not there", still.display()));
    }
    let object =
        |o: RecordObject| Object { class: o.class, rect: [o.rect.x0, o.rect.y0, o.rect.x1, o.rect.y1] };
    let event = Event {
        id: record.event,
        camera: record.camera,
        zone: record.rule,
        day: record.started.chars().take(10).collect(),
        objects: checked(record.objects.into_iter().map(object).collect())?,
        still,
    };
    Ok((event, Judgement { event: record.event, verdict: record.verdict, reason: record.reason }))
}

/// The boxes to learn from.
fn checked(objects: Vec<Object>) -> Result<Vec<Object>, String> {
    if objects.is_empty() {
        return Err("no objects: it was found by change, there is no box to learn from".to_owned());
    }
    let whole = |r: &[f64; 4]| r.iter().all(|v| (0.0..=1.0).contains(v)) && r[0] < r[2] && r[1] < r[3];
    match objects.iter().find(|o| !whole(&o.rect)) {
        Some(wrong) => Err(format!("{}: box {:?} is not within the picture", wrong.class, wrong.rect)),
        None => Ok(objects),
    }
}

/// The event as it was opened: its still was taken then.
pub(super) fn read_event(dir: &Path) -> Result<Event, String> {
    let still = dir.join(STILL);
    if !still.is_file() {
        return Err(format!("no {STILL} (yet)"));
    }
    let newest = read(&dir.join(EVENT)).map_err(|e| format!("{EVENT}: {e}"))?;
    let first = opened(&dir.join(MESSAGES)).unwrap_or(newest);
    Ok(Event {
        id: first.event,
        camera: first.camera.id,
        zone: first.zone.map_or_else(String::new, |z| z.id),
        day: first.at.chars().take(10).collect(),
        objects: checked(first.objects)?,
        still,
    })
}

fn read(path: &Path) -> io::Result<Data> {
    let message: Message = serde_json::from_slice(&fs::read(path)?)?;
    Ok(message.data)
}

/// The message of the lowest revision. Skips other messages of the event (evidence).
fn opened(path: &Path) -> Option<Data> {
    let text = fs::read_to_string(path).ok()?;
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    messages.map(|m| m.data).min_by_key(|d| d.revision)
}
