//! A small grey copy of a picture, and what differs between two. Pure.

use crate::base::Rect;

use super::{Picture, Pixels};

/// Cells a picture is cut into: 12 pixels square at 1080p, 24 at 4K.
const COLUMNS: usize = 160;
const ROWS: usize = 90;
/// Samples a cell and direction.
const SAMPLES: usize = 4;
/// A cell has changed when its mean differs by so many grey values, after the picture's own change is taken off.
const CHANGED: i32 = 12;
/// The same for two neighbours at once where nothing at all is to have changed: noise does not reach it.
const STIRRED: i32 = 6;
/// So many changed cells, each beside another, are a thing.
const LEAST_CELLS: usize = 3;

/// Grey means, row by row.
#[derive(Clone)]
pub struct Thumbnail {
    cells: Vec<u8>,
}

impl Thumbnail {
    /// About 0.3 ms at any size: a few samples of each cell. `None` for a picture that is smaller than the cells.
    pub fn of(picture: &Picture) -> Option<Self> {
        let (width, height) = (picture.width as usize, picture.height as usize);
        if width < COLUMNS || height < ROWS {
            return None;
        }
        let mut sums = vec![0u16; COLUMNS * ROWS];
        let columns: Vec<usize> = spread(COLUMNS * SAMPLES, width);
        for (i, y) in spread(ROWS * SAMPLES, height).into_iter().enumerate() {
            let row = &mut sums[i / SAMPLES * COLUMNS..][..COLUMNS];
            match &picture.pixels {
                Pixels::Yuv(yuv) => add(row, &columns, yuv.luma_row(y), 1, 0),
                // Green is most of what the eye calls bright.
                Pixels::Rgb(rgb) => add(row, &columns, rgb.get(y * width * 3..)?.get(..width * 3)?, 3, 1),
            }
        }
        let cells = sums.iter().map(|sum| (sum / (SAMPLES * SAMPLES) as u16) as u8).collect();
        Some(Self { cells })
    }

    /// Has something changed within a part of the picture, in shares of it?
    pub fn shows_change_in(&self, before: &Thumbnail, part: &Rect) -> bool {
        let place = |share: f32, of: usize| (share * of as f32).clamp(0.0, of as f32) as usize;
        let columns = place(part.x0, COLUMNS)..place(part.x1, COLUMNS);
        let cut = |all: &Thumbnail| -> Vec<u8> {
            let rows = all.cells.chunks_exact(COLUMNS);
            let rows = rows.take(place(part.y1, ROWS)).skip(place(part.y0, ROWS));
            rows.flat_map(|row| &row[columns.clone()]).copied().collect()
        };
        let differences: Vec<i32> = cut(self)
            .iter()
            .zip(&cut(before))
            .map(|(now, then)| i32::from(*now) - i32::from(*then))
            .collect();
        let shift = median(&differences);
        differences.windows(2).filter(|pair| pair.iter().all(|d| (d - shift).abs() > CHANGED)).count()
            >= LEAST_CELLS
    }

    /// Has something changed its place between the two? Not: the light of the whole picture, single trembling cells.
    pub fn shows_change(&self, before: &Thumbnail) -> bool {
        let (pairs, _) = self.changed_pairs(before, CHANGED);
        // Where more than half has changed it is the light, or the camera itself.
        pairs >= LEAST_CELLS && pairs * 2 < self.cells.len()
    }

    /// Does it show the same, but for a little more or less light? Far stricter than a no of
    /// [`shows_change`](Self::shows_change): it sees a thing of two cells (24 by 12 pixels at 1080p) that differs by 7 of 255
    /// from what was there.
    pub fn is_same(&self, before: &Thumbnail) -> bool {
        let (pairs, light) = self.changed_pairs(before, STIRRED);
        pairs == 0 && light.abs() <= CHANGED
    }

