//! What each kind of rule counts as a violation, and its reason.

use jiff::civil::time;
use jiff::tz::TimeZone;

use super::*;
use crate::config::{Direction, Schedule, WeekSpan};
use crate::decode::Picture;

/// Awake from `from` to `to` seconds after the start of the films.
fn awake(from: i8, to: i8) -> Option<Schedule> {
    let at = |minute| time(4, 30 + minute, 0, 0);
    let spans = vec![WeekSpan { days: [true; 7], from: at(from), to: at(to) }];
    Some(Schedule { time_zone: TimeZone::UTC, spans })
}

#[test]
fn a_car_that_stands_opens_after_its_dwell_and_closes_when_it_is_clearly_gone() {
    let film = [shots(0.0, 320.0, 4.0, &[CAR]), shots(320.0, 340.0, 4.0, &[])].concat();
    let reported = check(parking(300), &film, &["opened@300", "closed@324"]);
    assert_eq!(reported[0].reason, "car has stood in zone 'gate' since 04:30:00 (300 s, limit 300 s)");
    assert_eq!(
        reported[1].reason,
        "over: car was last seen in zone 'gate' at 04:35:16, 316 s after the start; 2 of the last 3 pictures clearly show otherwise"
    );
    assert_eq!((reported[0].id, reported[0].started), (reported[1].id, second(0.0)));
    assert_eq!(reported[0].id.get_version_num(), 7);
    let (secs, _) = reported[0].id.get_timestamp().expect("v7").to_unix();
    assert_eq!(secs, START as u64, "the time of the id is the start");
}

#[test]
fn outside_the_zone_too_short_or_too_weak_is_nothing() {
    check(parking(60), &shots(0.0, 200.0, 2.0, &[Thing("car", 1, 0.6, 0.5)]), &[]);
    check(parking(60), &shots(0.0, 58.0, 2.0, &[CAR]), &[]);
    check(parking(60), &shots(0.0, 200.0, 2.0, &[Thing("bus", 1, 0.2, 0.5)]), &[]);
    let strict = Rule { min_score: Some(0.9), ..parking(60) };
    check(strict, &shots(0.0, 200.0, 2.0, &[CAR]), &[]);
}

#[test]
fn a_moving_car_does_not_stand_but_is_present() {
    let film: Vec<Shot> =
        (0..40).map(|i| (f64::from(i) * 2.0, vec![Thing("car", 1, 0.06 * (i % 5) as f32, 0.5)])).collect();
    check(parking(20), &film, &[]);
    let reported =
        check(rule(RuleKind::Presence { dwell: seconds(20), still: false }), &film, &["opened@20"]);
    assert_eq!(reported[0].reason, "car has been in zone 'gate' since 04:30:00 (20 s, limit 20 s)");
}

#[test]
fn an_entry_is_one_that_comes_while_the_rule_is_awake() {
    let entry = || Rule { schedule: awake(1, 3), ..rule(RuleKind::Entry) };
    let (out, inside) = (Thing("car", 1, 0.7, 0.5), CAR);
    let come = |at: f64| {
        [
            shots(0.0, at, 2.0, &[out]),
            shots(at, at + 20.0, 2.0, &[inside]),
            shots(at + 20.0, at + 30.0, 2.0, &[]),
        ]
        .concat()
    };
    check(entry(), &come(20.0), &[]);
    let reported = check(entry(), &come(70.0), &["opened@72", "closed@96"]);
    assert_eq!(reported[0].reason, "car entered zone 'gate' at 04:31:10, when entry is forbidden");
    check(entry(), &come(190.0), &[]);
    // Inside since before the rule woke, and inside since before anyone watched.
    check(entry(), &shots(0.0, 100.0, 2.0, &[inside]), &[]);
    check(entry(), &shots(70.0, 100.0, 2.0, &[inside]), &[]);
}

