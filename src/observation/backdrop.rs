//! How a fixed camera's place looks without the things in it: slowly learned, and compared with each picture.

use std::ops::Range;
use std::time::Duration;

use super::gray_copy::{COLUMNS, GrayCopy, ROWS, cells_of};
use crate::base::Rect;
use crate::decode::{GrayPatch, Likeness};

/// Time constant of learning, for cells that no thing covers.
const LEARN: Duration = Duration::from_secs(600);
/// Covered cells are learned so much slower.
const COVERED: f32 = 1.0 / 20.0;
/// So many first pictures are averaged.
const AVERAGED: u32 = 4;
/// Fraction bits of a cell.
const SCALE: f32 = 256.0;
/// A part has lost its structure when its standard deviation is below this share of what it was.
const LOST: f32 = 0.4;
/// From this correlation on a part looks as before; below the second it looks otherwise.
const SAME: f32 = 0.6;
const OTHERWISE: f32 = 0.45;
/// A part without structure is as bright as before if its mean differs by less, in gray levels.
const AS_BRIGHT: f32 = 2.0 * GrayPatch::PLAIN;
/// Blocks by which the view as a whole is recognised.
const BLOCKS: (usize, usize) = (8, 6);
/// The view is recognised by at least so many blocks with structure.
const MIN_BLOCKS: usize = 6;
/// A block with this correlation still shows its place.
const BLOCK_ALIKE: f32 = 0.45;

/// How a part looked before, compared with now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// As it does now: what is there has been there.
    Same,
    /// Otherwise: something came or went.
    Otherwise,
    /// It cannot be said: too small, no structure, or in between.
    Unknown,
}

/// The look of a camera's place, at 384 x 216 cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Backdrop {
    /// Gray levels in 256ths.
    cells: Vec<u16>,
    looks: u32,
}

impl Backdrop {
    /// Begins with a first picture.
    pub fn new(first: &GrayCopy) -> Self {
        Self { cells: first.0.iter().map(|v| u16::from(*v) << 8).collect(), looks: 1 }
    }

    /// How many pictures it was learned from.
    pub fn looks(&self) -> u32 {
        self.looks
    }

    /// Learns a picture that came `elapsed` after the last one. `covered`: the boxes of things.
    pub fn learn(&mut self, now: &GrayCopy, elapsed: Duration, covered: &[Rect]) {
        self.looks = self.looks.saturating_add(1);
        let rate = elapsed.as_secs_f32() / LEARN.as_secs_f32();
        let slow = (rate * COVERED).min(1.0);
        // The first pictures are averaged, so that what passed through one of them fades. No more of them: what comes
        // and is detected late must not count as having been there.
        let first = if self.looks <= AVERAGED { 1.0 / self.looks as f32 } else { 0.0 };
        let rate = rate.max(first).min(1.0);
        let mut is_covered = vec![false; self.cells.len()];
        let cell = |share: f32, of: usize| (share.clamp(0.0, 1.0) * of as f32) as usize;
        for rect in covered {
            let columns = cell(rect.x0, COLUMNS)..(cell(rect.x1, COLUMNS) + 1).min(COLUMNS);
            for row in cell(rect.y0, ROWS)..(cell(rect.y1, ROWS) + 1).min(ROWS) {
                is_covered[row * COLUMNS..][columns.clone()].fill(true);
            }
        }
        for ((own, new), covered) in self.cells.iter_mut().zip(&now.0).zip(is_covered) {
            let (old, new) = (f32::from(*own), f32::from(*new) * SCALE);
            *own = (old + if covered { slow } else { rate } * (new - old)).round() as u16;
        }
    }

    /// How a part of the picture (normalised) looked before.
    pub fn before(&self, now: &GrayCopy, rect: &Rect) -> Before {
        let Some((columns, rows)) = cells_of(rect) else { return Before::Unknown };
        let Likeness { before, now, brighter, correlation } = self.likeness(now, columns, rows);
        match correlation {
            // Where there was nothing to see and is nothing to see, nothing came.
            _ if before.max(now) < GrayPatch::PLAIN => match brighter.abs() < AS_BRIGHT {
                true => Before::Same,
                false => Before::Unknown,
            },
            _ if before < LOST * now || now < LOST * before => Before::Otherwise,
            Some(likeness) if likeness >= SAME => Before::Same,
            Some(likeness) if likeness < OTHERWISE => Before::Otherwise,
            _ => Before::Unknown,
        }
    }

