//! The state of a camera's rules: plain data, unchanged by a restart. Numbers are integers or `f32`, which
//! JSON preserves exactly, so a restored state continues bit for bit.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::answers::Answers;
use super::appearance::Appearance;
use super::geometry::{SAME_IOU, is_finite, is_shown};
use super::violation::{ChangeFacts, ViolationObject};
use crate::base::{ClassName, Point, Rect, TrackId, WallTime, ZoneId};
use crate::change::ChangeRegion;
use crate::config::Severity;
use crate::motion::Motion;
use crate::track::OnGround;

const VERSION: u32 = 1;

/// All state that survives a restart. Reading another version is an error: start with an empty state in that
/// case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RulesState {
    #[serde(deserialize_with = "this_version")]
    version: u32,
    pub(super) last_at: Option<WallTime>,
    /// How many events have ever opened. Part of their ids.
    pub(super) counter: u64,
    /// How many things the cap kept from opening an event.
    pub(super) suppressed: u64,
    /// How many things were skipped because a rule held too many.
    pub(super) passed_over: u64,
    /// When the events of the last hour opened.
    pub(super) opened: Vec<WallTime>,
    pub(super) rules: Vec<RuleState>,
    pub(super) quiet: Vec<Quiet>,
    #[serde(default)]
    pub(super) ignored: Vec<Ignored>,
    /// Open events of rules that are no longer in the config. They expire at the next step.
    pub(super) orphans: Vec<Event>,
    /// Things that were there when the camera began, and are not reported for that.
    #[serde(default)]
    pub(super) present_at_start: u64,
    /// Since when the camera has watched without a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) watched_from: Option<WallTime>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RuleState {
    pub(super) id: String,
    /// Hash of what the rule was about when this was written.
    pub(super) meaning: String,
    pub(super) spots: Vec<Spot>,
    pub(super) events: Vec<Event>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) stops: Vec<Stop>,
}

/// A thing that a rule watches (for a count: a zone), with or without an open event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spot {
    pub(super) track: TrackId,
    pub(super) class: ClassName,
    pub(super) zone: Option<ZoneId>,
    /// Where it was when the spot began. Standing things are recognised by it.
    pub(super) place: Rect,
    pub(super) rect: Rect,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ground: Option<OnGround>,
    pub(super) score: f32,
    /// Since when the condition has been met.
    pub(super) since: WallTime,
    /// The picture that first showed it as what it is watched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shown: Option<WallTime>,
    /// How much of the time since then nobody watched: no stream, or nothing could be seen.
    #[serde(default)]
    pub(super) unwatched: Duration,
    #[serde(default)]
    pub(super) arrival: Arrival,
    /// The closest look that has seen it.
    #[serde(default)]
    pub(super) scale: f32,
    /// Since when its place could not be compared, though it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unsure_since: Option<WallTime>,
    pub(super) last_seen: WallTime,
    /// The last picture that clearly showed it, or clearly did not.
    pub(super) last_clear: WallTime,
    pub(super) seen_now: bool,
    pub(super) history: History,
    /// For entry and line crossing: it happened.
    pub(super) happened: bool,
    /// For a line: where it was last clear of the line.
    pub(super) beside: Option<Point>,
    /// For a long dwell.
    pub(super) slot: Slot,
    pub(super) companions: BTreeSet<ClassName>,
    /// For a count: what was counted.
    pub(super) counted: Vec<ViolationObject>,
    /// Sum of scores in ten-thousandths, and number of pictures.
    pub(super) scores: (u64, u64),
    pub(super) suppressed: bool,
    pub(super) event: Option<Uuid>,
    /// For a change: its region, the rule's objects next to it, what left it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<ChangeRegion>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) near: BTreeSet<ClassName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) left_by: Option<Stop>,
    /// Of second looks.
    #[serde(default, skip_serializing_if = "Answers::is_empty")]
    pub(super) answers: Answers,
    /// By the newest look.
    #[serde(skip)]
    pub(super) sight: EventSight,
    /// How the thing looks. Not saved: the next picture provides it.
    #[serde(skip)]
    pub(super) appearance: Appearance,
}

/// What a look says about the thing of an event that the detector does not find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventSight {
    /// Its place was not looked at, or not as closely as when it was seen.
    #[default]
    NotLookedAt,
    /// It is there, by the detector or by its look.
    Here,
    Gone,
    /// Its surroundings are not seen either: something hides the place, or the camera was turned.
    Unsure,
}

