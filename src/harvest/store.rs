//! Reads what `lintel receive` stored about an event.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use uuid::Uuid;

use super::HarvestError;

const EVENT: &str = "event.json";
const MESSAGES: &str = "events.jsonl";
const STILL: &str = "still.jpg";
/// `DIR/<date>/<event>/event.json`.
const DEPTH: usize = 3;

/// What is needed of an event; more may stand in its messages.
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

/// Folders of events below `root`, in order.
pub(super) fn event_dirs(root: &Path) -> Result<Vec<PathBuf>, HarvestError> {
    let mut found = Vec::new();
    search(root, DEPTH, &mut found)?;
    found.sort();
    if found.is_empty() {
        return Err(HarvestError::NoEvents { path: root.to_path_buf() });
    }
    Ok(found)
}

fn search(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), HarvestError> {
    if dir.join(EVENT).is_file() {
        found.push(dir.to_path_buf());
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    for entry in fs::read_dir(dir).map_err(HarvestError::io(dir))? {
        let path = entry.map_err(HarvestError::io(dir))?.path();
        if path.is_dir() {
            search(&path, depth - 1, found)?;
        }
    }
    Ok(())
}

/// The event as it was opened: its still was taken then.
pub(super) fn read_event(dir: &Path) -> Result<Event, String> {
    let still = dir.join(STILL);
    if !still.is_file() {
        return Err(format!("no {STILL} (yet)"));
    }
    let newest = read(&dir.join(EVENT)).map_err(|e| format!("{EVENT}: {e}"))?;
    let first = opened(&dir.join(MESSAGES)).unwrap_or(newest);
    if first.objects.is_empty() {
        return Err("no objects: it was found by change, there is no box to learn from".to_owned());
    }
    let whole = |r: &[f64; 4]| r.iter().all(|v| (0.0..=1.0).contains(v)) && r[0] < r[2] && r[1] < r[3];
    if let Some(wrong) = first.objects.iter().find(|o| !whole(&o.rect)) {
        return Err(format!("{}: box {:?} is not within the picture", wrong.class, wrong.rect));
    }
    Ok(Event {
        id: first.event,
        camera: first.camera.id,
        zone: first.zone.map_or_else(String::new, |z| z.id),
        day: first.at.chars().take(10).collect(),
        objects: first.objects,
        still,
    })
}

fn read(path: &Path) -> io::Result<Data> {
    let message: Message = serde_json::from_slice(&fs::read(path)?)?;
    Ok(message.data)
}

/// The message of the lowest revision. Other messages of the event (evidence) are passed over.
fn opened(path: &Path) -> Option<Data> {
    let text = fs::read_to_string(path).ok()?;
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    messages.map(|m| m.data).min_by_key(|d| d.revision)
}
