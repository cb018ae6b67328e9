//! Masks: a picture of its own in the file (GDAL_TIFF_INTERNAL_MASK), or in a file beside it (`.msk`).

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use tiff::decoder::Decoder;
use tiff::tags::Tag;

use super::error::{RasterError, Tags};
use super::layout::Layout;
use super::samples::samples;

/// NewSubfileType: bit 0 is a smaller copy, bit 2 a mask.
const SMALLER: u64 = 1;
const MASK: u64 = 4;

/// Goes through the pictures behind the first.
pub(super) fn find(tags: &mut Tags, path: &Path, size: [u32; 2]) -> Result<Option<Vec<bool>>, RasterError> {
    // A further picture that cannot be read is no mask: smaller copies may be of any kind.
    while tags.more_images() && tags.next_image().is_ok() {
        let kind = tags.find_tag(Tag::NewSubfileType)?.map(|v| v.into_u64()).transpose()?.unwrap_or(0);
        if kind & MASK != 0 && kind & SMALLER == 0 {
            return read(tags, size).map(Some);
        }
    }
    let beside = PathBuf::from(format!("{}.msk", path.display()));
    let Ok(file) = File::open(&beside) else { return Ok(None) };
    let mut tags = Decoder::new(BufReader::new(file))?;
    read(&mut tags, size).map(Some)
}

fn read(tags: &mut Tags, size: [u32; 2]) -> Result<Vec<bool>, RasterError> {
    let layout = Layout::read(tags)?;
    if layout.size() != size {
        return Err(RasterError::Unknown { what: "mask of another size".to_owned() });
    }
    let mut valid = vec![false; size[0] as usize * size[1] as usize];
    samples(tags, &layout, |pixel, band, value| {
        if band == 0 {
            valid[pixel] = value != 0.0;
        }
    })?;
    Ok(valid)
}
