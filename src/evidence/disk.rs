//! Disk space: how much is free, and which evidence to delete first when it runs out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use uuid::Uuid;

use super::files::evidence_root;
use super::room::ROOM;
use super::{EvidenceError, EvidenceKind};
use crate::base::UNFINISHED;
use crate::config::Severity;

/// Free bytes on the file system of `path`, or of its nearest existing parent.
///
/// # Errors
/// No parent exists or the file system does not answer.
pub fn free_bytes(path: &Path) -> Result<u64, EvidenceError> {
    // The last ancestor of a relative path is empty, and stands for the current folder.
    let there = path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("."));
    let answer = rustix::fs::statvfs(there).map_err(io::Error::from);
    let space = answer.map_err(EvidenceError::io("ask for the free space of", there))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Has old evidence deleted if there is too little, and only then refuses.
pub(super) fn ensure_free(path: &Path, wanted: u64) -> Result<(), EvidenceError> {
    if free_bytes(path)? < wanted {
        ROOM.ask();
    }
    let free = free_bytes(path)?;
    if free < wanted {
        return Err(EvidenceError::DiskFull { path: path.to_path_buf(), free, wanted });
    }
    Ok(())
}

/// On a crowded disk this much more than `min_free_bytes` is freed, or as much again if that is less. Without
/// it the next file would find too little room.
const SPARE: u64 = 256 << 20;

/// Result of [`enforce_quota`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaReport {
    /// Bytes of evidence that remain.
    pub used_bytes: u64,
    pub freed_bytes: u64,
    /// Number of events whose delivered evidence was deleted.
    pub delivered_deleted: u64,
    /// Number of events whose evidence was deleted before delivery, so it is lost.
    pub undelivered_deleted: u64,
    /// Folders that could not be read or deleted.
    pub failed: u64,
}

/// Deletes evidence folders until `root` is within `quota_bytes` and the disk has `min_free_bytes` free.
/// Delivered evidence goes first. Within it, low severity goes before high, and older before newer.
/// Undelivered evidence goes only for the quota, never for free space, which another program may use. Once it
/// must free space, it frees more: up to 256 MB, and at most as much again as `min_free_bytes`. This reads
/// the sizes of all files: call it once a minute and when a file was refused, not for each event.
///
/// # Errors
/// `root` cannot be read; one that does not exist is empty.
pub fn enforce_quota(
    root: &Path,
    quota_bytes: u64,
    min_free_bytes: u64,
    is_delivered: impl Fn(Uuid) -> bool,
) -> Result<QuotaReport, EvidenceError> {
    let mut report = QuotaReport::default();
    let mut events = events(root, &mut report)?;
    report.used_bytes = events.iter().map(|e| e.bytes).sum();
    let too_little = free_bytes(root)? < min_free_bytes;
    let spare = if too_little { min_free_bytes.min(SPARE) } else { 0 };
    let wanted = min_free_bytes.saturating_add(spare);
    // Manifests are read only if something must go.
    if report.used_bytes > quota_bytes || too_little {
        events.sort_by_key(|event| (severity(&event.dir), event.id));
    }
    let mut kept = Vec::new();
    for event in events {
        let crowded = report.used_bytes > quota_bytes || free_bytes(root)? < wanted;
        if crowded && is_delivered(event.id) {
            report.delivered_deleted += u64::from(delete(&event, &mut report));
        } else {
            kept.push(event);
        }
    }
    for event in kept.iter().filter(|e| !is_delivered(e.id)) {
        if report.used_bytes <= quota_bytes {
            break;
        }
        tracing::error!(event = %event.id, "undelivered evidence deleted: evidence.quota_bytes is used up");
        report.undelivered_deleted += u64::from(delete(event, &mut report));
    }
    Ok(report)
}

