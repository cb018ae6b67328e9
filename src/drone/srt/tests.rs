use super::*;
use crate::drone::{Angles, Pose};

fn one(text: &str) -> Pose {
    let (flight, report) = parse(text, &Settings::default());
    assert_eq!((report.poses, report.rejected_count()), (1, 0), "{report}");
    *flight.poses().next().expect("one pose")
}

fn at(begins: &str, body: &str) -> String {
    format!("1\n{begins} --> 99:00:00,000\n{body}\n")
}

#[test]
fn bracketed_names_with_relative_and_absolute_height() {
    let pose = one(&at(
        "00:00:00,020",
        "<font size=\"28\">FrameCnt: 2, DiffTime: 20ms\n2024-05-06 07:08:09.123\n[iso: 220] [shutter: 1/8000.0] [fnum: 3.2] [color_md : default] [focal_len: 24.00] [latitude: 30.29310] [longitude: 120.16140] [rel_alt: 55.500 abs_alt: 62.301] </font>",
    ));
    assert_eq!(pose.position, LonLat { lon: 120.1614, lat: 30.2931 });
    assert_eq!((pose.alt_rel, pose.alt_abs, pose.focal_35mm), (Some(55.5), Some(62.301), Some(24.0)));
    assert_eq!(pose.media, Some(MediaTime(20_000)));
    assert_eq!(pose.at.map(|at| at.to_string()).as_deref(), Some("2024-05-06T07:08:09.123Z"));
    assert!((pose.step - 1e-5).abs() < 1e-12);
}

#[test]
fn a_misspelt_longitude_and_a_focal_length_in_tenths() {
    let pose = one(&at(
        "00:00:00,000",
        "[focal_len : 280] [latitude : -30.1] [longtitude : -120.2] [altitude: 74.7]",
    ));
    assert_eq!((pose.position, pose.focal_35mm), (LonLat { lon: -120.2, lat: -30.1 }, Some(28.0)));
    assert_eq!(pose.alt_abs, Some(74.7));
}

#[test]
fn gimbal_angles_in_brackets() {
    let pose = one(&at(
        "00:00:00,000",
        "[latitude: 30.1] [longitude: 120.2] [gb_yaw: -45.2 gb_pitch: -60.0 gb_roll: 0.1] [dzoom_ratio: 20000, delta:0] [focal_len: 24.00]",
    ));
    let expected = Angles { heading: Some(-45.2), pitch: Some(-60.0), roll: Some(0.1) };
    assert_eq!((pose.gimbal, pose.focal_35mm), (expected, Some(48.0)));
}

#[test]
fn longitude_first_with_home_and_barometer() {
    let pose = one(&at(
        "00:00:01,000",
        "HOME(120.1614,30.2930) 2024.05.06 07:08:09\nGPS(120.1614,30.2931,16) BAROMETER:51.9\nISO:100 Shutter:60 EV: Fnum:2.2",
    ));
    assert_eq!(pose.position, LonLat { lon: 120.1614, lat: 30.2931 });
    assert_eq!((pose.home, pose.alt_rel), (Some(LonLat { lon: 120.1614, lat: 30.2930 }), Some(51.9)));
    assert_eq!(pose.alt_abs, None, "the third number counts satellites");
}

#[test]
fn latitude_first_where_the_altitude_is_marked() {
    let pose = one(&at("00:00:00,000", "2024.05.06 07:08:09\r\nGPS(30.6146,-6.1120,0.0M) BAROMETER:50.3M"));
    assert_eq!((pose.position, pose.alt_rel), (LonLat { lon: -6.112, lat: 30.6146 }, Some(50.3)));
    assert_eq!(pose.alt_abs, None);
}

#[test]
fn an_rtk_record_has_all_angles() {
    let pose = one(&at(
        "00:00:05,000",
        "F/5.6, SS 400, ISO 100, EV 0, GPS (-58.851745, -34.237922, 15), HOME (-58.847509, -34.232707, -57.98m), D 698.70m, H 85.80m, H.S 0.00m/s, V.S 0.00m/s, F.PRY (2.7°, -7.0°, 110.1°), G.PRY (-24.4°, 0.0°, 110.4°)",
    ));
    assert_eq!(pose.position, LonLat { lon: -58.851745, lat: -34.237922 });
    assert_eq!(pose.gimbal, Angles { heading: Some(110.4), pitch: Some(-24.4), roll: Some(0.0) });
    assert_eq!(pose.platform, Angles { heading: Some(110.1), pitch: Some(2.7), roll: Some(-7.0) });
    assert_eq!(pose.alt_rel, Some(85.8));
}

