//! The tables that say which streams there are: program association and program map.

use std::collections::BTreeMap;

use super::packet::Packet;
use crate::ingest::Codec;

/// SMPTE's registered name of KLV.
pub(super) const KLVA: &[u8; 4] = b"KLVA";
pub(super) const REGISTRATION: u8 = 0x05;
pub(super) const METADATA: u8 = 0x26;
/// Private data in PES packets, and metadata with access unit headers.
pub(super) const PRIVATE: u8 = 0x06;
pub(super) const SYNCHRONOUS: u8 = 0x15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamKind {
    Video(Codec),
    /// KLV in PES packets as it is (ST 1402, asynchronous).
    Klv,
    /// KLV in metadata access units (ST 1402, synchronous).
    KlvCells,
    /// Private data of which nothing is said: its first bytes decide.
    Unnamed,
    Other,
}

/// One stream of a program map, and where its entry lies in the section.
pub(super) struct Entry {
    pub pid: u16,
    pub stream_type: u8,
    /// Offset of the entry.
    pub at: usize,
    /// Its descriptors, behind five bytes of the entry.
    pub descriptors: std::ops::Range<usize>,
}

/// The streams of all programs, as far as the tables have come.
#[derive(Default)]
pub(super) struct Tables {
    maps: BTreeMap<u16, Section>,
    association: Section,
    pub streams: BTreeMap<u16, StreamKind>,
}

impl Tables {
    /// Takes a packet in. False: it is no table's.
    pub fn push(&mut self, packet: &Packet<'_>) -> bool {
        if packet.pid == 0 {
            if let Some(section) = self.association.push(packet) {
                for pid in map_pids(&section) {
                    self.maps.entry(pid).or_default();
                }
            }
            return true;
        }
        let Some(map) = self.maps.get_mut(&packet.pid) else { return false };
        if let Some(section) = map.push(packet) {
            for entry in entries(&section) {
                self.streams.insert(entry.pid, kind(entry.stream_type, &section[entry.descriptors]));
            }
        }
        true
    }
}

/// A section that may go on over packets.
#[derive(Default)]
struct Section(Vec<u8>);

impl Section {
    /// The section once it is whole. A second one that begins in the same packet is left out.
    fn push(&mut self, packet: &Packet<'_>) -> Option<Vec<u8>> {
        if packet.begins {
            let (&pointer, rest) = packet.payload.split_first()?;
            self.0 = rest.get(usize::from(pointer)..)?.to_vec();
        } else if self.0.is_empty() {
            return None;
        } else {
            self.0.extend(packet.payload);
        }
        let length = length(&self.0)?;
        let whole = self.0.get(..length)?.to_vec();
        self.0.clear();
        Some(whole)
    }
}

/// Of the whole section, its head and checksum included.
pub(super) fn length(section: &[u8]) -> Option<usize> {
    let &[_, high, low, ..] = section else { return None };
    Some(3 + usize::from(u16::from_be_bytes([high & 0x0f, low])))
}

/// PIDs of the program maps in a program association section.
pub(super) fn map_pids(section: &[u8]) -> Vec<u16> {
    let Some(body) = section.get(8..section.len().saturating_sub(4)).filter(|_| section[0] == 0) else {
        return Vec::new();
    };
    let program = |p: &[u8]| (u16::from_be_bytes([p[0], p[1]]), u16::from_be_bytes([p[2] & 0x1f, p[3]]));
    // Program 0 is the network's own.
    body.chunks_exact(4).map(program).filter(|(number, _)| *number != 0).map(|(_, pid)| pid).collect()
}

/// The streams of a program map section.
pub(super) fn entries(section: &[u8]) -> Vec<Entry> {
    let (mut found, end) = (Vec::new(), section.len().saturating_sub(4));
    if section.len() < 16 || section[0] != 2 {
        return found;
    }
    let word = |at: usize, mask: u8| usize::from(u16::from_be_bytes([section[at] & mask, section[at + 1]]));
    let mut at = 12 + word(10, 0x0f);
    while at + 5 <= end {
        let descriptors = at + 5..at + 5 + word(at + 3, 0x0f);
        if descriptors.end > end {
            break;
        }
        found.push(Entry {
            pid: word(at + 1, 0x1f) as u16,
            stream_type: section[at],
            at,
            descriptors: descriptors.clone(),
        });
        at = descriptors.end;
    }
    found
}

/// Tag, offset of the content, and content of each descriptor.
pub(super) fn descriptors(bytes: &[u8]) -> Vec<(u8, usize, &[u8])> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(&[tag, length]) = bytes.get(at..at + 2) {
        let Some(content) = bytes.get(at + 2..at + 2 + usize::from(length)) else { break };
        found.push((tag, at + 2, content));
        at += 2 + usize::from(length);
    }
    found
}

/// Whether a descriptor names KLV.
pub(super) fn names_klv(tag: u8, content: &[u8]) -> bool {
    match tag {
        REGISTRATION => content.starts_with(KLVA),
        METADATA => content.windows(4).any(|w| w == KLVA),
        _ => false,
    }
}

fn kind(stream_type: u8, bytes: &[u8]) -> StreamKind {
    let all = descriptors(bytes);
    let klv = all.iter().any(|(tag, _, content)| names_klv(*tag, content));
    match stream_type {
        0x1b => StreamKind::Video(Codec::H264),
        0x24 => StreamKind::Video(Codec::H265),
        SYNCHRONOUS if klv => StreamKind::KlvCells,
        // Of metadata that names nothing, the first bytes tell.
        SYNCHRONOUS if !all.iter().any(|(tag, ..)| matches!(*tag, REGISTRATION | METADATA)) => {
            StreamKind::KlvCells
        }
        PRIVATE if klv => StreamKind::Klv,
        // Others are AC-3, subtitles and teletext, which all say so.
        PRIVATE
            if !all
                .iter()
                .any(|(tag, ..)| matches!(*tag, REGISTRATION | 0x56 | 0x59 | 0x6a | 0x7a | 0x7f)) =>
        {
            StreamKind::Unnamed
        }
        _ => StreamKind::Other,
    }
}

/// CRC-32/MPEG-2, over a section without its own last four bytes.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x04c1_1db7 }
        })
    })
}
