//! Decides which parts of a camera's next picture the detector runs on. None, if the picture shows nothing
//! new. Otherwise the whole picture, and the slices that are due if all of them would cost too much. Pure:
//! time comes with the pictures.
//!
//! The most overdue slices are due. The measure is the number of pictures since the slice's last run, times
//! its weight. A slice with an object or with motion comes first, and one with a zone before one without. No
//! slice starves: with two of six slices per picture, an empty one runs in about every fifth picture.

use std::time::Duration;

use super::Detection;
use super::crop::Crop;
use super::tiling;
use crate::base::{Rect, WallTime};
use crate::config::{CameraConfig, Tiling, Zone, ZoneArea};
use crate::decode::{Picture, Thumbnail};

/// Weights of a slice.
const OCCUPIED: u32 = 4;
const ZONE: u32 = 2;
const NOTHING: u32 = 1;

/// What to do with a picture.
#[derive(Clone, Debug, PartialEq)]
pub enum TilePlan {
    /// Skip it: it shows the same as an earlier picture, which had these detections.
    Same(Vec<Detection>),
    /// Run the detector on these parts, the whole picture first.
    Parts(Vec<Crop>),
}

/// The slices of one camera and their state.
#[derive(Clone)]
pub struct TileScheduler {
    tiling: Tiling,
    /// How long detections may be kept without a run.
    full_look: Duration,
    /// Bounding boxes of the camera's zones, in normalised coordinates.
    zones: Vec<Rect>,
    size: (u32, u32),
    whole: Vec<Crop>,
    tiles: Vec<Tile>,
    before: Option<Thumbnail>,
    /// Time and thumbnail of the current picture, if the detector runs on all of it.
    full_run: Option<(WallTime, Thumbnail)>,
    kept: Option<Kept>,
}

/// The last picture with a run on all of it, and its detections.
#[derive(Clone)]
struct Kept {
    at: WallTime,
    shown: Thumbnail,
    found: Vec<Detection>,
}

#[derive(Clone)]
struct Tile {
    crop: Crop,
    /// The crop in normalised coordinates.
    rect: Rect,
    /// Pictures since its last run.
    since: u32,
    zone: bool,
    /// Its last run had detections.
    found: bool,
}

impl TileScheduler {
    pub fn of(camera: &CameraConfig) -> Self {
        Self::new(camera.tiling, &camera.zones, camera.sampling.full_look())
    }

    /// `full_look`: how long pictures that show nothing new keep the detections. Zero: never.
    pub fn new(tiling: Tiling, zones: &[Zone], full_look: Duration) -> Self {
        let zones = zones.iter().flat_map(|zone| match &zone.area {
            ZoneArea::Picture(polygon) => std::slice::from_ref(polygon),
            ZoneArea::Ground { drawn, .. } => drawn,
        });
        let zones = zones.filter_map(|polygon| Rect::around(polygon.corners())).collect();
        Self {
            tiling,
            full_look,
            zones,
            size: (0, 0),
            whole: Vec::new(),
            tiles: Vec::new(),
            before: None,
            full_run: None,
            kept: None,
        }
    }

    pub fn next(&mut self, picture: &Picture) -> TilePlan {
        if self.size != (picture.width, picture.height) {
            self.lay_out(picture.width, picture.height);
        }
        let wanted = match self.tiling.per_picture {
            0 => self.tiles.len(),
            some => (some as usize).min(self.tiles.len()),
        };
        self.full_run = None;
        if wanted < self.tiles.len() {
            // Do not skip pictures: those without motion serve the slices that have waited.
            self.choose(wanted, Thumbnail::of(picture));
        } else {
            let shown = if self.full_look.is_zero() { None } else { Thumbnail::of(picture) };
            if let Some(found) = shown.as_ref().and_then(|shown| self.same(shown, picture.capture.at)) {
                return TilePlan::Same(found);
            }
            self.full_run = shown.map(|shown| (picture.capture.at, shown));
            self.tiles.iter_mut().for_each(|tile| tile.since = 0);
        }
        let chosen = self.tiles.iter().filter(|tile| tile.since == 0).map(|tile| tile.crop);
        TilePlan::Parts(self.whole.iter().copied().chain(chosen).collect())
    }

