//! Makes packets: for the test clips, and the other half of every test of the reader.

use super::ber;
use super::checksum::checksum;
use super::packets::KEY;
use super::tags::LocalSet;

/// A packet with everything that `set` has, timestamp first and checksum last. Numbers outside a tag's range
/// are brought to its border.
pub fn packet(set: &LocalSet) -> Vec<u8> {
    let mut items = Vec::new();
    let mut item = |tag: u8, value: Option<Vec<u8>>| {
        if let Some(value) = value {
            items.extend([tag, value.len() as u8]);
            items.extend(value);
        }
    };
    item(2, set.timestamp.map(|t| t.0.to_be_bytes().to_vec()));
    item(5, set.heading.map(|v| span(v, 2, 0.0, 360.0)));
    item(6, set.pitch.filter(|v| v.abs() <= 20.0).map(|v| both_ways(v, 2, 20.0)));
    item(7, set.roll.filter(|v| v.abs() <= 50.0).map(|v| both_ways(v, 2, 50.0)));
    item(13, set.sensor_lat.map(|v| both_ways(v, 4, 90.0)));
    item(14, set.sensor_lon.map(|v| both_ways(v, 4, 180.0)));
    item(15, set.altitude.map(|v| span(v, 2, -900.0, 19_000.0)));
    item(16, set.fov_h.map(|v| span(v, 2, 0.0, 180.0)));
    item(17, set.fov_v.map(|v| span(v, 2, 0.0, 180.0)));
    item(18, set.sensor_azimuth.map(|v| span(v, 4, 0.0, 360.0)));
    item(19, set.sensor_elevation.map(|v| both_ways(v, 4, 180.0)));
    item(20, set.sensor_roll.map(|v| span(v.rem_euclid(360.0), 4, 0.0, 360.0)));
    item(21, set.slant_range.map(|v| span(v, 4, 0.0, 5_000_000.0)));
    item(23, set.frame_centre.map(|(_, lat, _)| both_ways(lat, 4, 90.0)));
    item(24, set.frame_centre.map(|(lon, _, _)| both_ways(lon, 4, 180.0)));
    item(25, set.frame_centre.and_then(|(_, _, alt)| alt).map(|v| span(v, 2, -900.0, 19_000.0)));
    item(65, set.version.map(|v| vec![v]));
    item(75, set.ellipsoid_height.map(|v| span(v, 2, -900.0, 19_000.0)));
    item(90, set.pitch.filter(|v| v.abs() > 20.0).map(|v| both_ways(v, 4, 90.0)));
    item(91, set.roll.filter(|v| v.abs() > 50.0).map(|v| both_ways(v, 4, 90.0)));
    items.extend([1, 2]);
    let mut packet = KEY.to_vec();
    ber::write_length(items.len() + 2, &mut packet);
    packet.extend(items);
    let sum = checksum(&packet);
    packet.extend(sum.to_be_bytes());
    packet
}

fn span(value: f64, bytes: usize, from: f64, to: f64) -> Vec<u8> {
    let most = ((1u64 << (8 * bytes)) - 1) as f64;
    let raw = ((value - from) / (to - from) * most).round().clamp(0.0, most) as u64;
    raw.to_be_bytes()[8 - bytes..].to_vec()
}

fn both_ways(value: f64, bytes: usize, most: f64) -> Vec<u8> {
    let largest = ((1i64 << (8 * bytes - 1)) - 1) as f64;
    let raw = (value / most * largest).round().clamp(-largest, largest) as i64;
    raw.to_be_bytes()[8 - bytes..].to_vec()
}
