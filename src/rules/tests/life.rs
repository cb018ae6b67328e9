//! The life of events: one standing thing is one event, whatever happens around it.

use super::*;

#[test]
fn occlusions_misses_new_ids_and_flapping_classes_do_not_make_a_second_event() {
    // Track 1 is lost for a while behind a passing van, comes back as track 5, then is called a van.
    let passing = Thing("bus", 9, 0.22, 0.52);
    let film = [
        shots(0.0, 40.0, 2.0, &[CAR]),
        shots(40.0, 60.0, 2.0, &[passing]),
        shots(60.0, 80.0, 2.0, &[Thing("car", 5, 0.21, 0.5)]),
        shots(80.0, 82.0, 2.0, &[]),
        shots(82.0, 100.0, 2.0, &[Thing("van", 5, 0.2, 0.51)]),
        shots(100.0, 110.0, 2.0, &[]),
    ]
    .concat();
    check(parking(30), &film, &["opened@30", "closed@106"]);
}

#[test]
fn at_ten_pictures_a_second_a_flicker_of_the_detector_is_not_a_departure() {
    let film = [
        shots(0.0, 30.0, 0.1, &[CAR]),
        shots(30.0, 32.5, 0.1, &[]),
        shots(32.5, 40.0, 0.1, &[CAR]),
        shots(40.0, 50.0, 0.1, &[]),
    ]
    .concat();
    check(parking(20), &film, &["opened@20", "closed@47"]);
}

/// Recorded detections through the tracker: the two vehicles that park in the clip are two events, to the
/// end.
#[test]
fn the_two_parked_vehicles_of_the_real_clip_are_two_events_over_ten_minutes() {
    type Seen = (String, f32, f32, f32, f32, f32);
    #[derive(serde::Deserialize)]
    struct Recording {
        pictures: Vec<Vec<Seen>>,
    }
    let path = format!("{}/testdata/detections/street_2s.json", env!("CARGO_MANIFEST_DIR"));
    let recording = std::fs::read(path).expect("recording");
    let recording: Recording = serde_json::from_slice(&recording).expect("JSON");
    let street = Rule { zones: vec![], objects: vec!["car".into(), "truck".into()], ..parking(60) };
    let mut rules = camera_rules(vec![street], 10);
    let max_gap = seconds(30);
    let config = crate::config::TrackConfig { high_score: 0.4, low_score: 0.1, max_gap };
    let mut tracker = crate::track::Tracker::new(config);
    let mut all = Vec::new();
    for n in 0..300 {
        if n == 150 {
            // A restart: a new tracker, the rules go on.
            tracker = crate::track::Tracker::new(config);
        }
        let picture = &recording.pictures[n % recording.pictures.len()];
        let detections: Vec<_> = picture
            .iter()
            .map(|(class, score, x0, y0, x1, y1)| crate::detect::Detection {
                class: class.as_str().into(),
                score: *score,
                rect: Rect::new(*x0, *y0, *x1, *y1),
                scale: 1.0,
                there_since: None,
            })
            .collect();
        let at = second(n as f64 * 2.0);
        all.extend(rules.step(at, &tracker.update(at, &detections)));
    }
    assert_eq!(reported(&all), ["opened@60", "opened@60"], "{all:#?}");
    let right_of = |v: &Violation| v.rect.center().x > 0.8 && v.rect.center().y < 0.2;
    assert!(all.iter().all(right_of), "{all:#?}");
}

#[test]
fn a_restart_with_a_new_tracker_goes_on_with_dwell_and_with_events() {
    for stop in [20, 60] {
        let film = [shots(0.0, 100.0, 2.0, &[CAR]), shots(100.0, 110.0, 2.0, &[])].concat();
        let (before, after) = film.split_at(stop / 2);
        let mut rules = camera_rules(vec![parking(30)], 10);
        let mut all = run(&mut rules, &mut Film::default(), before);
        let saved = serde_json::to_string(&rules.state()).expect("state");
        let mut rules = camera_rules(vec![parking(30)], 10);
        rules.restore(serde_json::from_str(&saved).expect("state"));
        all.extend(run(&mut rules, &mut Film::default(), after));
        assert_eq!(reported(&all), ["opened@30", "closed@106"], "restart at {stop} s");
        assert!(all.iter().all(|v| v.id == all[0].id));
    }
}

