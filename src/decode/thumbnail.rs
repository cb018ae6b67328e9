//! A small gray copy of a picture, and the differences between two of them. Pure.

use crate::base::Rect;

use super::Picture;
use super::cell_means::cell_means;

/// Cells of a picture: 12 pixels square at 1080p, 24 at 4K.
const COLUMNS: usize = 160;
const ROWS: usize = 90;
/// Samples of a cell in each direction.
const SAMPLES: usize = 4;
/// A cell has changed if its mean differs by more gray levels than this, after subtracting the picture's
/// overall change.
const CHANGED: i32 = 12;
/// The stricter limit of [`Thumbnail::is_same`], for two neighbouring cells at once. Noise does not reach it.
const SLIGHTLY_CHANGED: i32 = 6;
/// Fewest changed cells, each next to another, that count as a change.
const MIN_CELLS: usize = 3;

/// Mean gray levels (0 to 255) of the cells, row by row.
#[derive(Clone)]
pub struct Thumbnail {
    cells: Vec<u8>,
}

impl Thumbnail {
    /// Takes about 0.3 ms at any size, as it reads a few samples of each cell. `None` for a picture with
    /// fewer pixels than cells.
    pub fn of(picture: &Picture) -> Option<Self> {
        let (width, height) = (picture.width as usize, picture.height as usize);
        if width < COLUMNS || height < ROWS {
            return None;
        }
        Some(Self { cells: cell_means(picture, (COLUMNS, ROWS), SAMPLES)? })
    }

    /// Has something changed within `part` (normalised picture coordinates)?
    pub fn shows_change_in(&self, before: &Thumbnail, part: &Rect) -> bool {
        let cell = |share: f32, of: usize| (share * of as f32).clamp(0.0, of as f32) as usize;
        let columns = cell(part.x0, COLUMNS)..cell(part.x1, COLUMNS);
        let cut = |all: &Thumbnail| -> Vec<u8> {
            let rows = all.cells.chunks_exact(COLUMNS);
            let rows = rows.take(cell(part.y1, ROWS)).skip(cell(part.y0, ROWS));
            rows.flat_map(|row| &row[columns.clone()]).copied().collect()
        };
        let differences: Vec<i32> = cut(self)
            .iter()
            .zip(&cut(before))
            .map(|(now, then)| i32::from(*now) - i32::from(*then))
            .collect();
        let shift = median(&differences);
        differences.windows(2).filter(|pair| pair.iter().all(|d| (d - shift).abs() > CHANGED)).count()
            >= MIN_CELLS
    }

    /// Has something moved between the two? The light of the whole picture and single noisy cells do not
    /// count.
    pub fn shows_change(&self, before: &Thumbnail) -> bool {
        let (pairs, _) = self.changed_pairs(before, CHANGED);
        // If more than half has changed, the light or the camera itself did.
        pairs >= MIN_CELLS && pairs * 2 < self.cells.len()
    }

    /// Does it show the same scene, apart from slightly different light? Far stricter than
    /// [`shows_change`](Self::shows_change) returning false: an object of two cells (24 by 12 pixels at
    /// 1080p) that differs by 7 of 255 gray levels makes it false.
    pub fn is_same(&self, before: &Thumbnail) -> bool {
        let (pairs, light) = self.changed_pairs(before, SLIGHTLY_CHANGED);
        pairs == 0 && light.abs() <= CHANGED
    }

    /// How many cells changed by more than `limit` and have a changed neighbour; and by how many gray levels
    /// the whole picture became lighter.
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

/// Median of differences between two bytes.
fn median(differences: &[i32]) -> i32 {
    let mut counts = [0usize; 511];
    differences.iter().for_each(|d| counts[(d + 255) as usize] += 1);
    let mut below = 0;
    let index = counts.iter().position(|count| {
        below += count;
        below * 2 > differences.len()
    });
    index.map_or(0, |index| index as i32 - 255)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Pixels;

    fn changes(before: impl Fn(usize, usize) -> u8, now: impl Fn(usize, usize) -> u8) -> bool {
        let thumbnail = |picture: Picture| Thumbnail::of(&picture).expect("large enough");
        thumbnail(Picture::grey(now)).shows_change(&thumbnail(Picture::grey(before)))
    }

    fn ground(x: usize, y: usize) -> u8 {
        (90 + x / 8 + y / 16) as u8
    }

    #[test]
    fn a_new_object_is_a_change_and_light_or_noise_is_none() {
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
    fn is_same_is_far_stricter_than_no_change() {
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
    fn a_picture_with_fewer_pixels_than_cells_has_no_thumbnail() {
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
