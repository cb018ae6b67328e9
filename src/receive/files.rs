//! Paths of the output.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

/// The output folder. Builds every path, from a checked UUID and a checked name.
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
