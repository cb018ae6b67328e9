use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::base::{ClassName, Rect, WallTime};
use crate::config::TrackConfig;
use crate::detect::Detection;

/// Class, score, x0, y0, x1, y1.
type Seen = (String, f32, f32, f32, f32, f32);

#[derive(serde::Deserialize)]
struct Recording {
    interval_ms: u64,
    pictures: Vec<Vec<Seen>>,
}

fn recording(name: &str) -> (Duration, Vec<Vec<Detection>>) {
    let path = format!("{}/testdata/detections/{name}", env!("CARGO_MANIFEST_DIR"));
    let recording: Recording =
        serde_json::from_slice(&std::fs::read(path).expect("recording")).expect("JSON");
    let detection = |(class, score, x0, y0, x1, y1): Seen| Detection {
        class: ClassName::new(class),
        score,
        rect: Rect::new(x0, y0, x1, y1),
        scale: 1.0,
        there_since: None,
    };
    let pictures = recording.pictures.into_iter().map(|p| p.into_iter().map(detection).collect()).collect();
    (Duration::from_millis(recording.interval_ms), pictures)
}

fn config() -> TrackConfig {
    TrackConfig { high_score: 0.4, low_score: 0.1, max_gap: Duration::from_secs(30) }
}

fn detection(class: &str, score: f32, rect: [f32; 4]) -> Detection {
    let [x0, y0, x1, y1] = rect;
    Detection { class: class.into(), score, rect: Rect::new(x0, y0, x1, y1), scale: 1.0, there_since: None }
}

fn second(s: f64) -> WallTime {
    WallTime(1_700_000_000_000_000 + (s * 1e6) as i64)
}

/// The two vehicles that stand still through the whole clip.
const PARKED: [[f32; 4]; 2] = [[0.953, 0.089, 0.999, 0.163], [0.848, 0.073, 0.944, 0.172]];

/// The ids of the tracks at `place`, each with its number of pictures, and the number of pictures without a
/// track.
fn ids_on(place: [f32; 4], history: &[Vec<Track>]) -> (BTreeMap<u64, usize>, usize) {
    let [x0, y0, x1, y1] = place;
    let place = Rect::new(x0, y0, x1, y1);
    let mut ids = BTreeMap::new();
    let mut without = 0;
    for tracks in history {
        let here: Vec<&Track> = tracks.iter().filter(|t| t.rect.iou(&place) > 0.5).collect();
        without += usize::from(here.is_empty());
        here.iter().for_each(|t| *ids.entry(t.id.0).or_default() += 1);
    }
    (ids, without)
}

/// Tracks every `every`-th picture of the recording, repeated for the time `total`, after `spoil` changed it.
fn follow(
    name: &str,
    every: usize,
    total: Duration,
    spoil: impl Fn(usize, &mut Vec<Detection>),
) -> Vec<Vec<Track>> {
    let (interval, pictures) = recording(name);
    let step = interval * u32::try_from(every).expect("small");
    let count = (total.as_secs_f64() / step.as_secs_f64()).round() as usize;
    let mut tracker = Tracker::new(config());
    (0..count)
        .map(|i| {
            let mut picture = pictures[i * every % pictures.len()].clone();
            spoil(i, &mut picture);
            tracker.update(second(i as f64 * step.as_secs_f64()), &picture)
        })
        .collect()
}

fn each_parked_vehicle_has_one_id(history: &[Vec<Track>], label: &str) {
    for place in PARKED {
        let (ids, without) = ids_on(place, history);
        assert_eq!(ids.len(), 1, "{label}: ids {ids:?} on {place:?}");
        assert!(without <= 1, "{label}: {without} pictures without a track on {place:?}");
    }
}

const TEN_MINUTES: Duration = Duration::from_secs(600);

#[test]
fn parked_vehicles_keep_one_id_at_ten_pictures_a_second() {
    let history = follow("street_10fps.json", 1, Duration::from_secs(20), |_, _| {});
    each_parked_vehicle_has_one_id(&history, "0.1 s");
}

#[test]
fn parked_vehicles_keep_one_id_over_ten_minutes_at_two_and_at_four_seconds() {
    for (every, label) in [(1, "2 s"), (2, "4 s")] {
        each_parked_vehicle_has_one_id(&follow("street_2s.json", every, TEN_MINUTES, |_, _| {}), label);
    }
}