    /// Records the detections in the parts that `next` returned.
    pub fn found(&mut self, detections: &[Detection]) {
        for tile in self.tiles.iter_mut().filter(|tile| tile.since == 0) {
            tile.found = detections.iter().any(|d| d.rect.intersection(&tile.rect) > 0.0);
        }
        let run = self.full_run.take();
        self.kept = run.map(|(at, shown)| Kept { at, shown, found: detections.to_vec() });
    }

    /// The kept detections, if they are recent and the picture shows the same. Compares with the picture of
    /// the last full run and not with the previous one, so that slow changes add up.
    fn same(&self, shown: &Thumbnail, at: WallTime) -> Option<Vec<Detection>> {
        let kept = self.kept.as_ref()?;
        let recent = at >= kept.at && at.since(kept.at) < self.full_look;
        (recent && shown.is_same(&kept.shown)).then(|| kept.found.clone())
    }

    /// Sets `since` to 0 for the slices that run now.
    fn choose(&mut self, wanted: usize, now: Option<Thumbnail>) {
        let (before, now) = (self.before.take(), now);
        let moves = |tile: &Tile| match (&before, &now) {
            (Some(before), Some(now)) => now.shows_change_in(before, &tile.rect),
            _ => false,
        };
        let mut order: Vec<(u32, usize)> = Vec::with_capacity(self.tiles.len());
        for (i, tile) in self.tiles.iter_mut().enumerate() {
            tile.since += 1;
            let weight = if tile.found || moves(tile) {
                OCCUPIED
            } else if tile.zone {
                ZONE
            } else {
                NOTHING
            };
            order.push((tile.since * weight, i));
        }
        order.sort_by_key(|&(score, i)| (std::cmp::Reverse(score), i));
        for &(_, i) in order.iter().take(wanted) {
            self.tiles[i].since = 0;
        }
        self.before = now;
    }

    fn lay_out(&mut self, width: u32, height: u32) {
        let crops = tiling::crops(&self.tiling, width, height);
        let (whole, slices) = crops.split_at(1);
        self.whole = whole.to_vec();
        let share = |v: u32, of: u32| v as f32 / of.max(1) as f32;
        let tile = |(i, crop): (usize, &Crop)| {
            let rect = Rect::new(
                share(crop.x, width),
                share(crop.y, height),
                share(crop.x + crop.width, width),
                share(crop.y + crop.height, height),
            );
            let zone = self.zones.iter().any(|zone| zone.intersection(&rect) > 0.0);
            // Different values, so that the first round runs each of them once.
            Tile { crop: *crop, rect, since: (slices.len() - i) as u32, zone, found: false }
        };
        self.tiles = slices.iter().enumerate().map(tile).collect();
        self.size = (width, height);
        (self.before, self.kept) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Capture, Polygon, ZoneId};

    /// Grey, with a bright object of 24 x 18 pixels at `thing`.
    fn picture(thing: Option<(usize, usize)>) -> Picture {
        let bright = |x: usize, y: usize| {
            thing.is_some_and(|(left, top)| (left..left + 24).contains(&x) && (top..top + 18).contains(&y))
        };
        Picture::grey(|x, y| if bright(x, y) { 220 } else { 90 })
    }

    fn six(per_picture: u32, zones: &[Zone]) -> TileScheduler {
        TileScheduler::new(Tiling { columns: 3, rows: 2, overlap: 0.0, per_picture }, zones, Duration::ZERO)
    }

    fn parts(look: TilePlan) -> Vec<Crop> {
        match look {
            TilePlan::Parts(parts) => parts,
            TilePlan::Same(found) => panic!("skipped: {found:?}"),
        }
    }

    /// The slices that ran, picture by picture.
    fn looked(tiles: &mut TileScheduler, pictures: &[Picture]) -> Vec<Vec<usize>> {
        let look = |picture: &Picture| {
            let crops = parts(tiles.next(picture));
            assert_eq!((crops[0].width, crops[0].height), (320, 180), "the whole picture first");
            let place = |crop: &Crop| (crop.x as usize / 106) + 3 * (crop.y as usize / 90);
            crops[1..].iter().map(place).collect()
        };
        pictures.iter().map(look).collect()
    }

