//! A camera's memory of how its place looks, kept over restarts, and earlier pictures for its events.
//!
//! Takes: analysed pictures and the camera's tracks. Gives: the lasting changes of each inspection, for the
//! rules. A node inspects on another thread (`place_looks`), and the rules hear of it with the camera's next
//! picture. When full: the look is due again with the next picture. On failure: an unreadable memory starts
//! again. A failed write is logged and retried at the next due time. Files are in
//! `<data_dir>/change/<camera>`: `place.bin`, replaced as a whole, and `<microseconds>-<light>.jpg`. Not
//! here: how a change is found (`change`), writing pictures (`evidence`).

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::place::{Look, Place};
use super::place_context::Due;
pub(super) use super::place_context::PlaceMemoryContext;
use super::place_looks::PlaceLooks;
use crate::base::{ClassKinds, Rect, WallTime};
use crate::change::{Alignment, Inspection, Seen, Settings};
use crate::config::CameraConfig;
use crate::decode::Picture;
use crate::rules::{Changed, Changes};
use crate::track::Track;

/// An object that has stood for less than this counts as moving, and hides the place behind it.
const MOVING: Duration = Duration::from_secs(60);
/// A new track that overlaps a box of the last inspection by this much stands still. The tracker cannot
/// follow objects through a time-lapse, whose pictures are too far apart.
const SAME_PLACE: f32 = 0.5;

pub(crate) struct PlaceMemory {
    kinds: ClassKinds,
    time_zone: TimeZone,
    place: Arc<Place>,
    looks: Arc<PlaceLooks>,
    due: Due,
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
            kinds,
            time_zone,
            place: Arc::new(Place::new(camera.id.clone(), settings, memory.files.clone())),
            looks: Arc::clone(&memory.looks),
            due: Due { every: camera.change.interval, last: None },
            alignment: Alignment::Learning,
            standing: None,
            passing: Vec::new(),
        })
    }

    /// Loads the memory that an earlier run saved.
    pub fn load(&self) {
        self.place.load();
    }

    /// Has a picture compared with the memory, if that is due. Returns what the newest inspection found, once.
    pub fn inspect(&mut self, picture: &Arc<Picture>, tracks: &[Track]) -> Option<Changes> {
        let at = picture.capture.at;
        if self.due.is_due(at) {
            // Machines move about at work. Other objects stay where they were put: a new stall is the change
            // itself.
            let passing = |t: &&Track| {
                t.seen_now && (self.kinds.is_passing(&t.class) || self.kinds.is_machine(&t.class))
            };
            let passing: Vec<&Track> = tracks.iter().filter(passing).collect();
            let moving = moving(&passing, &self.passing, at);
            let (place, picture) = (Arc::clone(&self.place), Arc::clone(picture));
            if self.looks.put(Look { place, picture, hour: hour(at, &self.time_zone), moving }) {
                self.due.last = Some(at);
                self.passing = passing.iter().map(|t| t.rect).collect();
            }
        }
        let found = self.place.take()?;
        self.log_changes(&found.inspection, found.size);
        let found = found.inspection;
        self.standing = found.judged.then(|| found.regions.iter().map(|r| (r.rect, r.seen)).collect());
        let last_id = found.last_id;
        Some(Changes { regions: found.regions.into_iter().map(Changed::new).collect(), last_id })
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
        if self.place.accept(region) {
            tracing::info!(region, "this change counts as the usual look of the place from now on");
        }
    }

    /// Hands the memory to the thread that writes it.
    pub fn save(&self) {
        self.place.save();
    }

    /// Logs what changed about the camera since the last inspection.
    fn log_changes(&mut self, found: &Inspection, (width, height): (u32, u32)) {
        if found.began_anew {
            tracing::warn!(
                "pictures are now {width} x {height}: the camera learns its place again and forgets earlier lasting changes"
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
