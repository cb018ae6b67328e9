//! People's verdicts about events.

use std::path::Path;

use serde::Deserialize;
use uuid::Uuid;

use super::HarvestError;
use crate::base::{content_lines, csv_fields, read_text, table_fields};

/// Next to event.json: verdicts about this event, one JSON object per line; the last one counts.
const BESIDE: &str = "feedback.jsonl";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Confirmed,
    Rejected,
    /// It was a violation and has been corrected.
    Rectified,
    /// It is there, and it is allowed.
    Permitted,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Judgement {
    pub event: Uuid,
    pub verdict: Verdict,
    #[serde(default)]
    pub reason: Option<String>,
}

/// Reads a CSV file (`event,verdict[,reason]`, with or without a header) or JSON lines. Later lines about the
/// same event replace earlier ones. Skips empty lines and lines that begin with #.
///
/// # Errors
/// The file cannot be read, or a line is no verdict.
pub fn read_verdicts(path: &Path) -> Result<Vec<Judgement>, HarvestError> {
    let text = read_text(path).map_err(HarvestError::io(path))?;
    let mut found = Vec::new();
    for (number, line) in content_lines(&text) {
        if number == 1 && is_header(line) {
            continue;
        }
        let wrong = |what| HarvestError::Verdict { path: path.to_path_buf(), line: number, what };
        found.push(parse(line).map_err(wrong)?);
    }
    Ok(found)
}

fn is_header(line: &str) -> bool {
    fields(line).first().is_some_and(|first| first.eq_ignore_ascii_case("event"))
}

/// A reason may have full-width commas of its own, where the others separate.
fn fields(line: &str) -> Vec<String> {
    if line.contains(',') { csv_fields(line, b',') } else { table_fields(line) }
}

fn parse(line: &str) -> Result<Judgement, String> {
    if line.trim_start().starts_with('{') {
        return serde_json::from_str(line).map_err(|e| e.to_string());
    }
    let fields = fields(line);
    let field = |i: usize| fields.get(i).map_or("", String::as_str);
    let event = field(0);
    let event = Uuid::parse_str(event).map_err(|_| format!("{event:?} is not the id of an event"))?;
    let word = field(1);
    let verdict = match word {
        "confirmed" => Verdict::Confirmed,
        "rejected" => Verdict::Rejected,
        "rectified" => Verdict::Rectified,
        "permitted" => Verdict::Permitted,
        _ => return Err(format!("{word:?} is none of confirmed, rejected, rectified, permitted")),
    };
    // A comment may have commas of its own.
    let reason = fields.get(2..).map(|r| r.join(", ")).filter(|r| !r.is_empty());
    Ok(Judgement { event, verdict, reason })
}

/// The last verdict in the event's own folder. Skips invalid lines.
pub(super) fn beside(dir: &Path, event: Uuid) -> Option<Judgement> {
    let text = read_text(&dir.join(BESIDE)).ok()?;
    text.lines().filter_map(|line| parse(line.trim()).ok()).rfind(|j| j.event == event)
}