/// Deletes files that a crash left half written. Call it at the start, before anything writes.
///
/// # Errors
/// `root` cannot be read; one that does not exist is empty.
pub fn remove_unfinished(root: &Path) -> Result<u64, EvidenceError> {
    let mut removed = 0;
    for event in events(root, &mut QuotaReport::default())? {
        for file in entries(&event.dir)? {
            if file.extension().is_some_and(|e| e == UNFINISHED) {
                fs::remove_file(&file).map_err(EvidenceError::io("remove", &file))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// Each event that has a folder, and the folder, oldest first. What cannot be read is left out.
pub fn event_folders(data_dir: &Path) -> Vec<(Uuid, PathBuf)> {
    let found = events(&evidence_root(data_dir), &mut QuotaReport::default()).unwrap_or_default();
    found.into_iter().map(|event| (event.id, event.dir)).collect()
}

pub(super) struct EventDir {
    pub id: Uuid,
    pub dir: PathBuf,
    bytes: u64,
}

/// All event folders, oldest first: their names are UUIDv7, which sort by time.
pub(super) fn events(root: &Path, report: &mut QuotaReport) -> Result<Vec<EventDir>, EvidenceError> {
    let mut found = Vec::new();
    for day in entries(root)? {
        let Ok(dirs) = entries(&day) else {
            report.failed += 1;
            continue;
        };
        for dir in dirs {
            let id = dir.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse().ok());
            let (Some(id), Ok(files)) = (id, entries(&dir)) else {
                report.failed += 1;
                continue;
            };
            let bytes = files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum();
            found.push(EventDir { id, dir, bytes });
        }
    }
    found.sort_by_key(|e| e.id);
    Ok(found)
}

/// Paths in a folder; none if the folder does not exist.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, EvidenceError> {
    let list = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.and_then(|list| list.map(|e| Ok(e?.path())).collect()),
    };
    list.map_err(EvidenceError::io("list", dir))
}

pub(super) fn delete(event: &EventDir, report: &mut QuotaReport) -> bool {
    if let Err(e) = fs::remove_dir_all(&event.dir) {
        tracing::warn!(path = %event.dir.display(), error = %e, "cannot delete old evidence; check its owner");
        report.failed += 1;
        return false;
    }
    // Deletes the day's folder with its last event. It fails while other events are in it, as it should.
    let _others_left = event.dir.parent().map(fs::remove_dir);
    report.used_bytes = report.used_bytes.saturating_sub(event.bytes);
    report.freed_bytes += event.bytes;
    true
}

/// Severity from the folder's manifest; high without one, so that a missing file loses no evidence.
pub(super) fn severity(dir: &Path) -> Severity {
    #[derive(Deserialize)]
    struct Head {
        severity: Option<Severity>,
    }
    let text = fs::read(dir.join(EvidenceKind::Manifest.file_name())).unwrap_or_default();
    serde_json::from_slice::<Head>(&text).ok().and_then(|head| head.severity).unwrap_or(Severity::High)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three events of 100 bytes, oldest first.
    fn three() -> (tempfile::TempDir, [Uuid; 3]) {
        let place = tempfile::tempdir().expect("a folder");
        let ids = [1_700_000_000_000_u64, 1_700_000_001_000, 1_700_090_000_000].map(|ms| {
            let id = uuid::Builder::from_unix_timestamp_millis(ms, &[7; 10]).into_uuid();
            let dir = crate::evidence::event_dir(place.path(), id);
            fs::create_dir_all(&dir).expect("made");
            fs::write(dir.join("still.jpg"), [0; 60]).expect("written");
            fs::write(dir.join("clip.mp4.part"), [0; 40]).expect("written");
            id
        });
        (place, ids)
    }

    fn left(place: &tempfile::TempDir, ids: &[Uuid]) -> Vec<bool> {
        ids.iter().map(|&id| crate::evidence::event_dir(place.path(), id).exists()).collect()
    }

    #[test]
    fn delivered_evidence_goes_first_and_oldest_first() {
        let (place, ids) = three();
        let root = place.path().join("evidence");
        let report = enforce_quota(&root, 200, 0, |id| id != ids[0]).expect("done");
        assert_eq!(left(&place, &ids), [true, false, true]);
        assert_eq!(report, QuotaReport { used_bytes: 200, freed_bytes: 100, delivered_deleted: 1, ..report });
        assert_eq!(report.undelivered_deleted, 0);
    }

    #[test]
    fn undelivered_evidence_goes_last_and_is_counted() {
        let (place, ids) = three();
        let root = place.path().join("evidence");
        let report = enforce_quota(&root, 150, 0, |id| id == ids[2]).expect("done");
        assert_eq!(left(&place, &ids), [false, true, false]);
        assert_eq!((report.delivered_deleted, report.undelivered_deleted, report.used_bytes), (1, 1, 100));
        assert!(!root.join("2023-11-15").exists(), "the empty day's folder goes too");
    }

    #[test]
    fn a_full_disk_costs_no_undelivered_evidence() {
        let (place, ids) = three();
        let root = place.path().join("evidence");
        let report = enforce_quota(&root, 10_000, u64::MAX, |id| id == ids[1]).expect("done");
        assert_eq!(left(&place, &ids), [true, false, true]);
        assert_eq!((report.delivered_deleted, report.undelivered_deleted), (1, 0));
    }

    #[test]
    fn half_written_files_are_removed_and_a_missing_folder_is_empty() {
        let (place, ids) = three();
        let root = place.path().join("evidence");
        assert_eq!(remove_unfinished(&root).expect("done"), 3);
        assert!(crate::evidence::event_dir(place.path(), ids[0]).join("still.jpg").exists());
        assert_eq!(remove_unfinished(&place.path().join("nowhere")).expect("done"), 0);
        let report = enforce_quota(&place.path().join("nowhere"), 0, 0, |_| true).expect("done");
        assert_eq!(report, QuotaReport::default());
    }
}
