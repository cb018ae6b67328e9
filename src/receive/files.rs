//! Paths of the output, and the two ways of writing there: replace a file, or append a line.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::fs::{FlockOperation, OFlags, flock};
use uuid::Uuid;

use crate::base::sync_folder;

/// The output folder. Builds every path, from checked ids and checked names.
#[derive(Clone, Debug)]
pub(super) struct OutputFolder {
    out: Arc<Path>,
    time_zone: TimeZone,
}

impl OutputFolder {
    pub fn new(out: PathBuf, time_zone: TimeZone) -> Self {
        Self { out: out.into(), time_zone }
    }

    /// `DIR/<date>/<event id>`. The date is that of the UUIDv7, so all messages of an event agree on it in
    /// any order. `None` if the id is not a UUIDv7 of the years 1970 to 9999.
    pub fn event_dir(&self, event: Uuid) -> Option<PathBuf> {
        Some(self.out.join(self.dated(event)?))
    }

    /// `DIR/quarantine/<node>/<date>/<event id>`: what the node says of an event against what is stored.
    pub fn quarantine_dir(&self, node: &str, event: Uuid) -> Option<PathBuf> {
        Some(self.quarantine_of(node).join(self.dated(event)?))
    }

    pub fn quarantine_of(&self, node: &str) -> PathBuf {
        self.out.join("quarantine").join(node)
    }

    pub fn path(&self) -> &Path {
        &self.out
    }

    /// `DIR/nodes/<node>`: what a node says of itself and of its cameras.
    pub fn node_dir(&self, node: &str) -> PathBuf {
        self.out.join("nodes").join(node)
    }

    /// Unfinished files of a node.
    pub fn parts_dir(&self, node: &str) -> PathBuf {
        self.all_parts().join(node)
    }

    pub fn all_parts(&self) -> PathBuf {
        self.out.join(".parts")
    }

    fn dated(&self, event: Uuid) -> Option<PathBuf> {
        let (seconds, nanos) = (event.get_version_num() == 7).then(|| event.get_timestamp())??.to_unix();
        let at = Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()?;
        let date = at.to_zoned(self.time_zone.clone()).date();
        let path = || Path::new(&date.to_string()).join(event.to_string());
        (1970..=9999).contains(&date.year()).then(path)
    }
}

/// Makes a folder and its parents, for this user only. Follows no link at its end.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    match fs::symlink_metadata(dir) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(io::Error::new(io::ErrorKind::NotADirectory, "there is something else of this name")),
        Err(_) => DirBuilder::new().recursive(true).mode(0o700).create(dir),
    }
}

/// Keeps other processes out of a folder as long as the file is open. `None`: one is in it.
pub(super) fn lock(dir: &Path) -> io::Result<Option<File>> {
    let file =
        no_link(OpenOptions::new().write(true).create(true).truncate(false)).open(dir.join(".lock"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Options that open a file and never what a link leads to.
pub(super) fn no_link(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
}

/// Appends a line after the first `whole` bytes of a file, and syncs it. Returns the new length.
pub(super) fn append_line(path: &Path, whole: u64, line: &[u8]) -> io::Result<u64> {
    let mut file = no_link(OpenOptions::new().create(true).append(true)).open(path)?;
    let is_new = file.metadata()?.len() == 0;
    // What stands behind was cut short by a crash.
    file.set_len(whole)?;
    let mut text = line.to_vec();
    text.push(b'\n');
    file.write_all(&text)?;
    file.sync_all()?;
    if is_new {
        path.parent().map_or(Ok(()), sync_folder)?;
    }
    Ok(whole + text.len() as u64)
}

/// The content up to the end of the last whole line; empty if there is no file.
pub(super) fn whole_lines(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = match no_link(OpenOptions::new().read(true)).open(path) {
        Ok(mut file) => read(&mut file)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e),
    };
    text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
    Ok(text)
}

fn read(file: &mut File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    io::Read::read_to_end(file, &mut text)?;
    Ok(text)
}