#[test]
fn updates_come_at_most_so_often_with_rising_revisions() {
    let rule = Rule { update_every: seconds(60), ..parking(30) };
    let film = [shots(0.0, 200.0, 2.0, &[CAR]), shots(200.0, 210.0, 2.0, &[])].concat();
    let all = check(rule, &film, &["opened@30", "updated@90", "updated@150", "closed@206"]);
    assert_eq!(all.iter().map(|v| v.revision).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn a_dark_stream_expires_the_event_and_does_not_close_it() {
    let mut rules = camera_rules(vec![parking(30)], 10);
    let opened = run(&mut rules, &mut Film::default(), &shots(0.0, 60.0, 2.0, &[CAR]));
    assert!(rules.tick(second(357.9)).is_empty());
    let expired = rules.tick(second(358.0));
    assert_eq!(reported(&[opened, expired.clone()].concat()), ["opened@30", "expired@358"]);
    assert_eq!(
        expired[0].reason,
        "unknown: car in zone 'gate' has not been seen clearly since 04:30:58 (300 s, limit 300 s)"
    );
    assert!(rules.tick(second(9999.0)).is_empty(), "only once");
}

#[test]
fn a_truck_that_parks_in_front_hides_the_car_until_it_expires() {
    let film =
        [shots(0.0, 60.0, 2.0, &[CAR]), shots(60.0, 400.0, 2.0, &[Thing("bus", 2, 0.21, 0.51)])].concat();
    check(parking(30), &film, &["opened@30", "expired@358"]);
}

#[test]
fn the_place_is_quiet_after_a_close_and_only_that_place() {
    let away = |from: f64| shots(from, from + 8.0, 2.0, &[]);
    let again = |from: f64, x: f32, id: u64| shots(from, from + 40.0, 2.0, &[Thing("car", id, x, 0.5)]);
    let same = [shots(0.0, 40.0, 2.0, &[CAR]), away(40.0), again(48.0, 0.2, 2)].concat();
    check(parking(20), &same, &["opened@20", "closed@46"]);
    let later = [same.clone(), shots(88.0, 120.0, 2.0, &[Thing("car", 2, 0.2, 0.5)])].concat();
    check(parking(20), &later, &["opened@20", "closed@46", "opened@106"]);
    let other = [shots(0.0, 40.0, 2.0, &[CAR]), away(40.0), again(48.0, 0.35, 2)].concat();
    check(parking(20), &other, &["opened@20", "closed@46", "opened@68"]);
}

#[test]
fn a_parked_row_is_one_event_by_merge_distance_and_else_one_each() {
    let row = [Thing("car", 1, 0.0, 0.5), Thing("car", 2, 0.12, 0.5), Thing("van", 3, 0.24, 0.5)];
    let film = [shots(0.0, 40.0, 2.0, &row), shots(40.0, 60.0, 2.0, &row[1..]), shots(60.0, 70.0, 2.0, &[])]
        .concat();
    let merged = Rule { merge_distance: 0.3, ..parking(20) };
    let all = check(merged, &film, &["opened@20", "closed@66"]);
    assert_eq!(all[0].objects.len(), 3);
    assert_eq!(
        all[0].reason,
        "3 objects (2 cars, 1 van) have stood in zone 'gate' since 04:30:00 (20 s, limit 20 s)"
    );
    check(
        parking(20),
        &film,
        &["opened@20", "opened@20", "opened@20", "closed@46", "closed@66", "closed@66"],
    );
}

#[test]
fn the_cap_holds_events_back_counts_them_once_and_lets_them_open_when_the_hour_has_passed() {
    let row = [Thing("car", 1, 0.0, 0.5), Thing("car", 2, 0.15, 0.5), Thing("van", 3, 0.3, 0.5)];
    let mut rules = camera_rules(vec![parking(20)], 2);
    let all = run(&mut rules, &mut Film::default(), &shots(0.0, 3640.0, 10.0, &row));
    let opened: Vec<_> = all.into_iter().filter(|v| v.transition == Transition::Opened).collect();
    assert_eq!(reported(&opened), ["opened@20", "opened@20", "opened@3620"]);
    assert_eq!(rules.suppressed(), 1);
}

#[test]
fn a_rule_that_is_removed_or_changed_expires_its_events_and_others_go_on() {
    let stay = Rule { id: "stay".into(), ..parking(20) };
    let rules_before = vec![parking(20), stay.clone()];
    let changed = Rule { zones: vec![], ..parking(20) };
    for rules_after in [vec![stay.clone()], vec![stay.clone(), changed]] {
        let mut rules = camera_rules(rules_before.clone(), 10);
        let opened = run(&mut rules, &mut Film::default(), &shots(0.0, 40.0, 2.0, &[CAR]));
        assert_eq!(reported(&opened), ["opened@20", "opened@20"]);
        let saved = rules.state();
        let mut rules = camera_rules(rules_after, 10);
        rules.restore(saved);
        let next = rules.tick(second(41.0));
        assert_eq!(reported(&next), ["expired@41"]);
        assert_eq!((next[0].id, next[0].rule.as_str(), next[0].revision), (opened[0].id, "parking", 1));
        assert_eq!(rules.open_events(), 1);
        assert!(rules.tick(second(42.0)).is_empty());
    }
}

#[test]
fn confidence_is_the_mean_score_raised_by_companions_and_bounded() {
    let without = check(parking(20), &shots(0.0, 30.0, 2.0, &[CAR]), &["opened@20"]);
    assert!((without[0].confidence - 0.8).abs() < 1e-4, "{}", without[0].confidence);
    let person = Thing("person", 7, 0.35, 0.5);
    let with = check(parking(20), &shots(0.0, 30.0, 2.0, &[CAR, person]), &["opened@20"]);
    assert!((with[0].confidence - 0.83).abs() < 1e-4, "{}", with[0].confidence);
}

#[test]
fn confidence_is_what_the_score_is_worth_while_scores_and_thresholds_stay() {
    use crate::base::{ConfidenceMap, ConfidenceMaps};
    // A score of 0.8 is worth 1 / (1 + e^(1 - ln 4)).
    let maps = ConfidenceMaps::new([("car".into(), ConfidenceMap { slope: 1.0, shift: -1.0 })]);
    let mut rules = camera_rules(vec![parking(20)], 10).with_confidences(maps);
    let opened = run(&mut rules, &mut Film::default(), &shots(0.0, 30.0, 2.0, &[CAR]));
    assert_eq!(reported(&opened), ["opened@20"]);
    assert!((opened[0].confidence - 0.5954).abs() < 1e-4, "{}", opened[0].confidence);
    assert!((opened[0].objects[0].score - 0.8).abs() < 1e-6, "{}", opened[0].objects[0].score);
}

#[test]
fn weak_looks_continue_a_thing_that_is_strong_over_all_of_its_looks() {
    // The least score is 0.5.
    for (weak, expected) in [(0.35, &["opened@20"][..]), (0.13, &[])] {
        let mut rules = camera_rules(vec![parking(20)], 10);
        let mut film = Film::default();
        let mut all = Vec::new();
        for i in 0..20 {
            let at = second(f64::from(i) * 2.0);
            let track = film.track(at, CAR, if i % 2 == 1 { 0.8 } else { weak });
            all.extend(rules.step(at, &[track]));
        }
        assert_eq!(reported(&all), expected, "{weak}");
    }
}

#[test]
fn a_clock_that_steps_back_neither_loses_nor_doubles_an_event() {
    let mut rules = camera_rules(vec![parking(20)], 10);
    let mut film = Film::default();
    let mut all = run(&mut rules, &mut film, &shots(1000.0, 1040.0, 2.0, &[CAR]));
    // The tracker moves its times back as well; here simply a new one.
    all.extend(run(&mut rules, &mut Film::default(), &shots(0.0, 40.0, 2.0, &[CAR])));
    all.extend(run(&mut rules, &mut Film::default(), &shots(40.0, 50.0, 2.0, &[])));
    assert_eq!(reported(&all), ["opened@1020", "closed@46"]);
}
