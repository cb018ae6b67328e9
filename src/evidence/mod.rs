//! Takes: a violation with its picture, and the camera's ring. Gives: stills, a clip and a manifest, each as
//! an [`EvidenceFile`] with its SHA-256. When full: a still or clip request is refused, and the event
//! continues with a note. On failure: the reason becomes a [`Missing`] entry of the manifest; the event is
//! never lost.
//! Not here: sending files, keeping requests over a restart.

mod overlay;
mod stills;
pub(crate) mod before;
pub(crate) mod still_service;
mod crops;
pub(crate) mod first_sight;
mod flights;
mod clip;
mod service;
mod manifest;
mod disk;
mod retention;
mod room;
mod files;
mod timeline;
mod mp4;
mod error;

pub use clip::{ClipCutter, ClipInfo, ClipRequest};
pub use crops::CropJob;
pub use disk::{QuotaReport, enforce_quota, event_folders, free_bytes, remove_unfinished};
pub use error::{EvidenceError, EvidenceFile, EvidenceKind, Missing};
pub use files::{event_dir, evidence_root};
pub use flights::FlightJob;
pub use manifest::{ClipRecord, EvidenceManifest, FileRecord, PictureTime, Span, Utc, Video, write_manifest};
pub use overlay::{BoxMark, Overlay, ZoneMark, draw, rgb_image};
pub use retention::enforce_age;
pub use room::make_room;
pub use service::{ClipOutcome, ClipService, ClipStats, MAX_WAITING, RingLookup};
pub(crate) use stills::jpeg;
pub use stills::{StillJob, StillWriter, Stills};
