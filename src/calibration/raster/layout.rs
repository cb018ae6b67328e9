//! How the samples of a picture lie in the file.

use tiff::tags::{ByteOrder, Tag};

use super::error::{RasterError, Tags};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::calibration) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    Jpeg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::calibration) enum Predictor {
    None,
    Horizontal,
    FloatingPoint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::calibration) enum Format {
    Unsigned,
    Signed,
    Float,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::calibration) enum Photometric {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Mask,
    /// Luminance and colour difference, which only JPEG parts have here.
    YCbCr,
}

#[derive(Clone, Debug)]
pub(in crate::calibration) struct Layout {
    pub columns: u32,
    pub rows: u32,
    pub bands: usize,
    /// Of one sample.
    pub bits: usize,
    pub format: Format,
    /// Each band has parts of its own.
    pub planar: bool,
    pub compression: Compression,
    pub predictor: Predictor,
    pub photometric: Photometric,
    /// Of the bands behind the colours: 1 and 2 are alpha.
    pub extra: Vec<u16>,
    /// Red, green and blue of every value, 16 bits each; empty without a palette.
    pub colours: Vec<u16>,
    pub big_endian: bool,
    pub jpeg_tables: Vec<u8>,
    tiled: bool,
    /// Width and height of a tile, or of a strip.
    chunk: [usize; 2],
    /// Offset and length in the file; 0 where a sparse file has none.
    pub chunks: Vec<(u64, u64)>,
}

/// Where a chunk belongs in the picture.
pub(super) struct Place {
    pub column: usize,
    pub row: usize,
    /// The chunk's band, or 0.
    pub band: usize,
    /// Within the picture.
    pub width: usize,
    pub height: usize,
}

/// Samples of one chunk, at most.
const MOST_IN_CHUNK: usize = 400_000_000;

impl Layout {
    pub fn read(tags: &mut Tags) -> Result<Self, RasterError> {
        let unknown = |what: String| RasterError::Unknown { what };
        let (columns, rows) = tags.dimensions()?;
        let mut list = |tag: Tag| -> Result<Vec<u64>, RasterError> {
            Ok(tags.find_tag(tag)?.map(|v| v.into_u64_vec()).transpose()?.unwrap_or_default())
        };
        let bands = list(Tag::SamplesPerPixel)?.first().map_or(1, |n| *n as usize);
        let bits = list(Tag::BitsPerSample)?;
        let formats = list(Tag::SampleFormat)?;
        if bits.iter().any(|b| *b != bits[0]) || formats.iter().any(|f| *f != formats[0]) {
            return Err(unknown("mixture of depths".to_owned()));
        }
        let bits = bits.first().map_or(1, |b| *b as usize);
        let format = match formats.first() {
            // 4 is "undefined", which programs write for plain numbers.
            None | Some(1 | 4) => Format::Unsigned,
            Some(2) => Format::Signed,
            Some(3) => Format::Float,
            Some(other) => return Err(unknown(format!("sample format {other}"))),
        };
        let fits = match format {
            Format::Float => matches!(bits, 16 | 32 | 64),
            Format::Signed => matches!(bits, 8 | 16 | 32 | 64),
            Format::Unsigned => matches!(bits, 1 | 2 | 4 | 8 | 16 | 32 | 64),
        };
        if !fits || bands == 0 {
            return Err(unknown(format!("depth of {bits} bits in {bands} bands")));
        }
        let one = |values: Vec<u64>, default| values.first().copied().unwrap_or(default);
        let compression = match one(list(Tag::Compression)?, 1) {
            1 => Compression::None,
            5 => Compression::Lzw,
            7 => Compression::Jpeg,
            8 | 32_946 => Compression::Deflate,
            32_773 => Compression::PackBits,
            other => return Err(unknown(format!("compression ({})", compression_name(other)))),
        };
        let predictor = match one(list(Tag::Predictor)?, 1) {
            1 => Predictor::None,
            2 if bits >= 8 => Predictor::Horizontal,
            3 if format == Format::Float => Predictor::FloatingPoint,
            other => return Err(unknown(format!("predictor {other}"))),
        };
        let photometric = match one(list(Tag::PhotometricInterpretation)?, 1) {
            0 => Photometric::WhiteIsZero,
            1 => Photometric::BlackIsZero,
            2 => Photometric::Rgb,
            3 => Photometric::Palette,
            4 => Photometric::Mask,
            6 if compression == Compression::Jpeg => Photometric::YCbCr,
            other => return Err(unknown(format!("colour system {other}"))),
        };
        let planar = bands > 1 && one(list(Tag::PlanarConfiguration)?, 1) == 2;
        let extra = list(Tag::ExtraSamples)?.into_iter().map(|v| v as u16).collect();
        let colours = list(Tag::ColorMap)?.into_iter().map(|v| v as u16).collect();
        let tile = (one(list(Tag::TileWidth)?, 0) as usize, one(list(Tag::TileLength)?, 0) as usize);
        let tiled = tile.0 > 0 && tile.1 > 0;
        let (offsets, lengths, chunk) = if tiled {
            (list(Tag::TileOffsets)?, list(Tag::TileByteCounts)?, [tile.0, tile.1])
        } else {
            let strip = one(list(Tag::RowsPerStrip)?, u64::from(rows)).clamp(1, u64::from(rows));
            (list(Tag::StripOffsets)?, list(Tag::StripByteCounts)?, [columns as usize, strip as usize])
        };
        let jpeg_tables = tags.find_tag(Tag::JPEGTables)?.map(|v| v.into_u8_vec()).transpose()?;
        let layout = Self {
            columns,
            rows,
            bands,
            bits,
            format,
            planar,
            compression,
            predictor,
            photometric,
            extra,
            colours,
            big_endian: tags.byte_order() == ByteOrder::BigEndian,
            jpeg_tables: jpeg_tables.unwrap_or_default(),
            tiled,
            chunk,
            chunks: offsets.into_iter().zip(lengths).collect(),
        };
        if compression == Compression::Jpeg && (bits, format) != (8, Format::Unsigned) {
            return Err(unknown("JPEG of another depth than 8 bits".to_owned()));
        }
        let samples = chunk[0].checked_mul(chunk[1]).and_then(|n| n.checked_mul(layout.bands_in_chunk()));
        let [across, down] = layout.across_and_down();
        let planes = if planar { bands } else { 1 };
        if samples.is_none_or(|n| n > MOST_IN_CHUNK) || layout.chunks.len() != across * down * planes {
            return Err(unknown("division into parts".to_owned()));
        }
        Ok(layout)
    }

