//! Other people's footage, in the shared folder: building sites without parked vehicles, and a motorway.

use std::path::Path;

use super::{Camera, at_once};
use crate::support::shared;

/// The whole picture; what was there at the start is held.
fn whole_picture(rule: &str) -> Camera {
    let mut camera = Camera::at_the_street(rule);
    camera.zones.clear();
    camera
}

#[test]
fn building_sites_are_no_car_parks() {
    let Some(shared) = shared("building_sites_are_no_car_parks") else { return };
    let opened = at_once(&["site_a", "site_b", "site_c", "site_d"], |site| {
        let mut camera = whole_picture("dwell = \"10s\"");
        camera.profile = "high_mount";
        let folder = shared.join("data/extra/timelapse").join(site);
        let pattern = format!("{}/*.jpg", folder.display());
        // Each picture stands for 10 s, and all of them come twice.
        let pictures = std::fs::read_dir(&folder).expect("pictures").count();
        let length = (2 * 10 * pictures).to_string();
        let from =
            ["-framerate", "1/10", "-pattern_type", "glob", "-loop", "1", "-t", &length, "-i", &pattern];
        let filter = ["-vf", "fps=2,scale=1280:720,setsar=1", "-g", "8"];
        let film = camera.film("site.mp4", &[&from[..], &filter].concat());
        let told = camera.replay(&film);
        println!("{site}:\n{}", told.summary());
        told.events("opened").len()
    });
    println!("{opened:?} events");
    assert!(opened.iter().sum::<usize>() <= 6, "{opened:?}");
}

/// How many of the vehicles on a motorway are told to stand, over as many repetitions of its 30 s.
fn standing_on_the_motorway(shared: &Path, camera: &Camera, repetitions: u32) -> usize {
    let road = shared.join("data/extra/video/highway_cctv_320x240.avi");
    let loops = (repetitions - 1).to_string();
    let road = road.to_str().expect("UTF-8");
    let film = camera.film("road.mp4", &["-stream_loop", &loops, "-i", road, "-g", "25"]);
    let told = camera.replay(&film);
    println!("{}", told.summary());
    told.events("opened").len()
}

#[test]
fn vehicles_that_follow_each_other_do_not_stand_for_10_seconds() {
    let Some(shared) = shared("vehicles_that_follow_each_other_do_not_stand_for_10_seconds") else { return };
    let mut camera = whole_picture("dwell = \"10s\"");
    // Busy traffic is looked at several times a second.
    camera.settings.clear();
    assert!(standing_on_the_motorway(&shared, &camera, 3) <= 1);
}

#[test]
fn vehicles_that_pass_again_every_30_seconds_do_not_stand_for_five_minutes() {
    let Some(shared) = shared("vehicles_that_pass_again_every_30_seconds_do_not_stand_for_five_minutes")
    else {
        return;
    };
    // The dwell is the catalogue's.
    assert_eq!(standing_on_the_motorway(&shared, &whole_picture(""), 12), 0);
}
