//! Time in which nobody watched is no evidence, and how often a camera is looked at changes nothing.

use super::{Camera, STREET, TELL, Told, seconds};

/// From 20 s on everything comes so many seconds later.
fn later(by: u32) -> String {
    format!("setpts='PTS+gte(T,20)*{by}/TB'")
}

#[test]
fn a_gap_in_the_stream_is_no_time_of_standing() {
    let camera = Camera::at_the_street("dwell = \"5m\"\npresent_at_start = \"tell\"");
    let after = "enable='gte(t,1000)'";
    let film = camera.street(60, &format!("{},hflip={after},vflip={after},negate={after}", later(1200)));
    camera.replay(&film).assert_nothing();
}

#[test]
fn an_event_says_how_much_of_its_time_was_watched() {
    let camera = Camera::at_the_street("dwell = \"60s\"\npresent_at_start = \"tell\"");
    let film = camera.street(140, &later(1200));
    let told = camera.replay(&film);
    told.assert_two_stand();
    for event in told.events("opened") {
        let data = &event["data"];
        let watched = data["watched_s"].as_f64().expect("a number");
        assert!((60.0..80.0).contains(&watched), "{watched}\n{}", told.summary());
        let lasted = seconds(&data["at"]) - seconds(&data["started"]);
        let reason = data["reason"].as_str().expect("a reason");
        // It began before the gap, or it is only as old as what was seen after it.
        assert!(lasted < 80.0 || reason.contains("of these watched"), "{reason}");
    }
}

#[test]
fn a_look_every_40_seconds_is_enough() {
    let mut camera = Camera::at_the_street(TELL);
    camera.settings = "interval = \"40s\"".to_owned();
    let film = camera.still(600, "null");
    camera.replay(&film).assert_two_stand();
}

#[test]
fn any_interval_gives_the_same_events() {
    let replay = |interval: u32| -> Vec<(bool, f64)> {
        let mut camera = Camera::at_the_street(TELL);
        camera.settings = format!("interval = \"{interval}s\"");
        let told: Told = camera.replay(&crate::support::root().join(STREET));
        told.assert_two_stand();
        let event = |e: &&serde_json::Value| {
            let left = e["data"]["box"][0].as_f64().expect("a box");
            (left > 0.9, seconds(&e["data"]["started"]))
        };
        let mut events: Vec<_> = told.events("opened").iter().map(event).collect();
        events.sort_by(|a, b| a.0.cmp(&b.0));
        events
    };
    let usual = replay(1);
    for interval in [2, 4, 8] {
        for (one, other) in usual.iter().zip(replay(interval)) {
            assert_eq!(one.0, other.0, "the places at {interval} s");
            assert!((one.1 - other.1).abs() <= f64::from(interval), "{one:?}, at {interval} s {other:?}");
        }
    }
}
