//! How much of each node is kept in quarantine: a node that makes things up must not fill the platform's disk.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use super::error::{Refusal, StoreError};
use super::files::OutputFolder;

/// Of one node, in bytes.
const MOST_BYTES: u64 = 1 << 30;
/// What a file takes at least, so that a million small ones are counted too.
const LEAST_BYTES: u64 = 4096;

#[derive(Debug, Default)]
pub(super) struct Quarantine {
    /// By node; read from the disk at its first use.
    used: HashMap<String, u64>,
}

impl Quarantine {
    /// Takes room for a file or a message of `bytes`.
    ///
    /// # Errors
    /// There is none, or the folder cannot be read.
    pub fn take(&mut self, folder: &OutputFolder, node: &str, bytes: u64) -> Result<(), StoreError> {
        let dir = folder.quarantine_of(node);
        let used = match self.used.get_mut(node) {
            Some(used) => used,
            None => {
                let found = size(&dir).map_err(StoreError::io(&dir))?;
                self.used.entry(node.to_owned()).or_insert(found)
            }
        };
        let bytes = bytes.max(LEAST_BYTES);
        if *used + bytes > MOST_BYTES {
            return Err(Refusal::Quarantine(dir.display().to_string()).into());
        }
        *used += bytes;
        Ok(())
    }

    /// Something was deleted there: sizes are read again.
    pub fn forget(&mut self) {
        self.used.clear();
    }
}

fn size(dir: &Path) -> io::Result<u64> {
    let mut all = 0;
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        all += match entry.metadata()? {
            found if found.is_dir() => size(&entry.path())?,
            found => found.len().max(LEAST_BYTES),
        };
    }
    Ok(all)
}
