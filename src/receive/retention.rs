//! Deletes old events: whole ones, and never one that is open or still waits for files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Date;
use serde_json::Value;
use uuid::Uuid;

use super::folder::{EventFolder, LOG};
use crate::base::WallTime;
use crate::wire::CloudEvent;

const NEWEST: &str = "event.json";

/// What was found at one look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tidied {
    pub deleted: u64,
    /// Old, and kept because they are open.
    pub open: u64,
    /// Old, and kept because files of them have not come.
    pub waiting: u64,
}

/// Deletes the events below `out` that began longer than `keep` before `now`, at most `most` at a time, and what
/// lies in quarantine from as long ago. Calls `gone` with each.
///
/// # Errors
/// A folder cannot be read or deleted.
pub(super) fn tidy(
    out: &Path,
    keep: Duration,
    now: WallTime,
    most: usize,
    mut gone: impl FnMut(Uuid),
) -> io::Result<Tidied> {
    let mut done = Tidied::default();
    let Some(limit) = date(now - keep) else { return Ok(done) };
    for day in days(out, limit)? {
        for event in folders(&day)? {
            if done.deleted >= most as u64 {
                return Ok(done);
            }
            let Some(id) = name(&event).and_then(|name| Uuid::parse_str(&name).ok()) else { continue };
            match State::of(&event)? {
                State::Open => done.open += 1,
                State::Waiting => done.waiting += 1,
                State::Done => {
                    remove(&event)?;
                    gone(id);
                    done.deleted += 1;
                }
            }
        }
        // Fails as long as something is in it.
        drop(fs::remove_dir(&day));
    }
    for node in folders(&out.join("quarantine"))? {
        days(&node, limit)?.iter().try_for_each(fs::remove_dir_all)?;
    }
    Ok(done)
}

/// Folders of the events that began less than `ago` before `now`.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn recent(out: &Path, ago: Duration, now: WallTime) -> io::Result<Vec<PathBuf>> {
    let Some(since) = date(now - ago) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for day in folders(out)? {
        if name(&day).and_then(|name| name.parse::<Date>().ok()).is_some_and(|date| date >= since) {
            found.extend(folders(&day)?);
        }
    }
    Ok(found)
}

enum State {
    Open,
    Waiting,
    Done,
}

impl State {
    fn of(dir: &Path) -> io::Result<Self> {
        let folder = EventFolder::read(dir.to_owned())?;
        // The answer to a command has evidence and no event.
        let open = match fs::read(dir.join(NEWEST)) {
            Ok(text) => serde_json::from_slice::<CloudEvent<Value>>(&text)
                .map_or(true, |event| !event.kind.ends_with(".closed") && !event.kind.ends_with(".expired")),
            Err(e) if e.kind() == io::ErrorKind::NotFound => folder.evidence.is_none(),
            Err(e) => return Err(e),
        };
        Ok(match (open, folder.missing().is_empty()) {
            (true, _) => Self::Open,
            (false, false) => Self::Waiting,
            (false, true) => Self::Done,
        })
    }
}

/// The log goes last: with a stop in between, the event is looked at again as it was.
fn remove(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let keep = path.file_name().is_some_and(|name| name == LOG || name == NEWEST);
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else if !keep {
            fs::remove_file(path)?;
        }
    }
    fs::remove_dir_all(dir)
}

fn date(at: WallTime) -> Option<Date> {
    at.timestamp().map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date())
}

/// Folders of days before `limit`.
fn days(dir: &Path, limit: Date) -> io::Result<Vec<PathBuf>> {
    let before =
        |dir: &PathBuf| name(dir).and_then(|name| name.parse::<Date>().ok()).is_some_and(|d| d < limit);
    Ok(folders(dir)?.into_iter().filter(before).collect())
}

fn folders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}
