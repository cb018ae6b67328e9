//! Pictures of the ground from GeoTIFF: orthophotos and mosaics of a flight.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use image::RgbImage;
use tiff::decoder::{Decoder, DecodingResult, Limits};

use super::geotiff::{DemProblem, GeoKeys, placement};
use crate::geo::GridCrs;

/// Pixels of one mosaic, at most: 300 MB in memory.
const MAX_PIXELS: u64 = 100_000_000;

/// A picture whose pixels have places.
#[derive(Clone, Debug)]
pub struct Mosaic {
    pub image: RgbImage,
    /// False where the flight saw nothing, pixel by pixel.
    pub known: Vec<bool>,
    /// Of the first pixel's outer corner: longitude and latitude, or easting and northing.
    pub origin: [f64; 2],
    /// From column to column, and from row to row.
    pub step: [f64; 2],
    pub crs: GridCrs,
}

/// Why a mosaic cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("mosaic {}", path.display())]
pub struct MosaicError {
    path: PathBuf,
    source: MosaicProblem,
}

#[derive(Debug, thiserror::Error)]
enum MosaicProblem {
    #[error("cannot open it")]
    Open(#[source] std::io::Error),
    /// No source: the error of the TIFF reader says its own cause.
    #[error(
        "it is not a TIFF that can be read ({0}): `gdal_translate -of GTiff -co COMPRESS=DEFLATE IN OUT` makes one that is"
    )]
    Tiff(tiff::TiffError),
    #[error(transparent)]
    Place(#[from] DemProblem),
    #[error("{0} bands of this depth are no picture: export it with three or four bands of 8 bits")]
    Bands(usize),
    #[error("{0} x {1} pixels are more than {MAX_PIXELS}: `gdal_translate -outsize 50% 0 IN OUT`, or cut it")]
    TooLarge(u32, u32),
}

impl From<tiff::TiffError> for MosaicProblem {
    fn from(error: tiff::TiffError) -> Self {
        Self::Tiff(error)
    }
}

/// Reads a mosaic into memory.
///
/// # Errors
/// No such file, no TIFF, no georeference, an unknown coordinate system, no picture of 8 bits.
pub fn load_mosaic(path: &Path) -> Result<Mosaic, MosaicError> {
    read(path).map_err(|source| MosaicError { path: path.to_path_buf(), source })
}

fn read(path: &Path) -> Result<Mosaic, MosaicProblem> {
    let file = File::open(path).map_err(MosaicProblem::Open)?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_PIXELS as usize * 4;
    let mut tiff = Decoder::new(BufReader::new(file))?.with_limits(limits);
    let (width, height) = tiff.dimensions()?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS || pixels == 0 {
        return Err(MosaicProblem::TooLarge(width, height));
    }
    let keys = GeoKeys::read(&mut tiff)?;
    let crs = keys.crs()?;
    let (mut origin, step) = placement(&mut tiff)?;
    if keys.pixel_is_point() {
        origin = [origin[0] - step[0] / 2.0, origin[1] - step[1] / 2.0];
    }
    let values = match tiff.read_image()? {
        DecodingResult::U8(values) => values,
        other => return Err(MosaicProblem::Bands(bands_of(&other, pixels))),
    };
    let bands = values.len() / pixels as usize;
    if !matches!(bands, 1 | 3 | 4) {
        return Err(MosaicProblem::Bands(bands));
    }
    let colour = |p: &[u8]| if bands == 1 { [p[0]; 3] } else { [p[0], p[1], p[2]] };
    // Without an alpha band, black of exactly 0 is what programs write where there is nothing.
    let known =
        values.chunks_exact(bands).map(|p| if bands == 4 { p[3] > 127 } else { p.iter().any(|v| *v > 0) });
    let known = known.collect();
    let raw: Vec<u8> = values.chunks_exact(bands).flat_map(colour).collect();
    let image = RgbImage::from_raw(width, height, raw).ok_or(MosaicProblem::Bands(bands))?;
    Ok(Mosaic { image, known, origin, step, crs })
}

fn bands_of(read: &DecodingResult, pixels: u64) -> usize {
    let values = match read {
        DecodingResult::U16(v) => v.len(),
        DecodingResult::F32(v) => v.len(),
        _ => 0,
    };
    values / pixels.max(1) as usize
}
