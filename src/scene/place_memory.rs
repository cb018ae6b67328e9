//! A camera's memory of its place, kept over restarts, and pictures from before for its events.
//!
//! Takes: analysed pictures, the camera's tracks. Gives: what a look found, for the rules. On failure: a memory that
//! cannot be read is begun anew, one that cannot be written is told and tried again with the next due time. Files lie
//! in `<data_dir>/change/<camera>`: `place.bin`, written whole or not at all, and `<microseconds>-<light>.jpg`.

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

/// The memory changes over days, and is some megabytes: written this often, and at the end.
const SAVE_EVERY: Duration = Duration::from_secs(6 * 3600);
/// A picture to be shown as "before" is kept this often.
const KEEP_EVERY: Duration = Duration::from_secs(3600);
/// What has stood for less than this is on its way, and hides what is behind it.
const MOVING: Duration = Duration::from_secs(60);
/// What is new to the tracker, but overlaps what the last look saw by so much, stands there: pictures of a time-lapse are too
/// far apart to be followed from one to the next.
const SAME_PLACE: f32 = 0.5;

/// What the cameras of a node share to remember their places.
#[derive(Clone)]
pub(crate) struct PlaceMemoryContext {
    /// What a look needs while it lasts.
    bench: Arc<Mutex<Workbench>>,
    data_dir: Option<PathBuf>,
}

impl PlaceMemoryContext {
    /// `data_dir`: below it lies what is kept; `None`: nothing is (a replay that only lists events).
    pub fn new(data_dir: Option<PathBuf>) -> Self {
        Self { bench: Arc::default(), data_dir }
    }
}

/// The newest picture is to be kept, to show later how the place looked before a change.
pub(crate) struct BeforePicture {
    /// The camera's folder.
    pub dir: PathBuf,
    pub infrared: bool,
    /// When the changes that last now began: each keeps one picture from before it.
    pub needed: Vec<WallTime>,
}

/// Where a camera's memory of its place and its pictures from before lie.
pub(crate) fn memory_folder(data_dir: &Path, camera: &CameraId) -> PathBuf {
    data_dir.join("change").join(camera.as_str())
}

pub(crate) struct PlaceMemory {
    camera: CameraId,
    config: ChangeConfig,
    kinds: ClassKinds,
    time_zone: TimeZone,
    watcher: ChangeWatcher,
    bench: Arc<Mutex<Workbench>>,
    /// `None`: nothing is kept (a replay that only lists events).
    dir: Option<PathBuf>,
    looked: Option<WallTime>,
    saved: Option<WallTime>,
    kept: Option<WallTime>,
    /// Asked for by the newest picture and not taken yet.
    before: Option<BeforePicture>,
    alignment: Alignment,
    /// Of the last look; `None`: the place could not be judged in it.
    standing: Option<Vec<(Rect, Seen)>>,
    /// What may move, as the last look saw it.
    passing: Vec<Rect>,
}

