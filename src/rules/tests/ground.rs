//! Rules that go by metres, zones on the ground and sizes, for things whose place on the ground is known.

use std::sync::Arc;

use super::*;
use crate::config::ZoneArea;
use crate::geo::GroundArea;
use crate::track::OnGround;

/// The picture is 100 m wide and deep; what stands beyond 60 m to the east is in the zone `yard`.
fn placed(mut track: Track, area_m2: f32) -> Track {
    let (x, y) = (track.rect.bottom_center().x, track.rect.y1);
    let zones = if x > 0.6 { vec!["yard".into()] } else { Vec::new() };
    track.ground = Some(OnGround {
        east_m: x * 100.0,
        north_m: (1.0 - y) * 100.0,
        up_m: 0.0,
        semi_major_m: 0.5,
        semi_minor_m: 0.3,
        azimuth_deg: 0.0,
        area_m2,
        zones,
    });
    track
}

/// What a rule reports about things that stand there for a minute, each with its size.
fn reported(rule: Rule, things: &[(Thing, Option<f32>)]) -> Vec<Violation> {
    let mut rules = camera_rules(vec![rule], 100);
    let mut film = Film::default();
    let mut reported = Vec::new();
    for step in 0..30 {
        let at = second(f64::from(step) * 2.0);
        let tracks: Vec<Track> = things
            .iter()
            .map(|(thing, size)| {
                let track = film.track(at, *thing, 0.8);
                size.map_or_else(|| track.clone(), |size| placed(track.clone(), size))
            })
            .collect();
        reported.extend(rules.step(at, &tracks));
    }
    let state = serde_json::to_vec(&rules.state()).expect("JSON");
    let mut again = camera_rules(vec![], 100);
    again.restore(serde_json::from_slice(&state).expect("the state"));
    reported
}

fn yard() -> Zone {
    let ring = vec![[120.0, 30.0], [120.1, 30.0], [120.1, 30.1]];
    let area = Arc::new(GroundArea::new(vec![vec![ring]]).expect("an area"));
    Zone {
        id: "yard".into(),
        name: "yard".into(),
        area: ZoneArea::Ground { area, drawn: Vec::new() },
        height_m: 0.0,
    }
}

const WEST: Thing = Thing("car", 1, 0.1, 0.5);
const EAST: Thing = Thing("car", 2, 0.7, 0.5);

#[test]
fn a_zone_on_the_ground_holds_what_stands_in_it_and_nothing_without_a_place() {
    let rule = Rule { zones: vec![yard()], ..parking(10) };
    let events = reported(rule.clone(), &[(WEST, Some(8.0)), (EAST, Some(8.0))]);
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event.zone, Some("yard".into()));
    assert_eq!(event.objects[0].track, TrackId(2));
    assert!(event.objects[0].ground.is_some());
    assert!(reported(rule, &[(EAST, None)]).is_empty());
}

#[test]
fn sizes_in_square_metres_count_where_they_are_known() {
    let rule = Rule { area_m2: (Some(4.0), Some(30.0)), ..parking(10) };
    assert!(reported(rule.clone(), &[(WEST, Some(2.0))]).is_empty());
    assert!(reported(rule.clone(), &[(WEST, Some(50.0))]).is_empty());
    assert_eq!(reported(rule.clone(), &[(WEST, Some(8.0))]).len(), 1);
    assert_eq!(reported(rule, &[(WEST, None)]).len(), 1, "every size counts where none is known");
}

#[test]
fn a_companion_is_near_by_metres() {
    // 9 m apart, which is 1.6 heights of the dog in the picture.
    let things = |size| [(Thing("dog", 1, 0.1, 0.5), size), (Thing("person", 2, 0.19, 0.5), size)];
    let kind = |distance_m| RuleKind::CompanionAbsent { distance: 4.0, distance_m, dwell: seconds(10) };
    assert_eq!(reported(rule(kind(Some(2.0))), &things(Some(1.0))).len(), 1);
    assert!(reported(rule(kind(Some(10.0))), &things(Some(1.0))).is_empty());
    assert!(reported(rule(kind(Some(2.0))), &things(None)).is_empty(), "without places by heights");
    let alone = reported(rule(kind(Some(2.0))), &things(Some(1.0)));
    assert!(alone[0].reason.contains("within 2 m"), "{}", alone[0].reason);
}

#[test]
fn neighbours_on_the_ground_are_one_event() {
    let things = |size| [(WEST, size), (Thing("car", 2, 0.25, 0.5), size)];
    let rule = |merge_m| Rule { merge_m, ..parking(10) };
    assert_eq!(reported(rule(Some(20.0)), &things(Some(8.0))).len(), 1);
    assert_eq!(reported(rule(Some(10.0)), &things(Some(8.0))).len(), 2);
    assert_eq!(
        reported(rule(Some(20.0)), &things(None)).len(),
        2,
        "no places: by `merge_distance`, which is 0"
    );
}