#[test]
fn without_subtitle_times_the_dates_tell_them() {
    let record = |s: u32| {
        format!(
            "{s}\n2024.08.05 14:11:{s:02},393,525,393,525\n[latitude : 30.2533] [longtitude : 120.0251]\n\n"
        )
    };
    let (flight, report) = parse(&(record(1) + &record(2) + &record(4)), &Settings::default());
    let times: Vec<_> = flight.poses().filter_map(|p| Some(p.media?.0)).collect();
    assert_eq!(times, [0, 1_000_000, 3_000_000]);
    assert!(report.to_string().contains("clock is used instead"), "{report}");
}

/// In `GPS(a, b)` a number above 90 anywhere settles the order, and so does the config.
#[test]
fn the_order_of_two_numbers_is_found_for_the_whole_file() {
    let file =
        |a: &str, b: &str| format!("1\n00:00:00,000 --> 00:00:01,000\nGPS({a},{b},16) BAROMETER:51.9\n");
    let place = |text: &str, base| {
        let (flight, report) = parse(text, &Settings { base, time_zone: None });
        flight.poses().next().map(|p| p.position).ok_or(report.to_string())
    };
    let here = LonLat { lon: 120.1614, lat: 30.2931 };
    assert_eq!(place(&file("30.2931", "120.1614"), None), Ok(here));
    assert_eq!(place(&file("120.1614", "30.2931"), None), Ok(here));
    let madrid = LonLat { lon: -3.7, lat: 40.4 };
    assert_eq!(place(&file("40.4", "-3.7"), Some(madrid)), Ok(madrid));
    assert_eq!(place(&file("-3.7", "40.4"), Some(madrid)), Ok(madrid));
    assert_eq!(place(&file("-3.7", "40.4"), None), Ok(madrid), "longitude first is the rule");
}

#[test]
fn named_coordinates_that_are_swapped_are_refused_with_the_distance() {
    let text = at("00:00:00,000", "[latitude: 50.4] [longitude: 30.5] [rel_alt: 50.0 abs_alt: 60.0]");
    let base = Some(LonLat { lon: 50.4, lat: 30.5 });
    let (_, report) = parse(&text, &Settings { base, time_zone: None });
    assert_eq!(report.faults.get("swapped"), Some(&1));
    assert!(report.to_string().contains("look swapped"), "{report}");
    assert!(report.to_string().contains("the position in the config"), "{report}");
}

#[test]
fn what_is_cut_off_or_no_number_is_named_and_the_rest_is_used() {
    let text = "1\n00:00:00,000 --> 00:00:01,000\n[latitude: 30.1] [longitude: 120.2]\n\n\
                2\n00:00:01,000 --> 00:00:02,000\n[latitude: NaN] [longitude: 120.2]\n\n\
                3\n00:00:02,000 --> 00:00:03,000\n[latitude: 30.1] [longi\n\n\
                4\n00:00:03,000 --> 00:00:04,000\nHello\n\n\
                5\n00:00:04,000 --> 00:00:05,000\n[latitude: 0.000000] [longitude: 0.000000]\n\n\
                6\n00:00:05,000 --> 00:00:06,000\nGPS(N/A,N/A,12) BAROMETER:0.0\n\n\
                7\n00:00:16,000 --> 00:00:17,000\n[latitude: 30.1] [longitude: 120.2]\n";
    let (flight, report) = parse(text, &Settings::default());
    assert_eq!((report.records, report.poses, report.without_position, flight.len()), (7, 2, 2, 2));
    let names: Vec<_> = report.rejected.iter().map(|r| (r.record, r.fault.name())).collect();
    assert_eq!(names, [(2, "not_a_number"), (3, "cut_off"), (4, "unknown")]);
    assert_eq!(report.gaps.len(), 1);
    assert!(report.to_string().contains("no telemetry for 16.0 s from 0.0 s on"), "{report}");
}
