//! Reads the outbox of a node that may be running.
//!
//! The node holds the database for itself, so a copy is read: database and log, as a crash would leave them. A
//! checkpoint or a new log in between would make the two not fit; then they are copied again.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::open::open;
use super::store::Store;
use super::{Batch, Outbox, OutboxError};

const TRIES: usize = 40;
const PAUSE: Duration = Duration::from_millis(50);

impl Outbox {
    /// Everything that waits in the outbox of `data_dir`, in order, without the state. Uses the folder `scratch`
    /// for a copy, and deletes it.
    ///
    /// # Errors
    /// There is no outbox, it cannot be read or copied, or it is damaged.
    pub fn look_into(data_dir: &Path, scratch: &Path) -> Result<Batch, OutboxError> {
        let found = read_copy(&data_dir.join("outbox.db"), scratch);
        drop(fs::remove_dir_all(scratch));
        found
    }
}

fn read_copy(path: &Path, scratch: &Path) -> Result<Batch, OutboxError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |cause| OutboxError::Folder { path, cause }
    };
    for _ in 0..TRIES {
        drop(fs::remove_dir_all(scratch));
        fs::create_dir_all(scratch).map_err(failed(scratch))?;
        if !copied(path, &scratch.join("outbox.db")).map_err(failed(path))? {
            std::thread::sleep(PAUSE);
            continue;
        }
        let (store, damaged) = open(scratch, &scratch.join("outbox.db"))?;
        if damaged {
            let source =
                io::Error::other("the copy of it is damaged: the disk, or it changed too fast; try again");
            return Err(failed(path)(source));
        }
        return Ok(Batch { state: Vec::new(), ..Store::salvage(store.db()) });
    }
    Err(failed(path)(io::Error::other("it changes too fast to be copied: stop the node, or try again")))
}

/// False if the two did not stay as they were.
fn copied(from: &Path, to: &Path) -> io::Result<bool> {
    let before = (stamp(from)?, log_head(from)?);
    fs::copy(from, to)?;
    match fs::copy(log(from), log(to)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    // The log may have grown: what was copied of it is a part from its beginning.
    Ok(before == (stamp(from)?, log_head(from)?))
}

fn stamp(path: &Path) -> io::Result<(u64, SystemTime)> {
    let found = fs::metadata(path)?;
    Ok((found.len(), found.modified()?))
}

/// The head of the log changes when it is begun anew.
fn log_head(path: &Path) -> io::Result<Option<[u8; 32]>> {
    let mut head = [0; 32];
    match File::open(log(path)).and_then(|mut file| file.read_exact(&mut head)) {
        Ok(()) => Ok(Some(head)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(None),
        Err(e) => Err(e),
    }
}

fn log(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}
