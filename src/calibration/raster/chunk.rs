//! One strip or tile: from its bytes in the file to values.

use std::io::Read as _;

use super::layout::{Compression, Format, Layout, Photometric, Place, Predictor};

/// Rows of samples in the processor's byte order. Fails with what is wrong.
pub(super) fn decode(layout: &Layout, raw: &[u8]) -> Result<Vec<u8>, String> {
    let wanted = layout.row_bytes() * layout.chunk_rows();
    let mut bytes = match layout.compression {
        Compression::None => raw.to_vec(),
        Compression::Deflate => {
            let mut out = Vec::with_capacity(wanted.min(1 << 26));
            let mut inflate = flate2::read::ZlibDecoder::new(raw).take(wanted as u64);
            inflate.read_to_end(&mut out).map_err(|e| e.to_string())?;
            out
        }
        Compression::Lzw => {
            let mut lzw = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
            let mut out = Vec::new();
            let read = lzw.into_stream(&mut out).decode(raw);
            // Some writers leave the end code out.
            if out.len() < layout.row_bytes() {
                read.status.map_err(|e| e.to_string())?;
            }
            out
        }
        Compression::PackBits => unpack(raw, wanted),
        Compression::Jpeg => jpeg(layout, raw)?,
    };
    let rows = bytes.len() / layout.row_bytes().max(1);
    if rows < layout.chunk_rows() && (!layout.may_be_short() || rows == 0) {
        return Err(format!("{} of {wanted} bytes", bytes.len()));
    }
    bytes.truncate(wanted);
    if layout.compression != Compression::Jpeg {
        arrange(layout, &mut bytes);
    }
    Ok(bytes)
}

/// Apple's PackBits (TIFF 6.0, section 9).
fn unpack(mut raw: &[u8], wanted: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while let [head, rest @ ..] = raw {
        match *head as i8 {
            -128 => raw = rest,
            run @ -127..=-1 => {
                let [value, after @ ..] = rest else { break };
                out.extend(std::iter::repeat_n(*value, 1 + usize::from(run.unsigned_abs())));
                raw = after;
            }
            literal => {
                let length = (literal as usize + 1).min(rest.len());
                out.extend(&rest[..length]);
                raw = &rest[length..];
            }
        }
        if out.len() >= wanted {
            break;
        }
    }
    out
}

/// An abbreviated JPEG with the tables of the file (TIFF technical note 2).
fn jpeg(layout: &Layout, raw: &[u8]) -> Result<Vec<u8>, String> {
    // Without this mark a decoder takes red, green and blue for luminance and colour difference.
    const PLAIN_RGB: [u8; 16] = [0xff, 0xee, 0, 14, b'A', b'd', b'o', b'b', b'e', 0, 100, 0, 0, 0, 0, 0];
    let bands = layout.bands_in_chunk();
    let format = match bands {
        1 => turbojpeg::PixelFormat::GRAY,
        3 => turbojpeg::PixelFormat::RGB,
        n => return Err(format!("JPEG of {n} bands")),
    };
    let body = raw.strip_prefix(&[0xff, 0xd8]).ok_or("no JPEG")?;
    let tables = layout.jpeg_tables.strip_prefix(&[0xff, 0xd8]).unwrap_or_default();
    let tables = tables.strip_suffix(&[0xff, 0xd9]).unwrap_or(tables);
    let plain = bands == 3 && layout.photometric == Photometric::Rgb;
    let mark: &[u8] = if plain { &PLAIN_RGB } else { &[] };
    let whole = [&[0xff, 0xd8], mark, tables, body].concat();
    let image = turbojpeg::decompress(&whole, format).map_err(|e| e.to_string())?;
    if image.width != layout.chunk_width() || image.height > layout.chunk_rows() {
        return Err(format!("{} x {} pixels", image.width, image.height));
    }
    let packed = image.pixels.chunks(image.pitch.max(1)).take(image.height);
    Ok(packed.flat_map(|row| &row[..image.width * bands]).copied().collect())
}

