//! The items of a local set that locate a picture, mapped as in ST 0601 section 8.

use super::ber;
use crate::base::WallTime;
use crate::drone::{Angles, Fault, LonLat, Pose, compose};

/// The items of a packet, in degrees and metres. An item that is marked as out of range is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalSet {
    /// Tag 2.
    pub timestamp: Option<WallTime>,
    /// Tags 5, 6 (or 90) and 7 (or 91).
    pub heading: Option<f64>,
    pub pitch: Option<f64>,
    pub roll: Option<f64>,
    /// Tags 13 and 14.
    pub sensor_lat: Option<f64>,
    pub sensor_lon: Option<f64>,
    /// Tag 15, above the sea.
    pub altitude: Option<f64>,
    /// Tag 75, above the ellipsoid.
    pub ellipsoid_height: Option<f64>,
    /// Tags 16 and 17.
    pub fov_h: Option<f64>,
    pub fov_v: Option<f64>,
    /// Tags 18, 19 and 20, against the airframe.
    pub sensor_azimuth: Option<f64>,
    pub sensor_elevation: Option<f64>,
    pub sensor_roll: Option<f64>,
    /// Tag 21.
    pub slant_range: Option<f64>,
    /// Tags 23, 24 and 25: longitude, latitude, height.
    pub frame_centre: Option<(f64, f64, Option<f64>)>,
    /// Tag 65.
    pub version: Option<u8>,
}

impl LocalSet {
    /// `None` if it has no position.
    pub fn pose(&self) -> Option<Pose> {
        let position = LonLat { lon: self.sensor_lon?, lat: self.sensor_lat? };
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
            // The height above the ellipsoid, if there is no altitude above the sea.
            alt_abs: self.altitude.or(self.ellipsoid_height),
            platform,
            gimbal,
            fov: (self.fov_h, self.fov_v),
            slant_range: self.slant_range,
            frame_centre: self.frame_centre.map(|(lon, lat, _)| LonLat { lon, lat }),
            centre_alt: self.frame_centre.and_then(|(_, _, alt)| alt),
            // 32 bits over 360 degrees.
            step: 1e-7,
            ..Pose::at(position)
        })
    }
}

/// The items of one packet. A later item of the same tag wins.
///
/// # Errors
/// An item is longer than the packet, or has a length that its tag cannot have.
pub fn read_items(mut items: &[u8]) -> Result<LocalSet, Fault> {
    let mut set = LocalSet::default();
    let (mut centre_lat, mut centre_lon, mut centre_alt) = (None, None, None);
    while !items.is_empty() {
        let (tag, used) = ber::tag(items).ok_or(Fault::CutOff)?;
        let (length, head) = ber::length(&items[used..]).ok_or(Fault::CutOff)?;
        let rest = &items[used + head..];
        if length > rest.len() as u64 {
            return Err(Fault::Length { said: length, there: rest.len() as u64 });
        }
        let (value, rest) = rest.split_at(length as usize);
        items = rest;
        // An empty value says that the item is no longer known (ST 0601, 6.5.5).
        if value.is_empty() {
            continue;
        }
        match tag {
            2 => set.timestamp = Some(WallTime(i64::try_from(unsigned(value, 8)?).unwrap_or(i64::MAX))),
            5 => set.heading = Some(span(value, 2, 0.0, 360.0)?),
            6 => set.pitch = both_ways(value, 2, 20.0)?.or(set.pitch),
            7 => set.roll = both_ways(value, 2, 50.0)?.or(set.roll),
            13 => set.sensor_lat = both_ways(value, 4, 90.0)?,
            14 => set.sensor_lon = both_ways(value, 4, 180.0)?,
            15 => set.altitude = Some(span(value, 2, -900.0, 19_000.0)?),
            16 => set.fov_h = Some(span(value, 2, 0.0, 180.0)?),
            17 => set.fov_v = Some(span(value, 2, 0.0, 180.0)?),
            18 => set.sensor_azimuth = Some(span(value, 4, 0.0, 360.0)?),
            19 => set.sensor_elevation = both_ways(value, 4, 180.0)?,
            20 => set.sensor_roll = Some(span(value, 4, 0.0, 360.0)?),
            21 => set.slant_range = Some(span(value, 4, 0.0, 5_000_000.0)?),
            23 => centre_lat = both_ways(value, 4, 90.0)?,
            24 => centre_lon = both_ways(value, 4, 180.0)?,
            25 => centre_alt = Some(span(value, 2, -900.0, 19_000.0)?),
            65 => set.version = value.first().copied(),
            75 => set.ellipsoid_height = Some(span(value, 2, -900.0, 19_000.0)?),
            // The full range of pitch and roll, for airframes that go beyond 20 and 50 degrees.
            90 => set.pitch = both_ways(value, 4, 90.0)?.or(set.pitch),
            91 => set.roll = both_ways(value, 4, 90.0)?.or(set.roll),
            _ => {}
        }
    }
    set.frame_centre = centre_lon.zip(centre_lat).map(|(lon, lat)| (lon, lat, centre_alt));
    Ok(set)
}

/// Big-endian, of exactly `bytes` bytes.
fn unsigned(value: &[u8], bytes: usize) -> Result<u64, Fault> {
    if value.len() != bytes {
        return Err(Fault::Length { said: value.len() as u64, there: bytes as u64 });
    }
    Ok(value.iter().fold(0, |v, b| v << 8 | u64::from(*b)))
}

/// All values of an unsigned integer over `from..=to`.
fn span(value: &[u8], bytes: usize, from: f64, to: f64) -> Result<f64, Fault> {
    let most = ((1u64 << (8 * bytes)) - 1) as f64;
    Ok(from + unsigned(value, bytes)? as f64 / most * (to - from))
}

/// A signed integer over `-most..=most`; its smallest value says "out of range".
fn both_ways(value: &[u8], bytes: usize, most: f64) -> Result<Option<f64>, Fault> {
    let shift = 64 - 8 * bytes;
    let signed = ((unsigned(value, bytes)? << shift) as i64) >> shift;
    let largest = (1i64 << (8 * bytes - 1)) - 1;
    Ok((signed >= -largest).then(|| signed as f64 / largest as f64 * most))
}
