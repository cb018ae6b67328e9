//! The rules on small films: things with a class, a track and a box, at fixed intervals.

mod change;
mod ground;
mod kinds;
mod life;
mod properties;
mod second_look;
mod sight;

use std::time::Duration;

use super::*;
use crate::base::{CameraId, Point, Polygon, Rect, TrackId, WallTime};
use crate::config::{Group, Rule, RuleKind, Severity, ViolationClass, Zone};
use crate::decode::Picture;
use crate::observation::Observation;
use crate::track::Track;

/// 2026-11-22 04:30:00 UTC, a Sunday.
const START: i64 = 1_795_321_800;

fn second(s: f64) -> WallTime {
    WallTime(START * 1_000_000 + (s * 1e6) as i64)
}

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// A zone over the left half of the picture; things at x < 0.5 stand in it.
fn left_half() -> Zone {
    let corners = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]].map(Point::from).to_vec();
    Zone::new("gate".into(), "gate".into(), Polygon::new(corners).expect("simple"))
}

fn rule(kind: RuleKind) -> Rule {
    Rule {
        id: "parking".into(),
        class: ViolationClass {
            id: "motor_vehicle_parking".into(),
            zh: "机动车违停".into(),
            en: "Illegal parking".into(),
            group: Group::Street,
            code: "0505".into(),
        },
        zones: vec![left_half()],
        kind,
        shows: Vec::new(),
        objects: vec!["car".into(), "van".into(), "dog".into()],
        min_score: None,
        companions: vec!["person".into()],
        schedule: None,
        present_at_start: crate::config::PresentAtStart::Hold,
        hysteresis: (2, 3),
        update_every: seconds(600),
        cool_down: seconds(60),
        merge_distance: 0.0,
        merge_m: None,
        area_m2: (None, None),
        expire_after: seconds(300),
        severity: Severity::Medium,
    }
}

fn parking(dwell: u64) -> Rule {
    rule(RuleKind::Presence { dwell: seconds(dwell), still: true })
}

fn camera_rules(rules: Vec<Rule>, cap: u32) -> CameraRules {
    let thresholds = [("car", 0.5), ("van", 0.5)].map(|(c, t)| (c.into(), t)).into();
    CameraRules::new("node", CameraId::new("cam"), rules, thresholds, cap)
}

/// A thing of a film: class, track number, left edge and lower edge of a box 0.1 wide and high.
#[derive(Clone, Copy, Debug)]
struct Thing(&'static str, u64, f32, f32);

/// Turns things into tracks, keeping what a tracker with a longest gap of an hour would: first seen, still
/// since, hits.
#[derive(Clone, Default)]
struct Film {
    known: Vec<Track>,
}

impl Film {
    fn tracks(&mut self, at: WallTime, things: &[Thing]) -> Vec<Track> {
        things.iter().map(|thing| self.track(at, *thing, 0.8)).collect()
    }

    fn track(&mut self, at: WallTime, Thing(class, id, x, y): Thing, score: f32) -> Track {
        let rect = Rect::new(x, y - 0.1, x + 0.1, y);
        let id = TrackId(id);
        self.known.retain(|t| at.since(t.last_seen) <= seconds(3600));
        let found = self.known.iter().position(|t| t.id == id);
        let index = found.unwrap_or_else(|| {
            let (first_seen, last_seen, still_since) = (at, at, at);
            let (class, hits, seen_now) = (class.into(), 0, true);
            self.known.push(Track {
                id,
                class,
                rect,
                score,
                first_seen,
                last_seen,
                still_since,
                found_since: at,
                hits,
                seen_now,
                scale: 1.0,
                ground: None,
            });
            self.known.len() - 1
        });
        let track = &mut self.known[index];
        if (track.rect.x0 - x).abs() > 0.05 || (track.rect.y1 - y).abs() > 0.05 {
            track.still_since = at;
            track.rect = rect;
        }
        (track.class, track.score, track.last_seen) = (class.into(), score, at);
        track.hits += 1;
        Track { rect, ..track.clone() }
    }
}

/// One picture: when, in seconds, and what is in it.
type Shot = (f64, Vec<Thing>);

/// Pictures every `step` seconds from `from` until before `to`, all with the same things.
fn shots(from: f64, to: f64, step: f64, things: &[Thing]) -> Vec<Shot> {
    let count = ((to - from) / step).ceil() as usize;
    (0..count).map(|i| (from + i as f64 * step, things.to_vec())).collect()
}

/// Runs a film and returns all transitions.
fn run(rules: &mut CameraRules, film: &mut Film, shots: &[Shot]) -> Vec<Violation> {
    shots
        .iter()
        .flat_map(|(s, things)| {
            let at = second(*s);
            let tracks = film.tracks(at, things);
            rules.step(at, &tracks)
        })
        .collect()
}

fn reported(violations: &[Violation]) -> Vec<String> {
    let name = |t: Transition| match t {
        Transition::Opened => "opened",
        Transition::Updated => "updated",
        Transition::Closed => "closed",
        Transition::Expired => "expired",
    };
    violations
        .iter()
        .map(|v| format!("{}@{}", name(v.transition), v.at.since(second(0.0)).as_secs()))
        .collect()
}

/// Checks that the rule reports exactly this on the film.
fn check(rule: Rule, shots: &[Shot], expected: &[&str]) -> Vec<Violation> {
    let violations = run(&mut camera_rules(vec![rule], 100), &mut Film::default(), shots);
    assert_eq!(reported(&violations), expected, "{violations:#?}");
    violations
}

const CAR: Thing = Thing("car", 1, 0.2, 0.5);

impl CameraRules {
    /// A step with changes or a picture, all of it watched and seen clearly.
    fn step_with(
        &mut self,
        at: WallTime,
        tracks: &[Track],
        changes: Option<&Changes>,
        picture: Option<&Picture>,
    ) -> Vec<Violation> {
        let elapsed = self.last_picture().map_or(Duration::ZERO, |last| at.since(last));
        let seen = Seen { changes, picture, backdrop: None };
        self.observe(&Observation::clear(at, elapsed, Vec::new()), tracks, &seen)
    }
}
