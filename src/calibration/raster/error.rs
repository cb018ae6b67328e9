//! What can be wrong with a TIFF.

use std::fs::File;
use std::io::BufReader;

use tiff::decoder::Decoder;

/// The reader of tags.
pub(in crate::calibration) type Tags = Decoder<BufReader<File>>;

/// Values of one raster, at most.
pub(super) const MOST_SAMPLES: u64 = 400_000_000;

#[derive(Debug, thiserror::Error)]
pub(in crate::calibration) enum RasterError {
    #[error("cannot open it")]
    Open(#[source] std::io::Error),
    /// No source: the error of the TIFF reader says its own cause.
    #[error("it is not a TIFF that can be read ({0}): {ADVICE}")]
    Tiff(tiff::TiffError),
    #[error("its {what} is not known here: {ADVICE}")]
    Unknown { what: String },
    #[error("part {chunk} of it is damaged ({what}): copy it again from where it was made")]
    Damaged { chunk: usize, what: String },
    #[error("{columns} x {rows} x {bands} values are more than {MOST_SAMPLES}: cut it, or make it coarser")]
    TooLarge { columns: u32, rows: u32, bands: usize },
}

const ADVICE: &str = "`gdal_translate -of GTiff -co COMPRESS=DEFLATE IN OUT` makes one that is";

impl From<tiff::TiffError> for RasterError {
    fn from(error: tiff::TiffError) -> Self {
        Self::Tiff(error)
    }
}