/// Hidden for three pictures of twenty, weak in every fifth, shifted by a tenth of its width in every third.
#[test]
fn occlusions_and_dips_of_score_do_not_change_the_id_of_a_standing_vehicle() {
    for every in [1, 2] {
        let history = follow("street_2s.json", every, TEN_MINUTES, |i, picture| {
            picture.retain(|d| d.class.as_str() == "person" || !(5..8).contains(&(i % 20)));
            for d in picture.iter_mut().filter(|d| d.class.as_str() != "person") {
                if i % 5 == 0 {
                    d.score *= 0.2;
                }
                if i % 3 == 0 {
                    let shift = 0.1 * d.rect.width();
                    d.rect = Rect::new(d.rect.x0 + shift, d.rect.y0, d.rect.x1 + shift, d.rect.y1);
                }
            }
        });
        each_parked_vehicle_has_one_id(&history, "spoilt");
        let last = history.last().expect("pictures");
        let still =
            last.iter().filter(|t| t.class.as_str() != "person" && t.still_since <= second(8.0)).count();
        assert_eq!(still, 2, "both are still from their first strong picture on");
    }
}

#[test]
fn walkers_keep_their_ids_at_ten_pictures_a_second_and_most_of_them_at_two_seconds() {
    // There is no ground truth for the pedestrians: fewer ids and longer lives mean fewer breaks.
    let lives = |history: &[Vec<Track>]| {
        let mut lives: BTreeMap<u64, usize> = BTreeMap::new();
        for t in history.iter().flatten().filter(|t| t.class.as_str() == "person" && t.seen_now) {
            *lives.entry(t.id.0).or_default() += 1;
        }
        let pictures: usize = lives.values().sum();
        (lives.len(), pictures as f64 / lives.len() as f64)
    };
    let (ids, mean) = lives(&follow("street_10fps.json", 1, Duration::from_secs(20), |_, _| {}));
    eprintln!("0.1 s: {ids} ids of persons, each seen in {mean:.1} pictures of 200");
    let (ids2, mean2) = lives(&follow("street_2s.json", 1, Duration::from_secs(80), |_, _| {}));
    eprintln!("2 s: {ids2} ids of persons, each seen in {mean2:.1} pictures of 40");
    assert!(mean >= 40.0, "{ids} ids, {mean}");
    assert!(mean2 >= 2.5, "{ids2} ids, {mean2}");
}

/// The ids of the last picture's boxes, in the order of its detections.
fn check(pictures: &[(f64, &[Detection])], expected_ids: &[u64]) -> Vec<Track> {
    let mut tracker = Tracker::new(config());
    let mut tracks = Vec::new();
    for (at, detections) in pictures {
        tracks = tracker.update(second(*at), detections);
    }
    let (_, last) = pictures.last().expect("a picture");
    let ids: Vec<u64> = last
        .iter()
        .map(|d| tracks.iter().find(|t| t.seen_now && t.rect == d.rect).map_or(0, |t| t.id.0))
        .collect();
    assert_eq!(ids, expected_ids);
    tracks
}

#[test]
fn a_walker_is_followed_without_overlap_and_does_not_take_the_standing_one() {
    let walker = |x: f32| detection("person", 0.8, [x, 0.4, x + 0.02, 0.5]);
    let standing = detection("person", 0.8, [0.50, 0.4, 0.52, 0.5]);
    let at = |x: f32| [walker(x), standing.clone()];
    let (a, b, c, d) = (at(0.2), at(0.28), at(0.36), at(0.44));
    // In the fifth picture the pedestrian passes the standing one, and only one box is detected there.
    let (e, f) = ([standing.clone()], at(0.60));
    let pictures: [(f64, &[Detection]); 6] =
        [(0.0, &a), (2.0, &b), (4.0, &c), (6.0, &d), (8.0, &e), (10.0, &f)];
    check(&pictures, &[1, 2]);
}

#[test]
fn a_class_that_flips_is_one_track_named_by_its_score() {
    let vehicle = |class, score| [detection(class, score, [0.4, 0.4, 0.5, 0.5])];
    let pictures = [vehicle("car", 0.5), vehicle("truck", 0.9), vehicle("car", 0.5)];
    let pictures: Vec<(f64, &[Detection])> =
        pictures.iter().enumerate().map(|(i, p)| (i as f64, &p[..])).collect();
    let tracks = check(&pictures, &[1]);
    assert_eq!(tracks[0].class.as_str(), "car", "1.0 against 0.9");
    assert_eq!(tracks[0].hits, 3);
}

#[test]
fn two_boxes_of_one_vehicle_under_two_names_are_one_track() {
    let both = [detection("truck", 0.7, [0.4, 0.4, 0.5, 0.5]), detection("car", 0.6, [0.401, 0.4, 0.5, 0.5])];
    let tracks = check(&[(0.0, &both), (0.1, &both)], &[1, 0]);
    assert_eq!(tracks.len(), 1);
}