/// Did the thing come while the camera watched?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Arrival {
    /// Its place looked otherwise before, or nothing is known against it.
    #[default]
    Came,
    /// Its place has looked so since the camera began: it was there, or the detector takes the scene for a
    /// thing.
    PresentAtStart,
}

/// A thing that stood in a zone, for a sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stop {
    pub(super) track: TrackId,
    pub(super) class: ClassName,
    pub(super) rect: Rect,
    pub(super) from: WallTime,
    pub(super) to: WallTime,
    /// The picture that first showed it standing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shown: Option<WallTime>,
}

/// The last looks, one bit each: 1 seen, 0 clearly absent. Inconclusive looks are left out. Looks within one
/// second count as one, so that the spacing of pictures does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct History {
    bits: u64,
    known: u32,
    /// When the newest look began.
    #[serde(default)]
    newest: Option<WallTime>,
}

/// Looks nearer to each other count as one.
const ONE_LOOK: Duration = Duration::from_secs(1);

/// For a long dwell the history counts stretches of time instead of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Slot {
    pub(super) start: WallTime,
    pub(super) seen: bool,
    pub(super) absent: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) id: Uuid,
    pub(super) rule: String,
    pub(super) class: String,
    pub(super) zone: Option<ZoneId>,
    pub(super) severity: Severity,
    pub(super) revision: u32,
    pub(super) started: WallTime,
    /// The picture that first showed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shown: Option<WallTime>,
    /// How much of the time since then nobody watched.
    #[serde(default)]
    pub(super) unwatched: Duration,
    #[serde(rename = "told")]
    pub(super) reported: WallTime,
    pub(super) last_seen: WallTime,
    pub(super) confidence: f32,
    pub(super) rect: Rect,
    pub(super) objects: Vec<ViolationObject>,
    /// All places of its things, to keep quiet about afterwards.
    pub(super) places: Vec<Rect>,
    /// The permit that people named for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) permit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<Box<ChangeFacts>>,
}

/// Places where no event of a class opens for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Quiet {
    pub(super) class: String,
    pub(super) places: Vec<Rect>,
    pub(super) from: WallTime,
    pub(super) until: WallTime,
}

/// Places where a class is ignored because people rejected an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ignored {
    /// The rejected event.
    pub event: Uuid,
    pub class: String,
    pub places: Vec<Rect>,
    pub until: WallTime,
}

impl Ignored {
    /// Is it the same place, or mostly within it? Things that move about there are ignored too.
    pub(super) fn covers(&self, class: &str, rect: &Rect, at: WallTime) -> bool {
        let here = |p: &Rect| p.iou(rect) >= SAME_IOU || p.intersection(rect) >= 0.5 * rect.area();
        self.class == class && at < self.until && self.places.iter().any(here)
    }
}

impl RulesState {
    pub(super) fn new(rules: impl Iterator<Item = (String, String)>) -> Self {
        let fresh = |(id, meaning)| RuleState {
            id,
            meaning,
            spots: Vec::new(),
            events: Vec::new(),
            stops: Vec::new(),
        };
        Self {
            version: VERSION,
            last_at: None,
            counter: 0,
            suppressed: 0,
            passed_over: 0,
            opened: Vec::new(),
            rules: rules.map(fresh).collect(),
            quiet: Vec::new(),
            ignored: Vec::new(),
            orphans: Vec::new(),
            present_at_start: 0,
            watched_from: None,
        }
    }

    /// Moves all times back by `d` after the camera's clock stepped back, so that durations stay right. The
    /// start of an open event stays, because it is part of its id.
    pub(super) fn step_back(&mut self, d: Duration) {
        for time in self.times() {
            *time = *time - d;
        }
    }

    /// Moves all times, the start of open events too: they were all wrong by as much.
    pub(super) fn move_times(&mut self, by_us: i64) {
        let starts = self.rules.iter_mut().flat_map(|r| &mut r.events).map(|e| &mut e.started);
        for time in starts.chain(&mut self.last_at) {
            time.0 = time.0.saturating_add(by_us);
        }
        for time in self.times() {
            time.0 = time.0.saturating_add(by_us);
        }
    }

