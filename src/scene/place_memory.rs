//! A camera's memory of how its place looks, kept over restarts, and earlier pictures for its events.
//!
//! Takes: analysed pictures and the camera's tracks. Gives: the lasting changes of each inspection, for the rules.
//! When full: does not queue. On failure: an unreadable memory starts again. A failed write is logged and retried at
//! the next due time. Files are in `<data_dir>/change/<camera>`: `place.bin`, replaced as a whole, and
//! `<microseconds>-<light>.jpg`. Not here: how a change is found (`change`), writing pictures (`evidence`).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use parking_lot::Mutex;

use crate::base::{CameraId, ClassKinds, Rect, WallTime, replace_file};
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
/// A new track that overlaps a box of the last inspection by this much stands still. The tracker cannot follow
/// objects through a time-lapse, whose pictures are too far apart.
const SAME_PLACE: f32 = 0.5;

/// Shared by the place memories of a node's cameras.
#[derive(Clone)]
pub(crate) struct PlaceMemoryContext {
    /// Buffers for one inspection at a time.
    bench: Arc<Mutex<Workbench>>,
    data_dir: Option<PathBuf>,
}

impl PlaceMemoryContext {
    /// `data_dir`: root of the files; `None` in a replay that only lists events and keeps none.
    pub fn new(data_dir: Option<PathBuf>) -> Self {
        Self { bench: Arc::default(), data_dir }
    }
}

/// A request to keep the newest picture, to show later how the place looked before a change.
pub(crate) struct BeforePicture {
    /// The camera's folder.
    pub dir: PathBuf,
    pub infrared: bool,
    /// Start of each present change. For each, one earlier picture must stay.
    pub needed: Vec<WallTime>,
}

/// The folder with a camera's place memory and earlier pictures.
pub(crate) fn memory_folder(data_dir: &Path, camera: &CameraId) -> PathBuf {
    data_dir.join("change").join(camera.as_str())
}

pub(crate) struct PlaceMemory {
    config: ChangeConfig,
    kinds: ClassKinds,
    time_zone: TimeZone,
    watcher: ChangeWatcher,
    bench: Arc<Mutex<Workbench>>,
    /// `None`: no files are kept.
    dir: Option<PathBuf>,
    inspected: Option<WallTime>,
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
            return None;
        }
        let settings = Settings { learn: camera.change.learn, min_share: camera.change.min_share };
        Some(Self {
            config: camera.change,
            kinds,
            time_zone,
            watcher: ChangeWatcher::new(settings),
            bench: Arc::clone(&memory.bench),
            dir: memory.data_dir.as_ref().map(|dir| memory_folder(dir, &camera.id)),
            inspected: None,
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
        if self.inspected.is_some_and(|last| at >= last && at.since(last) < self.config.interval) {
            return None;
        }
        self.inspected = Some(at);
        // Machines move about at work. Other objects stay where they were put: a new stall is the change itself.
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
            self.saved = Some(at);
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

    /// Saves the memory. The old file stays until the new one is complete.
    pub fn save(&self) {
        let Some(path) = self.file() else { return };
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        if let Err(error) = written.and_then(|()| replace_file(&path, &self.watcher.to_bytes())) {
            tracing::error!(
                file = %path.display(),
                "cannot write the camera's memory of its place: {error}; check the disk"
            );
        }
    }

    fn file(&self) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.join("place.bin"))
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
        let dir = self.dir.as_ref().filter(|_| due && matches!(found.alignment, Alignment::Steady { .. }))?;
        self.kept = Some(at);
        let needed = found.regions.iter().map(|r| r.first_seen).collect();
        Some(BeforePicture { dir: dir.clone(), infrared: found.infrared, needed })
    }
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
