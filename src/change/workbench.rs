//! Reduces a picture to the working grid: luma at about 480 columns, colour at half of that.

use super::cells::{Apart, Cells};
use super::difference::Difference;
use super::grid::Grid;
use super::structure::{Field, structure};

/// Scratch memory for one inspection, about 5 MB at any picture size. One per thread serves all cameras.
#[derive(Default)]
pub struct Workbench {
    /// Sums over picture rows.
    sums: Vec<u16>,
    blocks: Vec<[u32; 3]>,
    pub(super) luma: Vec<f32>,
    pub(super) scratch: [Vec<f32>; 3],
    pub(super) field: Field,
    pub(super) aligned: Field,
    pub(super) cells: Cells,
    /// From the bank of the hour, and from that of the next most similar light in `second`.
    pub(super) difference: Difference,
    pub(super) second: Difference,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infrared_is_known_by_its_lack_of_colour() {
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
