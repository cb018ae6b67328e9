//! MISB ST 0601: any bytes give packets. The fuzzer cannot guess checksums, so items are read without them
//! too, and what is read is written and read again.
#![no_main]

use lintel_fuzz::check;
use lintel_fuzz::drone::klv::{LocalSet, Packet, packet, packets, read_items};
use lintel_fuzz::drone::{Checker, Pose};

fn judge(set: &LocalSet) {
    if let Some(pose) = set.pose()
        && Checker::new(None).check(&pose) == Ok(true)
    {
        check(&pose);
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for found in packets(bytes) {
        match found {
            Packet::Local(set) => judge(&set),
            Packet::Bad(fault) => assert!(!fault.to_string().is_empty()),
            Packet::Foreign(rest) => assert!(!rest.is_empty()),
        }
    }
    let Ok(set) = read_items(bytes) else { return };
    judge(&set);
    let written = packet(&set);
    let mut again = packets(&written);
    let Some(Packet::Local(read)) = again.next() else { panic!("what was written is not read: {set:?}") };
    assert!(again.next().is_none());
    assert_eq!(set.sensor_lat.is_some(), read.sensor_lat.is_some());
    let places = |p: Pose| (p.position.lon, p.position.lat);
    if let (Some(a), Some(b)) = (set.pose().map(places), read.pose().map(places)) {
        assert!((a.0 - b.0).abs() < 1e-6 && (a.1 - b.1).abs() < 1e-6, "{a:?} {b:?}");
    }
});
