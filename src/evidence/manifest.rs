//! `manifest.json`: the files of an event with their hashes, and what is missing and why.

use std::path::Path;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::files::write_file;
use super::{ClipInfo, ClipRequest, EvidenceError, EvidenceFile, EvidenceKind, Missing};
use crate::base::{CameraId, Capture, CaptureClock, TimeSource, WallTime};
use crate::config::Severity;
use crate::ingest::Codec;

/// All times are RFC 3339 in UTC. The same input gives the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceManifest {
    /// Version of this layout: 1.
    pub version: u32,
    pub event: Uuid,
    pub node: String,
    pub camera: CameraId,
    /// Severity of the event when it opened; decides how long its evidence is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Capture time of the stills, and the clock that gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<PictureTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<ClipRecord>,
    pub files: Vec<FileRecord>,
    /// Empty if nothing is missing.
    pub missing: Vec<Missing>,
    /// The program and model that made the evidence.
    pub generator: serde_json::Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PictureTime {
    pub at: Utc,
    pub source: TimeSource,
    pub offset_ms: Option<i64>,
    /// The state of the clocks then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<CaptureClock>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipRecord {
    pub asked: Span,
    /// From the first to the last picture; `None` if there is no clip.
    pub had: Option<Span>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub video: Option<Video>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub from: Utc,
    pub to: Utc,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Video {
    pub codec: Codec,
    pub width: u32,
    pub height: u32,
    pub frames: u64,
    /// Frames missing in the clip, lost on the way from the camera.
    pub lost_frames: u64,
    /// The ring did not reach back to the requested start.
    pub starts_late: bool,
    /// The camera's pictures ended before the requested end.
    pub ends_early: bool,
    pub time_source: TimeSource,
    pub offset_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    pub kind: EvidenceKind,
    /// File name beside the manifest.
    pub name: String,
    pub media_type: String,
    pub bytes: u64,
    pub sha256: String,
}

/// A time, written as RFC 3339 in UTC with microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc(pub WallTime);

impl Serialize for Utc {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let time =
            self.0.timestamp().ok_or_else(|| serde::ser::Error::custom("a time beyond the year 9999"))?;
        to.collect_str(&format_args!("{time:.6}"))
    }
}

impl<'de> Deserialize<'de> for Utc {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(jiff::Timestamp::deserialize(from)?.into()))
    }
}

impl EvidenceManifest {
    pub fn new(event: Uuid, node: &str, camera: &CameraId, generator: serde_json::Value) -> Self {
        Self {
            version: 1,
            event,
            node: node.to_owned(),
            camera: camera.clone(),
            severity: None,
            picture: None,
            clip: None,
            files: Vec::new(),
            missing: Vec::new(),
            generator,
        }
    }

    #[must_use]
    pub fn of_severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    pub fn with_picture(mut self, capture: &Capture) -> Self {
        let Capture { at, source, offset_ms, clock } = *capture;
        self.picture = Some(PictureTime { at: Utc(at), source, offset_ms, clock });
        self
    }

    pub fn with_files(mut self, files: &[EvidenceFile], missing: &[Missing]) -> Self {
        self.files.extend(files.iter().map(FileRecord::from));
        self.missing.extend_from_slice(missing);
        self
    }

    /// Adds the clip, or the reason why there is none.
    pub fn with_clip(mut self, asked: &ClipRequest, clip: &Result<ClipInfo, EvidenceError>) -> Self {
        let asked = Span { from: Utc(asked.from), to: Utc(asked.to) };
        self.clip = Some(match clip {
            Ok(info) => {
                self.files.push(FileRecord::from(&info.file));
                let had = Some(Span { from: Utc(info.starts), to: Utc(info.ends) });
                ClipRecord { asked, had, video: Some(Video::from(info)) }
            }
            Err(e) => {
                self.missing.push(Missing::new(EvidenceKind::Clip, e));
                ClipRecord { asked, had: None, video: None }
            }
        });
        self
    }
}

/// Writes `manifest.json` into the event's folder.
///
/// # Errors
/// The folder cannot be written. Free space is not checked: a manifest is small, and it reports a full disk.
pub fn write_manifest(dir: &Path, manifest: &EvidenceManifest) -> Result<EvidenceFile, EvidenceError> {
    let mut json = serde_json::to_vec_pretty(manifest)?;
    json.push(b'\n');
    write_file(dir, EvidenceKind::Manifest, &json)
}

impl From<&EvidenceFile> for FileRecord {
    fn from(file: &EvidenceFile) -> Self {
        Self {
            kind: file.kind,
            name: file.name().to_owned(),
            media_type: file.media_type.clone(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
        }
    }
}

impl From<&ClipInfo> for Video {
    fn from(clip: &ClipInfo) -> Self {
        Self {
            codec: clip.codec,
            width: clip.width,
            height: clip.height,
            frames: clip.frames,
            lost_frames: clip.lost_frames,
            starts_late: clip.starts_late,
            ends_early: clip.ends_early,
            time_source: clip.time_source,
            offset_ms: clip.offset_ms,
        }
    }
}
