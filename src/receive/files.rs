//! Paths of the output, and how files are written so that a power cut leaves the old or the new one, never
//! half.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

/// The output folder. Builds every path, from a checked UUID and a checked name.
#[derive(Clone, Debug)]
pub(super) struct Place {
    out: Arc<Path>,
    time_zone: TimeZone,
}

impl Place {
    pub fn new(out: PathBuf, time_zone: TimeZone) -> Self {
        Self { out: out.into(), time_zone }
    }

    /// `DIR/<date>/<event id>`. The date is that of the UUIDv7, so all messages of an event agree on it in
    /// any order. `None` if the id is not a UUIDv7 of the years 1970 to 9999.
    pub fn event_dir(&self, event: Uuid) -> Option<PathBuf> {
        let (seconds, nanos) = (event.get_version_num() == 7).then(|| event.get_timestamp())??.to_unix();
        let at = Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()?;
        let date = at.to_zoned(self.time_zone.clone()).date();
        (1970..=9999).contains(&date.year()).then(|| self.out.join(date.to_string()).join(event.to_string()))
    }

    /// Unfinished files.
    pub fn parts_dir(&self) -> PathBuf {
        self.out.join(".parts")
    }
}

/// Replaces `path` as a whole: writes a file next to it, syncs it, renames it.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let beside = path.with_file_name(name);
    let mut file = File::create(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)?;
    sync_dir_of(path)
}

/// Makes names in the folder of `path` durable: a rename or a new file is lost with the power otherwise.
pub(super) fn sync_dir_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
