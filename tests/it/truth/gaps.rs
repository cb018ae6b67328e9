//! Time in which nobody watched is no evidence, and how often a camera is looked at changes nothing.

use std::process::Command;

use serde_json::Value;

use super::{Camera, STREET, TELL, at_once, seconds};
use crate::support::root;

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
        let reason = data["reason"].as_str().expect("a reason");
        assert!(reason.contains("21 min, of these watched 6"), "{reason}");
    }
}

#[test]
fn a_look_every_40_seconds_is_enough() {
    let mut camera = Camera::at_the_street(TELL);
    camera.settings += "\ninterval = \"40s\"";
    let film = camera.still(600, "null");
    camera.replay(&film).assert_two_stand();
}

#[test]
fn any_interval_gives_the_same_events() {
    // Also with the pictures in between that the default sampling takes while something moves.
    let replay = |interval: u32| -> Vec<(bool, f64)> {
        let mut camera = Camera::at_the_street(TELL);
        camera.settings = format!("interval = \"{interval}s\"");
        let film = camera.dir.path().join("begin.mp4");
        let cut = ["-v", "error", "-t", "44", "-i", STREET, "-c", "copy"];
        let made = Command::new("ffmpeg").current_dir(root()).args(cut).arg(&film).status();
        assert!(made.expect("ffmpeg").success());
        let told = camera.replay(&film);
        told.assert_two_stand();
        let event = |e: &&Value| {
            let left = e["data"]["box"][0].as_f64().expect("a box");
            (left > 0.9, seconds(&e["data"]["started"]))
        };
        let mut events: Vec<_> = told.events("opened").iter().map(event).collect();
        events.sort_by_key(|event| event.0);
        events
    };
    let intervals = [1, 2, 4, 8];
    let events = at_once(&intervals, replay);
    for (interval, own) in intervals.iter().zip(&events) {
        assert_eq!(own.iter().map(|e| e.0).collect::<Vec<_>>(), [false, true], "the van, the car");
        for (event, usual) in own.iter().zip(&events[0]) {
            assert!(
                (event.1 - usual.1).abs() <= f64::from(*interval),
                "at {interval} s: {event:?}, {usual:?}"
            );
        }
    }
}
