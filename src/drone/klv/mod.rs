//! MISB ST 0601: the UAS Datalink Local Set, as MPEG-TS from drones carries it (key-length-value, SMPTE ST
//! 336).
//!
//! A packet is the 16-byte key, a BER length and items of a BER-OID tag, a BER length and a value. The last
//! item is the checksum. The reader uses the tags that place a picture on the ground and skips all others.

mod ber;
mod checksum;
mod packets;
mod tags;
mod write;

pub use checksum::checksum;
pub use packets::{KEY, Packet, Packets, packets};
pub use tags::{LocalSet, read_items};
pub use write::packet;

#[cfg(test)]
mod tests;
