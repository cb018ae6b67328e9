//! Calls synchronous KLV what GStreamer's demultiplexer knows, in the program map of a live stream.
//!
//! Debian 12's demultiplexer makes no pad for stream type 0x15. As private data that is registered as KLVA it comes
//! with its times; the reader of KLV passes over the heads of the cells.

use std::collections::BTreeSet;

use super::packet::{self, SIZE};
use super::psi::{
    KLVA, METADATA, PRIVATE, REGISTRATION, SYNCHRONOUS, checksum, descriptors, entries, length, map_pids,
    names_klv,
};

/// Of descriptors that are private to nobody; fills the place that is left.
const FILLER: u8 = 0xfe;

/// Keeps the PIDs of the program maps from packet to packet.
#[derive(Default)]
pub(in crate::ingest) struct MetadataPatch {
    maps: BTreeSet<u16>,
}

impl MetadataPatch {
    /// Whether `bytes`, whole transport packets, have a program map that is to be changed.
    pub fn is_needed(&mut self, bytes: &[u8]) -> bool {
        let mut needed = false;
        for packet in bytes.chunks_exact(SIZE) {
            let Some((pid, range)) = section(packet) else { continue };
            let section = &packet[range];
            if pid == 0 {
                self.maps.extend(map_pids(section));
            } else if self.maps.contains(&pid) {
                needed |= entries(section).iter().any(|entry| entry.stream_type == SYNCHRONOUS);
            }
        }
        needed
    }

    /// Changes the program maps in `bytes`.
    pub fn apply(&self, bytes: &mut [u8]) {
        for packet in bytes.chunks_exact_mut(SIZE) {
            if let Some((pid, range)) = section(packet)
                && self.maps.contains(&pid)
            {
                patch(&mut packet[range]);
            }
        }
    }
}

/// PID and place of a section that begins and ends in this packet.
fn section(packet: &[u8]) -> Option<(u16, std::ops::Range<usize>)> {
    let parsed = packet::parse(packet).filter(|p| p.begins)?;
    let (&pointer, rest) = parsed.payload.split_first()?;
    let body = rest.get(usize::from(pointer)..)?;
    let start = SIZE - body.len();
    let end = start + length(body)?;
    (end <= SIZE).then_some((parsed.pid, start..end))
}

fn patch(section: &mut [u8]) {
    let mut changed = false;
    for entry in entries(section).into_iter().filter(|entry| entry.stream_type == SYNCHRONOUS) {
        let all: Vec<(u8, usize, usize, bool)> = descriptors(&section[entry.descriptors.clone()])
            .into_iter()
            .map(|(tag, at, content)| {
                (tag, entry.descriptors.start + at, content.len(), names_klv(tag, content))
            })
            .collect();
        let named = all.iter().any(|(tag, .., klv)| *klv && *tag == REGISTRATION);
        // A registration is six bytes, and a filler at least two.
        let place = all.iter().find(|(tag, _, length, klv)| *klv && *tag == METADATA && *length >= 6);
        match place {
            _ if named => {}
            Some(&(_, at, length, _)) => {
                let (from, left) = (at - 2, length - 4);
                section[from..from + 2].copy_from_slice(&[REGISTRATION, 4]);
                section[at..at + 4].copy_from_slice(KLVA);
                section[at + 4..at + length].fill(0);
                section[at + 4..at + 6].copy_from_slice(&[FILLER, left as u8 - 2]);
            }
            None => continue,
        }
        section[entry.at] = PRIVATE;
        changed = true;
    }
    if changed && section.len() > 4 {
        let end = section.len() - 4;
        let sum = checksum(&section[..end]).to_be_bytes();
        section[end..].copy_from_slice(&sum);
    }
}
