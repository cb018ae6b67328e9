//! A stream of bytes to packets.

use super::ber;
use super::checksum;
use super::tags::{LocalSet, read_items};
use crate::drone::Fault;

/// Universal key of the local set (ST 0601, table 1).
pub const KEY: [u8; 16] =
    [0x06, 0x0e, 0x2b, 0x34, 0x02, 0x0b, 0x01, 0x01, 0x0e, 0x01, 0x03, 0x01, 0x01, 0x00, 0x00, 0x00];

/// One packet of a stream of bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet<'a> {
    /// An ST 0601 packet with a right checksum.
    Local(Box<LocalSet>),
    /// An ST 0601 packet that cannot be used.
    Bad(Fault),
    /// Bytes that are another key's packet, or no packet.
    Foreign(&'a [u8]),
}

/// The packets in `bytes`, in order. Bytes before a key, or of other keys, are passed over.
pub fn packets(bytes: &[u8]) -> Packets<'_> {
    Packets { rest: bytes }
}

pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(start) = self.rest.windows(KEY.len()).position(is_key) else {
            return Some(Packet::Foreign(std::mem::take(&mut self.rest)));
        };
        if start > 0 {
            let (foreign, rest) = self.rest.split_at(start);
            self.rest = rest;
            return Some(Packet::Foreign(foreign));
        }
        let (result, used) = one(self.rest);
        self.rest = &self.rest[used..];
        Some(result.map_or_else(Packet::Bad, |set| Packet::Local(Box::new(set))))
    }
}

/// Byte 8 is the version of the registry: streams of all versions are out there.
fn is_key(bytes: &[u8]) -> bool {
    bytes.iter().zip(KEY).enumerate().all(|(i, (a, b))| i == 7 || *a == b)
}

/// The packet at the beginning of `bytes`, and how many of them are done with.
fn one(bytes: &[u8]) -> (Result<LocalSet, Fault>, usize) {
    let body = &bytes[KEY.len()..];
    let Some((length, head)) = ber::length(body) else { return (Err(Fault::CutOff), KEY.len()) };
    let there = (body.len() - head) as u64;
    if length > there {
        // The length may be the damaged part: the next key is looked for inside.
        return (Err(Fault::Length { said: length, there }), KEY.len());
    }
    // At most `there`, which is a usize.
    let end = KEY.len() + head + length as usize;
    match checksum::verify(&bytes[..end], KEY.len() + head) {
        Ok(()) => (read_items(&bytes[KEY.len() + head..end]), end),
        Err(fault) => (Err(fault), KEY.len()),
    }
}
