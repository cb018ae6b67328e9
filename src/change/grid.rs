//! The working grid of a picture: about 480 columns of working pixels, in cells of 2 x 2.

/// The working grid for pictures of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// Picture pixels per working pixel, along one side.
    pub(super) factor: usize,
    /// In working pixels; even, as is the height.
    pub(super) width: usize,
    pub(super) height: usize,
}

/// The most columns of a working grid.
const MAX_COLUMNS: usize = 512;
/// Smaller pictures cannot be watched.
const MIN_SIDE: usize = 64;

impl Grid {
    /// `None` for a picture that is too small to be judged.
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

/// Bands of rows. All in one band is about equally far away, so haze is uniform in it.
pub(super) const BANDS: usize = 6;

/// The cells of each band.
pub(super) fn bands(columns: usize, rows: usize) -> [std::ops::Range<usize>; BANDS] {
    std::array::from_fn(|b| b * rows / BANDS * columns..(b + 1) * rows / BANDS * columns)
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
}
