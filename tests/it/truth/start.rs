//! What was there when the camera began is told, held or ignored as the rule says; what came is always told.

use super::{Camera, STREET};
use crate::support::root;

#[track_caller]
fn opened(present_at_start: &str) -> usize {
    let camera = Camera::at_the_street(&format!("dwell = \"20s\"\n{present_at_start}"));
    let told = camera.replay(&root().join(STREET));
    assert_eq!(told.events("closed").len(), 0, "{}", told.summary());
    told.events("opened").len()
}

#[test]
fn what_was_there_at_the_start_is_told_only_where_the_rule_says_so() {
    for (setting, expected) in [
        ("", 0),
        ("present_at_start = \"hold\"", 0),
        ("present_at_start = \"ignore\"", 0),
        ("present_at_start = \"tell\"", 2),
    ] {
        assert_eq!(opened(setting), expected, "{setting}");
    }
}

#[test]
fn what_came_while_the_camera_watched_is_told() {
    let camera = Camera::at_the_street("dwell = \"20s\"");
    // Nothing stands at the upper right for 30 s.
    let film = camera.street(100, "delogo=x=610:y=22:w=156:h=104:enable='lt(t,30)'");
    let told = camera.replay(&film);
    told.assert_two_stand();
    for event in told.events("opened") {
        let started = super::seconds(&event["data"]["started"]);
        assert!((28.0..=40.0).contains(&started), "{}", told.summary());
    }
}