    /// How many cells have changed by more than the limit and lie beside another that has; and by how much all of it is
    /// lighter.
    fn changed_pairs(&self, before: &Thumbnail, limit: i32) -> (usize, i32) {
        let cells = self.cells.iter().zip(&before.cells);
        let differences: Vec<i32> = cells.map(|(now, then)| i32::from(*now) - i32::from(*then)).collect();
        let light = median(&differences);
        let changed: Vec<bool> = differences.iter().map(|d| (d - light).abs() > limit).collect();
        let beside = |i: usize| {
            (!i.is_multiple_of(COLUMNS) && changed[i - 1]) || (i >= COLUMNS && changed[i - COLUMNS])
        };
        ((0..changed.len()).filter(|&i| changed[i] && beside(i)).count(), light)
    }
}

/// Of differences between two bytes: what most of the picture did.
fn median(differences: &[i32]) -> i32 {
    let mut counts = [0usize; 511];
    differences.iter().for_each(|d| counts[(d + 255) as usize] += 1);
    let mut below = 0;
    let place = counts.iter().position(|count| {
        below += count;
        below * 2 > differences.len()
    });
    place.map_or(0, |place| place as i32 - 255)
}

/// `count` places spread evenly over `size`, in the middle of their parts.
fn spread(count: usize, size: usize) -> Vec<usize> {
    (0..count).map(|i| (2 * i + 1) * size / (2 * count)).collect()
}

fn add(row: &mut [u16], columns: &[usize], samples: &[u8], step: usize, first: usize) {
    for (sum, columns) in row.iter_mut().zip(columns.chunks_exact(SAMPLES)) {
        *sum += columns.iter().map(|x| u16::from(samples[x * step + first])).sum::<u16>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(before: impl Fn(usize, usize) -> u8, now: impl Fn(usize, usize) -> u8) -> bool {
        let thumbnail = |picture: Picture| Thumbnail::of(&picture).expect("large enough");
        thumbnail(Picture::grey(now)).shows_change(&thumbnail(Picture::grey(before)))
    }

    fn ground(x: usize, y: usize) -> u8 {
        (90 + x / 8 + y / 16) as u8
    }

    #[test]
    fn a_thing_that_came_is_a_change_and_light_or_noise_is_none() {
        let car = |x: usize, y: usize| {
            if (40..52).contains(&x) && (100..106).contains(&y) { 200 } else { ground(x, y) }
        };
        assert!(changes(ground, car));
        assert!(changes(car, ground), "and that it left");
        assert!(!changes(ground, ground));
        assert!(!changes(ground, |x, y| ground(x, y) + 40), "a cloud went away");
        let noise = |x: usize, y: usize| ground(x, y) + ((x * 7919 + y * 104_729) % 15) as u8;
        assert!(!changes(ground, noise));
        let speck = |x: usize, y: usize| {
            if (40..42).contains(&x) && (100..102).contains(&y) { 250 } else { ground(x, y) }
        };
        assert!(!changes(ground, speck), "one cell");
    }

    #[test]
    fn the_same_is_far_less_than_no_change() {
        let thumbnail =
            |grey: &dyn Fn(usize, usize) -> u8| Thumbnail::of(&Picture::grey(grey)).expect("large enough");
        let same = |now: &dyn Fn(usize, usize) -> u8| thumbnail(now).is_same(&thumbnail(&ground));
        let with = |by: u8| {
            move |x: usize, y: usize| {
                let thing = (40..44).contains(&x) && (100..102).contains(&y);
                ground(x, y) + if thing { by } else { 0 }
            }
        };
        assert!(same(&ground) && same(&|x, y| ground(x, y) + 8), "a thin cloud");
        assert!(same(&|x, y| ground(x, y) + ((x * 7919 + y * 104_729) % 7) as u8), "noise");
        assert!(!same(&with(7)), "a pale thing of two cells");
        assert!(same(&with(4)));
        assert!(!same(&|x, y| ground(x, y) + 40), "the light went on: look again");
    }

    #[test]
    fn a_picture_smaller_than_the_cells_has_none() {
        let small = Picture {
            width: 100,
            height: 60,
            pixels: Pixels::Rgb(vec![0; 18_000].into()),
            ..Picture::grey(ground)
        };
        assert!(Thumbnail::of(&small).is_none());
        let torn = Picture { pixels: Pixels::Rgb(vec![0; 300].into()), ..Picture::grey(ground) };
        assert!(Thumbnail::of(&torn).is_none());
    }
}
