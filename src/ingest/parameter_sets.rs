//! The parameter sets of one connection, by kind and id. Takes: those of its access units and of its session
//! description. Gives: what a decoder needs before a random access point.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use bytes::Bytes;

use super::Codec;
use super::access_unit::Head;
use super::bits::Bits;
use super::nal::{self, Nal, ParameterKind};

/// Cameras' sets have some 10 to 100 bytes. A longer one is damaged or hostile.
const LONGEST: usize = 4096;
/// More than any encoder uses; the standards allow 256 picture sets.
const MOST: usize = 64;

#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    codec: Option<Codec>,
    sets: BTreeMap<(ParameterKind, u32), Bytes>,
}

impl ParameterSets {
    /// Keeps a set (NAL unit without start code) in place of the one with its id.
    pub fn keep(&mut self, codec: Codec, set: &[u8]) {
        if self.codec.replace(codec) != Some(codec) {
            self.sets.clear();
        }
        let Nal::Parameters(kind) = nal::kind(codec, set) else { return };
        let Some(id) = id(codec, kind, set) else { return };
        let known = self.sets.get(&(kind, id));
        let room = known.is_some() || self.sets.len() < MOST;
        if known.is_none_or(|known| known != set) && room && set.len() <= LONGEST {
            self.sets.insert((kind, id), Bytes::copy_from_slice(set));
        }
    }

    /// A number for all sets, the same as long as they are. `None`: one that is needed is missing.
    pub fn hash(&self) -> Option<u64> {
        let needed: &[ParameterKind] = match self.codec? {
            Codec::H264 => &[ParameterKind::Sequence, ParameterKind::Picture],
            Codec::H265 => &[ParameterKind::Video, ParameterKind::Sequence, ParameterKind::Picture],
        };
        if !needed.iter().all(|kind| self.sets.keys().any(|(known, _)| known == kind)) {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        self.sets.hash(&mut hasher);
        Some(hasher.finish())
    }

    /// The unit with all sets before everything else, as a decoder wants them. `head` is its head.
    pub fn before(&self, unit: Bytes, head: &Head) -> Bytes {
        let own: Vec<&[u8]> = head.sets.iter().map(|range| &unit[range.clone()]).collect();
        if lead(&head.sets) && self.sets.values().all(|set| own.contains(&&set[..])) {
            return unit;
        }
        let sets = self.sets.values();
        let mut whole = Vec::with_capacity(unit.len() + sets.clone().map(|set| set.len() + 4).sum::<usize>());
        for set in sets {
            whole.extend_from_slice(&[0, 0, 0, 1]);
            whole.extend_from_slice(set);
        }
        let mut from = 0;
        for range in &head.sets {
            let code = range.start - 3;
            let code = code - usize::from(code > from && unit[code - 1] == 0);
            whole.extend_from_slice(&unit[from..code]);
            from = range.end;
        }
        whole.extend_from_slice(&unit[from..]);
        whole.into()
    }

    /// Width and height in pixels as shown, by the sequence parameter set.
    pub fn size(&self) -> Option<(u32, u32)> {
        let codec = self.codec?;
        let (_, set) = self.sets.iter().find(|((kind, _), _)| *kind == ParameterKind::Sequence)?;
        match codec {
            Codec::H264 => super::sps::h264_size(set),
            Codec::H265 => super::sps::h265_size(set),
        }
    }
}

/// Do these NAL units come first, with nothing but start codes before and between them?
fn lead(sets: &[Range<usize>]) -> bool {
    let ends = std::iter::once(0).chain(sets.iter().map(|set| set.end));
    sets.iter().zip(ends).all(|(set, end)| set.start - end <= 4)
}

/// The set's own id (H.264: 7.3.2.1.1 and 7.3.2.2; H.265: 7.3.2.1 to 7.3.2.3).
fn id(codec: Codec, kind: ParameterKind, set: &[u8]) -> Option<u32> {
    match (codec, kind) {
        (Codec::H264, ParameterKind::Sequence) => Bits::new(set.get(4..)?).unsigned(),
        (Codec::H264, _) => Bits::new(set.get(1..)?).unsigned(),
        (Codec::H265, ParameterKind::Video) => Bits::new(set.get(2..)?).bits(4),
        (Codec::H265, ParameterKind::Sequence) => super::sps::h265_id(set),
        (Codec::H265, ParameterKind::Picture) => Bits::new(set.get(2..)?).unsigned(),
    }
    .filter(|&id| id < 256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::access_unit::head;

    /// Sequence set 0; picture sets 0 (`1`) and 1 (`010`).
    const SEQUENCE: &[u8] = &[0x67, 66, 0, 30, 0x80];
    const FIRST: &[u8] = &[0x68, 0b1000_0000, 7];
    const SECOND: &[u8] = &[0x68, 0b0100_0000, 7];

    fn unit(nals: &[&[u8]]) -> Bytes {
        nals.iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat()).collect()
    }

    fn kept(sets: &[&[u8]]) -> ParameterSets {
        let mut kept = ParameterSets::default();
        sets.iter().for_each(|set| kept.keep(Codec::H264, set));
        kept
    }

    #[test]
    fn sets_are_kept_by_id_and_order_and_repetition_do_not_matter() {
        let once = kept(&[SEQUENCE, FIRST, SECOND]);
        let again = kept(&[SECOND, FIRST, SEQUENCE, FIRST, SECOND]);
        assert!(once.hash().is_some());
        assert_eq!(once.hash(), again.hash());
        assert_ne!(once.hash(), kept(&[SEQUENCE, FIRST]).hash());
        assert_ne!(once.hash(), kept(&[SEQUENCE, FIRST, &[0x68, 0b0100_0000, 9]]).hash());
        assert_eq!(kept(&[SEQUENCE]).hash(), None);
        assert_eq!(kept(&[FIRST]).hash(), None);
    }

    #[test]
    fn a_random_access_point_gets_the_sets_that_it_lacks() {
        let sets = kept(&[SEQUENCE, FIRST, SECOND]);
        let slice: &[u8] = &[0x65, 0x88];
        let whole = unit(&[SEQUENCE, FIRST, SECOND, slice]);
        let completed = |unit: Bytes| sets.before(unit.clone(), &head(Codec::H264, &unit));
        assert_eq!(completed(unit(&[slice])), whole);
        assert_eq!(completed(whole.clone()).as_ptr(), whole.as_ptr(), "not copied");
        assert_eq!(completed(unit(&[SEQUENCE, FIRST, slice])), whole);
        let information: &[u8] = &[6, 5, 1, 0, 0x80];
        let sorted = unit(&[SEQUENCE, FIRST, SECOND, information, slice]);
        assert_eq!(completed(unit(&[information, SECOND, SEQUENCE, slice])), sorted);
        assert_eq!(completed(unit(&[SEQUENCE, information, FIRST, SECOND, slice])), sorted);
    }

    #[test]
    fn sets_without_number_or_measure_are_not_kept() {
        let long = [&[0x68, 0x40], &[1; LONGEST][..]].concat();
        let sets = kept(&[SEQUENCE, FIRST, &long, &[0x68], &[0x67, 1], &[]]);
        assert_eq!(sets.hash(), kept(&[SEQUENCE, FIRST]).hash());
    }
}
