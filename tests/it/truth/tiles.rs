//! A picture that is looked at in parts, one after another: a part that was not looked at shows no absence.

use super::{Camera, TELL};

/// Six streets in one 4K picture, each with 1280 x 1080 pixels around its 922 x 692.
const SIX: &str = "fps=0.5,scale=922:692,pad=1280:1080:(ow-iw)/2:(oh-ih)/2,setsar=1,split=6[a][b][c][d][e][f];\
                   [a][b][c]hstack=3[t];[d][e][f]hstack=3[u];[t][u]vstack";

#[track_caller]
fn six_stand(per_picture: u32) {
    let mut camera = Camera::at_the_street(TELL);
    camera.profile = "high_mount";
    camera.settings =
        format!("tiling = {{ columns = 3, rows = 2, overlap = 0.2, per_picture = {per_picture} }}");
    // The van of each.
    camera.zones = (0..6u32)
        .map(|i| {
            let x = |x: f64| (f64::from(i % 3) * 1280.0 + 179.0 + x * 922.0) / 3840.0;
            let y = |y: f64| (f64::from(i / 3) * 1080.0 + 194.0 + y * 692.0) / 2160.0;
            [x(0.82), y(0.04), x(0.945), y(0.22)]
        })
        .collect();
    let from = ["-stream_loop", "1", "-t", "110", "-i", super::STREET, "-filter_complex", SIX, "-g", "2"];
    let film = camera.film("six.mp4", &from);
    let told = camera.replay(&film);
    let mut zones: Vec<_> =
        told.events("opened").iter().map(|event| event["data"]["zone"]["id"].clone()).collect();
    zones.sort_by_key(ToString::to_string);
    assert_eq!(zones, ["z0", "z1", "z2", "z3", "z4", "z5"], "{}", told.summary());
    assert_eq!(told.events("closed").len(), 0, "{}", told.summary());
}

#[test]
fn two_parts_a_picture_find_all_six_vans_and_lose_none() {
    six_stand(2);
}

#[test]
fn one_part_a_picture_finds_all_six_vans_and_loses_none() {
    six_stand(1);
}
