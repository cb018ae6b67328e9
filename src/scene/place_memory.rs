//! A camera's memory of how its place looks, kept over restarts, and earlier pictures for its events.
//!
//! Takes: analysed pictures and the camera's tracks. Gives: the lasting changes of each inspection, for the
//! rules. When full: does not queue; `place_writer` writes the file. On failure: an unreadable memory starts
//! again. A failed write is logged and retried at the next due time. Files are in
//! `<data_dir>/change/<camera>`: `place.bin`, replaced as a whole, and `<microseconds>-<light>.jpg`. Not
//! here: how a change is found (`change`), writing pictures (`evidence`).

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use parking_lot::Mutex;

pub(crate) use super::place_context::PlaceMemoryContext;
use super::place_context::{Inspected, PlaceFiles, memory_folder};
use super::place_writer::PlaceFile;
use crate::base::{CameraId, ClassKinds, Rect, WallTime};
use crate::change::{Alignment, ChangeInput, ChangeWatcher, Inspection, Seen, Settings, Workbench};
use crate::config::{CameraConfig, ChangeConfig};
use crate::decode::Picture;
use crate::rules::{Changed, Changes};
use crate::track::Track;

/// Interval between saves; one more follows at shutdown. The memory is a few megabytes and changes over days.
const SAVE_EVERY: Duration = Duration::from_secs(6 * 3600);
/// Interval between pictures kept to show as "before".
const KEEP_EVERY: Duration = Duration::from_secs(3600);
/// An object that has stood for less than this counts as moving, and hides the place behind it.
const MOVING: Duration = Duration::from_secs(60);
/// A new track that overlaps a box of the last inspection by this much stands still. The tracker cannot
/// follow objects through a time-lapse, whose pictures are too far apart.
const SAME_PLACE: f32 = 0.5;

/// A request to keep the newest picture, to show later how the place looked before a change.
pub(crate) struct BeforePicture {
    /// The camera's folder.
    pub dir: PathBuf,
    pub infrared: bool,
    /// Start of each present change. For each, one earlier picture must stay.
    pub needed: Vec<WallTime>,
}

pub(crate) struct PlaceMemory {
    camera: CameraId,
    config: ChangeConfig,
    kinds: ClassKinds,
    time_zone: TimeZone,
    watcher: ChangeWatcher,
    bench: Arc<Mutex<Workbench>>,
    /// `None`: no files are kept.
    files: Option<PlaceFiles>,
    inspected: Inspected,
    saved: Option<WallTime>,
    kept: Option<WallTime>,
    /// The request of the newest picture, until `pop_before` returns it.
    before: Option<BeforePicture>,
    alignment: Alignment,
    /// Changes found by the last inspection; `None`: it could not judge the place.
    standing: Option<Vec<(Rect, Seen)>>,
    /// Boxes of objects that may move, from the last inspection.
    passing: Vec<Rect>,
}

impl PlaceMemory {
    /// Returns `None` if the camera has no rule about change.
    pub fn new(
        camera: &CameraConfig,
        kinds: ClassKinds,
        time_zone: TimeZone,
        memory: &PlaceMemoryContext,
    ) -> Option<Self> {
        if !camera.rules.iter().any(|rule| rule.kind.is_change()) {
            memory.inspected.lock().remove(&camera.id);
            return None;
        }
        let inspected = Inspected { every: camera.change.interval, last: None };
        memory.inspected.lock().insert(camera.id.clone(), inspected);
        let settings = Settings { learn: camera.change.learn, min_share: camera.change.min_share };
        Some(Self {
            camera: camera.id.clone(),
            config: camera.change,
            kinds,
            time_zone,
            watcher: ChangeWatcher::new(settings),
            bench: Arc::clone(&memory.bench),
            files: memory.files.clone(),
            inspected,
            saved: None,
            kept: None,
            before: None,
            alignment: Alignment::Learning,
            standing: None,
            passing: Vec::new(),
        })
    }

