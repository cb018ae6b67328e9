//! Learning from feedback: judged events become pictures to train on.
//!
//! Takes: the folders that `lintel receive` stores (`DIR/<date>/<event id>/`) with people's verdicts, and the decisions
//! that a node keeps (`<data_dir>/feedback`).
//! Gives: a COCO set as models/training reads it: `images/`, `annotations_train.json`, `annotations_dev.json`,
//! `sources.toml`. The same input gives the same files.
//! When full: a full disk ends it with the file's name; run again, what is there is written anew.
//! On failure: an event that lacks its still or makes no sense is named, counted and passed over.
//! Not here: MQTT, training, and who judges.
//!
//! What a verdict says about a picture is less than it seems. *Confirmed* (and *rectified*): the objects of the
//! event are there, and so it is with *permitted*; about anything else in the still nothing is known, so no class is called labelled there. Around
//! the object a crop is cut in which its own class is. *Rejected*: only where the reason says that the detector
//! mistook something, a crop without a box, in which the class is known to be absent: a hard negative. A real car
//! that was allowed to stand there must not teach the detector that it is no car.

mod coco;
mod store;
#[cfg(test)]
mod tests;
mod verdicts;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

pub use verdicts::{Judgement, Verdict, read_verdicts};

use coco::Set;
use store::Place;

/// Reasons of a rejection that say that the thing itself is not there, unless others are asked for.
pub const MISTAKEN: [&str; 5] = ["not_there", "wrong_object", "false_detection", "误检", "识别错误"];

#[derive(Debug, thiserror::Error)]
pub enum HarvestError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", path.display())]
    Picture { path: PathBuf, source: image::ImageError },
    #[error("{}:{line}: {what}; a line is EVENT,VERDICT[,REASON] or {{\"event\": .., \"verdict\": .., \"reason\": ..}}", path.display())]
    Verdict { path: PathBuf, line: usize, what: String },
    #[error("{}: neither a folder of `lintel receive` nor the feedback of a node: no event.json and no <event>.json at any depth up to 3", path.display())]
    NoEvents { path: PathBuf },
}

impl HarvestError {
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Folders of `lintel receive`.
    pub stores: Vec<PathBuf>,
    pub out: PathBuf,
    /// Beside those that lie as `feedback.jsonl` in the events' own folders.
    pub verdicts: Vec<Judgement>,
    /// Reasons of rejections that mean: the detector mistook something.
    pub mistaken: BTreeSet<String>,
    /// Share of the clusters (camera, zone and day) that goes into the dev set, 0 to 1.
    pub dev: f64,
    /// Name of the source in the set, and its licence.
    pub source: String,
    pub licence: String,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub events: usize,
    pub confirmed: usize,
    pub mistaken: usize,
    /// Rejected for a reason that says nothing about the thing.
    pub rejected_otherwise: usize,
    pub unjudged: usize,
    /// Judged events that another folder has told already.
    pub repeats: usize,
    /// Verdicts about events that are in none of the folders.
    pub unknown_events: usize,
    pub train_pictures: usize,
    pub dev_pictures: usize,
    pub boxes: usize,
    /// Events that could not be used, and why.
    pub passed_over: Vec<(PathBuf, String)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} events: {} confirmed, {} mistaken, {} rejected for other reasons, {} not judged, {} could not be used",
            self.events,
            self.confirmed,
            self.mistaken,
            self.rejected_otherwise,
            self.unjudged,
            self.passed_over.len()
        )?;
        if self.repeats > 0 {
            writeln!(f, "{} judged events stand in more than one folder", self.repeats)?;
        }
        if self.unknown_events > 0 {
            writeln!(f, "{} verdicts are about events that are in none of the folders", self.unknown_events)?;
        }
        write!(
            f,
            "{} pictures to train on, {} to measure on, {} boxes",
            self.train_pictures, self.dev_pictures, self.boxes
        )
    }
}

/// # Errors
/// A folder without events, or an output that cannot be written.
pub fn harvest(request: &Request) -> Result<Report, HarvestError> {
    let mut report = Report::default();
    let mut set = Set::begin(request)?;
    let (mut seen, mut judged) = (BTreeSet::new(), BTreeSet::new());
    for store in &request.stores {
        for place in store::places(store)? {
            report.events += 1;
            let (dir, read) = match place {
                Place::Event(dir) => {
                    let read = store::read_event(&dir);
                    let read = read.map(|event| (verdicts::beside(&dir, event.id), event));
                    (dir, read)
                }
                Place::Record(path) => {
                    let read = store::read_record(&path).map(|(event, kept)| (Some(kept), event));
                    (path, read)
                }
            };
            let (own, event) = match read {
                Ok(read) => read,
                Err(why) => {
                    report.passed_over.push((dir, why));
                    continue;
                }
            };
            seen.insert(event.id);
            let verdict = request.verdicts.iter().rev().find(|j| j.event == event.id).cloned().or(own);
            if verdict.is_some() && !judged.insert(event.id) {
                report.repeats += 1;
                continue;
            }
            let taken = match verdict.map(|j| (j.verdict, j.reason)) {
                None => {
                    report.unjudged += 1;
                    continue;
                }
                Some((Verdict::Confirmed | Verdict::Rectified | Verdict::Permitted, _)) => {
                    set.add_confirmed(&event).map(|()| report.confirmed += 1)
                }
                Some((Verdict::Rejected, Some(reason))) if request.mistaken.contains(&reason) => {
                    set.add_mistaken(&event).map(|()| report.mistaken += 1)
                }
                Some((Verdict::Rejected, _)) => {
                    report.rejected_otherwise += 1;
                    continue;
                }
            };
            match taken {
                Err(HarvestError::Picture { path, source }) => {
                    report.passed_over.push((dir, format!("{}: {source}", path.display())));
                }
                other => other?,
            }
        }
    }
    report.unknown_events = request.verdicts.iter().filter(|j| !seen.contains(&j.event)).count();
    set.finish(&mut report)?;
    Ok(report)
}

/// Writes a file as a whole: a cut leaves the old one.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), HarvestError> {
    let beside = path.with_extension("part");
    std::fs::write(&beside, content).map_err(HarvestError::io(&beside))?;
    std::fs::rename(&beside, path).map_err(HarvestError::io(path))
}
