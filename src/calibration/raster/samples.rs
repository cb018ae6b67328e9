//! All samples of one picture.

use std::io::{Read as _, Seek as _, SeekFrom};

use super::chunk;
use super::error::{RasterError, Tags};
use super::layout::Layout;

/// Calls `put` with the pixel (row by row), band and value of every sample that there is.
pub(super) fn samples(
    tags: &mut Tags,
    layout: &Layout,
    mut put: impl FnMut(usize, usize, f64),
) -> Result<(), RasterError> {
    let mut raw = Vec::new();
    for (index, &(offset, length)) in layout.chunks.iter().enumerate() {
        if length == 0 || offset == 0 {
            continue;
        }
        let damaged = |what: String| RasterError::Damaged { chunk: index, what };
        raw.clear();
        let file = tags.inner();
        file.seek(SeekFrom::Start(offset)).map_err(|e| damaged(e.to_string()))?;
        let got = file.take(length).read_to_end(&mut raw).map_err(|e| damaged(e.to_string()))?;
        if (got as u64) < length {
            return Err(damaged("the file ends before it".to_owned()));
        }
        let bytes = chunk::decode(layout, &raw).map_err(damaged)?;
        let place = layout.place(index);
        chunk::visit(layout, &bytes, &place, &mut put);
    }
    Ok(())
}
