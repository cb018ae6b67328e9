//! A camera that sees nothing, or another place, knows nothing of its place: nothing closes, and nothing
//! came.

use super::{Camera, TELL};

/// The street for 40 s, and for a minute through this filter.
#[track_caller]
fn nothing_closes_behind(filter: &str) {
    let camera = Camera::at_the_street(TELL);
    let film = camera.street(100, &format!("{filter}:enable='gte(t,40)'"));
    camera.replay(&film).assert_two_stand();
}

#[test]
fn a_covered_lens_closes_nothing_and_is_told() {
    let camera = Camera::at_the_street(TELL);
    let film = camera.street(100, "drawbox=color=gray:t=fill:enable='gte(t,40)'");
    let told = camera.replay(&film);
    told.assert_two_stand();
    let tampers = told.tampers();
    assert!(matches!(tampers[..], [("covered", 40.0..=80.0)]), "{tampers:?}");
}

#[test]
fn a_night_without_lamps_closes_nothing() {
    nothing_closes_behind("lutyuv=y=16+(val-16)*0.04");
}

#[test]
fn a_blurred_picture_closes_nothing() {
    nothing_closes_behind("gblur=sigma=14");
}

#[test]
fn fog_closes_nothing() {
    nothing_closes_behind("lutyuv=y=200+(val-128)*0.12:u=128:v=128");
}

#[test]
fn a_turned_camera_closes_nothing_and_is_told() {
    let camera = Camera::at_the_street(TELL);
    let film = camera.street(160, "hflip=enable='gte(t,60)',vflip=enable='gte(t,60)'");
    let told = camera.replay(&film);
    told.assert_two_stand();
    let tampers = told.tampers();
    assert!(matches!(tampers[..], [("moved", 60.0..=160.0)]), "{tampers:?}");
}

/// A standing street, and a cover over the lens from 2:00 to 4:00.
const COVERED: &str = "drawbox=color=gray:t=fill:enable='between(t,120,240)'";

#[test]
fn what_stands_before_and_after_a_cover_is_one_event() {
    let mut camera = Camera::at_the_street(TELL);
    camera.settings += "\ninterval = \"4s\"";
    let film = camera.still(480, COVERED);
    camera.replay(&film).assert_two_stand();
}

#[test]
fn what_stands_before_and_after_a_cover_has_not_come_in() {
    let mut camera = Camera::at_the_street("kind = \"entry\"");
    camera.settings += "\ninterval = \"4s\"";
    let film = camera.still(480, COVERED);
    camera.replay(&film).assert_nothing();
}
