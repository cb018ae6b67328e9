//! Access units (Annex B) and a parser for their first NAL units. It never fails: garbage is not a key frame.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;

use super::Codec;
use crate::base::MediaTime;

/// An access unit from a transport or a file.
pub(super) struct AccessUnit {
    pub codec: Codec,
    /// Annex B.
    pub data: Bytes,
    /// On the sender's clock, before repair.
    pub raw_pts: MediaTime,
    /// Width and height in pixels, if known.
    pub size: Option<(u32, u32)>,
    /// RTP packets lost just before it or inside it.
    pub lost_packets: u64,
}

/// Properties of an access unit, read from its first NAL units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// IDR (H.264), or any IRAP picture (H.265).
    pub key: bool,
    /// Hash of the parameter sets before the first slice; `None` if one is missing.
    pub parameters: Option<u64>,
}

enum Nal {
    /// The NAL unit type: SPS, PPS or VPS.
    Parameters(u8),
    Slice {
        key: bool,
    },
    Other,
}

/// Parses the NAL units up to the first slice (ITU-T H.264 table 7-1, H.265 table 7-1). Cheap: does not scan
/// slices.
pub(crate) fn head(codec: Codec, data: &[u8]) -> Head {
    let mut sets: Vec<(u8, u64)> = Vec::with_capacity(3);
    let mut from = next_start(data, 0);
    while let Some(begin) = from {
        match kind(codec, &data[begin..]) {
            Nal::Slice { key } => return Head { key, parameters: combined(codec, sets) },
            Nal::Parameters(number) => {
                from = next_start(data, begin);
                let end = from.map_or(data.len(), |next| next - 3);
                let mut hasher = DefaultHasher::new();
                trimmed(&data[begin..end]).hash(&mut hasher);
                sets.push((number, hasher.finish()));
            }
            Nal::Other => from = next_start(data, begin),
        }
    }
    Head { key: false, parameters: combined(codec, sets) }
}

/// Length of the leading access unit delimiter. GStreamer's parsers add one; most cameras do not send it.
pub(crate) fn delimiter_len(codec: Codec, data: &[u8]) -> usize {
    let Some(begin) = next_start(data, 0) else { return 0 };
    let is_delimiter = data.get(begin).is_some_and(|&first| match codec {
        Codec::H264 => first & 0x1f == 9,
        Codec::H265 => (first >> 1) & 0x3f == 35,
    });
    match next_start(data, begin) {
        // In a four-byte start code the zero byte belongs to the next NAL unit.
        Some(next) if is_delimiter => next - if data[next - 4] == 0 { 4 } else { 3 },
        _ => 0,
    }
}

/// `nal` may go on into the next NAL units.
fn kind(codec: Codec, nal: &[u8]) -> Nal {
    let Some(&first) = nal.first() else { return Nal::Other };
    match codec {
        Codec::H264 => match first & 0x1f {
            5 => Nal::Slice { key: true },
            1..=4 => Nal::Slice { key: false },
            number @ (7 | 8) => Nal::Parameters(number),
            _ => Nal::Other,
        },
        // Without a temporal id there is no NAL unit: two start codes in a row would read as a slice
        // (7.4.2.2).
        Codec::H265 if nal.get(1).is_none_or(|second| second & 7 == 0) => Nal::Other,
        Codec::H265 => match (first >> 1) & 0x3f {
            16..=23 => Nal::Slice { key: true },
            0..=31 => Nal::Slice { key: false },
            number @ 32..=34 => Nal::Parameters(number),
            _ => Nal::Other,
        },
    }
}

/// One hash of all parameter sets. Order and repetitions do not change it.
fn combined(codec: Codec, mut sets: Vec<(u8, u64)>) -> Option<u64> {
    let needed: &[u8] = match codec {
        Codec::H264 => &[7, 8],
        Codec::H265 => &[32, 33, 34],
    };
    if !needed.iter().all(|n| sets.iter().any(|(number, _)| number == n)) {
        return None;
    }
    sets.sort_unstable();
    sets.dedup();
    let mut hasher = DefaultHasher::new();
    sets.hash(&mut hasher);
    Some(hasher.finish())
}

