//! Access units (Annex B) and a parser for their first NAL units. It never fails: garbage is not a picture.

use std::ops::Range;

use bytes::Bytes;

use super::Codec;
use super::nal::{self, Access, Nal};
use crate::base::MediaTime;

/// An access unit from a transport or a file.
pub(super) struct AccessUnit {
    pub codec: Codec,
    /// Annex B.
    pub data: Bytes,
    /// On the sender's clock, before repair.
    pub raw_pts: MediaTime,
    /// Width and height in pixels, if the transport knows them.
    pub size: Option<(u32, u32)>,
    /// RTP packets lost just before it.
    pub lost_packets: u64,
    /// Pictures left out just before it; at least 1 where packets were lost.
    pub lost_pictures: u64,
}

/// What an access unit is to a decoder, read up to its first slice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// `None`: it has no slice, so it is no picture.
    pub picture: Option<Access>,
    /// Its parameter sets before the first slice, without start codes.
    pub sets: Vec<Range<usize>>,
}

/// Parses the NAL units up to the first slice. Cheap: does not scan slices.
pub(crate) fn head(codec: Codec, data: &[u8]) -> Head {
    let mut head = Head::default();
    let mut recovery = None;
    let mut from = next_start(data, 0);
    while let Some(begin) = from {
        let kind = nal::kind(codec, front(&data[begin..]));
        if let Nal::Slice(access) = kind {
            head.picture = Some(match (access, recovery) {
                (Access::Point, _) | (_, Some(0)) => Access::Point,
                (_, Some(count)) => Access::Gradual(count),
                (access, None) => access,
            });
            return head;
        }
        from = next_start(data, begin);
        let end = from.map_or(data.len(), |next| next - 3);
        let trimmed = begin..begin + trimmed(&data[begin..end]).len();
        match kind {
            Nal::Parameters(_) => head.sets.push(trimmed),
            Nal::Information => recovery = nal::recovery_point(codec, &data[trimmed]).or(recovery),
            Nal::Slice(_) | Nal::Delimiter | Nal::Other => {}
        }
    }
    head
}

/// Length of the leading access unit delimiter. GStreamer's parsers add one; most cameras do not send it.
pub(crate) fn delimiter_len(codec: Codec, data: &[u8]) -> usize {
    let Some(begin) = next_start(data, 0) else { return 0 };
    let is_delimiter = matches!(nal::kind(codec, front(&data[begin..])), Nal::Delimiter);
    match next_start(data, begin) {
        // In a four-byte start code the zero byte belongs to the next NAL unit.
        Some(next) if is_delimiter => next - if data[next - 4] == 0 { 4 } else { 3 },
        _ => 0,
    }
}

/// As much of the NAL unit as says what it is, and nothing of the next one.
fn front(nal: &[u8]) -> &[u8] {
    let nal = &nal[..nal.len().min(24)];
    let end = nal.windows(3).position(|w| w == [0, 0, 1] || w == [0, 0, 0]);
    &nal[..end.unwrap_or(nal.len())]
}

/// Position after the next `00 00 01` at or after `from`.
pub(crate) fn next_start(data: &[u8], from: usize) -> Option<usize> {
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

    fn picture(codec: Codec, nals: &[&[u8]]) -> Option<Access> {
        head(codec, &unit(nals)).picture
    }

    #[test]
    fn an_idr_behind_its_parameter_sets_is_a_random_access_point() {
        let data = unit(&[&[9, 0x10], &[0x67, 1, 2], &[0x68, 3], &[6, 5], &[0x65, 0x88]]);
        let head = head(Codec::H264, &data);
        assert_eq!(head.picture, Some(Access::Point));
        let sets: Vec<&[u8]> = head.sets.into_iter().map(|set| &data[set]).collect();
        assert_eq!(sets, [&[0x67, 1, 2][..], &[0x68, 3]]);
    }

    #[test]
    fn a_recovery_point_says_when_the_picture_is_whole() {
        // slice_type 0 (P) behind first_mb_in_slice 0: bits 1 1.
        let p = [0x41, 0b1100_0000];
        // Recovery point, one byte: recovery_frame_cnt 0 is bit 1; 3 is 00100.
        let at_once: &[u8] = &[6, 6, 1, 0b1000_0000, 0x80];
        let after_three: &[u8] = &[6, 6, 1, 0b0010_0000, 0x80];
        // User data before it in the same NAL unit.
        let behind: &[u8] = &[6, 5, 2, 9, 9, 6, 1, 0b1000_0000, 0x80];
        assert_eq!(picture(Codec::H264, &[&p]), Some(Access::No));
        assert_eq!(picture(Codec::H264, &[at_once, &p]), Some(Access::Point));
        assert_eq!(picture(Codec::H264, &[behind, &p]), Some(Access::Point));
        assert_eq!(picture(Codec::H264, &[after_three, &p]), Some(Access::Gradual(3)));
        // slice_type 7 (I, the whole picture): 0001000.
        assert_eq!(picture(Codec::H264, &[&[0x41, 0b1000_1000, 0x80]]), Some(Access::Intra));
        let h265: &[u8] = &[39 << 1, 1, 6, 1, 0b1000_0000, 0x80];
        assert_eq!(picture(Codec::H265, &[h265, &[1 << 1, 1]]), Some(Access::Point));
    }

    #[test]
    fn h265_knows_cra_and_bla_as_random_access_and_trail_as_not() {
        for kind in [16, 19, 20, 21] {
            assert_eq!(picture(Codec::H265, &[&[kind << 1, 1]]), Some(Access::Point), "{kind}");
        }
        assert_eq!(picture(Codec::H265, &[&[1 << 1, 1]]), Some(Access::No));
        let data = unit(&[&[32 << 1, 1], &[33 << 1, 1], &[34 << 1, 1], &[19 << 1, 1]]);
        assert_eq!(head(Codec::H265, &data).sets.len(), 3);
    }

    #[test]
    fn a_unit_without_a_slice_is_no_picture() {
        for nals in
            [&[&[9, 0x10][..]][..], &[&[10]], &[&[12, 255, 255]], &[&[0x67, 1], &[0x68, 1], &[6, 5, 0]]]
        {
            assert_eq!(picture(Codec::H264, nals), None, "{nals:?}");
        }
    }

    #[test]
    fn start_codes_in_a_row_are_no_slice() {
        let data = unit(&[&[], &[0], &[32 << 1, 1], &[33 << 1, 1], &[34 << 1, 1], &[19 << 1, 1]]);
        let head = head(Codec::H265, &data);
        assert_eq!((head.picture, head.sets.len()), (Some(Access::Point), 3));
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
    fn garbage_and_cut_off_data_are_no_picture() {
        for data in [&[][..], &[0], &[0, 0, 1], &[0, 0, 0, 1], &[0, 0, 1, 0, 0, 1], &[255; 64]] {
            assert_eq!(head(Codec::H264, data), Head::default(), "{data:?}");
            assert_eq!(head(Codec::H265, data).picture, None, "{data:?}");
        }
    }
}