    /// Gray levels now minus those of the backdrop, of each cell.
    pub(super) fn difference(&self, now: &GrayCopy) -> Vec<i16> {
        self.cells.iter().zip(&now.0).map(|(own, now)| i16::from(*now) - (own >> 8) as i16).collect()
    }

    /// The share of the blocks with structure that still show their place. `None`: too few have structure.
    pub fn view(&self, now: &GrayCopy) -> Option<f32> {
        let (width, height) = (COLUMNS / BLOCKS.0, ROWS / BLOCKS.1);
        let (mut judged, mut alike) = (0usize, 0usize);
        for block in 0..BLOCKS.0 * BLOCKS.1 {
            let (x, y) = (block % BLOCKS.0 * width, block / BLOCKS.0 * height);
            let part = self.likeness(now, x..x + width, y..y + height);
            if part.before < 2.0 * GrayPatch::PLAIN {
                continue;
            }
            judged += 1;
            alike += usize::from(part.correlation.is_some_and(|likeness| likeness >= BLOCK_ALIKE));
        }
        (judged >= MIN_BLOCKS).then(|| alike as f32 / judged as f32)
    }

    /// Compares the same cells, before and now.
    fn likeness(&self, now: &GrayCopy, columns: Range<usize>, rows: Range<usize>) -> Likeness {
        let row = |row: usize| {
            let at = row * COLUMNS;
            let before = self.cells[at..][columns.clone()].iter().map(|cell| f32::from(*cell) / SCALE);
            before.zip(now.0[at..][columns.clone()].iter().map(|cell| f32::from(*cell)))
        };
        Likeness::of(rows.flat_map(row))
    }

    /// For a restart.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 2 * self.cells.len());
        bytes.extend(MAGIC);
        bytes.extend(self.looks.to_le_bytes());
        self.cells.iter().for_each(|cell| bytes.extend(cell.to_le_bytes()));
        bytes
    }

    /// `None`: these are not the bytes of a backdrop.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&MAGIC)?;
        let (looks, cells) = rest.split_first_chunk()?;
        let cells: Vec<u16> =
            cells.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        (cells.len() == COLUMNS * ROWS && rest.len() == 4 + 2 * cells.len())
            .then(|| Self { cells, looks: u32::from_le_bytes(*looks) })
    }
}

const MAGIC: [u8; 4] = *b"LBD1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Picture;

    const PLACE: Rect = Rect { x0: 0.4, y0: 0.4, x1: 0.5, y1: 0.5 };

    /// How the place looked before, by its gray levels then and now. The ground around it has structure.
    #[track_caller]
    fn check(then: fn(usize) -> u8, now: fn(usize) -> u8, expected: Before) {
        let copy = |place: fn(usize) -> u8| {
            let ground = |x: usize, y: usize| (60 + (x / 9 * 37 + y / 7 * 53) % 90) as u8;
            let inside = |x: usize, y: usize| (125..163).contains(&x) && (70..92).contains(&y);
            let grey = |x: usize, y: usize| if inside(x, y) { place(x) } else { ground(x, y) };
            GrayCopy::of(&Picture::grey(grey)).expect("pixels")
        };
        assert_eq!(Backdrop::new(&copy(then)).before(&copy(now), &PLACE), expected);
    }

    fn asphalt(_: usize) -> u8 {
        90
    }

    fn car(x: usize) -> u8 {
        if x % 24 < 12 { 40 } else { 150 }
    }

    #[test]
    fn what_came_changes_its_place_and_what_shows_nothing_has_not_come() {
        check(asphalt, car, Before::Otherwise);
        check(car, asphalt, Before::Otherwise);
        check(car, car, Before::Same);
        // The same in other light.
        check(car, |x| car(x) / 2 + 60, Before::Same);
        check(asphalt, asphalt, Before::Same);
        check(asphalt, |_| 94, Before::Same);
        check(asphalt, |_| 130, Before::Unknown);
    }
}