    pub fn is_unsigned(&self) -> bool {
        self.format == Format::Unsigned
    }

    pub fn size(&self) -> [u32; 2] {
        [self.columns, self.rows]
    }

    pub fn bands_in_chunk(&self) -> usize {
        if self.planar { 1 } else { self.bands }
    }

    fn across_and_down(&self) -> [usize; 2] {
        [(self.columns as usize).div_ceil(self.chunk[0]), (self.rows as usize).div_ceil(self.chunk[1])]
    }

    pub(super) fn chunk_width(&self) -> usize {
        self.chunk[0]
    }

    /// Rows that a chunk has in the file at least: the last strip may be shorter, a tile is always whole.
    pub(super) fn place(&self, index: usize) -> Place {
        let [across, down] = self.across_and_down();
        let (band, index) = (index / (across * down), index % (across * down));
        let (column, row) = ((index % across) * self.chunk[0], (index / across) * self.chunk[1]);
        Place {
            column,
            row,
            band,
            width: self.chunk[0].min(self.columns as usize - column),
            height: self.chunk[1].min(self.rows as usize - row),
        }
    }

    /// Bytes of one row of a chunk.
    pub(super) fn row_bytes(&self) -> usize {
        (self.chunk[0] * self.bands_in_chunk() * self.bits).div_ceil(8)
    }

    /// Rows of a chunk in memory.
    pub(super) fn chunk_rows(&self) -> usize {
        self.chunk[1]
    }

    /// Whether a chunk's last rows may be missing in the file.
    pub(super) fn may_be_short(&self) -> bool {
        !self.tiled
    }
}

fn compression_name(code: u64) -> String {
    match code {
        2..=4 => "fax".to_owned(),
        6 => "old JPEG".to_owned(),
        34_712 => "JPEG 2000".to_owned(),
        34_887 => "LERC".to_owned(),
        34_925 => "LZMA".to_owned(),
        50_000 => "ZSTD".to_owned(),
        50_001 => "WebP".to_owned(),
        50_002 => "JPEG XL".to_owned(),
        other => format!("number {other}"),
    }
}
