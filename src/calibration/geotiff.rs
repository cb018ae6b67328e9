//! Terrain models from GeoTIFF: one band of heights, in degrees, UTM or Gauss-Kruger.

use std::path::{Path, PathBuf};

use super::geokeys::{GeoKeys, PlaceProblem, placement};
use super::raster::{BandScale, Raster, RasterError};
use crate::geo::{Dem, DemGrid, GridError};

/// Heights of one model, at most: 400 MB in memory.
const MAX_HEIGHTS: u64 = 100_000_000;
/// Of nobody's: lower than the Dead Sea's bed, higher than Everest, and what programs write for "missing".
const POSSIBLE_M: std::ops::RangeInclusive<f32> = -500.0..=9_000.0;

/// Why a terrain model cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("terrain model {}", path.display())]
pub struct DemError {
    path: PathBuf,
    source: DemProblem,
}

#[derive(Debug, thiserror::Error)]
enum DemProblem {
    #[error(transparent)]
    Place(#[from] PlaceProblem),
    #[error("it has {0} bands, a terrain model has one")]
    Bands(usize),
    #[error("{columns} x {rows} heights are more than {MAX_HEIGHTS}: cut out the country around the cameras")]
    TooLarge { columns: u32, rows: u32 },
    #[error(
        "its heights are in `{0}`, which is not known here: `gdal_calc.py` to metres, and `gdal_edit.py` to say so"
    )]
    Unit(String),
    #[error(transparent)]
    Grid(#[from] GridError),
}

impl From<RasterError> for DemProblem {
    fn from(error: RasterError) -> Self {
        Self::Place(error.into())
    }
}

/// Reads a terrain model into memory.
///
/// # Errors
/// No such file, no TIFF, no georeference, an unknown coordinate system or datum, several bands, no heights.
pub fn load_dem(path: &Path) -> Result<Dem, DemError> {
    read(path).map_err(|source| DemError { path: path.to_path_buf(), source })
}

fn read(path: &Path) -> Result<Dem, DemProblem> {
    let mut raster = Raster::open(path)?;
    let [columns, rows] = raster.layout.size();
    if u64::from(columns) * u64::from(rows) > MAX_HEIGHTS {
        return Err(DemProblem::TooLarge { columns, rows });
    }
    if raster.layout.bands > 1 {
        return Err(DemProblem::Bands(raster.layout.bands));
    }
    let keys = GeoKeys::read(&mut raster.tags)?;
    let crs = keys.crs()?;
    let (mut origin, step) = placement(&mut raster.tags)?;
    if !keys.pixel_is_point() {
        // The reference is to the corner of the first pixel, the height belongs to its middle.
        origin = [origin[0] + step[0] / 2.0, origin[1] + step[1] / 2.0];
    }
    let (nodata, scale) = (raster.nodata(), raster.band_scale());
    let metres = metres(&scale, keys.vertical_unit()?)?;
    let (columns, rows) = (columns as usize, rows as usize);
    let mut heights = vec![f32::NAN; columns * rows];
    raster.samples(|pixel, _, value| {
        // The text of the mark has more digits than a float32 holds.
        let missing = nodata.is_some_and(|mark| value == mark || value as f32 == mark as f32);
        let height = ((value * scale.scale + scale.offset) * metres) as f32;
        if !missing && POSSIBLE_M.contains(&height) {
            heights[pixel] = height;
        }
    })?;
    if let Some(valid) = raster.mask()? {
        let invalid = heights.iter_mut().zip(valid).filter(|(_, valid)| !valid);
        invalid.for_each(|(height, _)| *height = f32::NAN);
    }
    Ok(Dem::new(DemGrid { columns, rows, heights, origin, step, crs })?)
}

