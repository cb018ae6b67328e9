//! Events and what a second look says about their things.

use std::sync::Arc;

use super::*;
use crate::second_look::{Bounds, CropAnswer, SecondLookManifest};

/// A car that stands in the zone, looked at every second by rules that ask another network.
struct Street {
    rules: CameraRules,
    film: Film,
    /// Of `car`, in each answer; `None`: none comes.
    says: Option<f32>,
    /// Seconds at which something was asked, and at which an event opened.
    asked: Vec<u64>,
    opened: Vec<u64>,
}

impl Street {
    fn new(rule: Rule, says: Option<f32>) -> Self {
        let bounds = Bounds { confirm: 0.7, deny: 0.2 };
        let model = SecondLookManifest::for_tests(&[("car", Some(bounds)), ("van", None), ("skip", None)]);
        let rules = camera_rules(vec![rule], 100).with_second_look(Some(Arc::new(model)));
        Self { rules, film: Film::default(), says, asked: Vec::new(), opened: Vec::new() }
    }

    fn play(&mut self, seconds: std::ops::Range<u64>, thing: Thing) {
        for s in seconds {
            let at = second(s as f64);
            let tracks = self.film.tracks(at, &[thing]);
            let steps = self.rules.step(at, &tracks);
            self.opened.extend(steps.iter().filter(|v| v.transition == Transition::Opened).map(|_| s));
            for thing in self.rules.take_questions() {
                self.asked.push(s);
                if let Some(car) = self.says {
                    let probabilities = vec![car, 0.0, 1.0 - car];
                    let (track, rect) = (thing.track, thing.rect);
                    self.rules.answer(&CropAnswer { track, rect, at, probabilities });
                }
            }
        }
    }
}

const CAR: Thing = Thing("car", 1, 0.2, 0.8);

#[test]
fn what_is_confirmed_opens_when_its_time_is_over() {
    let mut street = Street::new(parking(20), Some(0.9));
    street.play(0..60, CAR);
    assert_eq!(street.asked, [10, 15, 20], "from half of the dwell on, three times");
    assert_eq!(street.opened, [20]);
    let facts = street.rules.state().rules[0].spots[0].answers.mean();
    assert!(facts.is_some_and(|mean| (mean - 0.9).abs() < 1e-3));
}

#[test]
fn what_is_denied_never_opens_and_is_looked_at_ever_more_rarely() {
    let mut street = Street::new(parking(20), Some(0.05));
    street.play(0..4000, CAR);
    assert_eq!(street.opened, [0; 0]);
    assert_eq!(street.asked[..6], [10, 15, 20, 620, 625, 630]);
    assert!(street.asked.len() <= 9, "{:?}", street.asked);
}

#[test]
fn what_is_uncertain_opens_after_three_answers() {
    let mut street = Street::new(parking(20), Some(0.4));
    street.play(0..60, CAR);
    assert_eq!(street.opened, [21], "the answer about second 20 comes after its picture");
}

#[test]
fn without_answers_an_event_waits_a_minute_and_says_so() {
    let mut street = Street::new(parking(20), None);
    street.play(0..70, CAR);
    assert_eq!(street.opened, [0; 0]);
    street.play(70..71, CAR);
    assert_eq!(street.opened, [70], "a minute after the first question");
}

#[test]
fn things_that_the_other_network_cannot_judge_are_not_asked_about() {
    let mut street = Street::new(parking(20), Some(0.0));
    street.play(0..60, Thing("van", 1, 0.2, 0.8));
    assert_eq!((street.asked.len(), street.opened), (0, vec![20]));
}

#[test]
fn answers_about_one_thing_do_not_count_for_another() {
    let mut street = Street::new(parking(20), None);
    street.play(0..30, CAR);
    let rect = Rect::new(0.2, 0.7, 0.3, 0.8);
    for track in [TrackId(1), TrackId(2)] {
        let probabilities = vec![1.0, 0.0, 0.0];
        street.rules.answer(&CropAnswer { track, rect, at: second(3.0), probabilities });
    }
    assert_eq!(street.rules.state().rules[0].spots[0].answers.mean(), None);
}

#[test]
fn answers_survive_a_restart() {
    let mut street = Street::new(parking(20), Some(0.05));
    street.play(0..40, CAR);
    let saved = serde_json::to_string(&street.rules.state()).expect("JSON");
    let mut after = Street::new(parking(20), None);
    after.rules.restore(serde_json::from_str(&saved).expect("the same version"));
    after.film = street.film.clone();
    after.play(40..300, CAR);
    assert_eq!((after.asked.len(), after.opened.len()), (0, 0), "it stays denied");
}

#[test]
fn what_passes_by_waits_for_one_answer_only() {
    let entries = |says: Option<f32>| {
        let mut street = Street::new(rule(RuleKind::Entry), says);
        street.play(0..2, Thing("car", 9, 0.7, 0.8));
        street.play(2..6, CAR);
        (street.asked, street.opened)
    };
    assert_eq!(entries(Some(0.9)), (vec![2, 4], vec![3]), "with the second look, as without questions");
    assert_eq!(entries(Some(0.4)).1, [3], "it is not denied");
    assert_eq!(entries(None).1, [3], "no answer came");
    assert_eq!(entries(Some(0.05)).1, [0; 0]);
}
