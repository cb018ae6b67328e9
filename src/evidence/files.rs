//! Names and writes evidence files. A file appears whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{EvidenceError, EvidenceFile, EvidenceKind};
use crate::base::{self, finish_file, replace_file, sync_folder};

/// The folder of all evidence of a node.
pub fn evidence_root(data_dir: &Path) -> PathBuf {
    data_dir.join("evidence")
}

/// An event's folder: `<data_dir>/evidence/<yyyy-mm-dd>/<event id>`. The day comes from the id's own time in
/// UTC, so the id alone gives the folder, also after a restart.
pub fn event_dir(data_dir: &Path, event: Uuid) -> PathBuf {
    let (seconds, _) = event.get_timestamp().map_or((0, 0), |t| t.to_unix());
    let day = i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or_default();
    let day = day.to_zoned(TimeZone::UTC).date();
    evidence_root(data_dir).join(day.to_string()).join(event.to_string())
}

/// Writes one file of an event and syncs it to the disk. Creates the folder; replaces an old file.
pub(super) fn write_file(
    dir: &Path,
    kind: EvidenceKind,
    content: &[u8],
) -> Result<EvidenceFile, EvidenceError> {
    fs::create_dir_all(dir).map_err(EvidenceError::io("create the folder", dir))?;
    let path = dir.join(kind.file_name());
    replace_file(&path, content).map_err(EvidenceError::io("write", &unfinished(dir, kind)))?;
    sync_folders(dir)?;
    Ok(describe(path, kind, content.len() as u64, Sha256::digest(content).as_slice()))
}

/// Hashes a file that was written to `unfinished(dir, kind)`, and gives it its final name.
pub(super) fn adopt_file(dir: &Path, kind: EvidenceKind) -> Result<EvidenceFile, EvidenceError> {
    let unfinished = unfinished(dir, kind);
    let mut hash = Sha256::new();
    let bytes = File::open(&unfinished)
        .and_then(|mut f| io::copy(&mut f, &mut hash))
        .map_err(EvidenceError::io("read back", &unfinished))?;
    let path = dir.join(kind.file_name());
    finish_file(&unfinished, &path).map_err(EvidenceError::io("rename to", &path))?;
    sync_folders(dir)?;
    Ok(describe(path, kind, bytes, hash.finalize().as_slice()))
}

pub(super) fn unfinished(dir: &Path, kind: EvidenceKind) -> PathBuf {
    base::unfinished(&dir.join(kind.file_name()))
}

/// Deletes an unfinished file. A failure here is ignored, because an earlier one is reported already.
pub(super) fn discard(unfinished: &Path) {
    if let Err(e) = fs::remove_file(unfinished)
        && e.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(path = %unfinished.display(), error = %e, "cannot remove an unfinished file");
    }
}

/// Flushes the names of the event's folder and of its day, which may be new.
fn sync_folders(dir: &Path) -> Result<(), EvidenceError> {
    let mut parents = dir.ancestors().skip(1).take(2);
    parents.try_for_each(|folder| sync_folder(folder).map_err(EvidenceError::io("flush", folder)))
}

fn describe(path: PathBuf, kind: EvidenceKind, bytes: u64, sha256: &[u8]) -> EvidenceFile {
    let sha256 = sha256.iter().map(|b| format!("{b:02x}")).collect();
    EvidenceFile { kind, path, media_type: kind.media_type().to_owned(), bytes, sha256 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_follows_from_the_id_alone() {
        let event: Uuid = "0193e5a3-4f00-7abc-8def-0123456789ab".parse().expect("a UUID");
        let dir = event_dir(Path::new("/data"), event);
        assert_eq!(dir, Path::new("/data/evidence/2024-12-20/0193e5a3-4f00-7abc-8def-0123456789ab"));
    }

    #[test]
    fn a_written_file_states_its_hash_and_leaves_nothing_unfinished() {
        let place = tempfile::tempdir().expect("a folder");
        let dir = place.path().join("day/event");
        let file = write_file(&dir, EvidenceKind::Still, b"abc").expect("written");
        assert_eq!(file.bytes, 3);
        // FIPS 180-4, SHA-256 of "abc".
        assert_eq!(file.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(fs::read(&file.path).expect("there"), b"abc");
        assert_eq!(fs::read_dir(&dir).expect("there").count(), 1);
    }
}
