//! Frame numbers of H.264 streams that are entered at a recovery point.
//!
//! Such a picture does not begin with frame number 0, as an IDR does. libavcodec takes the difference for lost
//! frames and makes up some in their place, for which GStreamer's element has no room: it gives no picture. So
//! the numbers count from the recovery point here. Everything in the stream goes by their differences only
//! (ITU-T H.264 8.2.4, 8.2.5).

use bytes::Bytes;

use crate::ingest::{Bits, Codec, EncodedFrame, next_start};

/// State of one decoder since its last reset.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum FrameNumbers {
    /// No frame yet.
    #[default]
    Fresh,
    /// It began with an IDR.
    AsSent,
    Shifted {
        base: u32,
        format: Format,
    },
}

/// How a slice header holds its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    /// Length of the number, 4 to 16.
    bits: u8,
    separate_planes: bool,
}

impl FrameNumbers {
    /// The frame's data as the decoder gets it. Frames come in decode order, the first one is a key frame.
    pub fn of(&mut self, frame: &EncodedFrame) -> Bytes {
        if frame.codec != Codec::H264 {
            return frame.data.clone();
        }
        if frame.key && begins_with_idr(&frame.data) {
            *self = Self::AsSent;
        } else if frame.key && matches!(self, Self::Fresh) {
            *self = begun_at(&frame.data).unwrap_or(Self::AsSent);
        }
        match *self {
            Self::Shifted { base, format } => shifted(&frame.data, base, format).into(),
            Self::Fresh | Self::AsSent => frame.data.clone(),
        }
    }
}

/// Cheap: does not scan slices.
fn begins_with_idr(unit: &[u8]) -> bool {
    let mut starts = std::iter::successors(next_start(unit, 0), |&at| next_start(unit, at));
    let slice =
        starts.find_map(|at| unit.get(at).map(|first| first & 0x1f).filter(|kind| (1..=5).contains(kind)));
    slice == Some(5)
}

fn begun_at(unit: &[u8]) -> Option<FrameNumbers> {
    let format = nals(unit).find(|nal| nal[0] & 0x1f == 7).and_then(format_of)?;
    let slice = unescaped(nals(unit).find(|nal| nal[0] & 0x1f == 1)?);
    let (_, base) = number_of(&slice, format)?;
    Some(FrameNumbers::Shifted { base, format })
}

/// By the sequence parameter set (7.3.2.1.1).
fn format_of(set: &[u8]) -> Option<Format> {
    let mut bits = Bits::new(set.get(1..)?);
    let head = crate::ingest::sequence_head(&mut bits)?;
    Some(Format { bits: u8::try_from(bits.unsigned()? + 4).ok()?, separate_planes: head.separate_planes })
        .filter(|format| format.bits <= 16)
}

/// First bit and value of the number in a slice without emulation prevention (7.3.3).
fn number_of(slice: &[u8], format: Format) -> Option<(usize, u32)> {
    let mut bits = Bits::plain(slice.get(1..)?);
    for _ in 0..3 {
        bits.unsigned()?;
    }
    if format.separate_planes {
        bits.skip(2)?;
    }
    let at = 8 + bits.position();
    Some((at, bits.bits(format.bits)?))
}

/// The unit with all its slices' numbers less `base`.
fn shifted(unit: &[u8], base: u32, format: Format) -> Vec<u8> {
    let mut whole = Vec::with_capacity(unit.len() + 16);
    for nal in nals(unit) {
        whole.extend_from_slice(&[0, 0, 0, 1]);
        let kind = nal[0] & 0x1f;
        let mut slice = if kind == 1 { unescaped(nal) } else { Vec::new() };
        match number_of(&slice, format) {
            Some((at, number)) => {
                let number = number.wrapping_sub(base) & ((1 << format.bits) - 1);
                for bit in 0..usize::from(format.bits) {
                    let (byte, mask) = ((at + bit) / 8, 0x80 >> ((at + bit) % 8));
                    let set = number >> (usize::from(format.bits) - 1 - bit) & 1 == 1;
                    slice[byte] = if set { slice[byte] | mask } else { slice[byte] & !mask };
                }
                escape(&slice, &mut whole);
            }
            None => whole.extend_from_slice(nal),
        }
    }
    whole
}

/// The NAL units of a unit in Annex B, none of them empty.
fn nals(unit: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut from = next_start(unit, 0);
    std::iter::from_fn(move || {
        let begin = from?;
        from = next_start(unit, begin);
        let nal = &unit[begin..from.map_or(unit.len(), |next| next - 3)];
        Some(&nal[..nal.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)])
    })
    .filter(|nal| !nal.is_empty())
}

/// Without emulation prevention bytes (7.4.1).
fn unescaped(nal: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        plain.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
    plain
}

fn escape(plain: &[u8], into: &mut Vec<u8>) {
    let mut zeros = 0;
    for &byte in plain {
        if zeros == 2 && byte <= 3 {
            into.push(3);
            zeros = 0;
        }
        into.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Capture, FrameSeq, MediaTime, TimeSource, WallTime};

    #[test]
    fn emulation_prevention_comes_off_and_goes_back() {
        for nal in
            [&[0x41, 0, 0, 3, 0, 3, 7][..], &[0x41, 0, 0, 3, 0, 0, 3, 1], &[0x41, 0, 0, 3, 3, 0, 0, 3, 2]]
        {
            let mut back = Vec::new();
            escape(&unescaped(nal), &mut back);
            assert_eq!(back, nal);
        }
        assert_eq!(unescaped(&[0x41, 0, 0, 3, 0, 3, 7]), [0x41, 0, 0, 0, 3, 7]);
    }

    #[test]
    fn numbers_count_from_the_recovery_point_until_an_idr() {
        // Baseline, number of 4 bits. Slices: first_mb 0, type, picture set 0, number.
        let set: &[u8] = &[0x67, 66, 0, 30, 0b1100_0000];
        let intra = |number: u8| vec![0x41, 0b1000_1000, 0b1000_0000 | number << 3 | 1];
        let later = |number: u8| vec![0x41, 0b1110_0000 | number << 1, 0x80];
        let unit = |nals: &[&[u8]]| -> Vec<u8> {
            nals.iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat()).collect()
        };
        let mut frame = EncodedFrame {
            camera: "gate".into(),
            seq: FrameSeq(0),
            stream: 1,
            capture: Capture { at: WallTime(0), source: TimeSource::Footage, offset_ms: None, clock: None },
            pts: MediaTime(0),
            codec: Codec::H264,
            key: true,
            orientation: Default::default(),
            data: Bytes::new(),
        };
        let mut numbers = FrameNumbers::default();
        let mut of = |key: bool, data: Vec<u8>| {
            frame = EncodedFrame { key, data: data.into(), ..frame.clone() };
            numbers.of(&frame).to_vec()
        };
        assert_eq!(of(true, unit(&[set, &intra(9)])), unit(&[set, &intra(0)]));
        assert_eq!(of(false, unit(&[&later(10)])), unit(&[&later(1)]));
        assert_eq!(of(false, unit(&[&later(2)])), unit(&[&later(9)]), "after the greatest number comes 0");
        assert_eq!(of(true, unit(&[set, &intra(9)])), unit(&[set, &intra(0)]));
        let idr: &[u8] = &[0x65, 0x88, 0x84];
        assert_eq!(of(true, unit(&[set, idr])), unit(&[set, idr]));
        assert_eq!(of(false, unit(&[&later(3)])), unit(&[&later(3)]));
    }
}