#[test]
fn a_line_is_crossed_in_its_direction_and_not_by_jitter() {
    let line = (Point { x: 0.25, y: 0.9 }, Point { x: 0.25, y: 0.1 });
    let crossing = |direction| rule(RuleKind::LineCrossing { line, direction });
    let walk = |xs: &[f32]| -> Vec<Shot> {
        xs.iter().enumerate().map(|(i, x)| (i as f64, vec![Thing("car", 1, x - 0.05, 0.5)])).collect()
    };
    let to_the_right = walk(&[0.1, 0.19, 0.28, 0.36, 0.42]);
    let reported = check(crossing(Direction::LeftToRight), &to_the_right, &["opened@2"]);
    assert_eq!(reported[0].reason, "car crossed the line at 04:30:02");
    check(crossing(Direction::Any), &to_the_right, &["opened@2"]);
    check(crossing(Direction::RightToLeft), &to_the_right, &[]);
    check(crossing(Direction::Any), &walk(&[0.245, 0.255, 0.245, 0.255, 0.245, 0.255]), &[]);
}

#[test]
fn a_count_is_over_its_limit_for_its_dwell() {
    let count = || rule(RuleKind::Count { limit: 2, dwell: seconds(20) });
    let three = [CAR, Thing("car", 2, 0.35, 0.5), Thing("van", 3, 0.05, 0.5)];
    check(count(), &shots(0.0, 60.0, 2.0, &three[..2]), &[]);
    let film = [shots(0.0, 30.0, 2.0, &three), shots(30.0, 40.0, 2.0, &three[1..])].concat();
    let reported = check(count(), &film, &["opened@20", "closed@36"]);
    assert_eq!(reported[0].objects.len(), 3);
    assert_eq!(
        reported[0].reason,
        "3 objects (2 cars, 1 van) have been in zone 'gate' since 04:30:00 (20 s, limit 20 s); at most 2 may be there"
    );
    // Two boxes of one car under two names are one car.
    let double = [CAR, Thing("van", 4, 0.201, 0.5), Thing("car", 2, 0.35, 0.5)];
    check(count(), &shots(0.0, 60.0, 2.0, &double), &[]);
}

#[test]
fn a_dog_is_alone_when_nobody_is_near() {
    let alone = || rule(RuleKind::CompanionAbsent { distance: 4.0, distance_m: None, dwell: seconds(10) });
    let dog = Thing("dog", 1, 0.1, 0.5);
    let far = Thing("person", 2, 0.8, 0.5);
    let near = Thing("person", 2, 0.2, 0.55);
    let reported = check(alone(), &shots(0.0, 16.0, 2.0, &[dog, far]), &["opened@10"]);
    assert_eq!(
        reported[0].reason,
        "dog has been in zone 'gate' since 04:30:00 with no person within 4 times its height (10 s, limit 10 s)"
    );
    check(alone(), &shots(0.0, 30.0, 2.0, &[dog, near]), &[]);
    let film = [shots(0.0, 16.0, 2.0, &[dog]), shots(16.0, 30.0, 2.0, &[dog, near])].concat();
    check(alone(), &film, &["opened@10", "closed@22"]);
}

#[test]
fn dwell_counts_from_when_the_rule_wakes_and_an_open_event_outlives_its_sleep() {
    let scheduled = Rule { schedule: awake(2, 5), ..parking(60) };
    let film = [shots(0.0, 400.0, 4.0, &[CAR]), shots(400.0, 420.0, 4.0, &[])].concat();
    // Wakes at 120 s, the last picture before that is at 116; sleeps again at 300 s; the car leaves at 400 s.
    check(scheduled, &film, &["opened@176", "closed@404"]);
}

const HOUR: f64 = 3600.0;
const PASSER: Thing = Thing("person", 99, 0.8, 0.5);

fn abandoned() -> Rule {
    let (expire_after, update_every) = (seconds(2 * 86_400), seconds(86_400));
    Rule { expire_after, update_every, ..rule(RuleKind::LongDwell { dwell: seconds(3 * 86_400) }) }
}

