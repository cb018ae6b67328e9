//! Learning from feedback: judged events become pictures to train on.
//!
//! Takes: the folders that `lintel receive` stores (`DIR/<date>/<event id>/`) with people's verdicts, and the
//! decisions that a node keeps (`<data_dir>/feedback`).
//! Gives: a COCO set as models/training reads it: `images/`, `annotations_train.json`,
//! `annotations_dev.json`, `sources.toml`. The same input gives the same files.
//! When full: a full disk ends it with the file's name; the next run writes every file again.
//! On failure: an event without its still, or an invalid one, is named, counted and skipped.
//! Not here: MQTT, training, and the judgement itself.
//!
//! A verdict says less about a picture than it seems. *Confirmed*, *rectified* and *permitted*: the objects
//! of the event are there. Nothing is known about the rest of the still, so no class counts as labelled
//! there. A crop around each object labels its own class. *Rejected*: only if the reason says that the
//! detector was wrong, a crop without a box in which the class is absent: a hard negative. A real car that
//! was allowed to park must not teach the detector that it is no car.

mod coco;
mod store;
#[cfg(test)]
mod tests;
mod verdicts;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

pub use verdicts::{Judgement, Verdict, read_verdicts};

use coco::Set;
use store::EventPath;

/// The default reasons of a rejection that mean that the object itself is not there.
pub const MISTAKEN: [&str; 5] = ["not_there", "wrong_object", "false_detection", "误检", "识别错误"];

#[derive(Debug, thiserror::Error)]
pub enum HarvestError {
    #[error("cannot use {}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("cannot read the picture {}", path.display())]
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

/// The options of a harvest.
#[derive(Clone, Debug)]
pub struct Request {
    /// Folders of `lintel receive`.
    pub stores: Vec<PathBuf>,
    pub out: PathBuf,
    /// Verdicts in addition to the `feedback.jsonl` in the events' own folders.
    pub verdicts: Vec<Judgement>,
    /// Reasons of rejections that mean that the detector was wrong.
    pub mistaken: BTreeSet<String>,
    /// Share of the clusters (camera, zone and day) that goes into the dev set, 0 to 1.
    pub dev: f64,
    /// Name of the source in the set, and its licence.
    pub source: String,
    pub licence: String,
}

/// Counts of a harvest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub events: usize,
    pub confirmed: usize,
    pub mistaken: usize,
    /// Rejected for a reason that says nothing about the object.
    pub rejected_otherwise: usize,
    pub unjudged: usize,
    /// Judged events that another folder already had.
    pub repeats: usize,
    /// Verdicts about events that are in none of the folders.
    pub unknown_events: usize,
    pub train_pictures: usize,
    pub dev_pictures: usize,
    pub boxes: usize,
    /// Events that could not be used, with the reason.
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
            writeln!(f, "{} judged events are in more than one folder", self.repeats)?;
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
        for path in store::event_paths(store)? {
            report.events += 1;
            let (dir, read) = match path {
                EventPath::Folder(dir) => {
                    let read = store::read_event(&dir);
                    let read = read.map(|event| (verdicts::beside(&dir, event.id), event));
                    (dir, read)
                }
                EventPath::Record(path) => {
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
