//! Errors of evidence, its files and kinds, and entries for missing parts.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::error_chain;
use crate::draw::DrawError;

/// One file of an event's evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceFile {
    pub kind: EvidenceKind,
    /// Path on this node.
    pub path: PathBuf,
    /// IANA media type, for example `image/jpeg`.
    pub media_type: String,
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

impl EvidenceFile {
    /// The name without its folder, as the receiver stores it.
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|n| n.to_str()).unwrap_or(self.kind.file_name())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// The picture that first showed what the event is about, without drawings.
    First,
    /// The picture that opened the event, without drawings.
    Still,
    /// The same with boxes, zone and caption.
    Annotated,
    /// The seconds before and after.
    Clip,
    /// The place after the object has gone.
    Closed,
    /// A part of the picture before a lasting change, and the same part after it.
    Before,
    After,
    /// Both crops side by side, for two flights.
    Comparison,
    Manifest,
}

impl EvidenceKind {
    pub const ALL: [Self; 8] = [
        Self::Still,
        Self::Annotated,
        Self::Clip,
        Self::Closed,
        Self::Before,
        Self::After,
        Self::Comparison,
        Self::Manifest,
    ];

    pub fn file_name(self) -> &'static str {
        match self {
            EvidenceKind::First => "first.jpg",
            EvidenceKind::Still => "still.jpg",
            EvidenceKind::Annotated => "annotated.jpg",
            EvidenceKind::Clip => "clip.mp4",
            EvidenceKind::Closed => "closed.jpg",
            EvidenceKind::Before => "before.jpg",
            EvidenceKind::After => "after.jpg",
            EvidenceKind::Comparison => "comparison.jpg",
            EvidenceKind::Manifest => "manifest.json",
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            EvidenceKind::First
            | EvidenceKind::Still
            | EvidenceKind::Annotated
            | EvidenceKind::Closed
            | EvidenceKind::Before
            | EvidenceKind::After
            | EvidenceKind::Comparison => "image/jpeg",
            EvidenceKind::Clip => "video/mp4",
            EvidenceKind::Manifest => "application/json",
        }
    }
}

/// A part of the evidence that is missing, and why, for the officer and the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    pub kind: EvidenceKind,
    pub reason: String,
}

impl Missing {
    pub fn new(kind: EvidenceKind, error: &EvidenceError) -> Self {
        Self { kind, reason: error_chain(error) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    #[error("cannot {action} {path}", path = .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "disk full: {} MB free at {}, evidence.min_free_mb asks for {}; make room on the disk, or ask for less",
        .free >> 20, .path.display(), .wanted >> 20
    )]
    DiskFull { path: PathBuf, free: u64, wanted: u64 },
    #[error("the picture does not hold {width} x {height} RGB pixels: it has {bytes} bytes")]
    Picture { width: u32, height: u32, bytes: usize },
    #[error(transparent)]
    Draw(#[from] DrawError),
    #[error("cannot encode the JPEG: {0}")]
    Jpeg(String),
    #[error("cannot write the manifest as JSON")]
    Json(#[from] serde_json::Error),
    #[error("GStreamer cannot be used: {0}; install gstreamer1.0-plugins-base, -good and -bad")]
    Gstreamer(String),
    #[error("the ring holds no picture of that time: {0}")]
    NoFootage(String),
    #[error("the span holds frames of two streams ({0} and {1}), which never decode together")]
    MixedStreams(u32, u32),
    #[error("the footage cannot be played: {0}")]
    Unplayable(String),
    #[error("cutting failed in {element}: {message}")]
    Cut { element: String, message: String },
    #[error("cutting was not finished after {0:?}; is the disk hanging?")]
    Timeout(Duration),
    #[error("clip refused: {}", if *.stopping { "the program is stopping".to_owned() } else { format!("{} wait already", .waiting) })]
    Refused { waiting: usize, stopping: bool },
    #[error("cannot start the clip thread: {0}")]
    Thread(io::Error),
    #[error("the clip that was written cannot be read back: {0}")]
    Unreadable(String),
}

impl EvidenceError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
