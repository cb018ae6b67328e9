//! What the pictures show beside the detector's answer: of a thing that it misses, and of one that leaves its
//! zone.

use std::sync::Arc;

use super::*;
use crate::detect::{Detection, Detections, Looked};
use crate::observation::Observer;
use crate::track::Tracker;

/// Ground with stripes, and in its left half a van from `left` on, 32 x 18 pixels.
fn street(left: Option<usize>) -> Picture {
    Picture::grey(|x, y| match left {
        Some(left) if (left..left + 32).contains(&x) && (72..90).contains(&y) => {
            if y < 80 && x > left + 12 {
                40
            } else {
                220
            }
        }
        _ => (80 + (x / 6 * 37 + y / 5 * 53) % 60) as u8,
    })
}

fn van(left: usize) -> Detection {
    let x = |pixels: usize| pixels as f32 / 320.0;
    Detection {
        class: "van".into(),
        score: 0.8,
        rect: Rect::new(x(left), 0.4, x(left + 32), 0.5),
        scale: 1.0,
        there_since: None,
    }
}

/// A look every two seconds: where the van is, and whether the detector finds it.
fn watch(rule: Rule, to: i64, look: impl Fn(i64) -> (Option<usize>, bool)) -> Vec<Violation> {
    let config = crate::config::TrackConfig { high_score: 0.4, low_score: 0.1, max_gap: seconds(30) };
    let (mut observer, mut tracker) = (Observer::new(true, seconds(2)), Tracker::new(config));
    let mut rules = camera_rules(vec![rule], 100);
    let mut all = Vec::new();
    for s in (0..to).step_by(2) {
        let (left, found) = look(s);
        // The camera's noise makes each picture another one.
        let mut picture = street(left);
        picture.capture.at = second(s as f64);
        let items = left.filter(|_| found).map(van).into_iter().collect();
        let seen = Detections { picture: Arc::new(picture), items, looked: Looked::everything() };
        let mut observation = observer.observe(&seen);
        observation.is_new = true;
        let tracks = tracker.observe(&observation);
        let shown = Seen { changes: None, picture: Some(&seen.picture), backdrop: observer.backdrop() };
        all.extend(rules.observe(&observation, &tracks, &shown));
        let covered: Vec<Rect> = tracks.iter().map(|track| track.rect).collect();
        observer.learn(&observation, &covered);
    }
    all
}

#[test]
fn a_van_that_the_detector_misses_for_a_while_each_minute_came_in_once() {
    let come = |s: i64| ((s >= 60).then_some(64), s % 60 < 50);
    let all = watch(rule(RuleKind::Entry), 360, come);
    assert_eq!(reported(&all).iter().filter(|r| r.starts_with("opened")).count(), 1, "{all:#?}");
    assert_eq!(reported(&all).iter().filter(|r| r.starts_with("closed")).count(), 0, "{all:#?}");
    let stands = |s: i64| (Some(64), s % 60 < 50);
    assert_eq!(reported(&watch(rule(RuleKind::Entry), 360, stands)), [""; 0], "it was there at the start");
}

#[test]
fn a_van_that_the_detector_misses_for_a_while_each_minute_stands_as_one_event() {
    let come = |s: i64| ((s >= 60).then_some(64), s % 60 < 50);
    let quiet = Rule { update_every: seconds(9999), ..parking(100) };
    let all = watch(quiet, 360, come);
    assert_eq!(all.iter().map(|v| v.transition).collect::<Vec<_>>(), [Transition::Opened], "{all:#?}");
}

#[test]
fn a_van_that_moves_out_of_the_zone_no_longer_stands_in_it() {
    // It moves by a third of its length out of the left half, where it is still near its place.
    let moves = |s: i64| (Some(if s < 100 { 138 } else { 152 }), true);
    let told = Rule { present_at_start: crate::config::PresentAtStart::Tell, ..parking(20) };
    let all = watch(told, 200, moves);
    assert_eq!(
        all.iter().map(|v| v.transition).collect::<Vec<_>>(),
        [Transition::Opened, Transition::Closed]
    );
}

#[test]
fn what_is_there_for_ten_seconds_of_every_half_minute_does_not_stand() {
    let all = watch(parking(100), 360, |s| ((s % 30 >= 20).then_some(64), true));
    assert_eq!(reported(&all), [""; 0], "{all:#?}");
}

#[test]
fn an_event_names_the_picture_that_first_showed_its_thing() {
    let mut film = Film::default();
    let mut rules = camera_rules(vec![parking(20)], 100);
    let mut first = Vec::new();
    let mut opened = Vec::new();
    for s in 0..60 {
        let at = second(s as f64);
        // Another car parks at the same place after the first has left.
        let thing = match s {
            0..10 => Some(Thing("car", 1, 0.2, 0.8)),
            10..20 => None,
            _ => Some(Thing("car", 2, 0.2, 0.8)),
        };
        let tracks = film.tracks(at, thing.as_slice());
        opened.extend(rules.step(at, &tracks).into_iter().filter(|v| v.transition == Transition::Opened));
        first.extend(rules.shows_first().then_some(s));
    }
    assert_eq!(first, [1, 21], "the picture in which each is seen to stand");
    let [event] = &opened[..] else { panic!("{opened:?}") };
    assert_eq!(event.shown, Some(second(21.0)));
}
