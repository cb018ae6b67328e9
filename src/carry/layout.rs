//! The folder of one node: its paths, and the lines of its lists.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::{finish_file, unfinished};
use crate::outbox::OutboxError;

#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    #[error("cannot {what} {}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{}: line {line} cannot be read: {reason}", path.display())]
    Line { path: PathBuf, line: usize, reason: String },
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

impl CarryError {
    pub fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// A line of `messages.jsonl`: what MQTT would have carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedMessage {
    pub topic: String,
    /// Byte for byte, since its hash is its name.
    pub payload: String,
}

/// A line of `files.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedFile {
    pub event: Uuid,
    pub kind: String,
    /// Without folder.
    pub file: String,
    pub media_type: String,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// The folder of one node.
#[derive(Clone, Debug)]
pub struct Carried {
    dir: PathBuf,
}

impl Carried {
    /// Of a node, in a folder such as a stick.
    pub fn of(folder: &Path, node: &str) -> Self {
        Self { dir: folder.join("lintel").join(node) }
    }

    /// The nodes that have something in a folder, by name.
    ///
    /// # Errors
    /// There is no `lintel` in it, or it cannot be read.
    pub fn all(folder: &Path) -> Result<Vec<(String, Self)>, CarryError> {
        let root = folder.join("lintel");
        let failed = || CarryError::io("read", &root);
        let mut found = Vec::new();
        for entry in fs::read_dir(&root).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            if let (true, Ok(node)) = (entry.path().is_dir(), entry.file_name().into_string()) {
                found.push((node, Self { dir: entry.path() }));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn messages(&self) -> PathBuf {
        self.dir.join("messages.jsonl")
    }

    pub fn files(&self) -> PathBuf {
        self.dir.join("files.jsonl")
    }

    /// All files, in a folder for each event.
    pub fn files_dir(&self) -> PathBuf {
        self.dir.join("files")
    }

    /// `None` if its name is none of a file.
    pub fn file(&self, file: &CarriedFile) -> Option<PathBuf> {
        let plain =
            !file.file.is_empty() && !file.file.starts_with('.') && !file.file.contains(['/', '\\', '\0']);
        plain.then(|| self.files_dir().join(file.event.to_string()).join(&file.file))
    }

    /// Where the platform's words lie.
    pub fn confirmed(&self) -> PathBuf {
        self.dir.join("confirmed")
    }
}

/// The lines of a list, read one by one; none if there is no file.
///
/// # Errors
/// Each line that cannot be read is an error of its own, and the others follow.
pub(crate) fn lines<T: DeserializeOwned>(
    path: &Path,
) -> Result<impl Iterator<Item = Result<T, CarryError>> + use<T>, CarryError> {
    let file = match File::open(path) {
        Ok(file) => Some(file),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(CarryError::io("open", path)(e)),
    };
    let path = path.to_owned();
    let lines = file.map(BufReader::new).into_iter().flat_map(|file| file.split(b'\n')).enumerate();
    Ok(lines.map(move |(at, line)| {
        let line = line.map_err(CarryError::io("read", &path))?;
        serde_json::from_slice(&line).map_err(|e| CarryError::Line {
            path: path.clone(),
            line: at + 1,
            reason: e.to_string(),
        })
    }))
}

/// Replaces a list.
pub(super) fn write_lines<T: Serialize>(
    path: &Path,
    lines: impl Iterator<Item = T>,
) -> Result<(), CarryError> {
    let beside = unfinished(path);
    let write = || -> io::Result<()> {
        let mut out = BufWriter::new(File::create(&beside)?);
        for line in lines {
            serde_json::to_writer(&mut out, &line)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        finish_file(&beside, path)
    };
    write().map_err(CarryError::io("write", path))
}
