//! MISB ST 0601: the UAS Datalink Local Set, as MPEG-TS from drones carries it (key-length-value, SMPTE ST 336).
//!
//! A packet is the 16-byte key, a BER length and items of a BER-OID tag, a BER length and a value; the last one is the
//! checksum. The tags that place a picture on the ground are read, all others are passed over.

mod ber;
mod checksum;
mod tags;
mod write;

pub use checksum::checksum;
pub use tags::{LocalSet, read_items};
pub use write::packet;

use super::{Fault, compose};
use crate::drone::{Angles, Place, Pose};

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

impl LocalSet {
    /// `None` if it tells no place.
    pub fn pose(&self) -> Option<Pose> {
        let place = Place { lon: self.sensor_lon?, lat: self.sensor_lat? };
        let platform = Angles { heading: self.heading, pitch: self.pitch, roll: self.roll };
        let sensor = [self.sensor_azimuth, self.sensor_elevation, self.sensor_roll];
        let gimbal = match (self.heading, sensor) {
            (Some(heading), [Some(azimuth), Some(elevation), roll]) => compose(
                [heading, self.pitch.unwrap_or(0.0), self.roll.unwrap_or(0.0)],
                [azimuth, elevation, roll.unwrap_or(0.0)],
            ),
            _ => Angles::default(),
        };
        Some(Pose {
            at: self.timestamp,
            // Height above the ellipsoid where there is one: the other datum is not told.
            alt_abs: self.altitude.or(self.ellipsoid_height),
            platform,
            gimbal,
            fov: (self.fov_h, self.fov_v),
            slant_range: self.slant_range,
            frame_centre: self.frame_centre.map(|(lon, lat, _)| Place { lon, lat }),
            centre_alt: self.frame_centre.and_then(|(_, _, alt)| alt),
            // 32 bits over 360 degrees.
            step: 1e-7,
            ..Pose::at(place)
        })
    }
}

#[cfg(test)]
mod tests;
