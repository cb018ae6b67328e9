//! A small gray copy of a picture, fine enough to compare single places.

use crate::base::Rect;
use crate::decode::{Picture, cell_means};

/// Cells of a copy: 5 pixels square at 1080p.
pub(super) const COLUMNS: usize = 384;
pub(super) const ROWS: usize = 216;
/// Samples of a cell in each direction.
const SAMPLES: usize = 2;
/// A part with fewer cells cannot be compared.
const MIN_CELLS: usize = 12;
/// The outermost share of a box shows what is behind the thing.
const MARGIN: f32 = 0.1;

/// Mean gray levels (0 to 255) of the cells, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct GrayCopy(pub(super) Vec<u8>);

impl GrayCopy {
    /// `None` for a picture without the bytes of its size, or without pixels.
    pub fn of(picture: &Picture) -> Option<Self> {
        cell_means(picture, (COLUMNS, ROWS), SAMPLES).map(Self)
    }

    /// The cells of one row. `row` must be below the number of rows.
    pub(super) fn row(&self, row: usize) -> &[u8] {
        &self.0[row * COLUMNS..][..COLUMNS]
    }
}

/// The cells of a box without its margin, as ranges of columns and rows. `None`: too few to compare.
pub(super) fn cells_of(rect: &Rect) -> Option<(std::ops::Range<usize>, std::ops::Range<usize>)> {
    let (dx, dy) = (MARGIN * rect.width(), MARGIN * rect.height());
    let cell = |share: f32, of: usize| (share.clamp(0.0, 1.0) * of as f32).round() as usize;
    let columns = cell(rect.x0 + dx, COLUMNS)..cell(rect.x1 - dx, COLUMNS);
    let rows = cell(rect.y0 + dy, ROWS)..cell(rect.y1 - dy, ROWS);
    (columns.len() * rows.len() >= MIN_CELLS).then_some((columns, rows))
}