/// Undoes the predictor, and brings the samples into the processor's byte order.
fn arrange(layout: &Layout, bytes: &mut [u8]) {
    let (size, step) = (layout.bits / 8, layout.bands_in_chunk());
    let row_bytes = layout.row_bytes();
    for row in bytes.chunks_exact_mut(row_bytes) {
        if layout.predictor == Predictor::FloatingPoint {
            unshuffle(row, size, step);
            continue;
        }
        if size > 1 && layout.big_endian != cfg!(target_endian = "big") {
            row.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        if layout.predictor == Predictor::Horizontal {
            for i in step..row.len() / size {
                add(row, i * size, (i - step) * size, size);
            }
        }
    }
}

/// Adds the sample at `from` to the one at `to`, with overflow, whatever it means.
fn add(row: &mut [u8], to: usize, from: usize, size: usize) {
    let mut carry = 0u16;
    for i in 0..size {
        let at = if cfg!(target_endian = "big") { size - 1 - i } else { i };
        let sum = u16::from(row[to + at]) + u16::from(row[from + at]) + carry;
        row[to + at] = sum as u8;
        carry = sum >> 8;
    }
}

/// Adobe's floating point predictor: differences of bytes, highest bytes of a row first.
fn unshuffle(row: &mut [u8], size: usize, step: usize) {
    for i in step..row.len() {
        row[i] = row[i].wrapping_add(row[i - step]);
    }
    let (shuffled, count) = (row.to_vec(), row.len() / size);
    for i in 0..count {
        for byte in 0..size {
            let at = if cfg!(target_endian = "big") { byte } else { size - 1 - byte };
            row[i * size + at] = shuffled[byte * count + i];
        }
    }
}

/// Calls `put` with pixel, band and value of each sample that lies in the picture.
pub(super) fn visit(layout: &Layout, bytes: &[u8], place: &Place, put: &mut impl FnMut(usize, usize, f64)) {
    let (bands, columns) = (layout.bands_in_chunk(), layout.columns as usize);
    for (y, row) in bytes.chunks_exact(layout.row_bytes()).take(place.height).enumerate() {
        let start = (place.row + y) * columns + place.column;
        for x in 0..place.width {
            for band in 0..bands {
                put(start + x, place.band + band, value(layout, row, x * bands + band));
            }
        }
    }
}

fn value(layout: &Layout, row: &[u8], index: usize) -> f64 {
    macro_rules! number {
        ($kind:ty) => {{
            const SIZE: usize = size_of::<$kind>();
            let at = index * SIZE;
            let mut bytes = [0; SIZE];
            bytes.copy_from_slice(&row[at..at + SIZE]);
            <$kind>::from_ne_bytes(bytes)
        }};
    }
    match (layout.format, layout.bits) {
        (Format::Unsigned, bits @ (1 | 2 | 4)) => {
            let at = index * bits;
            let shift = 8 - bits - at % 8;
            f64::from(row[at / 8] >> shift & ((1 << bits) - 1))
        }
        (Format::Unsigned, 8) => f64::from(row[index]),
        (Format::Unsigned, 16) => f64::from(number!(u16)),
        (Format::Unsigned, 32) => f64::from(number!(u32)),
        (Format::Unsigned, _) => number!(u64) as f64,
        (Format::Signed, 8) => f64::from(row[index] as i8),
        (Format::Signed, 16) => f64::from(number!(i16)),
        (Format::Signed, 32) => f64::from(number!(i32)),
        (Format::Signed, _) => number!(i64) as f64,
        (Format::Float, 16) => half(number!(u16)),
        (Format::Float, 32) => f64::from(number!(f32)),
        (Format::Float, _) => number!(f64),
    }
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff) / 1024.0);
    let size = match exponent {
        0 => fraction * 2f64.powi(-14),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}
