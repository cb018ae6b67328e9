//! A terrain model in memory.

use nalgebra::Vector2;

use super::projection::TransverseMercator;

/// What the columns and rows of a grid are reckoned in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GridCrs {
    /// Degrees of longitude and latitude.
    Geographic,
    /// Metres of a zone.
    Projected(TransverseMercator),
}

/// Heights and where they belong. The height at (column, row) is that of the place
/// `origin + (column * step[0], row * step[1])`.
#[derive(Clone, Debug, PartialEq)]
pub struct DemGrid {
    pub columns: usize,
    pub rows: usize,
    /// Row by row, metres; not a number where unknown.
    pub heights: Vec<f32>,
    /// Of the first height: longitude and latitude, or easting and northing.
    pub origin: [f64; 2],
    /// From column to column, and from row to row (negative where the first row is the northern one).
    pub step: [f64; 2],
    pub crs: GridCrs,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GridError {
    #[error("a terrain model needs at least 2 x 2 heights, this one has {0} x {1}")]
    TooSmall(usize, usize),
    #[error("{found} heights do not fill {columns} x {rows}")]
    Heights { found: usize, columns: usize, rows: usize },
    #[error("the georeference holds {0}, which is not a usable number")]
    Reference(f64),
    #[error("no height is known: all are marked as missing")]
    Empty,
    #[error(
        "longitude {lon} and latitude {lat} are no place on earth: the terrain model's coordinates are not what its \
         georeference says"
    )]
    NoPlace { lon: f64, lat: f64 },
}

/// Heights between the points of the grid are bilinear.
#[derive(Clone, Debug, PartialEq)]
pub struct Dem {
    grid: DemGrid,
    highest: f64,
    lowest: f64,
    /// Length of the shorter side of a cell, metres.
    cell_m: f64,
}

impl Dem {
    /// # Errors
    /// Too few heights, none known, a georeference that is none.
    pub fn new(grid: DemGrid) -> Result<Self, GridError> {
        let (columns, rows) = (grid.columns, grid.rows);
        if columns < 2 || rows < 2 {
            return Err(GridError::TooSmall(columns, rows));
        }
        if columns.checked_mul(rows) != Some(grid.heights.len()) {
            return Err(GridError::Heights { found: grid.heights.len(), columns, rows });
        }
        let numbers = [grid.origin[0], grid.origin[1], grid.step[0], grid.step[1]];
        if let Some(bad) = numbers.into_iter().find(|v| !v.is_finite()) {
            return Err(GridError::Reference(bad));
        }
        if let Some(bad) = grid.step.into_iter().find(|v| *v == 0.0) {
            return Err(GridError::Reference(bad));
        }
        let known = || grid.heights.iter().filter(|h| h.is_finite()).map(|h| f64::from(*h));
        let (highest, lowest) =
            (known().fold(f64::NEG_INFINITY, f64::max), known().fold(f64::INFINITY, f64::min));
        if !highest.is_finite() {
            return Err(GridError::Empty);
        }
        let mut dem = Self { grid, highest, lowest, cell_m: 0.0 };
        for corner in dem.corners() {
            if !(corner[0].abs() <= 180.0 && corner[1].abs() <= 90.0) {
                return Err(GridError::NoPlace { lon: corner[0], lat: corner[1] });
            }
        }
        let metres = match dem.grid.crs {
            GridCrs::Projected(_) => dem.grid.step,
            GridCrs::Geographic => {
                let cos_lat = dem.center()[1].to_radians().cos();
                [dem.grid.step[0] * 111_320.0 * cos_lat, dem.grid.step[1] * 110_574.0]
            }
        };
        dem.cell_m = metres[0].abs().min(metres[1].abs());
        Ok(dem)
    }

    /// Height of the ground, metres; `None` outside, and where a corner of the cell is unknown. Degrees.
    pub fn height(&self, lon: f64, lat: f64) -> Option<f64> {
        let [column, row] = self.to_grid(lon, lat);
        self.height_at(column, row)
    }

    /// Length of the shorter side of a cell, metres.
    pub fn cell_m(&self) -> f64 {
        self.cell_m
    }

    /// Lowest and highest known ground, metres.
    pub fn range(&self) -> [f64; 2] {
        [self.lowest, self.highest]
    }

    pub fn grid(&self) -> &DemGrid {
        &self.grid
    }