/// Metres of one unit of the heights.
fn metres(scale: &BandScale, by_keys: f64) -> Result<f64, DemProblem> {
    match scale.unit.to_lowercase().as_str() {
        "" => Ok(by_keys),
        "m" | "metre" | "meter" | "metres" | "meters" => Ok(1.0),
        "dm" => Ok(0.1),
        "cm" => Ok(0.01),
        "mm" => Ok(0.001),
        "ft" | "foot" | "feet" | "international foot" => Ok(0.3048),
        "us-ft" | "us survey foot" => Ok(1200.0 / 3937.0),
        _ => Err(DemProblem::Unit(scale.unit.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::raster::tests::{Picture, written};
    use super::*;

    const METADATA: u16 = 42_112;
    const NODATA: u16 = 42_113;

    fn floats(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    /// 3 x 2 heights.
    fn model() -> Picture {
        Picture::new(3, 2, 1, 32).short(339, &[3]).placed()
    }

    fn heights(pictures: &[Picture]) -> Result<Vec<f32>, String> {
        let (_dir, path) = written(pictures);
        let dem = load_dem(&path).map_err(|e| crate::base::error_chain(&e))?;
        // What is not known is -1, to compare.
        Ok(dem.grid().heights.iter().map(|h| if h.is_nan() { -1.0 } else { *h }).collect())
    }

    #[test]
    fn what_is_missing_is_not_known_however_it_is_marked() {
        let values = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0];
        let marked = |mark: f32| [&values[..5], &[mark]].concat();
        let holed = Ok(vec![10.0, 11.0, 12.0, 13.0, 14.0, -1.0]);
        for (mark, text) in
            [(-9999.0, "-9999"), (f32::MIN, "-3.4028234663852886e+38"), (f32::NAN, "nan"), (0.0, "0")]
        {
            let picture = model().text(NODATA, text).parts(&[floats(&marked(mark))]);
            assert_eq!(heights(&[picture]), holed, "{text}");
        }
        let mask = Picture::new(3, 2, 1, 1)
            .short(254, &[4])
            .short(262, &[4])
            .parts(&[vec![0b1110_0000, 0b1100_0000]]);
        let smaller =
            Picture::new(2, 1, 1, 32).short(254, &[1]).short(339, &[3]).parts(&[floats(&[1.0, 2.0])]);
        assert_eq!(heights(&[model().parts(&[floats(&values)]), smaller, mask]), holed);
        // Rows of their own, of which the second is not there: sparse, and the file's first bytes are no heights.
        let sparse = model().short(278, &[1]).parts(&[floats(&values[..3]), Vec::new()]);
        assert_eq!(heights(&[sparse]), Ok(vec![10.0, 11.0, 12.0, -1.0, -1.0, -1.0]));
    }

    #[test]
    fn a_mask_beside_the_file_counts() {
        let (dir, path) = written(&[model().parts(&[floats(&[10.0; 6])])]);
        let mask = Picture::new(3, 2, 1, 8).parts(&[vec![255, 255, 255, 255, 255, 0]]);
        std::fs::write(dir.path().join("a.tif.msk"), super::super::raster::tests::file(&[mask]))
            .expect("written");
        let dem = load_dem(&path).expect("a terrain model");
        assert!(dem.grid().heights[5].is_nan() && dem.grid().heights[4] == 10.0);
    }

    #[test]
    fn scale_offset_and_unit_are_of_the_file() {
        let stored = Picture::new(3, 2, 1, 16).placed().text(NODATA, "65535");
        let stored = stored
            .parts(&[[100u16, 200, 300, 400, 500, 65_535].iter().flat_map(|v| v.to_le_bytes()).collect()]);
        let xml = |unit: &str| {
            format!(
                "<GDALMetadata>\n  <Item name=\"OFFSET\" sample=\"0\" role=\"offset\">-10</Item>\n  <Item name=\"SCALE\" \
                 sample=\"0\" role=\"scale\">0.5</Item>\n  <Item name=\"X\" sample=\"1\" role=\"scale\">7</Item>{unit}</GDALMetadata>"
            )
        };
        let found = heights(&[stored.clone().text(METADATA, &xml(""))]);
        assert_eq!(found, Ok(vec![40.0, 90.0, 140.0, 190.0, 240.0, -1.0]));
        let feet = xml("<Item name=\"UNITTYPE\" sample=\"0\" role=\"unittype\">ft</Item>");
        let found = heights(&[stored.clone().text(METADATA, &feet)]).expect("feet");
        assert!((found[0] - 12.192).abs() < 1e-4, "{found:?}");
        let odd = xml("<Item name=\"UNITTYPE\" sample=\"0\" role=\"unittype\">chi</Item>");
        let error = heights(&[stored.text(METADATA, &odd)]).expect_err("an unknown unit");
        assert!(error.contains("`chi`"), "{error}");
    }

    #[test]
    fn bands_are_counted_in_every_arrangement() {
        for planar in [1, 2] {
            let parts = if planar == 1 { vec![vec![1; 18]] } else { vec![vec![1; 6]; 3] };
            let picture = Picture::new(3, 2, 3, 8).placed().short(284, &[planar]).parts(&parts);
            let error = heights(&[picture]).expect_err("three bands");
            assert!(error.contains("3 bands"), "{error}");
        }
    }
}
