//! Rules about lasting changes, on the regions of `change`.

use super::*;
use crate::base::Rect;
use crate::change::{ChangeRegion, Seen};
use crate::config::RuleKind;
use crate::rules::{Changed, Changes};

const HOUR: u64 = 3600;

fn region(id: u32, x: f32, began_h: u64, seen: Seen) -> ChangeRegion {
    let rect = Rect::new(x, 0.4, x + 0.1, 0.5);
    let corners = [[rect.x0, rect.y0], [rect.x1, rect.y0], [rect.x1, rect.y1], [rect.x0, rect.y1]];
    let began = second((began_h * HOUR) as f64);
    ChangeRegion {
        id,
        outline: corners.map(Point::from).to_vec(),
        rect,
        share: 0.01,
        first_seen: began,
        last_confirmed: began,
        denied: None,
        seen,
        lights: 3,
        edges_only: false,
        growth: vec![(began, 0.01)],
        bared: 0.0,
        brighter: 1.0,
    }
}

/// Inspects every hour; `of` gives the regions of each inspection.
fn hourly(
    rules: &mut CameraRules,
    hours: std::ops::Range<u64>,
    of: impl Fn(u64) -> Vec<ChangeRegion>,
) -> Vec<Violation> {
    let mut reported = Vec::new();
    for hour in hours {
        let at = second((hour * HOUR) as f64);
        let mut regions = of(hour);
        regions.iter_mut().for_each(|r| r.last_confirmed = at);
        let last_id = 9;
        let changes = Changes { regions: regions.into_iter().map(Changed::new).collect(), last_id };
        reported.extend(rules.step_with(at, &[], Some(&changes), None));
        // Pictures between two inspections say nothing about the place.
        reported.extend(rules.step(at + seconds(60), &[]));
    }
    reported
}

fn day(bare: bool) -> Rule {
    let kind = RuleKind::Change { dwell: seconds(24 * HOUR), bare };
    Rule { zones: vec![left_half()], expire_after: seconds(72 * HOUR), ..rule(kind) }
}

fn steps(reported: &[Violation]) -> Vec<Transition> {
    reported.iter().map(|v| v.transition).filter(|t| *t != Transition::Updated).collect()
}

#[test]
fn a_change_opens_after_its_dwell_survives_the_night_and_closes_when_it_is_gone() {
    let mut rules = camera_rules(vec![day(false)], 100);
    let seen = |hour: u64| match hour {
        1..40 => vec![region(1, 0.2, 1, if (10..16).contains(&hour) { Seen::Unknown } else { Seen::Yes })],
        _ => vec![],
    };
    let reported = hourly(&mut rules, 0..30, seen);
    assert_eq!(steps(&reported), [Transition::Opened]);
    assert_eq!(reported[0].at, second((25 * HOUR) as f64));
    assert_eq!(reported[0].started, second(HOUR as f64));
    assert_eq!(reported[0].zone, Some("gate".into()));
    let change = reported[0].change.as_ref().expect("it is about a change");
    assert_eq!(change.region.outline.len(), 4);
    assert!(reported[0].reason.contains("has looked different"), "{}", reported[0].reason);
    // Over a restart.
    let state = serde_json::to_vec(&rules.state()).expect("JSON");
    let mut rules = camera_rules(vec![day(false)], 100);
    rules.restore(serde_json::from_slice(&state).expect("the state"));
    let reported = hourly(&mut rules, 30..45, seen);
    assert_eq!(steps(&reported), [Transition::Closed]);
}

#[test]
fn what_leaves_in_time_elsewhere_or_in_one_light_only_is_nothing() {
    let reported =
        |of: &dyn Fn(u64) -> Vec<ChangeRegion>| hourly(&mut camera_rules(vec![day(false)], 100), 0..60, of);
    assert!(reported(&|h| if h < 20 { vec![region(1, 0.2, 0, Seen::Yes)] } else { vec![] }).is_empty());
    assert!(reported(&|_| vec![region(1, 0.7, 0, Seen::Yes)]).is_empty(), "outside of the zone");
    assert!(reported(&|_| vec![ChangeRegion { lights: 1, ..region(1, 0.2, 0, Seen::Yes) }]).is_empty());
}

