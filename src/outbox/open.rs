//! Opens the file. A damaged one is moved aside, and its readable records are carried over.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use tracing::{error, info};

use super::space::explain;
use super::store::Store;
use super::tables::LAYOUT;
use super::{Batch, OutboxError};
use crate::base::wall_now;

/// Also says whether the file was damaged.
pub(super) fn open(data_dir: &Path, path: &Path) -> Result<(Store, bool), OutboxError> {
    std::fs::create_dir_all(data_dir)
        .map_err(|cause| OutboxError::Folder { path: data_dir.to_owned(), cause })?;
    match attempt(path) {
        Err(Failure::Damaged(why)) => Ok((start_new(path, &why)?, true)),
        Err(Failure::Other(e)) => Err(e),
        Ok(store) => Ok((store, false)),
    }
}

enum Failure {
    /// With SQLite's message.
    Damaged(String),
    Other(OutboxError),
}

/// Does the file's content make SQLite fail?
fn is_damaged(path: &Path, source: &rusqlite::Error) -> bool {
    let Some(error) = source.sqlite_error() else { return false };
    match error.code {
        // Too big: bit rot gave a value an impossible length.
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TooBig => true,
        // The file says so itself, in a damaged header; its permissions do not.
        ErrorCode::ReadOnly => std::fs::metadata(path).is_ok_and(|m| !m.permissions().readonly()),
        // Of statements that never change: a header or a schema that is not ours any more.
        _ => error.extended_code == ffi::SQLITE_ERROR,
    }
}

fn attempt(path: &Path) -> Result<Store, Failure> {
    let failed = |source: rusqlite::Error| match source.sqlite_error_code() {
        _ if is_damaged(path, &source) => Failure::Damaged(source.to_string()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Failure::Other(OutboxError::InUse { path: path.to_owned() })
        }
        _ => Failure::Other(match explain(path, source) {
            OutboxError::Database { path, source } => OutboxError::Open { path, source },
            other => other,
        }),
    };
    let mut store = Connection::open(path).and_then(Store::new).map_err(failed)?;
    match store.layout().map_err(failed)? {
        LAYOUT => {}
        found => {
            return Err(Failure::Other(OutboxError::Newer { path: path.to_owned(), found, known: LAYOUT }));
        }
    }
    match store.check() {
        Ok(true) => Ok(store),
        Ok(false) => Err(Failure::Damaged("its pages contradict each other".into())),
        Err(e) => Err(failed(e)),
    }
}

fn start_new(path: &Path, why: &str) -> Result<Store, OutboxError> {
    let mark = wall_now().0;
    let aside = |suffix: &str| PathBuf::from(format!("{}.damaged-{mark}{suffix}", path.display()));
    let from = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    for suffix in ["", "-wal"] {
        match std::fs::rename(from(suffix), aside(suffix)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(OutboxError::Folder { path: path.to_owned(), cause: e });
            }
            _ => {}
        }
    }
    // A shared-memory index is rebuilt from the log; an old one must not meet the new file.
    drop(std::fs::remove_file(from("-shm")));

    let saved = Connection::open_with_flags(aside(""), OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_or_else(|_| Batch::default(), |db| Store::salvage(&db));
    let mut store = attempt(path).map_err(|e| match e {
        Failure::Damaged(_) => OutboxError::Folder {
            path: path.to_owned(),
            cause: std::io::Error::other("a new outbox is damaged at once: check the disk"),
        },
        Failure::Other(e) => e,
    })?;
    let carried = store.append(&saved);
    error!(
        outbox = %path.display(),
        moved_to = %aside("").display(),
        reason = why,
        messages = saved.messages.len(),
        media = saved.media.len(),
        states = saved.state.len(),
        carried_over = carried.is_ok(),
        "the outbox was damaged: a new one is begun with the messages, media and states counted here; whatever \
         else waited in it is lost. Check the disk; the old file is kept beside it"
    );
    if let Err(e) = carried {
        info!(error = %e, "nothing could be carried over");
    }
    Ok(store)
}
