//! Telemetry files, as drones write them and as transports leave them.

use std::path::PathBuf;
use std::process::Command;

use lintel::base::{MediaTime, WallTime};
use lintel::drone::klv::{self, Packet};
use lintel::drone::srt::Settings;
use lintel::drone::{Fault, TelemetryError, TelemetryReport, read_srt};

use crate::support::{program, root, shared};

fn sample(name: &str) -> PathBuf {
    root().join("testdata/telemetry").join(name)
}

fn read(path: &std::path::Path) -> TelemetryReport {
    match read_srt(path, &Settings::default()) {
        Ok((_, report)) => report,
        Err(TelemetryError::Nothing { report, .. }) => *report,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_family_of_subtitles_is_read_whole() {
    for (name, records) in [
        ("mini3_abs_rel.srt", 10),
        ("gimbal_in_brackets.srt", 10),
        ("mavic2_misspelt.SRT", 10),
        ("mavic_pro_lon_first.SRT", 6),
        ("matrice300_lat_first.srt", 6),
        ("p4rtk_gimbal.SRT", 6),
        ("no_subtitle_times.SRT", 6),
    ] {
        let report = read(&sample(name));
        assert_eq!((report.records, report.poses), (records, records), "{name}: {report}");
        assert!(report.gaps.is_empty() && report.rejected_count() == 0, "{name}: {report}");
    }
}

#[test]
fn damage_is_counted_and_named_and_the_rest_is_used() {
    let report = read(&sample("damaged.srt"));
    let named: Vec<_> = report.rejected.iter().map(|r| (r.record, r.fault.name())).collect();
    assert_eq!(named, [(3, "not_a_number"), (5, "cut_off"), (7, "swapped")], "{report}");
    assert_eq!(report.poses, 7);
    assert!(report.to_string().contains("look swapped"), "{report}");
}

#[test]
fn a_gap_of_ten_seconds_is_named() {
    let report = read(&sample("gap_of_10_s.srt"));
    assert_eq!(report.gaps.len(), 1);
    assert!(report.to_string().contains("no telemetry for 10.0 s from 5.0 s on"), "{report}");
}

#[test]
fn a_file_without_positions_says_so_and_what_to_do() {
    let error = read_srt(&sample("without_position.SRT"), &Settings::default()).expect_err("no position");
    let said = error.to_string();
    assert!(said.contains("3 records, 0 with a position, 3 without"), "{said}");
    assert!(said.contains("video captions"), "{said}");
    let missing = read_srt(&sample("none.srt"), &Settings::default()).expect_err("no file").to_string();
    assert!(missing.contains("none.srt"), "{missing}");
}

/// The drone's clock and the video's run together in a file of one flight; both start times are then the
/// same.
#[test]
fn the_clock_of_the_drone_is_found_from_its_records() {
    let clock = read(&sample("mini3_abs_rel.srt")).clock.expect("both times");
    let expected: jiff::Timestamp = "2024-05-06T07:08:09Z".parse().expect("a time");
    assert!((clock.start.0 - WallTime::from(expected).0).abs() <= 1_000, "{clock}");
    assert_eq!(clock.wall(MediaTime(1_000_000)).0 - clock.start.0, 1_000_000);
}

/// Real files of twenty models and firmwares. What each must give was counted by hand from the files.
#[test]
fn not_one_valid_record_of_real_flights_is_rejected() {
    let Some(shared) = shared("drone subtitles of real flights") else { return };
    let folder = shared.join("data/extra/telemetry/dji_srt");
    // Records, of them with a position, without one, rejected.
    for (name, expected) in [
        ("MAVIC3.srt", (12_318, 12_318, 0, 0)),
        ("air2s.srt", (17, 17, 0, 0)),
        ("broken_empty.SRT", (0, 0, 0, 0)),
        ("broken_empty2.SRT", (0, 0, 0, 0)),
        // The last record ends after its date.
        ("broken_incomplete.SRT", (20, 19, 1, 0)),
        // Records 3 and 6 end in the middle of a field.
        ("broken_incomplete2.SRT", (6, 4, 0, 2)),
        ("m2zoom.SRT", (7_113, 7_113, 0, 0)),
        ("matrice_300.srt", (381, 381, 0, 0)),
        ("mavic_2_style.SRT", (468, 468, 0, 0)),
        ("mavic_2pro_new.SRT", (8_952, 8_952, 0, 0)),
        // This model writes no position.
        ("mavic_air.SRT", (2, 0, 2, 0)),
        ("mavic_air2.srt", (25, 25, 0, 0)),
        ("mavic_mini.SRT", (117, 117, 0, 0)),
        ("mavic_pro.SRT", (468, 468, 0, 0)),
        // GPS(N/A,N/A,12) in 16 records.
        ("mavic_pro_buggy.SRT", (546, 530, 16, 0)),
        ("mix_p4rtk_mavic2pro.srt", (12, 12, 0, 0)),
        ("old_format.SRT", (468, 468, 0, 0)),
        ("p4_rtk.SRT", (55, 55, 0, 0)),
        ("p4p_sample.SRT", (5, 5, 0, 0)),
        ("webodm_video.srt", (3, 3, 0, 0)),
    ] {
        let report = read(&folder.join(name));
        let found = (report.records, report.poses, report.without_position, report.rejected_count());
        assert_eq!(found, expected, "{name}: {report}");
    }
}

/// The longer of the two packets carries a checksum that is not its own: refused as a packet, though its
/// items read well.
#[test]
fn real_packets_of_a_drone_are_read_and_their_checksums_held() {
    let Some(shared) = shared("KLV packets of a real flight") else { return };
    let packet = |name: &str| {
        std::fs::read(shared.join("data/extra/telemetry/misb_klv").join(name)).expect("readable")
    };
    let (dynamic, constant) =
        (packet("DynamicOnlyMISMMSPacketData.bin"), packet("DynamicConstantMISMMSPacketData.bin"));
    let found: Vec<_> = klv::packets(&dynamic).collect();
    let [Packet::Local(set)] = &found[..] else { panic!("{found:?}") };
    let Some(Packet::Bad(Fault::Checksum { stored: 0xaa43, computed: 0x3e1e })) =
        klv::packets(&constant).next()
    else {
        panic!("a wrong checksum")
    };
    for set in [&**set, &klv::read_items(&constant[18..]).expect("readable items")] {
        let pose = set.pose().expect("a place");
        assert!(
            (pose.position.lat - 60.1768).abs() < 1e-3 && (pose.position.lon - 128.4267).abs() < 1e-3,
            "{pose:?}"
        );
        assert!((pose.alt_abs.expect("altitude") - 14_190.7).abs() < 0.5, "{pose:?}");
        assert!(pose.fov.0.is_some() && !pose.gimbal.is_empty(), "{pose:?}");
    }
}

/// 55.5 m up, looking 60 degrees down to the north-west: the middle of the still is 55.5 / tan 60 = 32.0 m
/// ahead.
#[test]
fn a_still_is_placed_by_its_own_telemetry_and_asked_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let xmp = std::fs::read(root().join("testdata/telemetry/still.xmp")).expect("the XMP");
    let header = b"http://ns.adobe.com/xap/1.0/\0";
    let length = u16::try_from(2 + header.len() + xmp.len()).expect("a segment").to_be_bytes();
    let picture = std::fs::read(root().join("testdata/frames/street_000.jpg")).expect("a picture");
    let still = folder.path().join("DJI_0042.JPG");
    let jpeg = [&picture[..2], &[0xff, 0xe1], &length, header, &xmp, &picture[2..]].concat();
    std::fs::write(&still, jpeg).expect("written");
    let (width, height) = image::image_dimensions(&still).expect("a picture");
    let lintel = |args: &[&str]| {
        let output = Command::new(program("lintel")).args(args).arg("--still").arg(&still).output();
        let output = output.expect("lintel runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("one line of JSON")
    };
    let found = lintel(&["locate", "--json", "--pixel", &format!("{},{}", width / 2, height / 2)]);
    assert_eq!((&found["camera"], &found["method"]), (&"DJI_0042.JPG".into(), &"telemetry_plane".into()));
    let (lon, lat) = (&found["position"]["lon"], &found["position"]["lat"]);
    let north = (lat.as_f64().expect("a latitude") - 30.293_123_4) * 110_850.0;
    let east =
        (lon.as_f64().expect("a longitude") - 120.161_456_7) * 111_320.0 * 30.293_f64.to_radians().cos();
    let (ahead, heading) = (north.hypot(east), east.atan2(north).to_degrees());
    assert!((ahead - 32.04).abs() < 0.2 && (heading + 45.1).abs() < 0.3, "{ahead} m at {heading}: {found}");
    let major = found["accuracy"]["semi_major_m"].as_f64().expect("an ellipse");
    assert!((5.0..12.0).contains(&major), "{found}");
    let seen = lintel(&["sees", "--json", "--lon", &lon.to_string(), "--lat", &lat.to_string()]);
    for (axis, side) in [width, height].into_iter().enumerate() {
        let pixel = seen["pixel"][axis].as_f64().expect("a pixel");
        assert!((pixel - f64::from(side / 2)).abs() < 0.5, "{seen}");
    }
}
