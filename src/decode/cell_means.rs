//! Mean gray levels of a grid of cells over a picture. Pure.

use super::{Picture, Pixels};

/// Mean gray levels (0 to 255), row by row. Reads `samples` x `samples` pixels of each cell, so that the cost does not
/// depend on the picture's size. `None` for a picture without pixels, or without the bytes of its size.
pub(crate) fn cell_means(
    picture: &Picture,
    (columns, rows): (usize, usize),
    samples: usize,
) -> Option<Vec<u8>> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    if width == 0 || height == 0 {
        return None;
    }
    let mut sums = vec![0u16; columns * rows];
    let across = spread(columns * samples, width);
    for (i, y) in spread(rows * samples, height).into_iter().enumerate() {
        let row = &mut sums[i / samples * columns..][..columns];
        match &picture.pixels {
            Pixels::Yuv(yuv) => add(row, &across, samples, yuv.luma_row(y), (1, 0)),
            // Green contributes most to luma.
            Pixels::Rgb(rgb) => {
                add(row, &across, samples, rgb.get(y * width * 3..)?.get(..width * 3)?, (3, 1));
            }
        }
    }
    Some(sums.into_iter().map(|sum| (sum / (samples * samples) as u16) as u8).collect())
}

/// Centres of `count` equal parts of `size`.
fn spread(count: usize, size: usize) -> Vec<usize> {
    (0..count).map(|i| (2 * i + 1) * size / (2 * count)).collect()
}

fn add(row: &mut [u16], across: &[usize], samples: usize, line: &[u8], (step, first): (usize, usize)) {
    for (sum, across) in row.iter_mut().zip(across.chunks_exact(samples)) {
        *sum += across.iter().map(|x| u16::from(line[x * step + first])).sum::<u16>();
    }
}
