//! A picture reduced to the working grid: luma at about 480 columns, colour at half of that.

use super::bank::Difference;
use super::structure::{Field, structure};

/// The working grid of pictures of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// Picture pixels along one working pixel.
    pub(super) factor: usize,
    /// Working pixels; both even.
    pub(super) width: usize,
    pub(super) height: usize,
}

/// Columns that the working grid has at most.
const MAX_COLUMNS: usize = 512;
/// A smaller picture cannot be watched.
const MIN_SIDE: usize = 64;

impl Grid {
    /// `None`: the picture is too small to be judged.
    pub(super) fn of(width: u32, height: u32) -> Option<Self> {
        let (w, h) = (width as usize, height as usize);
        let factor = w.div_ceil(MAX_COLUMNS).max(1);
        let (width, height) = (w / factor / 2 * 2, h / factor / 2 * 2);
        (width >= MIN_SIDE && height >= MIN_SIDE).then_some(Self { factor, width, height })
    }

    pub(super) fn columns(&self) -> usize {
        self.width / 2
    }

    pub(super) fn rows(&self) -> usize {
        self.height / 2
    }

    pub(super) fn cells(&self) -> usize {
        self.columns() * self.rows()
    }
}

/// Bands of rows: what lies in one is about equally far away, so haze is alike in it.
pub(super) const BANDS: usize = 6;

/// The cells of each band.
pub(super) fn bands(columns: usize, rows: usize) -> [std::ops::Range<usize>; BANDS] {
    std::array::from_fn(|b| b * rows / BANDS * columns..(b + 1) * rows / BANDS * columns)
}

/// What one look needs of memory while it lasts; one a thread serves all cameras. About 5 MB at any picture size.
#[derive(Default)]
pub struct Workbench {
    /// Sums of picture rows, then of blocks.
    sums: Vec<u16>,
    blocks: Vec<[u32; 3]>,
    pub(super) luma: Vec<f32>,
    pub(super) scratch: [Vec<f32>; 3],
    pub(super) field: Field,
    pub(super) aligned: Field,
    pub(super) cells: Cells,
    /// From the references of the hour and of the light next to it.
    pub(super) difference: Difference,
    pub(super) second: Difference,
}

/// Colour by cell.
#[derive(Default)]
pub(super) struct Cells {
    /// Mean level, 0 to 255.
    pub(super) luma: Vec<u8>,
    /// ln(R B / G G) and ln(B / R), [`COLOUR_SCALE`] to one; green is below zero, blue above.
    pub(super) green_magenta: Vec<i8>,
    pub(super) blue_yellow: Vec<i8>,
    /// Without colour: infrared light.
    pub(super) grey: bool,
}

/// Steps of a stored colour value in one natural logarithm.
pub(super) const COLOUR_SCALE: f32 = 60.0;
/// Spread of the channels' distance, in levels, under which a picture is without colour: codecs tint infrared pictures
/// evenly by a level or three, so the distance itself says less.
const GREY_SPREAD: f32 = 1.5;
const GREY_TINT: f32 = 8.0;

