//! What one RTP payload holds: NAL units, several of them, or a piece of one (RFC 6184 clause 5, RFC 7798
//! clause 4.4). Interleaved packets with a decoding order number are read as if they came in order.

use super::Codec;

/// The bytes that say what a NAL unit is and whether its slice begins a picture.
const PEEK: usize = 16;

/// A NAL unit or a piece of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// The NAL unit's header; the second byte is H.265's.
    header: [u8; 2],
    codec: Codec,
    /// What follows the header, or the piece before it.
    pub body: &'a [u8],
    pub begins: bool,
    pub ends: bool,
}

impl<'a> Part<'a> {
    pub fn header(&self) -> &[u8] {
        &self.header[..header_len(self.codec)]
    }

    /// The first bytes of the NAL unit, if the part begins it; else its header before bytes of its middle.
    pub fn peek(&self) -> ([u8; PEEK], usize) {
        let mut first = [0; PEEK];
        let header = self.header();
        let body = &self.body[..self.body.len().min(PEEK - header.len())];
        first[..header.len()].copy_from_slice(header);
        first[header.len()..header.len() + body.len()].copy_from_slice(body);
        (first, header.len() + body.len())
    }

    fn whole(codec: Codec, nal: &'a [u8]) -> Option<Self> {
        let (own, body) = nal.split_at_checked(header_len(codec))?;
        let mut header = [0; 2];
        header[..own.len()].copy_from_slice(own);
        Some(Self { header, codec, body, begins: true, ends: true })
    }
}

/// The parts of one payload, in order.
pub(super) struct Parts<'a> {
    codec: Codec,
    rest: Rest<'a>,
}

enum Rest<'a> {
    One(Part<'a>),
    /// Each behind its length in two bytes.
    Aggregated(&'a [u8]),
    Nothing,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::One(part) => Some(part),
            Rest::Aggregated(rest) => {
                let (&length, rest) = rest.split_first_chunk::<2>()?;
                let (nal, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(length)))?;
                self.rest = Rest::Aggregated(rest);
                Part::whole(self.codec, nal)
            }
            Rest::Nothing => None,
        }
    }
}

/// `None`: no payload of this codec.
pub(super) fn parts(codec: Codec, payload: &[u8]) -> Option<Parts<'_>> {
    let &first = payload.first()?;
    // forbidden_zero_bit
    if first & 0x80 != 0 {
        return None;
    }
    let rest = match codec {
        Codec::H264 => match first & 0x1f {
            1..=23 => Rest::One(Part::whole(codec, payload)?),
            24 => Rest::Aggregated(&payload[1..]),
            25 => Rest::Aggregated(payload.get(3..)?),
            kind @ (28 | 29) => {
                let &fragment = payload.get(1)?;
                let begins = fragment & 0x80 != 0;
                // FU-B has a decoding order number before its first piece.
                let body = payload.get(if kind == 29 && begins { 4 } else { 2 }..)?;
                let header = [first & 0x60 | fragment & 0x1f, 0];
                Rest::One(Part { header, codec, body, begins, ends: fragment & 0x40 != 0 })
            }
            _ => return None,
        },
        Codec::H265 => match (first >> 1) & 0x3f {
            0..=47 => Rest::One(Part::whole(codec, payload)?),
            48 => Rest::Aggregated(payload.get(2..)?),
            49 => {
                let (&[_, second, fragment], body) = payload.split_first_chunk::<3>()?;
                let header = [first & 0x81 | (fragment & 0x3f) << 1, second];
                let (begins, ends) = (fragment & 0x80 != 0, fragment & 0x40 != 0);
                Rest::One(Part { header, codec, body, begins, ends })
            }
            _ => return None,
        },
    };
    Some(Parts { codec, rest })
}

fn header_len(codec: Codec) -> usize {
    match codec {
        Codec::H264 => 1,
        Codec::H265 => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Header and body of each part, and whether it begins and ends its NAL unit.
    fn read(codec: Codec, payload: &[u8]) -> Option<Vec<(Vec<u8>, bool, bool)>> {
        let part = |part: Part<'_>| ([part.header(), part.body].concat(), part.begins, part.ends);
        parts(codec, payload).map(|parts| parts.map(part).collect())
    }

    #[test]
    fn single_units_aggregates_and_fragments_of_both_codecs() {
        let whole = |nal: &[u8]| (nal.to_vec(), true, true);
        assert_eq!(read(Codec::H264, &[0x65, 1, 2]), Some(vec![whole(&[0x65, 1, 2])]));
        assert_eq!(
            read(Codec::H264, &[0x78, 0, 2, 0x67, 1, 0, 1, 0x68]),
            Some(vec![whole(&[0x67, 1]), whole(&[0x68])])
        );
        assert_eq!(read(Codec::H264, &[0x7c, 0x85, 9]), Some(vec![(vec![0x65, 9], true, false)]));
        assert_eq!(read(Codec::H264, &[0x7c, 0x45, 8]), Some(vec![(vec![0x65, 8], false, true)]));
        assert_eq!(read(Codec::H264, &[0x7d, 0x85, 0, 7, 9]), Some(vec![(vec![0x65, 9], true, false)]));
        assert_eq!(read(Codec::H265, &[0x26, 1, 5]), Some(vec![whole(&[0x26, 1, 5])]));
        assert_eq!(
            read(Codec::H265, &[0x60, 1, 0, 3, 0x40, 1, 7, 0, 2, 0x44, 1]),
            Some(vec![whole(&[0x40, 1, 7]), whole(&[0x44, 1])])
        );
        assert_eq!(read(Codec::H265, &[0x62, 1, 0x93, 5]), Some(vec![(vec![0x26, 1, 5], true, false)]));
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_nothing() {
        for payload in [&[][..], &[0x9c, 0x85, 1], &[30, 1, 2], &[31, 1], &[0x7c], &[0]] {
            assert_eq!(read(Codec::H264, payload), None, "{payload:?}");
        }
        assert_eq!(read(Codec::H264, &[0x78, 0, 9, 0x67]), Some(vec![]));
        for payload in [&[][..], &[0x62, 1], &[0x64, 1, 2], &[0x26]] {
            assert_eq!(read(Codec::H265, payload), None, "{payload:?}");
        }
    }
}