    /// Longitude and latitude of the middle.
    pub fn center(&self) -> [f64; 2] {
        self.to_lon_lat((self.grid.columns - 1) as f64 / 2.0, (self.grid.rows - 1) as f64 / 2.0)
    }

    /// Longitude and latitude of the first and last heights of the first and last rows.
    pub fn corners(&self) -> [[f64; 2]; 4] {
        let (c, r) = ((self.grid.columns - 1) as f64, (self.grid.rows - 1) as f64);
        [(0.0, 0.0), (c, 0.0), (c, r), (0.0, r)].map(|(c, r)| self.to_lon_lat(c, r))
    }

    /// Column and row of a place, with fractions.
    pub(crate) fn to_grid(&self, lon: f64, lat: f64) -> [f64; 2] {
        let [x, y] = match &self.grid.crs {
            GridCrs::Geographic => [lon, lat],
            GridCrs::Projected(zone) => zone.forward(lon, lat),
        };
        [(x - self.grid.origin[0]) / self.grid.step[0], (y - self.grid.origin[1]) / self.grid.step[1]]
    }

    pub(crate) fn to_lon_lat(&self, column: f64, row: f64) -> [f64; 2] {
        let p = Vector2::from(self.grid.origin)
            + Vector2::new(column * self.grid.step[0], row * self.grid.step[1]);
        match &self.grid.crs {
            GridCrs::Geographic => p.into(),
            GridCrs::Projected(zone) => zone.inverse(p.x, p.y),
        }
    }

    pub(crate) fn height_at(&self, column: f64, row: f64) -> Option<f64> {
        let (columns, rows) = (self.grid.columns, self.grid.rows);
        let inside = |v: f64, n: usize| v >= 0.0 && v <= (n - 1) as f64;
        if !inside(column, columns) || !inside(row, rows) {
            return None;
        }
        let (c, r) = ((column as usize).min(columns - 2), (row as usize).min(rows - 2));
        let (x, y) = (column - c as f64, row - r as f64);
        let at = r * columns + c;
        let h = |i: usize| f64::from(self.grid.heights[i]);
        let upper = h(at) * (1.0 - x) + h(at + 1) * x;
        let lower = h(at + columns) * (1.0 - x) + h(at + columns + 1) * x;
        Some(upper * (1.0 - y) + lower * y).filter(|h| h.is_finite())
    }

    /// Whether column and row are within the grid.
    pub(crate) fn covers(&self, column: f64, row: f64) -> bool {
        (0.0..=(self.grid.columns - 1) as f64).contains(&column)
            && (0.0..=(self.grid.rows - 1) as f64).contains(&row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(heights: &[f32]) -> DemGrid {
        DemGrid {
            columns: 3,
            rows: 2,
            heights: heights.to_vec(),
            origin: [120.0, 30.0],
            step: [0.001, -0.001],
            crs: GridCrs::Geographic,
        }
    }

    #[test]
    fn heights_are_bilinear_and_end_at_the_outermost_points() {
        let dem = Dem::new(grid(&[0.0, 10.0, 20.0, 30.0, 40.0, f32::NAN])).expect("a grid");
        assert_eq!(dem.height(120.0, 30.0), Some(0.0));
        assert!((dem.height(120.0005, 29.9995).expect("inside") - 20.0).abs() < 1e-6);
        assert_eq!(dem.height(120.0015, 29.9995), None, "one corner is unknown");
        assert_eq!(dem.height(119.9999, 30.0), None);
        assert_eq!(dem.height(f64::NAN, 30.0), None);
        assert_eq!(dem.range(), [0.0, 40.0]);
    }

    #[test]
    fn grids_that_are_none_are_refused() {
        let refused = |grid: DemGrid| Dem::new(grid).expect_err("refused");
        assert_eq!(refused(grid(&[f32::NAN; 6])), GridError::Empty);
        assert_eq!(refused(grid(&[0.0; 5])), GridError::Heights { found: 5, columns: 3, rows: 2 });
        assert_eq!(refused(DemGrid { step: [0.0, 1.0], ..grid(&[0.0; 6]) }), GridError::Reference(0.0));
        let metres = DemGrid { origin: [500_000.0, 3_300_000.0], ..grid(&[0.0; 6]) };
        assert!(matches!(refused(metres), GridError::NoPlace { .. }), "metres that are called degrees");
    }
}