/// Position after the next `00 00 01` at or after `from`.
fn next_start(data: &[u8], from: usize) -> Option<usize> {
    data.get(from..)?.windows(3).position(|w| w == [0, 0, 1]).map(|at| from + at + 3)
}

/// Strips the zero byte of the next NAL unit's four-byte start code.
fn trimmed(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    &nal[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(nals: &[&[u8]]) -> Vec<u8> {
        nals.iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat()).collect()
    }

    #[test]
    fn an_idr_behind_its_parameter_sets_is_a_key_frame() {
        let data = unit(&[&[9, 0x10], &[0x67, 1, 2], &[0x68, 3], &[6, 5], &[0x65, 0x88]]);
        let head = head(Codec::H264, &data);
        assert!(head.key && head.parameters.is_some());
    }

    #[test]
    fn repeated_and_reordered_parameter_sets_are_the_same_set() {
        let once = unit(&[&[0x67, 1, 2], &[0x68, 3], &[0x65]]);
        let twice = unit(&[&[0x68, 3], &[0x67, 1, 2], &[0x68, 3], &[0x67, 1, 2], &[0x65]]);
        let other = unit(&[&[0x67, 1, 9], &[0x68, 3], &[0x65]]);
        let of = |data: &[u8]| head(Codec::H264, data).parameters;
        assert_eq!(of(&once), of(&twice));
        assert_ne!(of(&once), of(&other));
    }

    #[test]
    fn an_idr_without_pps_has_no_parameters() {
        assert_eq!(head(Codec::H264, &unit(&[&[0x67, 1], &[0x65]])), Head { key: true, parameters: None });
    }

    #[test]
    fn h265_knows_cra_as_key_and_trail_as_not() {
        assert!(head(Codec::H265, &unit(&[&[21 << 1, 1]])).key);
        assert!(!head(Codec::H265, &unit(&[&[1 << 1, 1]])).key);
        let whole = unit(&[&[32 << 1, 1], &[33 << 1, 1], &[34 << 1, 1], &[19 << 1, 1]]);
        assert!(head(Codec::H265, &whole).parameters.is_some());
    }

    #[test]
    fn start_codes_in_a_row_are_no_slice() {
        let data = unit(&[&[], &[0], &[32 << 1, 1], &[33 << 1, 1], &[34 << 1, 1], &[19 << 1, 1]]);
        let head = head(Codec::H265, &data);
        assert!(head.key && head.parameters.is_some());
    }

    #[test]
    fn a_delimiter_in_front_is_measured_and_nothing_else() {
        let with = unit(&[&[9, 0xf0], &[0x67, 1], &[0x65]]);
        assert_eq!(&with[delimiter_len(Codec::H264, &with)..], unit(&[&[0x67, 1], &[0x65]]));
        let h265 = unit(&[&[35 << 1, 1, 0x50], &[1 << 1, 1]]);
        assert_eq!(&h265[delimiter_len(Codec::H265, &h265)..], unit(&[&[1 << 1, 1]]));
        for data in [unit(&[&[0x67, 1], &[9, 0xf0]]), unit(&[&[9, 0xf0]]), vec![0, 0, 1]] {
            assert_eq!(delimiter_len(Codec::H264, &data), 0, "{data:?}");
        }
    }

    #[test]
    fn garbage_and_cut_off_data_have_no_key_frame() {
        for data in [&[][..], &[0], &[0, 0, 1], &[0, 0, 0, 1], &[0, 0, 1, 0, 0, 1], &[255; 64]] {
            assert_eq!(head(Codec::H264, data), Head::default(), "{data:?}");
            assert!(!head(Codec::H265, data).key, "{data:?}");
        }
    }
}