    fn times(&mut self) -> Vec<&mut WallTime> {
        let mut times: Vec<&mut WallTime> = self.opened.iter_mut().chain(&mut self.watched_from).collect();
        times.extend(self.quiet.iter_mut().flat_map(|q| [&mut q.from, &mut q.until]));
        times.extend(self.ignored.iter_mut().map(|i| &mut i.until));
        for rule in &mut self.rules {
            times.extend(rule.stops.iter_mut().flat_map(|s| [&mut s.from, &mut s.to]));
            times.extend(rule.events.iter_mut().flat_map(|e| [&mut e.reported, &mut e.last_seen]));
            times.extend(rule.spots.iter_mut().flat_map(|s| {
                let always = [&mut s.since, &mut s.last_seen, &mut s.last_clear, &mut s.slot.start];
                let history = always.into_iter().chain(&mut s.history.newest);
                history.chain(&mut s.unsure_since).chain(s.answers.times())
            }));
        }
        times
    }
}

impl RulesState {
    /// Moves every place with the camera, to where its ground is in the picture now. A place that is behind
    /// the camera or cannot be followed (`None`) moves far outside, where nothing is found and nothing is
    /// missed.
    pub(super) fn carry(&mut self, motion: Option<&Motion>) {
        const AWAY: Rect = Rect { x0: -1e6, y0: -1e6, x1: -999_999.0, y1: -999_999.0 };
        let place = |r: &mut Rect| {
            *r = motion.and_then(|m| m.rect(r)).filter(is_finite).unwrap_or(AWAY);
        };
        let ignored = self.ignored.iter_mut().map(|i| &mut i.places);
        for places in self.quiet.iter_mut().map(|q| &mut q.places).chain(ignored) {
            places.iter_mut().for_each(place);
        }
        for rule in &mut self.rules {
            for event in &mut rule.events {
                event.places.iter_mut().for_each(place);
                // An event is reported where it was last in the picture.
                if let Some(shown) = motion.and_then(|m| m.rect(&event.rect)).filter(is_shown) {
                    event.rect = shown;
                }
            }
            for spot in &mut rule.spots {
                place(&mut spot.place);
                place(&mut spot.rect);
                spot.beside = spot.beside.and_then(|p| motion?.point(p));
            }
        }
    }
}

impl History {
    pub(super) fn push(&mut self, at: WallTime, seen: bool) {
        if self.newest.is_some_and(|newest| at >= newest && at.since(newest) < ONE_LOOK) {
            self.bits |= u64::from(seen);
            return;
        }
        self.newest = Some(at);
        self.fill(seen, 1);
    }

    /// Adds looks that have no time of their own.
    pub(super) fn fill(&mut self, seen: bool, looks: u32) {
        for _ in 0..looks.min(64) {
            self.bits = self.bits << 1 | u64::from(seen);
            self.known = (self.known + 1).min(64);
        }
    }

    /// How many of the last `m` looks (at most 64) showed it, and how many did not.
    pub(super) fn of_last(&self, m: u32) -> (u32, u32) {
        let n = self.known.min(m);
        let mask = 1u64.checked_shl(n).map_or(u64::MAX, |top| top - 1);
        let seen = (self.bits & mask).count_ones();
        (seen, n - seen)
    }
}

fn this_version<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(from)?;
    if version == VERSION {
        return Ok(version);
    }
    Err(serde::de::Error::custom(format!("rules state of version {version}, this program reads {VERSION}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_counts_the_last_pictures_only() {
        let mut history = History::default();
        assert_eq!(history.of_last(4), (0, 0));
        let look = |n: i64| WallTime(n * 1_000_000);
        for (n, seen) in [true, true, false, true, false].into_iter().enumerate() {
            history.push(look(n as i64), seen);
        }
        assert_eq!(history.of_last(4), (2, 2));
        (5..105).for_each(|n| history.push(look(n), true));
        assert_eq!(history.of_last(64), (64, 0));
    }

    #[test]
    fn pictures_of_one_second_are_one_look_which_saw_what_any_of_them_saw() {
        let mut history = History::default();
        for n in 0..10 {
            history.push(WallTime(n * 200_000), n == 2);
        }
        assert_eq!(history.of_last(10), (1, 1));
    }

    #[test]
    fn a_state_of_another_version_is_refused() {
        let state = serde_json::to_value(RulesState::new(std::iter::empty())).expect("JSON");
        assert!(serde_json::from_value::<RulesState>(state.clone()).is_ok());
        let mut other = state;
        other["version"] = 2.into();
        let error = serde_json::from_value::<RulesState>(other).expect_err("refused").to_string();
        assert!(error.contains("version 2"), "{error}");
    }
}
