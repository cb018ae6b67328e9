//! DJI subtitles: any bytes give a flight and a report.
#![no_main]

use lintel_fuzz::drone::srt::{Settings, parse};
use lintel_fuzz::{BASE, check_flight};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for base in [None, Some(BASE)] {
        let (flight, report) = parse(&text, &Settings { base, time_zone: None });
        check_flight(&flight);
        assert_eq!(
            report.records,
            report.poses + report.without_position + report.rejected_count(),
            "{report}"
        );
        assert!(report.to_string().len() < 20_000);
    }
});
