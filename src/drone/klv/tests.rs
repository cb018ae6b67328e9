use proptest::prelude::*;

use super::*;
use crate::base::WallTime;
use crate::drone::Fault;

fn set() -> LocalSet {
    LocalSet {
        timestamp: Some(WallTime(1_700_000_000_123_456)),
        heading: Some(159.9744),
        pitch: Some(-0.4315),
        roll: Some(3.4059),
        sensor_lat: Some(30.2931),
        sensor_lon: Some(120.1614),
        altitude: Some(1190.2),
        fov_h: Some(64.5),
        fov_v: Some(39.6),
        sensor_azimuth: Some(160.7),
        sensor_elevation: Some(-60.2),
        sensor_roll: Some(0.0),
        slant_range: Some(900.5),
        frame_centre: Some((120.17, 30.29, Some(3.0))),
        version: Some(13),
        ..LocalSet::default()
    }
}

fn only(bytes: &[u8]) -> Packet<'_> {
    let mut all = packets(bytes);
    let first = all.next().expect("a packet");
    assert_eq!(all.next(), None);
    first
}

#[test]
fn what_is_written_is_read_within_a_step_of_its_tag() {
    let Packet::Local(read) = only(&packet(&set())).clone() else { panic!("a good packet") };
    let written = set();
    for (a, b, step) in [
        (read.heading, written.heading, 360.0 / 65_535.0),
        (read.pitch, written.pitch, 20.0 / 32_767.0),
        (read.roll, written.roll, 50.0 / 32_767.0),
        (read.sensor_lat, written.sensor_lat, 1e-7),
        (read.sensor_lon, written.sensor_lon, 1e-7),
        (read.altitude, written.altitude, 0.31),
        (read.fov_h, written.fov_h, 0.003),
        (read.sensor_azimuth, written.sensor_azimuth, 1e-6),
        (read.sensor_elevation, written.sensor_elevation, 1e-6),
        (read.slant_range, written.slant_range, 0.002),
    ] {
        let (a, b) = (a.expect("read"), b.expect("written"));
        assert!((a - b).abs() <= step, "{a} {b}");
    }
    assert_eq!((read.timestamp, read.version), (written.timestamp, written.version));
}

#[test]
fn the_pose_looks_where_airframe_and_sensor_together_look() {
    let pose = set().pose().expect("a place");
    assert!((pose.gimbal.heading.expect("heading") - 320.6).abs() < 7.0);
    assert!((pose.gimbal.pitch.expect("pitch") + 60.0).abs() < 2.0);
    assert_eq!(LocalSet { sensor_lat: None, ..set() }.pose(), None);
    let blind = LocalSet { sensor_elevation: None, ..set() }.pose().expect("a place");
    assert!(blind.gimbal.is_empty());
}

#[test]
fn a_wrong_checksum_is_named_with_both_numbers() {
    let mut bytes = packet(&set());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    let Packet::Bad(fault @ Fault::Checksum { .. }) = packets(&bytes).next().expect("a packet") else {
        panic!("refused")
    };
    assert!(fault.to_string().contains("0x"), "{fault}");
}

#[test]
fn a_packet_after_a_damaged_one_is_found() {
    let mut bytes = packet(&set());
    bytes[17] = 0x83;
    let bytes = [vec![1, 2, 3], bytes, packet(&set())].concat();
    let found: Vec<_> = packets(&bytes).collect();
    assert!(matches!(found.first(), Some(Packet::Foreign([1, 2, 3]))));
    assert!(found.iter().any(|p| matches!(p, Packet::Bad(_))));
    assert!(matches!(found.last(), Some(Packet::Local(_))));
}

#[test]
fn items_that_say_out_of_range_are_unknown_and_full_angles_are_read() {
    let items = [
        &[6u8, 2, 0x80, 0x00][..],
        &[13, 4, 0x80, 0, 0, 0],
        &[14, 0],
        &[90, 4, 0x40, 0, 0, 0],
        &[0x81, 0x0c, 1, 9],
    ]
    .concat();
    let set = read_items(&items).expect("readable");
    assert_eq!((set.sensor_lat, set.sensor_lon), (None, None));
    assert!((set.pitch.expect("tag 90") - 45.0).abs() < 1e-6);
    assert!(matches!(read_items(&[13, 2, 0, 0]), Err(Fault::Length { .. })));
    assert!(matches!(read_items(&[13, 9, 0, 0]), Err(Fault::Length { said: 9, there: 2 })));
}

proptest! {
    #[test]
    fn no_bytes_panic_and_every_byte_is_accounted_for(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let keyed = [KEY.to_vec(), bytes.clone()].concat();
        for input in [bytes, keyed] {
            prop_assert!(packets(&input).count() <= input.len().max(1));
        }
    }
}
