//! The difference in colour between cells and a bank, independent of light and haze.

use super::cells::COLOUR_SCALE;
use super::grid::{BANDS, bands};

/// A cell with at least this much colour, in stored steps, shows how haze mutes it.
const COLOURED: u8 = 8;
/// At least one in so many cells of a band must be coloured.
const COLOURED_PART: usize = 50;
/// Limits of how much haze changes the strength of colours.
const STRONGER: (f32, f32) = (0.6, 1.6);

/// Fills `out` with each cell's difference in colour, in natural logarithms.
///
/// Differences are smoothed over three cells along the row or the column, whichever differs more, so that a
/// strip of one or two rows keeps its colour. The median difference of all cells is subtracted. Learnt
/// colours are scaled by how much stronger or weaker the colours of their rows are now.
pub(super) fn colour(now: &[i8], then: &[i8], columns: usize, rows: usize, out: &mut Vec<f32>) {
    let scale = 1.0 / COLOUR_SCALE;
    let tint = middle_difference(now, then);
    let stronger = bands(columns, rows).map(|band| strength(&now[band.clone()], &then[band], tint));
    out.resize(now.len(), 0.0);
    let apart: Vec<i16> = now.iter().zip(then).map(|(a, b)| i16::from(*a) - i16::from(*b)).collect();
    let row = |y: usize| &apart[y * columns..(y + 1) * columns];
    // A row with its ends repeated.
    let mut along = vec![0; columns + 2];
    for y in 0..rows {
        // Interpolated between the middles of two bands.
        let at = ((y as f32 + 0.5) / rows as f32 * BANDS as f32 - 0.5).clamp(0.0, BANDS as f32 - 1.0);
        let (above, below) = (stronger[at as usize], stronger[(at as usize + 1).min(BANDS - 1)]);
        let more = above + at.fract() * (below - above) - 1.0;
        let (up, own, down) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(rows - 1)));
        along[1..=columns].copy_from_slice(own);
        (along[0], along[columns + 1]) = (own[0], own[columns - 1]);
        let line = y * columns..(y + 1) * columns;
        let cells = along.windows(3).zip(up.iter().zip(down)).zip(&then[line.clone()]);
        for (out, ((along, (up, down)), then)) in out[line].iter_mut().zip(cells) {
            let usual = tint + more * f32::from(*then);
            let across = f32::from(up + along[1] + down) / 3.0 - usual;
            let along = f32::from(along[0] + along[1] + along[2]) / 3.0 - usual;
            *out = if along.abs() > across.abs() { along } else { across } * scale;
        }
    }
}

/// The median of all cells' differences, in stored steps.
fn middle_difference(now: &[i8], then: &[i8]) -> f32 {
    let mut histogram = [0u32; 511];
    for (a, b) in now.iter().zip(then) {
        histogram[(i32::from(*a) - i32::from(*b) + 255) as usize] += 1;
    }
    let half = now.len() as u32 / 2;
    let mut sum = 0;
    let middle = histogram.iter().position(|n| {
        sum += n;
        sum >= half
    });
    middle.map_or(0.0, |m| m as f32 - 255.0)
}

/// By what factor the colours of some rows are stronger now. Haze mutes everything at the same distance
/// equally.
fn strength(now: &[i8], then: &[i8], tint: f32) -> f32 {
    let coloured = now.iter().zip(then).filter(|(_, then)| then.unsigned_abs() >= COLOURED);
    let mut ratios: Vec<f32> =
        coloured.map(|(now, then)| (f32::from(*now) - tint) / f32::from(*then)).collect();
    if ratios.len() * COLOURED_PART < now.len() {
        return 1.0;
    }
    let middle = ratios.len() / 2;
    ratios.select_nth_unstable_by(middle, f32::total_cmp).1.clamp(STRONGER.0, STRONGER.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn muted_colours_are_no_change_and_one_place_of_another_colour_is() {
        let (columns, rows) = (30, 24);
        let then: Vec<i8> = (0..columns * rows).map(|i| if i % columns < 15 { -30 } else { 0 }).collect();
        let mut now: Vec<i8> = then.iter().map(|v| (f32::from(*v) * 0.7) as i8).collect();
        let mut out = Vec::new();
        colour(&now, &then, columns, rows, &mut out);
        let inner = |out: &[f32], x: usize| out[12 * columns + x].abs();
        assert!(inner(&out, 5) < 0.02 && inner(&out, 25) < 0.02, "{} {}", inner(&out, 5), inner(&out, 25));
        for i in [11, 12, 13].into_iter().flat_map(|y| y * columns + 4..y * columns + 7) {
            now[i] = 0;
        }
        colour(&now, &then, columns, rows, &mut out);
        assert!(inner(&out, 5) > 0.3 && inner(&out, 11) < 0.02, "{}", inner(&out, 5));
    }

    #[test]
    fn a_strip_of_one_row_keeps_its_colour() {
        let (columns, rows) = (30, 24);
        let then = vec![-30i8; columns * rows];
        let mut now = then.clone();
        now[12 * columns + 10..12 * columns + 20].fill(0);
        let mut out = Vec::new();
        colour(&now, &then, columns, rows, &mut out);
        let at = |y: usize| out[y * columns + 15].abs();
        assert!(at(12) > 0.45 && at(10) < 0.02, "{} {}", at(12), at(10));
    }
}
