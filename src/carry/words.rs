//! A platform's words on their way back: from the stick to `data_dir/confirmed/`, and from there to the outbox.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::layout::CarryError;
use crate::base::replace_file;
use crate::outbox::{Confirmed, OutboxError};
use crate::wire::{Confirmation, MAX_CONFIRMATION_BYTES};

/// Words for a node wait here until it reads them.
pub fn words_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("confirmed")
}

/// Moves words from the folder `from` to the node. Returns what they confirm.
pub(super) fn bring_words(from: &Path, data_dir: &Path) -> Result<Vec<Confirmed>, CarryError> {
    let target = words_dir(data_dir);
    let mut all = Vec::new();
    for path in words(from)? {
        let confirmation = match read(&path) {
            Ok(confirmation) => confirmation,
            Err(reason) => {
                tracing::warn!(file = %path.display(), reason, "a confirmation cannot be read and counts for nothing");
                continue;
            }
        };
        fs::create_dir_all(&target).map_err(CarryError::io("make", &target))?;
        let to = target.join(path.file_name().unwrap_or_default());
        let text = serde_json::to_vec(&confirmation).expect("string keys only");
        replace_file(&to, &text).map_err(CarryError::io("write", &to))?;
        // The node may run as another user than this command.
        fs::set_permissions(&to, Permissions::from_mode(0o644)).map_err(CarryError::io("open up", &to))?;
        fs::remove_file(&path).map_err(CarryError::io("remove", &path))?;
        all.extend(confirmation.records());
    }
    Ok(all)
}

/// Gives the words that wait for the node to `confirm`, and deletes those that it has taken. Returns how many
/// records they confirm.
///
/// # Errors
/// The folder cannot be read, or a file not deleted. What `confirm` refused waits for the next time.
pub fn take_words(
    data_dir: &Path,
    confirm: impl Fn(&[Confirmed]) -> Result<(), OutboxError>,
) -> Result<u64, CarryError> {
    let mut taken = 0;
    for path in words(&words_dir(data_dir))? {
        match read(&path) {
            Ok(confirmation) => {
                let records = confirmation.records();
                confirm(&records)?;
                taken += records.len() as u64;
            }
            Err(reason) => {
                tracing::warn!(file = %path.display(), reason, "a confirmation cannot be read and is deleted");
            }
        }
        fs::remove_file(&path).map_err(CarryError::io("remove", &path))?;
    }
    Ok(taken)
}

fn words(dir: &Path) -> Result<Vec<PathBuf>, CarryError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(CarryError::io("read", dir)(e)),
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<Confirmation, String> {
    let length = fs::metadata(path).map_err(|e| e.to_string())?.len();
    if length > MAX_CONFIRMATION_BYTES as u64 {
        return Err(format!("it has {length} bytes"));
    }
    Confirmation::parse(&fs::read(path).map_err(|e| e.to_string())?)
}