#[test]
fn what_a_look_by_day_denied_is_waited_for_a_day_and_for_three_where_edges_by_day_are_all_that_it_shows() {
    let denied = |h: u64| region(1, 0.2, 0, if h == 20 { Seen::No } else { Seen::Yes });
    for (edges_only, opens) in [(false, 44.0), (true, 92.0)] {
        let since = |h: u64| (h >= 20).then(|| second(20.0 * HOUR as f64));
        let with = |h: u64| ChangeRegion { denied: since(h), edges_only, ..denied(h) };
        let reported = hourly(&mut camera_rules(vec![day(false)], 100), 0..100, |h| vec![with(h)]);
        assert_eq!(steps(&reported), [Transition::Opened]);
        assert_eq!(reported[0].at, second(opens * HOUR as f64));
    }
}

#[test]
fn a_thing_that_grows_into_the_zone_counts_from_when_all_of_it_stood() {
    let of = |hour: u64| vec![region(1, if hour < 12 { 0.7 } else { 0.2 }, 0, Seen::Yes)];
    let reported = hourly(&mut camera_rules(vec![day(false)], 100), 0..60, of);
    assert_eq!(steps(&reported), [Transition::Opened]);
    assert_eq!(
        reported[0].at,
        second(32.0 * HOUR as f64),
        "what joins has stood for a third of twelve hours"
    );
}

#[test]
fn a_green_place_must_have_lost_its_green() {
    let with = |bared: f32| {
        let of = move |_| vec![ChangeRegion { bared, ..region(1, 0.2, 0, Seen::Yes) }];
        hourly(&mut camera_rules(vec![day(true)], 100), 0..30, of)
    };
    assert!(with(0.1).is_empty());
    let reported = with(0.9);
    assert!(reported[0].reason.contains("lost its green"), "{}", reported[0].reason);
}

#[test]
fn a_lost_memory_of_the_place_closes_nothing() {
    let mut rules = camera_rules(vec![day(false)], 100);
    let reported = hourly(&mut rules, 0..30, |_| vec![region(5, 0.2, 0, Seen::Yes)]);
    assert_eq!(steps(&reported), [Transition::Opened]);
    // The place is learnt anew: no region, and none was ever given a number.
    let fresh = Changes::default();
    let reported = (30..60).flat_map(|h| rules.step_with(second((h * HOUR) as f64), &[], Some(&fresh), None));
    assert_eq!(steps(&reported.collect::<Vec<_>>()), []);
    // Found again, under another number: the same event goes on, and ends after three days of not knowing.
    let again = Changes { regions: vec![Changed::new(region(1, 0.2, 60, Seen::Yes))], last_id: 1 };
    let reported = rules.step_with(second((61 * HOUR) as f64), &[], Some(&again), None);
    assert_eq!(steps(&reported), []);
    assert_eq!(rules.open_events(), 1);
    let reported = rules.tick(second((140 * HOUR) as f64));
    assert_eq!(steps(&reported), [Transition::Expired]);
}

#[test]
fn numbers_that_are_given_again_after_a_loss_are_no_sign_of_who_is_who() {
    let mut rules = camera_rules(vec![day(false)], 100);
    let reported = hourly(&mut rules, 0..30, |_| vec![region(5, 0.2, 0, Seen::Yes)]);
    assert_eq!(steps(&reported), [Transition::Opened]);
    let event = reported[0].id;
    assert_eq!(rules.changes_of(event), [5]);
    let mut look = |hour: u64, regions: Vec<ChangeRegion>, last_id: u32| {
        let changes = Changes { regions: regions.into_iter().map(Changed::new).collect(), last_id };
        let reported = rules.step_with(second((hour * HOUR) as f64), &[], Some(&changes), None);
        (steps(&reported), rules.changes_of(event))
    };
    // Others elsewhere are found first, and get its number and more.
    let other = |id| region(id, 0.7, 31, Seen::Yes);
    assert_eq!(look(30, vec![], 3), (vec![], vec![]));
    for hour in 31..40 {
        assert_eq!(look(hour, vec![other(5)], 8), (vec![], vec![]));
    }
    assert_eq!(look(40, vec![other(5), region(9, 0.2, 40, Seen::Yes)], 9), (vec![], vec![9]));
}

