//! A TIFF on the disk.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use tiff::decoder::Decoder;
use tiff::tags::Tag;

use super::error::{MOST_SAMPLES, RasterError, Tags};
use super::layout::Layout;
use super::mask;
use super::metadata::{self, BandScale};
use super::samples::samples;

/// An open TIFF: its first picture.
pub(in crate::calibration) struct Raster {
    path: PathBuf,
    pub tags: Tags,
    pub layout: Layout,
}

impl Raster {
    /// # Errors
    /// No such file, no TIFF, or an arrangement that is not known.
    pub fn open(path: &Path) -> Result<Self, RasterError> {
        let file = File::open(path).map_err(RasterError::Open)?;
        let mut tags = Decoder::new(BufReader::new(file))?;
        let layout = Layout::read(&mut tags)?;
        let Layout { columns, rows, bands, .. } = layout;
        if u64::from(columns) * u64::from(rows) * bands as u64 > MOST_SAMPLES {
            return Err(RasterError::TooLarge { columns, rows, bands });
        }
        Ok(Self { path: path.to_path_buf(), tags, layout })
    }

    /// Calls `put` with the pixel (row by row), band and value of every sample that there is: parts that a sparse
    /// file leaves out are left out here.
    ///
    /// # Errors
    /// A part cannot be decoded.
    pub fn samples(&mut self, put: impl FnMut(usize, usize, f64)) -> Result<(), RasterError> {
        samples(&mut self.tags, &self.layout, put)
    }

    /// What GDAL writes for "missing" in every band.
    pub fn nodata(&mut self) -> Option<f64> {
        let text = self.tags.find_tag(Tag::GdalNodata).ok()??.into_string().ok()?;
        text.trim_matches(['\0', ' ']).parse().ok()
    }

    /// Scale, offset and unit of the first band.
    pub fn band_scale(&mut self) -> BandScale {
        let text = self.tags.find_tag(Tag::Unknown(metadata::GDAL_METADATA)).ok().flatten();
        text.and_then(|v| v.into_string().ok()).map(|xml| BandScale::parse(&xml)).unwrap_or_default()
    }

    /// For each pixel whether it is valid, where a mask says so: in the file or beside it. Ends the reading of
    /// this file.
    ///
    /// # Errors
    /// There is a mask, and it cannot be read.
    pub fn mask(mut self) -> Result<Option<Vec<bool>>, RasterError> {
        mask::find(&mut self.tags, &self.path, self.layout.size())
    }
}
