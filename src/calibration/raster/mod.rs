//! The samples of a TIFF (revision 6.0, BigTIFF), in every arrangement that GIS programs write: strips and tiles,
//! pixel and band interleaved, sparse, with masks. The `tiff` crate reads the tags; its own reader of samples knows
//! no sparse tiles, no masks and no palettes, and reads the first of several planes only.

mod chunk;
mod error;
mod layout;
mod mask;
mod metadata;
mod open;
mod samples;

pub(super) use error::{RasterError, Tags};
pub(super) use layout::{Layout, Photometric};
pub(super) use metadata::BandScale;
pub(super) use open::Raster;

#[cfg(test)]
pub(super) mod tests;