    /// Loads the memory that an earlier run saved.
    pub fn load(&mut self) {
        let Some(path) = self.file() else { return };
        let settings = Settings { learn: self.config.learn, min_share: self.config.min_share };
        let read = match fs::read(&path) {
            Ok(bytes) => ChangeWatcher::from_bytes(settings, &bytes).map_err(|e| e.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(watcher) => self.watcher = watcher,
            Err(error) => tracing::error!(
                file = %path.display(),
                "cannot read the camera's memory of its place: {error}; it learns again for {} h",
                self.config.learn.as_secs() / 3600
            ),
        }
    }

    /// Compares a picture with the memory, if an inspection is due. `None`: not due.
    pub fn inspect(&mut self, picture: &Picture, tracks: &[Track]) -> Option<Changes> {
        let at = picture.capture.at;
        if !self.inspected.take_due(at) {
            return None;
        }
        // Machines move about at work. Other objects stay where they were put: a new stall is the change
        // itself.
        let passing =
            |t: &&Track| t.seen_now && (self.kinds.is_passing(&t.class) || self.kinds.is_machine(&t.class));
        let passing: Vec<&Track> = tracks.iter().filter(passing).collect();
        let moving = moving(&passing, &self.passing, at);
        self.passing = passing.iter().map(|t| t.rect).collect();
        let rgb = picture.rgb();
        let (width, height, hour) = (picture.width, picture.height, hour(at, &self.time_zone));
        let input = ChangeInput { rgb: &rgb, width, height, at, hour, moving: &moving };
        let found = {
            let mut bench = self.bench.lock();
            self.watcher.inspect(&mut bench, &input)
        };
        self.log_changes(&found, picture);
        self.before = self.before_due(&found, at);
        if found.judged && self.saved.is_none_or(|saved| at.since(saved) >= SAVE_EVERY) {
            self.saved = Some(spread(self.saved, SAVE_EVERY, &self.camera, at));
            self.save();
        }
        self.standing = found.judged.then(|| found.regions.iter().map(|r| (r.rect, r.seen)).collect());
        let last_id = found.last_id;
        Some(Changes { regions: found.regions.into_iter().map(Changed::new).collect(), last_id })
    }

    /// Returns the request to keep the newest picture, once.
    pub fn pop_before(&mut self) -> Option<BeforePicture> {
        self.before.take()
    }

    /// How the newest inspected picture lies over the reference.
    pub fn alignment(&self) -> Alignment {
        self.alignment
    }

    /// The lasting changes found by the last inspection. `None`: it could not judge the place.
    pub fn standing(&self) -> Option<&[(Rect, Seen)]> {
        self.standing.as_deref()
    }

    /// Learns a region as the usual look, because a person rejected or permitted its change.
    pub fn accept(&mut self, region: u32) {
        if self.watcher.accept(region).is_some() {
            tracing::info!(region, "this change counts as the usual look of the place from now on");
            self.save();
        }
    }

    /// Hands the memory to the thread that writes it. The old file stays until the new one is complete.
    pub fn save(&self) {
        if let (Some(path), Some(files)) = (self.file(), &self.files) {
            files.writer.put(&self.camera, PlaceFile { path, content: self.watcher.to_bytes() });
        }
    }

    fn dir(&self) -> Option<PathBuf> {
        self.files.as_ref().map(|files| memory_folder(&files.data_dir, &self.camera))
    }

    fn file(&self) -> Option<PathBuf> {
        self.dir().map(|dir| dir.join("place.bin"))
    }

    /// Logs what changed about the camera since the last inspection.
    fn log_changes(&mut self, found: &Inspection, picture: &Picture) {
        if found.began_anew {
            tracing::warn!(
                "pictures are now {} x {}: the camera learns its place again and forgets earlier lasting changes",
                picture.width,
                picture.height
            );
        }
        if found.crowded {
            tracing::warn!("too many changed regions to follow; check the camera");
        }
        let apart = std::mem::discriminant(&self.alignment) != std::mem::discriminant(&found.alignment);
        match (&found.alignment, apart) {
            (Alignment::Moved { dx, dy, .. }, true) => tracing::warn!(
                "the camera was moved by {dx:.0} x {dy:.0} pixels: its zones are off, lasting changes are not judged"
            ),
            (Alignment::Lost { .. }, true) => {
                tracing::warn!("the camera is covered or shows another place: lasting changes are not judged")
            }
            (Alignment::Steady { .. }, true) if !matches!(self.alignment, Alignment::Learning) => {
                tracing::info!("the camera shows its place again");
            }
            _ => {}
        }
        self.alignment = found.alignment;
    }

    /// Every [`KEEP_EVERY`] a picture is kept, so that an event can show how the place looked before.
    fn before_due(&mut self, found: &Inspection, at: WallTime) -> Option<BeforePicture> {
        let due = self.kept.is_none_or(|kept| at < kept || at.since(kept) >= KEEP_EVERY);
        let dir = self.dir().filter(|_| due && matches!(found.alignment, Alignment::Steady { .. }))?;
        self.kept = Some(spread(self.kept, KEEP_EVERY, &self.camera, at));
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

/// Boxes of moving objects; `before` has the boxes of the last inspection.
fn moving(passing: &[&Track], before: &[Rect], at: WallTime) -> Vec<Rect> {
    let stood = |t: &Track| t.first_seen >= at && before.iter().any(|r| r.iou(&t.rect) >= SAME_PLACE);
    let moves = |t: &&&Track| at.since(t.still_since) < MOVING && !stood(t);
    passing.iter().filter(moves).map(|t| t.rect).collect()
}

/// Hour of the day, 0 to 24.
fn hour(at: WallTime, zone: &TimeZone) -> f32 {
    at.timestamp().map_or(12.0, |t| {
        let time = zone.to_datetime(t).time();
        f32::from(time.hour()) + f32::from(time.minute()) / 60.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ClassName, TrackId};

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

    #[test]
    fn an_object_at_the_place_of_the_last_inspection_stands_unless_the_tracker_followed_it() {
        let at = WallTime(0) + Duration::from_secs(3600);
        let rect = Rect::new(0.2, 0.2, 0.4, 0.3);
        let car = |known_for: u64| Track {
            id: TrackId(1),
            class: ClassName::from("car"),
            rect,
            score: 0.9,
            first_seen: at - Duration::from_secs(known_for),
            last_seen: at,
            still_since: at,
            found_since: at,
            hits: 3,
            seen_now: true,
            scale: 1.0,
            ground: None,
        };
        let beside = Rect::new(0.2, 0.35, 0.4, 0.45);
        assert_eq!(moving(&[&car(0)], &[], at), [rect], "new");
        assert_eq!(moving(&[&car(0)], &[beside], at), [rect], "another stood elsewhere");
        assert!(moving(&[&car(0)], &[beside, rect], at).is_empty(), "it stood there before");
        assert_eq!(moving(&[&car(5)], &[rect], at), [rect], "it comes and goes, as in a queue");
    }
}
