//! The receiver's output lines, in columns: what, event, and details.

use std::fmt;
use std::path::PathBuf;

use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A new event message.
    Event {
        /// Of the transition, RFC 3339.
        time: String,
        /// `opened`, `updated`, `closed`, `expired`.
        transition: String,
        event: Uuid,
        revision: u32,
        /// `<node>/<camera>`.
        camera: String,
        class: String,
        zh: String,
        reason: String,
    },
    /// A file is complete and its hash is right.
    File { event: Uuid, path: PathBuf, bytes: u64 },
    /// All files of the manifest have arrived.
    Complete { event: Uuid, dir: PathBuf, files: usize },
    /// The node could not send a file.
    Lost { event: Uuid, file: String, reason: String },
    /// Something contradicts what is stored; it is kept apart.
    Quarantined { event: Uuid, what: String, reason: String },
    /// A tampered camera, or the answer to a command.
    Node { node: String, what: String, time: String },
    /// Stored before; not printed.
    Repeat,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Event { time, transition, event, camera, class, zh, reason, .. } => {
                let [camera, class, zh, reason] = [camera, class, zh, reason].map(|s| plain(s));
                write!(f, "{transition:<9} {event}  {time}  {camera:<20} {class} {zh}  {reason}")
            }
            Line::File { event, path, bytes } => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                write!(f, "{:<9} {event}  {name:<14} {}", "file", size(*bytes))
            }
            Line::Complete { event, dir, files } => {
                write!(f, "{:<9} {event}  {files} files in {}", "complete", dir.display())
            }
            Line::Lost { event, file, reason } => {
                write!(f, "{:<9} {event}  {}  {}", "lost", plain(file), plain(reason))
            }
            Line::Quarantined { event, what, reason } => {
                write!(f, "{:<9} {event}  {}  {}", "kept off", plain(what), plain(reason))
            }
            Line::Node { node, what, time } => {
                write!(f, "{:<9} {}  {}", plain(what), plain(node), plain(time))
            }
            Line::Repeat => Ok(()),
        }
    }
}

/// Removes control characters: received text must not move the operator's cursor or start a line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_text_cannot_write_over_the_terminal() {
        let line = Line::Lost { event: Uuid::nil(), file: "a\x1b[2J\nb".into(), reason: "r\r".into() };
        assert!(!line.to_string().contains(char::is_control), "{line:?}");
    }

    #[test]
    fn a_file_reads_in_columns() {
        let line = Line::File { event: Uuid::nil(), path: "/x/clip.mp4".into(), bytes: 3_145_728 };
        assert_eq!(line.to_string(), "file      00000000-0000-0000-0000-000000000000  clip.mp4       3.1 MB");
    }
}
