//! The checksum of a packet (ST 0601, 6.5.3): the running 16-bit sum from the key's first byte to the
//! checksum's length.

use crate::drone::Fault;

/// Sum of 16-bit big-endian words; an odd last byte is the upper half of one.
pub fn checksum(bytes: &[u8]) -> u16 {
    let add = |sum: u16, (i, byte): (usize, &u8)| sum.wrapping_add(u16::from(*byte) << (8 * ((i + 1) % 2)));
    bytes.iter().enumerate().fold(0, add)
}

/// `packet` from its key to its last byte; its items begin at `items`.
pub(super) fn verify(packet: &[u8], items: usize) -> Result<(), Fault> {
    let Some((summed, tail)) = packet.split_at_checked(packet.len().saturating_sub(2)) else {
        return Err(Fault::NoChecksum);
    };
    // Tag 1 with two bytes ends the packet.
    if summed.len() < items + 2 || !summed.ends_with(&[1, 2]) {
        return Err(Fault::NoChecksum);
    }
    let [high, low] = tail else { return Err(Fault::NoChecksum) };
    let (stored, computed) = (u16::from_be_bytes([*high, *low]), checksum(summed));
    if stored == computed { Ok(()) } else { Err(Fault::Checksum { stored, computed }) }
}
