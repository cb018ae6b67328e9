//! Which slices of a camera's next picture are looked at where all of them would cost too much. Pure.
//!
//! The whole picture always. Of the slices those that are most overdue: pictures since the last look, times what speaks
//! for the slice. So a slice where something is or moves comes first, one with a zone before one without, and none is
//! forgotten: with two of six slices a picture an empty one is looked at every fifth picture or so.

use super::Detection;
use super::letterbox::Crop;
use super::tiling;
use crate::base::Rect;
use crate::config::{Tiling, Zone, ZoneArea};
use crate::decode::{Picture, Thumbnail};

/// What speaks for a slice.
const THERE: u32 = 4;
const ZONE: u32 = 2;
const NOTHING: u32 = 1;

/// One camera's slices and what is known of them.
#[derive(Clone)]
pub struct Tiles {
    tiling: Tiling,
    /// Bounds of the camera's zones, in shares of the picture.
    zones: Vec<Rect>,
    size: (u32, u32),
    whole: Vec<Crop>,
    tiles: Vec<Tile>,
    before: Option<Thumbnail>,
}

#[derive(Clone)]
struct Tile {
    crop: Crop,
    /// The same in shares of the picture.
    rect: Rect,
    /// Pictures since it was looked at.
    since: u32,
    zone: bool,
    /// Something was found in it when it was looked at last.
    found: bool,
}

impl Tiles {
    pub fn new(tiling: Tiling, zones: &[Zone]) -> Self {
        let zones = zones.iter().flat_map(|zone| match &zone.area {
            ZoneArea::Picture(polygon) => std::slice::from_ref(polygon),
            ZoneArea::Ground { drawn, .. } => drawn,
        });
        let zones = zones.map(|polygon| bounds(polygon.corners().iter().map(|p| (p.x, p.y)))).collect();
        Self { tiling, zones, size: (0, 0), whole: Vec::new(), tiles: Vec::new(), before: None }
    }

    /// The parts of the picture to look at, the whole of it first.
    pub fn next(&mut self, picture: &Picture) -> Vec<Crop> {
        if self.size != (picture.width, picture.height) {
            self.lay_out(picture.width, picture.height);
        }
        let wanted = match self.tiling.per_picture {
            0 => self.tiles.len(),
            some => (some as usize).min(self.tiles.len()),
        };
        if wanted < self.tiles.len() {
            self.choose(wanted, Thumbnail::of(picture));
        } else {
            self.tiles.iter_mut().for_each(|tile| tile.since = 0);
        }
        let chosen = self.tiles.iter().filter(|tile| tile.since == 0).map(|tile| tile.crop);
        self.whole.iter().copied().chain(chosen).collect()
    }

    /// What was found in the parts that `next` gave.
    pub fn found(&mut self, detections: &[Detection]) {
        for tile in self.tiles.iter_mut().filter(|tile| tile.since == 0) {
            tile.found = detections.iter().any(|d| d.rect.intersection(&tile.rect) > 0.0);
        }
    }

    /// `since` becomes 0 for those that are looked at now.
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
                THERE
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
            // Not all the same, so that the first round takes each of them once.
            Tile { crop: *crop, rect, since: (slices.len() - i) as u32, zone, found: false }
        };
        self.tiles = slices.iter().enumerate().map(tile).collect();
        self.size = (width, height);
        self.before = None;
    }
}

fn bounds(corners: impl Iterator<Item = (f32, f32)>) -> Rect {
    let none = Rect::new(f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY);
    corners.fold(none, |all, (x, y)| Rect::new(all.x0.min(x), all.y0.min(y), all.x1.max(x), all.y1.max(y)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Polygon, ZoneId};

    /// Grey, with a bright thing of 24 x 18 pixels where asked.
    fn picture(thing: Option<(usize, usize)>) -> Picture {
        let bright = |x: usize, y: usize| {
            thing.is_some_and(|(left, top)| (left..left + 24).contains(&x) && (top..top + 18).contains(&y))
        };
        Picture::grey(|x, y| if bright(x, y) { 220 } else { 90 })
    }

    fn six(per_picture: u32, zones: &[Zone]) -> Tiles {
        Tiles::new(Tiling { columns: 3, rows: 2, overlap: 0.0, per_picture }, zones)
    }

    /// Which of the six were looked at, picture by picture.
    fn looked(tiles: &mut Tiles, pictures: &[Picture]) -> Vec<Vec<usize>> {
        let look = |picture: &Picture| {
            let crops = tiles.next(picture);
            assert_eq!((crops[0].width, crops[0].height), (320, 180), "the whole picture always");
            let place = |crop: &Crop| (crop.x as usize / 106) + 3 * (crop.y as usize / 90);
            crops[1..].iter().map(place).collect()
        };
        pictures.iter().map(look).collect()
    }

    #[test]
    fn an_empty_scene_is_gone_through_in_turn() {
        let quiet = vec![picture(None); 6];
        assert_eq!(
            looked(&mut six(2, &[]), &quiet),
            [[0, 1], [2, 3], [4, 5], [0, 1], [2, 3], [4, 5]].map(Vec::from)
        );
        assert_eq!(looked(&mut six(0, &[]), &quiet[..1]), [Vec::from([0, 1, 2, 3, 4, 5])]);
    }

    #[test]
    fn what_moves_is_looked_at_next_and_nothing_is_forgotten() {
        let mut tiles = six(2, &[]);
        looked(&mut tiles, &vec![picture(None); 3]);
        let moving: Vec<_> = (0..12).map(|i| picture(Some((250 + i * 3, 120)))).collect();
        let seen = looked(&mut tiles, &moving);
        let times = |tile: usize| seen.iter().filter(|looked| looked.contains(&tile)).count();
        assert!(times(5) >= 8, "{seen:?}");
        assert!((0..5).all(|tile| times(tile) >= 2), "{seen:?}");
    }

    #[test]
    fn what_was_found_is_looked_at_again_and_a_zone_comes_before_none() {
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
            let crops = tiles.next(picture);
            let thing = Rect::new(0.1, 0.6, 0.12, 0.64);
            tiles.found(&[Detection { class: "car".into(), score: 0.5, rect: thing }]);
            seen.push(crops[1]);
        }
        let times = |x: u32, y: u32| seen.iter().filter(|crop| crop.x == x && crop.y == y).count();
        assert!(times(0, 90) > times(0, 0), "{seen:?}");
    }
}
