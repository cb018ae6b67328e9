//! Colour and brightness by cell.

use super::grid::Grid;

/// The cells of a picture, row by row.
#[derive(Default)]
pub(super) struct Cells {
    /// Mean brightness, 0 to 255.
    pub(super) luma: Vec<u8>,
    /// ln(R B / G G), times [`COLOUR_SCALE`]. Green is negative.
    pub(super) green_magenta: Vec<i8>,
    /// ln(B / R), times [`COLOUR_SCALE`]. Blue is positive.
    pub(super) blue_yellow: Vec<i8>,
    /// The picture has no colour: infrared.
    pub(super) grey: bool,
}

/// Steps of a stored colour value per natural logarithm.
pub(super) const COLOUR_SCALE: f32 = 60.0;
/// A picture has no colour when the distances between its channels spread by less, in levels. Codecs tint
/// infrared pictures evenly by up to three levels, so the distances themselves say less.
const GREY_SPREAD: f32 = 1.5;
const GREY_TINT: f32 = 8.0;

impl Cells {
    pub(super) fn begin(&mut self, cells: usize) {
        self.luma.resize(cells, 0);
        self.green_magenta.resize(cells, 0);
        self.blue_yellow.resize(cells, 0);
    }

    /// Fills one row of cells from two rows of blocks.
    pub(super) fn row(&mut self, row: usize, blocks: &[[u32; 3]], grid: Grid, area: f32, apart: &mut Apart) {
        let columns = grid.columns();
        for x in 0..columns {
            let four = [2 * x, 2 * x + 1, grid.width + 2 * x, grid.width + 2 * x + 1];
            let [r, g, b] = four
                .iter()
                .fold([0u32; 3], |s, i| [s[0] + blocks[*i][0], s[1] + blocks[*i][1], s[2] + blocks[*i][2]]);
            let [r, g, b] = [r, g, b].map(|sum| sum as f32 / area);
            apart.add(r - g, b - g);
            let i = row * columns + x;
            self.luma[i] = (0.299 * r + 0.587 * g + 0.114 * b) as u8;
            // A floor under each channel keeps dark areas from showing strong colours.
            let [r, g, b] = [r, g, b].map(|v| fast_ln(v + 12.0));
            self.green_magenta[i] = ((r + b - 2.0 * g) * COLOUR_SCALE) as i8;
            self.blue_yellow[i] = ((b - r) * COLOUR_SCALE) as i8;
        }
    }
}

/// How far apart the channels are: sums of the red and blue distances from green, and of their squares.
#[derive(Default)]
pub(super) struct Apart {
    n: f32,
    sums: [f64; 4],
}

impl Apart {
    fn add(&mut self, red: f32, blue: f32) {
        self.n += 1.0;
        for (sum, v) in self.sums.iter_mut().zip([red, blue, red * red, blue * blue]) {
            *sum += f64::from(v);
        }
    }

    pub(super) fn is_grey(&self) -> bool {
        let n = f64::from(self.n.max(1.0));
        [(self.sums[0], self.sums[2]), (self.sums[1], self.sums[3])].iter().all(|(sum, squares)| {
            let mean = sum / n;
            let spread = (squares / n - mean * mean).max(0.0).sqrt();
            mean.abs() < f64::from(GREY_TINT) && spread < f64::from(GREY_SPREAD)
        })
    }
}

/// Natural logarithm of a positive number, right to about 0.01: enough for colour, at a tenth of the cost.
fn fast_ln(v: f32) -> f32 {
    let bits = v.to_bits();
    let exponent = (bits >> 23) as f32 - 127.0;
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
    // Quadratic through ln at 1, 1.5 and 2.
    (exponent + (m - 1.0) * (1.339 - 0.339 * (m - 1.0))) * std::f32::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_logarithm_is_near_enough() {
        for v in [12.0f32, 13.0, 40.0, 99.5, 200.0, 267.0] {
            assert!((fast_ln(v) - v.ln()).abs() < 0.012, "{v}: {} for {}", fast_ln(v), v.ln());
        }
    }
}
