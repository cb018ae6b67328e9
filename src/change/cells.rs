//! Sets of cells: the shape of one, its parts, and those that vote together.

use std::collections::VecDeque;

use super::region::ON;

/// The cells with their holes filled, less the rim by which comparing in windows makes a thing too large.
pub(super) fn shape(cells: &[u32], columns: usize, rows: usize) -> Vec<bool> {
    let mut mask = vec![false; columns * rows];
    cells.iter().for_each(|i| mask[*i as usize] = true);
    // What cannot be reached from outside is inside.
    let mut outside = vec![false; mask.len()];
    let rim = (0..mask.len()).filter(|i| {
        let (x, y) = (i % columns, i / columns);
        x == 0 || y == 0 || x == columns - 1 || y == rows - 1
    });
    let mut work: Vec<usize> = rim.filter(|i| !mask[*i]).collect();
    work.iter().for_each(|i| outside[*i] = true);
    while let Some(i) = work.pop() {
        for j in beside(i, columns, rows).into_iter().flatten() {
            if !mask[j] && !outside[j] {
                outside[j] = true;
                work.push(j);
            }
        }
    }
    let full: Vec<bool> = outside.iter().map(|o| !o).collect();
    let eroded: Vec<bool> = (0..full.len())
        .map(|i| {
            let (x, y) = (i % columns, i / columns);
            full[i]
                && (x == 0 || full[i - 1])
                && (x + 1 == columns || full[i + 1])
                && (y == 0 || full[i - columns])
                && (y + 1 == rows || full[i + columns])
        })
        .collect();
    let left = eroded.iter().filter(|e| **e).count();
    let mut shape = if left * 3 >= cells.len() { eroded } else { full };
    join_corners(&mut shape, cells, columns);
    shape
}

/// Cells that touch by a corner only get a third one beside them: an outline then never touches itself. All lie in the box
/// around `cells`.
fn join_corners(shape: &mut [bool], cells: &[u32], columns: usize) {
    let across = cells.iter().map(|c| *c as usize % columns);
    let down = cells.iter().map(|c| *c as usize / columns);
    let (Some(x0), Some(x1)) = (across.clone().min(), across.max()) else { return };
    let (Some(y0), Some(y1)) = (down.clone().min(), down.max()) else { return };
    let mut joined = true;
    while joined {
        joined = false;
        for y in y0 + 1..=y1 {
            for x in x0 + 1..=x1 {
                let i = y * columns + x;
                let (here, left, above, across) = (i, i - 1, i - columns, i - columns - 1);
                let missing = match [here, left, above, across].map(|j| shape[j]) {
                    [true, false, false, true] => left,
                    [false, true, true, false] => here,
                    _ => continue,
                };
                (shape[missing], joined) = (true, true);
            }
        }
    }
}

/// The cells that share a side with one.
fn beside(i: usize, columns: usize, rows: usize) -> [Option<usize>; 4] {
    let (x, y) = (i % columns, i / columns);
    [
        (x > 0).then(|| i - 1),
        (x + 1 < columns).then(|| i + 1),
        (y > 0).then(|| i - columns),
        (y + 1 < rows).then(|| i + columns),
    ]
}

/// The parts of a shape that share no side, by number from 1: each cell's, 0 outside, and how many cells each has, with a 0
/// for the outside.
pub(super) fn parts(shape: &[bool], columns: usize, rows: usize) -> (Vec<usize>, Vec<usize>) {
    let mut part = vec![0; shape.len()];
    let mut sizes = vec![0];
    for start in 0..shape.len() {
        if !shape[start] || part[start] != 0 {
            continue;
        }
        let number = sizes.len();
        let (mut work, mut size) = (vec![start], 0);
        part[start] = number;
        while let Some(i) = work.pop() {
            size += 1;
            for j in beside(i, columns, rows).into_iter().flatten() {
                if shape[j] && part[j] == 0 {
                    part[j] = number;
                    work.push(j);
                }
            }
        }
        sizes.push(size);
    }
    (part, sizes)
}

/// Connected sets of cells with enough votes that belong to no region; cells up to two apart are connected. `owner` is
/// the region of each cell, or 0. Gives the cells of each set and the region that it touches most, if any.
pub(super) fn find(votes: &[u8], owner: &[u32], columns: usize, rows: usize) -> Vec<(Vec<u32>, Option<u32>)> {
    let mut seen = vec![false; votes.len()];
    let mut out = Vec::new();
    let mut work = VecDeque::new();
    for start in 0..votes.len() {
        if votes[start] < ON || owner[start] != 0 || seen[start] {
            continue;
        }
        seen[start] = true;
        work.push_back(start);
        let (mut cells, mut touched): (Vec<u32>, Vec<(u32, usize)>) = (Vec::new(), Vec::new());
        while let Some(i) = work.pop_front() {
            cells.push(i as u32);
            let (x, y) = (i % columns, i / columns);
            for v in y.saturating_sub(2)..(y + 3).min(rows) {
                for u in x.saturating_sub(2)..(x + 3).min(columns) {
                    let j = v * columns + u;
                    if owner[j] != 0 && u.abs_diff(x) <= 1 && v.abs_diff(y) <= 1 {
                        match touched.iter_mut().find(|t| t.0 == owner[j]) {
                            Some(t) => t.1 += 1,
                            None => touched.push((owner[j], 1)),
                        }
                    } else if votes[j] >= ON && owner[j] == 0 && !seen[j] {
                        seen[j] = true;
                        work.push_back(j);
                    }
                }
            }
        }
        out.push((cells, touched.into_iter().max_by_key(|t| t.1).map(|t| t.0)));
    }
    out
}