/// Three days, pictures every ten minutes; at night (20:30 to 06:30) nothing at all is seen.
fn three_days(by_day: &[Thing]) -> Vec<Shot> {
    let night = |h: f64| !(2.0..16.0).contains(&(h % 24.0));
    shots(0.0, 76.0 * HOUR, 600.0, by_day)
        .into_iter()
        .map(|(s, things)| (s, if night(s / HOUR) { vec![] } else { things }))
        .collect()
}

#[test]
fn a_long_dwell_outlives_nights_gaps_restarts_and_new_trackers() {
    let film = three_days(&[CAR, PASSER]);
    let mut rules = camera_rules(vec![abandoned()], 10);
    let mut all = Vec::new();
    for (day, part) in film.chunks(100).enumerate() {
        // A new process: the state goes through JSON, tracks are numbered anew, an hour of pictures is lost.
        let saved = serde_json::to_string(&rules.state()).expect("state");
        rules = camera_rules(vec![abandoned()], 10);
        rules.restore(serde_json::from_str(&saved).expect("state"));
        let renumbered: Vec<Shot> = part[6..]
            .iter()
            .map(|(s, t)| (*s, t.iter().map(|t| Thing(t.0, t.1 + 7 * day as u64, t.2, t.3)).collect()))
            .collect();
        all.extend(run(&mut rules, &mut Film::default(), &renumbered));
    }
    assert_eq!(all.iter().map(|v| v.transition).collect::<Vec<_>>(), [Transition::Opened], "{all:#?}");
    assert!(all[0].reason.starts_with("car has stood in zone 'gate' since 2026-11-22"), "{}", all[0].reason);
}

#[test]
fn a_car_that_leaves_every_day_is_not_abandoned() {
    let film: Vec<Shot> = three_days(&[CAR, PASSER])
        .into_iter()
        .map(|(s, mut things)| {
            let at_work = (4.0..12.0).contains(&(s / HOUR % 24.0));
            things.retain(|t| !(at_work && t.0 == "car"));
            (s, things)
        })
        .collect();
    check(abandoned(), &film, &[]);
}

/// What a picture shows at each second, and the things found in it: the transitions that follow.
fn seen(second_of: impl Fn(usize) -> Picture) -> Vec<String> {
    let (mut rules, mut film) = (camera_rules(vec![parking(20)], 10), Film::default());
    let car = [Thing("car", 1, 0.4, 0.5)];
    let reported = (0..40).flat_map(|s| {
        let at = second(s as f64);
        rules.step_with(at, &film.tracks(at, &car), None, Some(&second_of(s)))
    });
    reported
        .map(|violation| format!("{:?}@{}", violation.transition, violation.at.since(second(0.0)).as_secs()))
        .collect()
}

/// A car in the film's box, 32 x 18 pixels from (128, 72) on, `dark` and `bright` of its own.
fn car(x: usize, y: usize, roof: std::ops::Range<usize>, dark: u8, bright: u8) -> u8 {
    if (75..87).contains(&y) && roof.contains(&x) { bright } else { dark }
}

#[test]
fn one_car_after_another_on_the_same_place_is_none_that_stands() {
    let stream = |s: usize| {
        let (from, wide) = (129 + (s * 7) % 13, 9 + (s * 5) % 11);
        Picture::grey(|x, y| car(x, y, from..from + wide, 90, if s.is_multiple_of(2) { 200 } else { 20 }))
    };
    assert_eq!(seen(stream), [""; 0]);
}

#[test]
fn a_car_that_stands_is_told_in_turning_light_and_with_people_walking_by() {
    let stands = |s: usize| {
        Picture::grey(|x, y| match s % 10 {
            3 | 4 if (134..142).contains(&x) => 30,
            _ => car(x, y, 138..154, 60 + s as u8, 120 + s as u8),
        })
    };
    assert_eq!(seen(stands), ["Opened@20"]);
    let dark = |_: usize| Picture::grey(|_, _| 12);
    assert_eq!(seen(dark), ["Opened@20"], "by night nothing is to be compared");
}