    #[test]
    fn slices_of_an_empty_scene_run_in_turn() {
        let quiet = vec![picture(None); 6];
        assert_eq!(
            looked(&mut six(2, &[]), &quiet),
            [[0, 1], [2, 3], [4, 5], [0, 1], [2, 3], [4, 5]].map(Vec::from)
        );
        assert_eq!(looked(&mut six(0, &[]), &quiet[..1]), [Vec::from([0, 1, 2, 3, 4, 5])]);
    }

    #[test]
    fn a_slice_with_motion_runs_next_and_none_starves() {
        let mut tiles = six(2, &[]);
        looked(&mut tiles, &vec![picture(None); 3]);
        let moving: Vec<_> = (0..12).map(|i| picture(Some((250 + i * 3, 120)))).collect();
        let seen = looked(&mut tiles, &moving);
        let times = |tile: usize| seen.iter().filter(|looked| looked.contains(&tile)).count();
        assert!(times(5) >= 8, "{seen:?}");
        assert!((0..5).all(|tile| times(tile) >= 2), "{seen:?}");
    }

    #[test]
    fn a_slice_with_an_object_runs_again_and_one_with_a_zone_comes_before_one_without() {
        let corner = Polygon::new(
            [(0.7, 0.1), (0.9, 0.1), (0.9, 0.3)].map(|(x, y)| crate::base::Point { x, y }).into(),
        );
        let zone = Zone::new(ZoneId::from("field"), String::new(), corner.expect("a triangle"));
        let quiet = vec![picture(None); 24];
        let mut tiles = six(1, std::slice::from_ref(&zone));
        let seen = looked(&mut tiles, &quiet);
        let times = |tile: usize| seen.iter().filter(|looked| looked.contains(&tile)).count();
        assert!(times(2) > times(1) && times(1) >= 2, "{seen:?}");

        let mut tiles = six(1, &[]);
        let mut seen = Vec::new();
        for picture in &quiet {
            let crops = parts(tiles.next(picture));
            let thing = Rect::new(0.1, 0.6, 0.12, 0.64);
            tiles.found(&[Detection {
                class: "car".into(),
                score: 0.5,
                rect: thing,
                scale: 1.0,
                there_since: None,
            }]);
            seen.push(crops[1]);
        }
        let times = |x: u32, y: u32| seen.iter().filter(|crop| crop.x == x && crop.y == y).count();
        assert!(times(0, 90) > times(0, 0), "{seen:?}");
    }

    #[test]
    fn a_picture_that_shows_nothing_new_keeps_the_detections_for_a_while() {
        const WHOLE: Tiling = Tiling { columns: 1, rows: 1, overlap: 0.0, per_picture: 0 };
        let mut tiles = TileScheduler::new(WHOLE, &[], Duration::from_secs(20));
        let at = |seconds: i64, thing| {
            let picture = picture(thing);
            Picture { capture: Capture { at: WallTime(seconds * 1_000_000), ..picture.capture }, ..picture }
        };
        let car = [Detection {
            class: "car".into(),
            score: 0.5,
            rect: Rect::new(0.1, 0.6, 0.2, 0.7),
            scale: 1.0,
            there_since: None,
        }];
        let mut look = |seconds, thing, fails: bool| match tiles.next(&at(seconds, thing)) {
            TilePlan::Same(found) => {
                assert_eq!(found, car);
                false
            }
            TilePlan::Parts(parts) => {
                assert_eq!(parts.len(), 1);
                if !fails {
                    tiles.found(&car);
                }
                true
            }
        };
        assert!(look(0, None, false), "the first");
        assert!(!look(4, None, false) && !look(16, None, false));
        assert!(look(20, None, false), "a full run is due");
        assert!(!look(24, None, false));
        assert!(look(28, Some((40, 40)), true), "an object appeared, and the run failed");
        assert!(look(32, Some((40, 40)), false), "it is still new");
        assert!(!look(36, Some((40, 40)), false));
        assert!(look(40, Some((60, 40)), false), "it moved");
        assert!(look(30, Some((60, 40)), false), "the clock was set back");
    }
}
