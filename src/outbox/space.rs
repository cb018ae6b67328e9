//! Why SQLite could not write: no room, a read-only file system, or a disk that fails.

use std::path::Path;

use rusqlite::{ErrorCode, ffi};
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::{DiskTrouble, OutboxError};

/// Less than this, and a failed write is taken for want of room.
const ROOM_BYTES: u64 = 1 << 20;

/// What the file system says of itself.
#[derive(Clone, Copy, Debug)]
struct Space {
    free_bytes: u64,
    read_only: bool,
}

/// The error in the outbox's own words.
pub(super) fn explain(path: &Path, source: rusqlite::Error) -> OutboxError {
    let path_buf = path.to_owned();
    match trouble(&source, || space(path)) {
        Some(DiskTrouble::Full) => OutboxError::Full { path: path_buf },
        Some(DiskTrouble::ReadOnly) => OutboxError::ReadOnly { path: path_buf },
        Some(DiskTrouble::Fails) | None => OutboxError::Database { path: path_buf, source },
    }
}

/// True if there is no room for a write.
pub(super) fn is_full(path: &Path, source: &rusqlite::Error) -> bool {
    trouble(source, || space(path)) == Some(DiskTrouble::Full)
}

fn trouble(source: &rusqlite::Error, space: impl FnOnce() -> Option<Space>) -> Option<DiskTrouble> {
    let error = source.sqlite_error()?;
    match error.code {
        ErrorCode::DiskFull => return Some(DiskTrouble::Full),
        ErrorCode::ReadOnly | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => {}
        _ => return None,
    }
    match space() {
        Some(Space { read_only: true, .. }) => Some(DiskTrouble::ReadOnly),
        // SQLite notices a full disk in some of its files only by a write that fails.
        Some(Space { free_bytes: 0..ROOM_BYTES, .. })
            if matches!(error.extended_code, ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE) =>
        {
            Some(DiskTrouble::Full)
        }
        _ => Some(DiskTrouble::Fails),
    }
}

fn space(path: &Path) -> Option<Space> {
    let there = path.ancestors().find(|p| p.exists()).unwrap_or(path);
    let found = statvfs(there).ok()?;
    Some(Space {
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
    })
}

impl OutboxError {
    /// Why records cannot be stored.
    pub fn disk(&self) -> DiskTrouble {
        match self {
            Self::Full { .. } => DiskTrouble::Full,
            Self::ReadOnly { .. } => DiskTrouble::ReadOnly,
            _ => DiskTrouble::Fails,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_a_read_only_and_a_failing_disk_are_three_things() {
        let failed = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let on = |free_bytes, read_only| move || Some(Space { free_bytes, read_only });
        let write = ffi::SQLITE_IOERR_WRITE;
        assert_eq!(trouble(&failed(ffi::SQLITE_FULL), on(0, false)), Some(DiskTrouble::Full));
        assert_eq!(trouble(&failed(write), on(4096, false)), Some(DiskTrouble::Full));
        assert_eq!(trouble(&failed(write), on(1 << 30, false)), Some(DiskTrouble::Fails));
        assert_eq!(trouble(&failed(ffi::SQLITE_IOERR_FSYNC), on(0, false)), Some(DiskTrouble::Fails));
        for code in [write, ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_READONLY, ffi::SQLITE_CANTOPEN] {
            assert_eq!(trouble(&failed(code), on(1 << 30, true)), Some(DiskTrouble::ReadOnly), "{code}");
        }
        assert_eq!(trouble(&failed(ffi::SQLITE_CONSTRAINT), on(0, true)), None);
    }
}