#[test]
fn a_weak_detection_continues_a_track_and_never_starts_one() {
    let strong = [detection("car", 0.8, [0.4, 0.4, 0.5, 0.5])];
    let weak = [detection("car", 0.15, [0.4, 0.4, 0.5, 0.5]), detection("car", 0.3, [0.1, 0.4, 0.2, 0.5])];
    check(&[(0.0, &strong), (0.1, &weak)], &[1, 0]);
}

#[test]
fn a_track_ends_after_the_longest_gap_and_not_before() {
    let car = [detection("car", 0.8, [0.4, 0.4, 0.5, 0.5])];
    check(&[(0.0, &car), (30.0, &car)], &[1]);
    check(&[(0.0, &car), (30.1, &car)], &[2]);
}

#[test]
fn stillness_starts_again_after_a_move_of_half_the_size() {
    let car = |x: f32| [detection("car", 0.8, [x, 0.4, x + 0.1, 0.5])];
    let (here, jitter, away) = (car(0.4), car(0.44), car(0.46));
    let tracks = check(&[(0.0, &here), (1.0, &jitter), (2.0, &here), (3.0, &jitter)], &[1]);
    assert_eq!(tracks[0].still_since, second(0.0));
    let tracks = check(&[(0.0, &here), (1.0, &jitter), (2.0, &away), (3.0, &away)], &[1]);
    assert_eq!(tracks[0].still_since, second(2.0));
}

#[test]
fn a_clock_that_steps_back_keeps_ids_and_durations() {
    let car = [detection("car", 0.8, [0.4, 0.4, 0.5, 0.5])];
    let tracks = check(&[(3600.0, &car), (3660.0 - 31.0, &car), (0.0, &car), (5.0, &car)], &[1]);
    assert_eq!(tracks[0].last_seen.since(tracks[0].still_since), Duration::from_secs(29 + 5));
}

#[test]
fn boxes_that_are_no_numbers_are_passed_over() {
    let bad = [
        detection("car", 0.8, [f32::NAN, 0.4, 0.5, 0.5]),
        detection("car", f32::NAN, [0.4, 0.4, 0.5, 0.5]),
        detection("car", 0.8, [0.4, 0.4, 0.4, 0.5]),
    ];
    assert!(Tracker::new(config()).update(second(0.0), &bad).is_empty());
}

mod properties {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn any_detection() -> impl Strategy<Value = Detection> {
        let class = prop::sample::select(vec!["car", "truck", "person", "dog"]);
        let number = prop_oneof![20 => -0.1..1.1f32, 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)];
        let rect = (number.clone(), number, 0.0..0.3f32, 0.0..0.3f32);
        (class, 0.0..1.0f32, rect)
            .prop_map(|(class, score, (x, y, w, h))| detection(class, score, [x, y, x + w, y + h]))
    }

    proptest! {
        /// Whatever a detector or a clock does: ids are unique and rise, no detection is in two tracks, times
        /// are in order, and a second run has the same result.
        #[test]
        fn any_input_gives_well_formed_tracks(
            pictures in prop::collection::vec((-20.0..40.0f64, prop::collection::vec(any_detection(), 0..8)), 1..20)
        ) {
            let run = || {
                let mut tracker = Tracker::new(config());
                let mut at = 0.0;
                let update = |(step, picture): &(f64, Vec<Detection>)| {
                    at += step;
                    (second(at), tracker.update(second(at), picture))
                };
                pictures.iter().map(update).collect::<Vec<_>>()
            };
            let history = run();
            for ((at, tracks), (_, picture)) in history.iter().zip(&pictures) {
                prop_assert!(tracks.is_sorted_by(|a, b| a.id < b.id), "{:?}", tracks);
                let seen: Vec<&Track> = tracks.iter().filter(|t| t.seen_now).collect();
                let boxes: BTreeSet<String> = seen.iter().map(|t| format!("{:?}", t.rect)).collect();
                prop_assert_eq!(boxes.len(), seen.len());
                for t in tracks {
                    let in_order = t.first_seen <= t.still_since && t.still_since <= t.last_seen && t.last_seen <= *at;
                    prop_assert!(in_order, "{:?} at {}", t, at);
                    prop_assert_eq!(t.seen_now, t.last_seen == *at && picture.iter().any(|d| d.rect == t.rect));
                }
            }
            prop_assert_eq!(&history, &run());
        }
    }
}