#[test]
fn what_weather_hides_for_days_before_it_is_told_is_told_when_it_shows_again() {
    let of = |hour: u64| {
        let seen = if (3..80).contains(&hour) { Seen::Unknown } else { Seen::Yes };
        vec![region(1, 0.2, 0, seen)]
    };
    let mut rules = camera_rules(vec![day(false)], 100);
    let reported = hourly(&mut rules, 0..90, of);
    assert_eq!(steps(&reported), [Transition::Opened]);
    assert_eq!(reported[0].started, second(0.0));
    assert!(reported[0].at < second(84.0 * HOUR as f64), "{:?}", reported[0].at);
    // An open event expires.
    let reported = hourly(&mut rules, 90..165, |_| vec![region(1, 0.2, 0, Seen::Unknown)]);
    assert_eq!(steps(&reported), [Transition::Expired]);
}

#[test]
fn what_is_gone_is_closed_whatever_else_has_stood_on_its_place_all_along() {
    // Two thirds of the thing lie in the zone, one third of the patch beside it.
    let (thing, patch) = (region(2, 0.436, 1, Seen::Yes), region(1, 0.466, 0, Seen::Yes));
    let of = |hour: u64| {
        let thing = (hour < 40).then(|| thing.clone());
        thing.into_iter().chain([patch.clone()]).collect()
    };
    let reported = hourly(&mut camera_rules(vec![day(false)], 100), 0..60, of);
    assert_eq!(steps(&reported), [Transition::Opened, Transition::Closed]);
}

#[test]
fn a_truck_stops_and_leaves_and_what_remains_is_its_doing() {
    let sequence = || {
        let kind = RuleKind::Sequence { dwell: seconds(600), stop: seconds(20), within: seconds(1800) };
        let companions = vec!["truck".into()];
        Rule { zones: vec![left_half()], companions, expire_after: seconds(72 * HOUR), ..rule(kind) }
    };
    // The truck stands from 100 s to 200 s; the heap is seen from 210 s on.
    let reported = |truck_x: Option<f32>| {
        let mut rules = camera_rules(vec![sequence()], 100);
        let mut film = Film::default();
        let mut reported = Vec::new();
        for step in 0..120 {
            let at = second(f64::from(step) * 10.0);
            let stands = (10..=20).contains(&step);
            let tracks: Vec<Track> = truck_x
                .filter(|_| stands)
                .map(|x| film.track(at, Thing("truck", 7, x, 0.5), 0.9))
                .into_iter()
                .collect();
            let mut heap = region(1, 0.2, 0, Seen::Yes);
            (heap.first_seen, heap.last_confirmed) = (second(210.0), at);
            let regions = if step > 23 { vec![Changed::new(heap)] } else { vec![] };
            reported.extend(rules.step_with(at, &tracks, Some(&Changes { regions, last_id: 1 }), None));
        }
        reported
    };
    let events = reported(Some(0.2));
    assert_eq!(steps(&events), [Transition::Opened], "{events:#?}");
    let left_by = events[0].change.as_ref().and_then(|c| c.left_by.clone()).expect("the truck");
    assert_eq!((left_by.0.as_str(), left_by.2), ("truck", second(200.0)));
    assert!(events[0].reason.starts_with("truck stood in zone"), "{}", events[0].reason);
    assert!(reported(None).is_empty(), "a heap that nobody brought");
    assert!(reported(Some(0.4)).is_empty(), "a truck that stood elsewhere");
}
