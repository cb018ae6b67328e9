//! An event opens only if a second network agrees: the real program with a network that calls bright things
//! cars and dark ones containers.

use serde_json::Value;

use super::{Camera, STREET, TELL};
use crate::support::root;

impl Camera {
    fn with_second_look(mut self) -> Self {
        let model = root().join("testdata/models/look");
        self.node = format!("[second_look]\nmodel = \"{}\"\n", model.display());
        self
    }
}

#[test]
fn only_what_the_second_network_does_not_deny_is_told() {
    let told = Camera::at_the_street(TELL).with_second_look().replay(&root().join(STREET));
    let opened = told.events("opened");
    let [event] = opened[..] else { panic!("the white van only\n{}", told.summary()) };
    let [object] = &event["data"]["objects"].as_array().expect("objects")[..] else { panic!("{event}") };
    let look = &object["second_look"];
    assert_eq!(look["verdict"], "confirmed", "{event}");
    assert!(look["probability"].as_f64().is_some_and(|p| p >= 0.7), "{event}");
    assert!(look["answers"].as_u64().is_some_and(|n| (1..=3).contains(&n)), "{event}");
}

#[test]
fn what_was_there_is_told_when_the_second_network_is_sure() {
    let told = Camera::at_the_street("dwell = \"20s\"").with_second_look().replay(&root().join(STREET));
    let looks: Vec<&Value> =
        told.events("opened").iter().map(|e| &e["data"]["objects"][0]["second_look"]["answers"]).collect();
    assert_eq!(looks, [3], "the white van, after three answers\n{}", told.summary());
}

#[test]
fn what_came_without_a_box_of_the_detector_is_found() {
    // A white block, which the detector takes for nothing, stands on the lawn from the 20th second on.
    let block = "drawbox=x=180:y=300:w=90:h=60:color=white:t=fill:enable='gte(t,20)'";
    let mut camera = Camera::at_the_street("dwell = \"10s\"").with_second_look();
    camera.zones = vec![[0.15, 0.45, 0.45, 0.7]];
    let film = camera.street(60, block);
    let told = camera.replay(&film);
    let opened = told.events("opened");
    let [event] = opened[..] else { panic!("the block\n{}", told.summary()) };
    assert_eq!(event["data"]["objects"][0]["class"], "car");
    let started = super::seconds(&event["data"]["started"]);
    assert!((20.0..=32.0).contains(&started), "{}", told.summary());
}