impl PlaceMemory {
    /// `None`: no rule of the camera is about change.
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
            camera: camera.id.clone(),
            config: camera.change,
            kinds,
            time_zone,
            watcher: ChangeWatcher::new(settings),
            bench: Arc::clone(&memory.bench),
            dir: memory.data_dir.as_ref().map(|dir| memory_folder(dir, &camera.id)),
            looked: None,
            saved: None,
            kept: None,
            before: None,
            alignment: Alignment::Learning,
            standing: None,
            passing: Vec::new(),
        })
    }

    /// Goes on with what an earlier run kept.
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
                camera = %self.camera, file = %path.display(),
                "the camera's memory of its place is not readable: {error}; it learns anew for {} h",
                self.config.learn.as_secs() / 3600
            ),
        }
    }

    /// Compares a picture with the place, if it is time to. `None`: not this one.
    pub fn inspect(&mut self, picture: &Picture, tracks: &[Track]) -> Option<Changes> {
        let at = picture.capture.at;
        if self.looked.is_some_and(|last| at >= last && at.since(last) < self.config.interval) {
            return None;
        }
        self.looked = Some(at);
        // Machines move about at work. Other things stay where they were put: a stall that was set up is the change itself.
        let passing =
            |t: &&Track| t.seen_now && (self.kinds.is_passing(&t.class) || self.kinds.is_machine(&t.class));
        let passing: Vec<&Track> = tracks.iter().filter(passing).collect();
        let moving = moving(&passing, &self.passing, at);
        self.passing = passing.iter().map(|t| t.rect).collect();
        let rgb = picture.rgb();
        let (width, height, hour) = (picture.width, picture.height, hour(at, &self.time_zone));
        let shot = ChangeInput { rgb: &rgb, width, height, at, hour, moving: &moving };
        let look = {
            let mut bench = self.bench.lock();
            self.watcher.inspect(&mut bench, &shot)
        };
        self.tell(&look, picture);
        self.before = self.before_due(&look, at);
        if look.judged && self.saved.is_none_or(|saved| at.since(saved) >= SAVE_EVERY) {
            self.saved = Some(at);
            self.save();
        }
        self.standing = look.judged.then(|| look.regions.iter().map(|r| (r.rect, r.seen)).collect());
        let last_id = look.last_id;
        Some(Changes { regions: look.regions.into_iter().map(Changed::new).collect(), last_id })
    }

    /// Whether the newest picture is to be kept; each is asked for once.
    pub fn take_before(&mut self) -> Option<BeforePicture> {
        self.before.take()
    }

    /// Is the camera where it was?
    pub fn alignment(&self) -> Alignment {
        self.alignment
    }

    /// The lasting changes as the last look had them. `None`: it could not judge the place.
    pub fn standing(&self) -> Option<&[(Rect, Seen)]> {
        self.standing.as_deref()
    }

    /// A person said that this is nothing, or is allowed: from now on the place looks like this.
    pub fn accept(&mut self, region: u32) {
        if self.watcher.accept(region).is_some() {
            tracing::info!(camera = %self.camera, region, "a change is taken as usual from now on");
            self.save();
        }
    }

    /// Writes the memory down; an old file stays until the new one is whole.
    pub fn save(&self) {
        let Some(path) = self.file() else { return };
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        if let Err(error) = written.and_then(|()| replace_file(&path, &self.watcher.to_bytes())) {
            tracing::error!(
                camera = %self.camera, file = %path.display(),
                "the camera's memory of its place is not written: {error}; check the disk"
            );
        }
    }

    fn file(&self) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.join("place.bin"))
    }

    fn tell(&mut self, look: &Inspection, picture: &Picture) {
        let camera = &self.camera;
        if look.began_anew {
            tracing::warn!(
                camera = %camera,
                "pictures are {} x {} now: what the place looks like is learnt anew, lasting changes of before are forgotten",
                picture.width, picture.height
            );
        }
        if look.crowded {
            tracing::warn!(camera = %camera, "more places look different than can be followed; look at the camera");
        }
        let apart = std::mem::discriminant(&self.alignment) != std::mem::discriminant(&look.alignment);
        match (&look.alignment, apart) {
            (Alignment::Moved { dx, dy, .. }, true) => tracing::warn!(
                camera = %camera,
                "the camera was moved by {dx:.0} x {dy:.0} pixels: its zones are off, lasting changes are not judged"
            ),
            (Alignment::Lost { .. }, true) => tracing::warn!(
                camera = %camera,
                "the camera is covered or shows another place: lasting changes are not judged"
            ),
            (Alignment::Steady { .. }, true) if !matches!(self.alignment, Alignment::Learning) => {
                tracing::info!(camera = %camera, "the camera shows its place again");
            }
            _ => {}
        }
        self.alignment = look.alignment;
    }

    /// Now and then a picture is kept, so that an event can show how the place looked before.
    fn before_due(&mut self, look: &Inspection, at: WallTime) -> Option<BeforePicture> {
        let due = self.kept.is_none_or(|kept| at < kept || at.since(kept) >= KEEP_EVERY);
        let dir = self.dir.as_ref().filter(|_| due && matches!(look.alignment, Alignment::Steady { .. }))?;
        self.kept = Some(at);
        let needed = look.regions.iter().map(|r| r.first_seen).collect();
        Some(BeforePicture { dir: dir.clone(), infrared: look.infrared, needed })
    }
}

/// Boxes of what is on its way; `before` has those of the last look.
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
    fn what_the_last_look_saw_at_the_same_place_stands_there_unless_it_was_followed_on_its_way() {
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
            ground: None,
        };
        let beside = Rect::new(0.2, 0.35, 0.4, 0.45);
        assert_eq!(moving(&[&car(0)], &[], at), [rect], "new");
        assert_eq!(moving(&[&car(0)], &[beside], at), [rect], "another stood elsewhere");
        assert!(moving(&[&car(0)], &[beside, rect], at).is_empty(), "it stood there before");
        assert_eq!(moving(&[&car(5)], &[rect], at), [rect], "it comes and goes, as in a queue");
    }
}
