//! What was there when the camera began is told, held or ignored as the rule says; what came is always told.

use super::{Camera, STREET, at_once};
use crate::support::root;

const NO_SECOND_LOOK: &str = "[second_look]\nenabled = false\n";

#[track_caller]
fn opened(present_at_start: &str, node: &str) -> usize {
    let mut camera = Camera::at_the_street(&format!("dwell = \"20s\"\n{present_at_start}"));
    camera.node = node.to_owned();
    let told = camera.replay(&root().join(STREET));
    assert_eq!(told.events("closed").len(), 0, "{}", told.summary());
    told.events("opened").len()
}

#[test]
fn what_was_there_at_the_start_is_told_only_where_the_rule_says_so() {
    let settings = ["", "present_at_start = \"ignore\"", "present_at_start = \"tell\""];
    assert_eq!(at_once(&settings, |rule| opened(rule, NO_SECOND_LOOK)), [0, 0, 2]);
    assert_eq!(at_once(&settings, |rule| opened(rule, "")), [2, 0, 2], "the second look is sure of both");
}

#[test]
fn what_came_while_the_camera_watched_is_told() {
    let camera = Camera::at_the_street("dwell = \"20s\"");
    // For 30 s there is lawn in the place of the van and the car.
    let lawn = "split[a][b];[b]crop=158:104:150:300[lawn];[a][lawn]overlay=610:22:enable='lt(t,30)'";
    let film = camera.street(60, lawn);
    let told = camera.replay(&film);
    told.assert_two_stand();
    for event in told.events("opened") {
        let started = super::seconds(&event["data"]["started"]);
        assert!((28.0..=40.0).contains(&started), "{}", told.summary());
    }
}
