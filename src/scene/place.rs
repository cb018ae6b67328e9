//! The memory of one camera's place, shared by the rules and the thread that looks for changes.
//!
//! Takes: pictures to inspect. Gives: what each inspection found, until it is taken. It also hands the memory
//! to the writer of files, and pictures of the place to the one who keeps them, when these are due.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::place_files::{PlaceFiles, memory_folder};
use super::place_writer::PlaceFile;
use crate::base::{CameraId, Rect, WallTime};
use crate::change::{Alignment, ChangeInput, ChangeWatcher, Inspection, Settings, Workbench};
use crate::decode::Picture;

/// Interval between saves; one more follows at shutdown. The memory is a few megabytes and changes over days.
const SAVE_EVERY: Duration = Duration::from_secs(6 * 3600);
/// Interval between pictures kept to show as "before".
const KEEP_EVERY: Duration = Duration::from_secs(3600);

/// A request to keep a picture, to show later how the place looked before a change.
pub(crate) struct BeforePicture {
    /// The camera's folder.
    pub dir: PathBuf,
    pub infrared: bool,
    /// Start of each present change. For each, one earlier picture must stay.
    pub needed: Vec<WallTime>,
}

/// Keeps pictures on the disk.
pub(crate) type KeepBefore = Arc<dyn Fn(&Picture, &BeforePicture) + Send + Sync>;

/// One picture to inspect.
pub(super) struct Look {
    pub place: Arc<Place>,
    pub picture: Arc<Picture>,
    /// Local hour of the day, 0 to 24.
    pub hour: f32,
    /// Boxes of moving things.
    pub moving: Vec<Rect>,
}

/// What an inspection found.
pub(super) struct Found {
    pub inspection: Inspection,
    /// Of the picture, in pixels.
    pub size: (u32, u32),
}

pub(super) struct Place {
    pub camera: CameraId,
    /// `None`: no files are kept.
    files: Option<PlaceFiles>,
    settings: Settings,
    memory: Mutex<Memory>,
    found: Mutex<Option<Found>>,
}

struct Memory {
    watcher: ChangeWatcher,
    saved: Option<WallTime>,
    kept: Option<WallTime>,
}

impl Place {
    pub fn new(camera: CameraId, settings: Settings, files: Option<PlaceFiles>) -> Self {
        let memory = Memory { watcher: ChangeWatcher::new(settings), saved: None, kept: None };
        Self { camera, files, settings, memory: Mutex::new(memory), found: Mutex::new(None) }
    }

    /// Inspects a picture, and leaves what it found for [`take`](Self::take).
    pub fn inspect(&self, look: &Look, bench: &mut Workbench, keep: &KeepBefore) {
        let picture = &look.picture;
        let (at, width, height) = (picture.capture.at, picture.width, picture.height);
        let rgb = picture.rgb();
        let (hour, moving) = (look.hour, &look.moving[..]);
        let mut memory = self.memory.lock();
        let input = ChangeInput { rgb: &rgb, width, height, at, hour, moving };
        let inspection = memory.watcher.inspect(bench, &input);
        if inspection.judged && memory.saved.is_none_or(|saved| at.since(saved) >= SAVE_EVERY) {
            memory.saved = Some(spread(memory.saved, SAVE_EVERY, &self.camera, at));
            self.write(&memory.watcher);
        }
        let before = self.before_due(&mut memory, &inspection, at);
        drop(memory);
        // Before anybody hears of a change, so that its event finds the picture.
        if let Some(before) = before {
            keep(picture, &before);
        }
        *self.found.lock() = Some(Found { inspection, size: (width, height) });
    }

    /// What the newest inspection found, once.
    pub fn take(&self) -> Option<Found> {
        self.found.lock().take()
    }

    /// Learns a region as the usual look. False: there is no such region.
    pub fn accept(&self, region: u32) -> bool {
        let mut memory = self.memory.lock();
        let known = memory.watcher.accept(region).is_some();
        if known {
            self.write(&memory.watcher);
        }
        known
    }

    /// Hands the memory to the thread that writes it. The old file stays until the new one is complete.
    pub fn save(&self) {
        self.write(&self.memory.lock().watcher);
    }

    /// Loads the memory that an earlier run saved.
    pub fn load(&self) {
        let Some(path) = self.file() else { return };
        let read = match fs::read(&path) {
            Ok(bytes) => ChangeWatcher::from_bytes(self.settings, &bytes).map_err(|e| e.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(watcher) => self.memory.lock().watcher = watcher,
            Err(error) => tracing::error!(
                file = %path.display(),
                "cannot read the camera's memory of its place: {error}; it learns again for {} h",
                self.settings.learn.as_secs() / 3600
            ),
        }
    }

    fn write(&self, watcher: &ChangeWatcher) {
        if let (Some(path), Some(files)) = (self.file(), &self.files) {
            files.writer.put(&self.camera, PlaceFile { path, content: watcher.to_bytes() });
        }
    }

    fn dir(&self) -> Option<PathBuf> {
        self.files.as_ref().map(|files| memory_folder(&files.data_dir, &self.camera))
    }

    fn file(&self) -> Option<PathBuf> {
        self.dir().map(|dir| dir.join("place.bin"))
    }

    /// Every [`KEEP_EVERY`] a picture is kept, so that an event can show how the place looked before.
    fn before_due(&self, memory: &mut Memory, found: &Inspection, at: WallTime) -> Option<BeforePicture> {
        let due = memory.kept.is_none_or(|kept| at < kept || at.since(kept) >= KEEP_EVERY);
        let dir = self.dir().filter(|_| due && matches!(found.alignment, Alignment::Steady { .. }))?;
        memory.kept = Some(spread(memory.kept, KEEP_EVERY, &self.camera, at));
        let needed = found.regions.iter().map(|r| r.first_seen).collect();
        Some(BeforePicture { dir, infrared: found.infrared, needed })
    }
}

/// The time from which the next of a camera's regular writes counts. After the first one it is earlier by a
/// share of `every` that follows from the camera's id. So cameras that start together do not write together.
fn spread(last: Option<WallTime>, every: Duration, camera: &CameraId, at: WallTime) -> WallTime {
    if last.is_some() {
        return at;
    }
    // FNV-1a and a last mix of its bits. The same footage must give the same files on every machine.
    let mut hash = 0x811c_9dc5_u32;
    for byte in camera.as_str().bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^= hash >> 16;
    at - every.mul_f64(f64::from(hash) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_that_start_together_write_at_different_times_and_each_at_its_interval() {
        let at = WallTime(0) + Duration::from_secs(100_000);
        let early = |i: usize| {
            let camera = CameraId::new(format!("camera-{i}"));
            assert_eq!(spread(Some(at), SAVE_EVERY, &camera, at), at, "only the first time");
            at.since(spread(None, SAVE_EVERY, &camera, at))
        };
        let shares: Vec<f64> = (0..100).map(|i| early(i).div_duration_f64(SAVE_EVERY)).collect();
        let tenth = |n: usize| shares.iter().filter(|share| (**share * 10.0) as usize == n).count();
        assert!((0..10).all(|n| tenth(n) > 0 && tenth(n) < 30), "{shares:?}");
    }
}
