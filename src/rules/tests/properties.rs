//! What holds for any film: the life of every id, no two events on one place, restart and replay equality.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::config::Direction;

/// Rules of all kinds, two of them over the same things.
fn rules() -> CameraRules {
    let line = (Point { x: 0.3, y: 0.0 }, Point { x: 0.3, y: 1.0 });
    let kinds = [
        RuleKind::Presence { dwell: seconds(6), still: true },
        RuleKind::Presence { dwell: seconds(4), still: false },
        RuleKind::Entry,
        RuleKind::LineCrossing { line, direction: Direction::Any },
        RuleKind::Count { limit: 1, dwell: seconds(4) },
        RuleKind::CompanionAbsent { distance: 2.0, distance_m: None, dwell: seconds(4) },
        RuleKind::LongDwell { dwell: seconds(48) },
    ];
    let rules = kinds.into_iter().enumerate().map(|(i, kind)| Rule {
        id: format!("rule{i}"),
        update_every: seconds(10),
        cool_down: seconds(5),
        merge_distance: if i % 2 == 0 { 0.0 } else { 0.2 },
        expire_after: seconds(40),
        ..rule(kind)
    });
    camera_rules(rules.collect(), 20)
}

/// Steps of time and things: standing, jittering, jumping, changing names and numbers, coming and going.
fn film() -> impl Strategy<Value = Vec<(f64, Vec<Thing>)>> {
    let class = prop::sample::select(vec!["car", "van", "dog", "person", "bus"]);
    let x =
        prop_oneof![3 => Just(0.1f32), 3 => Just(0.12), 2 => Just(0.2), 2 => Just(0.35), 1 => 0.0..0.9f32];
    let thing = (class, 1..6u64, x, prop_oneof![Just(0.5f32), 0.2..0.9f32])
        .prop_map(|(class, id, x, y)| Thing(class, id, x, y));
    let things = prop::collection::vec(thing, 0..5).prop_map(|mut things| {
        things.sort_by_key(|t| t.1);
        things.dedup_by_key(|t| t.1);
        things
    });
    let step = prop_oneof![8 => Just(2.0f64), 2 => 0.1..5.0, 1 => Just(60.0)];
    prop::collection::vec((step, things, 1..6usize), 1..25).prop_map(|parts| {
        let mut at = 0.0;
        let mut shots = Vec::new();
        for (step, things, times) in parts {
            for _ in 0..times {
                at += step;
                shots.push((at, things.clone()));
            }
        }
        shots
    })
}

/// Each id: opened, then updated, then closed or expired or still open; revisions 0, 1, 2 ...
fn lives_are_whole(all: &[Violation]) -> Result<(), TestCaseError> {
    let mut revisions: BTreeMap<uuid::Uuid, (u32, bool)> = BTreeMap::new();
    for v in all {
        let life = revisions.get(&v.id).copied();
        match v.transition {
            Transition::Opened => prop_assert!(life.is_none() && v.revision == 0, "{:?}", v),
            _ => prop_assert_eq!(life, Some((v.revision.wrapping_sub(1), true)), "{:?}", v),
        }
        let open = matches!(v.transition, Transition::Opened | Transition::Updated);
        revisions.insert(v.id, (v.revision, open));
        prop_assert!((0.0..=1.0).contains(&v.confidence), "{:?}", v);
        prop_assert!(!v.objects.is_empty() && v.started <= v.at, "{:?}", v);
    }
    Ok(())
}

/// Runs the film and looks after each picture: no event has opened over a thing of an open one of its rule.
fn places_are_not_doubled(rules: &mut CameraRules, film: &[Shot]) -> Result<Vec<Violation>, TestCaseError> {
    let mut tracker = Film::default();
    let mut all = Vec::new();
    for shot in film {
        let reported = run(rules, &mut tracker, std::slice::from_ref(shot));
        let state = rules.state();
        for new in reported.iter().filter(|v| v.transition == Transition::Opened) {
            let events = state.rules.iter().filter(|r| r.id == new.rule).flat_map(|r| &r.events);
            for other in events.filter(|e| e.id != new.id).flat_map(|e| &e.objects) {
                let over = new.objects.iter().find(|o| o.rect.iou(&other.rect) >= 0.5);
                prop_assert!(over.is_none(), "{:#?} over {:#?}", new, other);
            }
        }
        all.extend(reported);
    }
    Ok(all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_id_has_one_whole_life_and_no_place_two_events(film in film()) {
        let all = places_are_not_doubled(&mut rules(), &film)?;
        lives_are_whole(&all)?;
    }

    #[test]
    fn the_same_film_gives_the_same_violations(film in film()) {
        let first = run(&mut rules(), &mut Film::default(), &film);
        let second = run(&mut rules(), &mut Film::default(), &film);
        prop_assert_eq!(first, second);
    }

    #[test]
    fn a_restart_at_any_picture_changes_nothing(film in film(), cut in 0.0..1.0f64) {
        let cut = (cut * film.len() as f64) as usize;
        let (mut whole, mut tracker) = (rules(), Film::default());
        let expected = run(&mut whole, &mut tracker, &film);

        let (mut before, mut tracker) = (rules(), Film::default());
        let mut all = run(&mut before, &mut tracker, &film[..cut]);
        let saved = serde_json::to_string(&before.state()).expect("state");
        let mut after = rules();
        after.restore(serde_json::from_str(&saved).expect("state"));
        all.extend(run(&mut after, &mut tracker, &film[cut..]));
        prop_assert_eq!(all, expected);
        prop_assert_eq!(after.state(), whole.state());
    }

    /// One car that stands for ten minutes at any spacing, with jitter, misses, new ids and names: one event.
    #[test]
    fn one_standing_car_is_one_event(
        pictures in prop::collection::vec((0.5..4.0f64, -0.02..0.02f32, 0..10u8, any::<bool>()), 150..200)
    ) {
        let (mut at, mut id, mut misses) = (0.0, 1, 0);
        let mut film = Vec::new();
        for (step, jitter, fate, car) in pictures {
            at += step;
            misses = if fate == 0 && misses == 0 { 1 } else { 0 };
            id += u64::from(fate == 1);
            let class = if car { "car" } else { "van" };
            let seen = Thing(class, id, 0.2 + jitter, 0.5);
            film.push((at, if misses > 0 { vec![] } else { vec![seen] }));
        }
        let rule = Rule { hysteresis: (3, 4), ..parking(60) };
        let all = run(&mut camera_rules(vec![rule], 10), &mut Film::default(), &film);
        let ids: std::collections::BTreeSet<_> = all.iter().map(|v| v.id).collect();
        prop_assert_eq!(ids.len(), 1, "{:?}", reported(&all));
    }
}
