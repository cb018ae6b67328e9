//! What the place memories of a node's cameras share: the thread that looks for changes, the writer of their
//! files, and when a look is due.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::place::KeepBefore;
use super::place_files::PlaceFiles;
use super::place_looks::PlaceLooks;
use crate::base::WallTime;

/// Shared by the place memories of a node's cameras.
#[derive(Clone)]
pub(crate) struct PlaceMemoryContext {
    pub(super) looks: Arc<PlaceLooks>,
    pub(super) files: Option<PlaceFiles>,
}

/// When a camera's pictures are inspected.
#[derive(Clone, Copy)]
pub(super) struct Due {
    pub every: Duration,
    pub last: Option<WallTime>,
}

impl Due {
    /// Is a picture of this time to be inspected? A clock that was set back does not stop it.
    pub fn is_due(&self, at: WallTime) -> bool {
        self.last.is_none_or(|last| at < last || at.since(last) >= self.every)
    }
}

impl PlaceMemoryContext {
    /// Looks for changes on a thread of their own. `keep` is called there.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn of_node(data_dir: PathBuf, keep: KeepBefore) -> std::io::Result<Self> {
        let files = Some(PlaceFiles::in_folder(data_dir)?);
        Ok(Self { looks: Arc::new(PlaceLooks::start(keep)?), files })
    }

    /// Looks at once, so that the same footage always gives the same events. `data_dir`: root of the files;
    /// `None`: none are kept.
    ///
    /// # Errors
    /// The thread that writes the files cannot be started.
    pub fn of_replay(data_dir: Option<PathBuf>, keep: KeepBefore) -> std::io::Result<Self> {
        let files = data_dir.map(PlaceFiles::in_folder).transpose()?;
        Ok(Self { looks: Arc::new(PlaceLooks::at_once(keep)), files })
    }

    /// How long one look for changes has been in work.
    pub fn stalled_for(&self) -> Duration {
        self.looks.stalled_for()
    }

    /// Waits until every saved memory is on the disk. Call it after the last save.
    pub fn finish(&self) {
        self.looks.join();
        if let Some(files) = &self.files {
            files.writer.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_picture_an_interval_is_due_and_a_clock_that_was_set_back_does_not_stop_it() {
        let mut due = Due { every: Duration::from_secs(30), last: None };
        let seconds = [0, 10, 29, 30, 59, 61, 20, 49, 50];
        let taken = seconds.map(|second| {
            let at = WallTime(second * 1_000_000);
            let now = due.is_due(at);
            due.last = if now { Some(at) } else { due.last };
            now
        });
        assert_eq!(taken, [true, false, false, true, false, true, true, false, true]);
    }
}