impl Workbench {
    /// Reduces `rgb` and finds its structure. `rgb` has rows of `width * 3` bytes.
    pub(super) fn reduce(&mut self, rgb: &[u8], width: usize, grid: Grid) {
        let f = grid.factor;
        let area = (f * f) as f32;
        self.luma.resize(grid.width * grid.height, 0.0);
        self.blocks.resize(grid.width * 2, [0; 3]);
        self.cells.begin(grid.cells());
        let used = grid.width * f * 3;
        let mut apart = Apart::default();
        for y in 0..grid.height {
            self.sums.clear();
            self.sums.resize(used, 0);
            for line in 0..f {
                let start = (y * f + line) * width * 3;
                for (sum, value) in self.sums.iter_mut().zip(&rgb[start..start + used]) {
                    *sum += u16::from(*value);
                }
            }
            let half = (y % 2) * grid.width;
            let blocks = &mut self.blocks[half..half + grid.width];
            for (block, pixels) in blocks.iter_mut().zip(self.sums.chunks_exact(f * 3)) {
                *block = pixels.chunks_exact(3).fold([0; 3], |[r, g, b], p| {
                    [r + u32::from(p[0]), g + u32::from(p[1]), b + u32::from(p[2])]
                });
            }
            let row = &mut self.luma[y * grid.width..(y + 1) * grid.width];
            for (out, [r, g, b]) in row.iter_mut().zip(blocks) {
                *out = (0.299 * *r as f32 + 0.587 * *g as f32 + 0.114 * *b as f32) / area;
            }
            if y % 2 == 1 {
                self.cells.row(y / 2, &self.blocks, grid, area * 4.0, &mut apart);
            }
        }
        self.cells.grey = apart.is_grey();
        structure(&self.luma, grid, &mut self.scratch, &mut self.field);
    }
}

impl Cells {
    fn begin(&mut self, cells: usize) {
        self.luma.resize(cells, 0);
        self.green_magenta.resize(cells, 0);
        self.blue_yellow.resize(cells, 0);
    }

    /// One row of cells from two rows of blocks.
    fn row(&mut self, row: usize, blocks: &[[u32; 3]], grid: Grid, area: f32, apart: &mut Apart) {
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
            // A floor under each channel keeps the dark from having loud colours.
            let [r, g, b] = [r, g, b].map(|v| fast_ln(v + 12.0));
            self.green_magenta[i] = ((r + b - 2.0 * g) * COLOUR_SCALE) as i8;
            self.blue_yellow[i] = ((b - r) * COLOUR_SCALE) as i8;
        }
    }
}

/// How far apart the channels are: sums of the two distances and of their squares.
#[derive(Default)]
struct Apart {
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

    fn is_grey(&self) -> bool {
        let n = f64::from(self.n.max(1.0));
        [(self.sums[0], self.sums[2]), (self.sums[1], self.sums[3])].iter().all(|(sum, squares)| {
            let mean = sum / n;
            let spread = (squares / n - mean * mean).max(0.0).sqrt();
            mean.abs() < f64::from(GREY_TINT) && spread < f64::from(GREY_SPREAD)
        })
    }
}

/// Natural logarithm of a positive number to about 0.01: enough for colour, a tenth of the price.
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
    fn the_grid_of_common_sizes() {
        for (w, h, factor, width, height) in [
            (1920, 1080, 4, 480, 270),
            (960, 540, 2, 480, 270),
            (704, 576, 2, 352, 288),
            (3840, 2160, 8, 480, 270),
        ] {
            assert_eq!(Grid::of(w, h), Some(Grid { factor, width, height }), "{w}x{h}");
        }
        assert_eq!(Grid::of(80, 60), None);
    }

    #[test]
    fn the_fast_logarithm_is_near_enough() {
        for v in [12.0f32, 13.0, 40.0, 99.5, 200.0, 267.0] {
            assert!((fast_ln(v) - v.ln()).abs() < 0.012, "{v}: {} for {}", fast_ln(v), v.ln());
        }
    }

    #[test]
    fn infrared_is_told_by_its_want_of_colour() {
        let grid = Grid::of(128, 128).expect("large enough");
        let mut bench = Workbench::default();
        bench.reduce(&[90; 128 * 128 * 3], 128, grid);
        assert!(bench.cells.grey && bench.luma.iter().all(|v| (v - 90.0).abs() < 0.1));
        let green: Vec<u8> = [60u8, 90, 50].repeat(128 * 128);
        bench.reduce(&green, 128, grid);
        assert!(!bench.cells.grey, "an even green is no infrared");
        assert!(bench.cells.green_magenta.iter().all(|v| *v < -20));
        let tinted: Vec<u8> = [90u8, 93, 91].repeat(128 * 128);
        bench.reduce(&tinted, 128, grid);
        assert!(bench.cells.grey, "as a codec gives it");
    }
}
