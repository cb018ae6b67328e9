//! What the place memories of a node's cameras share: buffers, the writer of their files, and which pictures
//! are due.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::place_writer::PlaceWriter;
use crate::base::{CameraId, WallTime};
use crate::change::Workbench;
use crate::decode::Picture;

/// Shared by the place memories of a node's cameras.
#[derive(Clone)]
pub(crate) struct PlaceMemoryContext {
    /// Buffers for one inspection at a time.
    pub(super) bench: Arc<Mutex<Workbench>>,
    /// The cameras whose pictures are inspected, for [`prepare`](Self::prepare).
    pub(super) inspected: Arc<Mutex<BTreeMap<CameraId, Inspected>>>,
    pub(super) files: Option<PlaceFiles>,
}

/// When a camera's pictures are inspected.
#[derive(Clone, Copy)]
pub(super) struct Inspected {
    pub every: Duration,
    pub last: Option<WallTime>,
}

impl Inspected {
    /// Whether a picture of this time is inspected. Then the next one follows an interval later.
    pub fn take_due(&mut self, at: WallTime) -> bool {
        let due = self.last.is_none_or(|last| at < last || at.since(last) >= self.every);
        if due {
            self.last = Some(at);
        }
        due
    }
}

#[derive(Clone)]
pub(super) struct PlaceFiles {
    pub data_dir: PathBuf,
    pub writer: Arc<PlaceWriter>,
}

impl PlaceMemoryContext {
    /// `data_dir`: root of the files; `None` in a replay that only lists events and keeps none.
    ///
    /// # Errors
    /// The thread that writes the files cannot be started.
    pub fn new(data_dir: Option<PathBuf>) -> std::io::Result<Self> {
        let files = match data_dir {
            Some(data_dir) => Some(PlaceFiles { data_dir, writer: Arc::new(PlaceWriter::start()?) }),
            None => None,
        };
        Ok(Self { bench: Arc::default(), inspected: Arc::default(), files })
    }

    /// Converts the picture to RGB if its scene will inspect it. This changes no result: called on another
    /// thread than the scene's, it saves that thread the time.
    pub fn prepare(&self, picture: &Picture) {
        let due = |camera: &mut Inspected| camera.take_due(picture.capture.at);
        if self.inspected.lock().get_mut(&picture.camera).is_some_and(due) {
            // It stays with the picture.
            picture.rgb();
        }
    }

    /// Waits until every saved memory is on the disk. Call it after the last save.
    pub fn finish(&self) {
        if let Some(files) = &self.files {
            files.writer.join();
        }
    }
}

/// The folder with a camera's place memory and earlier pictures.
pub(crate) fn memory_folder(data_dir: &Path, camera: &CameraId) -> PathBuf {
    data_dir.join("change").join(camera.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_picture_an_interval_is_due_and_a_clock_that_was_set_back_does_not_stop_it() {
        let mut inspected = Inspected { every: Duration::from_secs(30), last: None };
        let seconds = [0, 10, 29, 30, 59, 61, 20, 49, 50];
        let due = seconds.map(|second| inspected.take_due(WallTime(second * 1_000_000)));
        assert_eq!(due, [true, false, false, true, false, true, true, false, true]);
    }
}
