//! What a NAL unit is, read from its first bytes (ITU-T H.264 tables 7-1, 7-6 and annex D; H.265 table 7-1 and
//! annex D). NAL units are given without start code and may go on into the next ones.

use super::Codec;
use super::bits::Bits;

/// The SEI payload type of a recovery point, in both codecs.
const RECOVERY_POINT: u32 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nal {
    /// SPS, PPS or VPS.
    Parameters(ParameterKind),
    /// A slice of a picture; whether decoding can begin there.
    Slice(Access),
    /// Supplemental enhancement information, before the picture.
    Information,
    Delimiter,
    /// Does not help a decoder: end of sequence, filler, extensions for other decoders, reserved and unknown
    /// types.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ParameterKind {
    Video,
    Sequence,
    Picture,
}

/// Whether decoding can begin with a picture. The only place that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// IDR (H.264), any IRAP (H.265), or a recovery point that is whole at once: what follows in output
    /// order needs nothing before it.
    Point,
    /// Whole after this many pictures more: intra refresh.
    Gradual(u32),
    /// Its first slice is intra, and nothing says that later pictures do without the earlier ones.
    Intra,
    /// Needs pictures before it.
    No,
}

pub(super) fn kind(codec: Codec, nal: &[u8]) -> Nal {
    let Some(&first) = nal.first() else { return Nal::Other };
    match codec {
        Codec::H264 => match first & 0x1f {
            5 => Nal::Slice(Access::Point),
            1 | 2 => Nal::Slice(if is_intra(nal) { Access::Intra } else { Access::No }),
            3 | 4 => Nal::Slice(Access::No),
            6 => Nal::Information,
            7 => Nal::Parameters(ParameterKind::Sequence),
            8 => Nal::Parameters(ParameterKind::Picture),
            9 => Nal::Delimiter,
            _ => Nal::Other,
        },
        // Without a temporal id there is no NAL unit: two start codes in a row would read as a slice
        // (7.4.2.2).
        Codec::H265 if nal.get(1).is_none_or(|second| second & 7 == 0) => Nal::Other,
        Codec::H265 => match (first >> 1) & 0x3f {
            16..=23 => Nal::Slice(Access::Point),
            0..=31 => Nal::Slice(Access::No),
            32 => Nal::Parameters(ParameterKind::Video),
            33 => Nal::Parameters(ParameterKind::Sequence),
            34 => Nal::Parameters(ParameterKind::Picture),
            35 => Nal::Delimiter,
            39 => Nal::Information,
            _ => Nal::Other,
        },
    }
}

/// Does this slice begin a picture? Its address is 0.
pub(super) fn begins_picture(codec: Codec, slice: &[u8]) -> bool {
    let header = match codec {
        Codec::H264 => 1,
        Codec::H265 => 2,
    };
    slice.get(header).is_some_and(|byte| byte & 0x80 != 0)
}

/// Pictures from the one behind this SEI to the first whole one, if it announces a recovery point.
pub(super) fn recovery_point(codec: Codec, sei: &[u8]) -> Option<u32> {
    let mut bits = Bits::new(match codec {
        Codec::H264 => sei.get(1..)?,
        Codec::H265 => sei.get(2..)?,
    });
    loop {
        let (kind, size) = (long_byte(&mut bits)?, long_byte(&mut bits)?);
        if kind == RECOVERY_POINT {
            return match codec {
                Codec::H264 => bits.unsigned(),
                // A picture order count; before this picture means that this one is whole.
                Codec::H265 => bits.signed().map(|count| count.max(0).unsigned_abs()),
            };
        }
        bits.skip(size.checked_mul(8)?)?;
    }
}

/// SEI's own code: 255 goes on.
fn long_byte(bits: &mut Bits<'_>) -> Option<u32> {
    let mut value = 0u32;
    loop {
        let byte = bits.bits(8)?;
        value = value.checked_add(byte)?;
        if byte != 255 {
            return Some(value);
        }
    }
}

/// Slice types I and SI of H.264.
fn is_intra(slice: &[u8]) -> bool {
    let mut bits = Bits::new(slice.get(1..).unwrap_or_default());
    let kind = bits.unsigned().and_then(|_| bits.unsigned());
    kind.is_some_and(|kind| matches!(kind % 5, 2 | 4) && kind < 10)
}
