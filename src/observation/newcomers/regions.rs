//! The parts of a picture that look otherwise than the place usually does, as boxes.

use crate::base::Rect;
use crate::observation::Backdrop;
use crate::observation::gray_copy::{COLUMNS, GrayCopy, ROWS};

/// A cell looks otherwise from this difference on, in gray levels, beyond that of the light.
const DIFFERS: u16 = 16;
/// Light changes whole blocks of cells.
const BLOCK: (usize, usize) = (32, 24);
const ACROSS: usize = COLUMNS / BLOCK.0;
const DOWN: usize = ROWS / BLOCK.1;
/// When a larger share of the picture looks otherwise, it is the light.
const LIGHT: f32 = 0.35;
/// Cells of a thing at least, and of each side of its box.
const CELLS: usize = 12;
const SIDE: usize = 3;
/// Share of a box at least that looks otherwise.
const FILLED: f32 = 0.3;
/// Larger boxes, in shares of the picture, are no thing.
const LARGEST: f32 = 0.1;

/// Boxes around the parts that look otherwise, normalised, from top to bottom.
pub(super) fn find(now: &GrayCopy, backdrop: &Backdrop) -> Vec<Rect> {
    let mut differs = cells(&backdrop.difference(now));
    let count = differs.iter().filter(|differs| **differs).count();
    if count as f32 > LIGHT * differs.len() as f32 {
        return Vec::new();
    }
    let mut boxes = Vec::new();
    for start in 0..differs.len() {
        if differs[start] {
            boxes.extend(region(start, &mut differs).as_box());
        }
    }
    boxes
}

/// The cells that differ by more than their surroundings do.
fn cells(difference: &[i16]) -> Vec<bool> {
    let light = light(difference);
    let block = |i: usize| i / COLUMNS / BLOCK.1 * ACROSS + i % COLUMNS / BLOCK.0;
    let differs = |(i, d): (usize, &i16)| d.abs_diff(light[block(i)]) >= DIFFERS;
    difference.iter().enumerate().map(differs).collect()
}

/// How much the light has changed in each block: the middle of the medians around it, so that a thing does not
/// count as light.
fn light(difference: &[i16]) -> Vec<i16> {
    let median_of = |block: usize| {
        let (x, y) = (block % ACROSS * BLOCK.0, block / ACROSS * BLOCK.1);
        let rows = difference.chunks_exact(COLUMNS).skip(y).take(BLOCK.1);
        median(&mut rows.flat_map(|row| row[x..x + BLOCK.0].iter().copied()).collect::<Vec<_>>())
    };
    let medians: Vec<i16> = (0..ACROSS * DOWN).map(median_of).collect();
    let around = |block: usize| {
        let (x, y) = (block % ACROSS, block / ACROSS);
        let rows = y.saturating_sub(1)..(y + 2).min(DOWN);
        let columns = x.saturating_sub(1)..(x + 2).min(ACROSS);
        let near = rows.flat_map(|y| columns.clone().map(move |x| y * ACROSS + x));
        median(&mut near.map(|block| medians[block]).collect::<Vec<_>>())
    };
    (0..medians.len()).map(around).collect()
}

/// Of at least one value.
fn median(values: &mut [i16]) -> i16 {
    let middle = values.len() / 2;
    *values.select_nth_unstable(middle).1
}

/// Cells that are connected, over gaps of one cell.
struct Region {
    columns: (usize, usize),
    rows: (usize, usize),
    cells: usize,
}

/// The region that begins here. Its cells are taken.
fn region(start: usize, differs: &mut [bool]) -> Region {
    const REACH: usize = 2;
    let mut region = Region { columns: (COLUMNS, 0), rows: (ROWS, 0), cells: 0 };
    let mut open = vec![start];
    differs[start] = false;
    while let Some(cell) = open.pop() {
        let (x, y) = (cell % COLUMNS, cell / COLUMNS);
        region.columns = (region.columns.0.min(x), region.columns.1.max(x));
        region.rows = (region.rows.0.min(y), region.rows.1.max(y));
        region.cells += 1;
        for row in y.saturating_sub(REACH)..(y + REACH + 1).min(ROWS) {
            for column in x.saturating_sub(REACH)..(x + REACH + 1).min(COLUMNS) {
                if std::mem::take(&mut differs[row * COLUMNS + column]) {
                    open.push(row * COLUMNS + column);
                }
            }
        }
    }
    region
}

impl Region {
    /// `None`: too small, too large or too thin for a thing.
    fn as_box(&self) -> Option<Rect> {
        let (width, height) = (self.columns.1 + 1 - self.columns.0, self.rows.1 + 1 - self.rows.0);
        let area = width * height;
        let is_thing = self.cells >= CELLS
            && width.min(height) >= SIDE
            && self.cells as f32 >= FILLED * area as f32
            && area as f32 <= LARGEST * (COLUMNS * ROWS) as f32;
        let x = |column: usize| column as f32 / COLUMNS as f32;
        let y = |row: usize| row as f32 / ROWS as f32;
        is_thing
            .then(|| Rect::new(x(self.columns.0), y(self.rows.0), x(self.columns.1 + 1), y(self.rows.1 + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Picture;

    fn ground(x: usize, y: usize) -> u8 {
        (80 + (x / 6 * 37 + y / 5 * 53) % 60) as u8
    }

    fn copy(grey: impl Fn(usize, usize) -> u8) -> GrayCopy {
        GrayCopy::of(&Picture::grey(grey)).expect("pixels")
    }

    fn van(x: usize, y: usize) -> u8 {
        if (128..160).contains(&x) && (72..90).contains(&y) { 220 } else { ground(x, y) }
    }

    #[test]
    fn what_came_is_a_box_in_any_light() {
        let backdrop = Backdrop::new(&copy(ground));
        for light in [|v: u8| v, |v: u8| v - 30, |v: u8| v.saturating_add(12)] {
            let found = find(&copy(|x, y| light(van(x, y))), &backdrop);
            let [rect] = found[..] else { panic!("{found:?}") };
            assert!(rect.iou(&Rect::new(0.4, 0.4, 0.5, 0.5)) > 0.8, "{rect:?}");
        }
    }

    #[test]
    fn light_and_small_things_are_nothing() {
        let backdrop = Backdrop::new(&copy(ground));
        assert!(find(&copy(ground), &backdrop).is_empty());
        let shade = |x: usize, y: usize| if x < 200 { ground(x, y) / 3 } else { ground(x, y) };
        assert!(find(&copy(shade), &backdrop).iter().all(|r| r.area() < 0.1), "no box around a shadow");
        let bird = |x: usize, y: usize| if x == 100 && y == 50 { 255 } else { ground(x, y) };
        assert!(find(&copy(bird), &backdrop).is_empty());
    }
}
