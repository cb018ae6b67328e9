//! The life of an event: opened, joined by neighbours, updated, closed or expired.

use std::time::Duration;

use jiff::tz::TimeZone;
use uuid::Uuid;

use super::constants::raised;
use super::geometry::{ONE_IOU, SAME_IOU, around, is_shown, touch};
use super::input::RuleInput;
use super::observe::{is_gone, qualifies};
use super::reason;
use super::second_look::bounds;
use super::spot::{LOST, mean_score, stands};
use super::state::{Event, Quiet, RuleState, RulesState, Spot};
use super::violation::{ChangeFacts, Transition, Violation, ViolationObject};
use crate::base::{CameraId, ConfidenceMaps, DerivedId, Rect, WallTime};
use crate::config::{Rule, RuleKind};
use crate::second_look::SecondLookManifest;

/// The most quiet places of an event. The newest ones are kept.
const MAX_PLACES: usize = 64;
const HOUR: Duration = Duration::from_secs(3600);

/// Opens, updates and ends the events of one camera.
pub(super) struct EventLifecycle {
    pub(super) node: String,
    pub(super) camera: CameraId,
    /// For times of day in reasons.
    pub(super) time_zone: TimeZone,
    pub(super) max_events_per_hour: u32,
}

impl EventLifecycle {
    /// Closes, joins, opens and updates events after `observe`.
    pub(super) fn advance(
        &self,
        input: &RuleInput,
        state: &mut RulesState,
        index: usize,
        out: &mut Vec<Violation>,
    ) {
        self.end(input.at, input.rule, state, index, out, |spot| is_gone(input, spot), true);
        self.open(input, state, index, out);
        let rule_state = &mut state.rules[index];
        let spots = &rule_state.spots;
        for event in &mut rule_state.events {
            refresh(event, spots, input);
            let due =
                input.at.since(event.reported) >= input.rule.update_every && event.last_seen > event.reported;
            if input.awake && due {
                event.revision += 1;
                event.reported = input.at;
                let reason = reason::of_open(input.rule, event, input.at, &self.time_zone);
                out.push(self.violation(event, Transition::Updated, input.at, reason));
            }
        }
    }

    /// Expires events that no picture has shown clearly for too long.
    pub(super) fn expire(
        &self,
        at: WallTime,
        rule: &Rule,
        state: &mut RulesState,
        index: usize,
        out: &mut Vec<Violation>,
    ) {
        let lost = |s: &Spot| at.since(s.last_clear) >= rule.expire_after && !is_remembered(s);
        self.end(at, rule, state, index, out, lost, false);
    }

    /// Expires the events of removed rules.
    pub(super) fn expire_orphans(&self, at: WallTime, state: &mut RulesState, out: &mut Vec<Violation>) {
        for mut event in state.orphans.drain(..) {
            event.revision += 1;
            let reason = reason::of_orphan(&event, at, &self.time_zone);
            out.push(self.violation(&event, Transition::Expired, at, reason));
        }
    }

    /// Removes the things that are `over`, and ends the events that have none left.
    #[expect(clippy::too_many_arguments, reason = "one ending for both causes")]
    fn end(
        &self,
        at: WallTime,
        rule: &Rule,
        state: &mut RulesState,
        index: usize,
        out: &mut Vec<Violation>,
        over: impl Fn(&Spot) -> bool,
        clearly: bool,
    ) {
        let rule_state = &mut state.rules[index];
        rule_state.spots.retain(|s| !over(s));
        let RuleState { spots, events, .. } = rule_state;
        let quiet = &mut state.quiet;
        events.retain_mut(|event| {
            if spots.iter().any(|s| s.event == Some(event.id)) {
                return true;
            }
            event.revision += 1;
            let (transition, reason) = if clearly {
                let until = at + rule.cool_down;
                let (class, places) = (event.class.clone(), std::mem::take(&mut event.places));
                quiet.push(Quiet { class, places, from: at, until });
                (Transition::Closed, reason::of_closed(rule, event, at, &self.time_zone))
            } else {
                (Transition::Expired, reason::of_expired(rule, event, at, &self.time_zone))
            };
            out.push(self.violation(event, transition, at, reason));
            false
        });
    }

    /// Adds each qualifying thing to an open event next to it, or opens a new event.
    fn open(&self, input: &RuleInput, state: &mut RulesState, index: usize, out: &mut Vec<Violation>) {
        let spots = &state.rules[index].spots;
        let mut ready: Vec<usize> =
            (0..spots.len()).filter(|i| spots[*i].event.is_none() && qualifies(input, &spots[*i])).collect();
        ready.sort_by_key(|i| (spots[*i].since, *i));
        let mut opened = Vec::new();
        // Joining enlarges an event, and then others may touch it. Repeat until nothing joins.
        loop {
            self.join(input.rule, &mut state.rules[index], &mut ready);
            let Some(next) = ready.iter().position(|i| self.may_open(input, state, index, *i)) else { break };
            let spot = ready.remove(next);
            opened.push(self.begin(input, state, index, spot));
        }
        for id in opened {
            let RuleState { spots, events, .. } = &mut state.rules[index];
            let event = events.iter_mut().find(|e| e.id == id).expect("opened above");
            refresh(event, spots, input);
            let reason = reason::of_open(input.rule, event, input.at, &self.time_zone);
            out.push(self.violation(event, Transition::Opened, input.at, reason));
        }
    }

    fn join(&self, rule: &Rule, state: &mut RuleState, ready: &mut Vec<usize>) {
        if matches!(rule.kind, RuleKind::Count { .. }) {
            return;
        }
        let beside = |a: &Spot, b: &Spot| {
            let near = match (rule.merge_m, &a.ground, &b.ground) {
                (Some(metres), Some(p), Some(q)) => f64::from(p.metres_to(q)) <= metres,
                _ => rule.merge_distance > 0.0 && touch(&a.rect, &b.rect, rule.merge_distance),
            };
            near || a.rect.iou(&b.rect) >= ONE_IOU
        };
        let RuleState { spots, events, .. } = state;
        loop {
            let found = ready.iter().enumerate().find_map(|(n, i)| {
                let mine = &spots[*i].rect;
                let member = spots.iter().find(|s| s.event.is_some() && beside(s, &spots[*i]));
                let event = member.and_then(|s| s.event);
                let in_view = |e: &Event| spots.iter().any(|s| s.event == Some(e.id) && is_shown(&s.rect));
                let over = || events.iter().find(|e| e.rect.iou(mine) >= ONE_IOU && in_view(e)).map(|e| e.id);
                event.or_else(over).map(|id| (n, *i, id))
            });
            let Some((n, i, id)) = found else { return };
            ready.remove(n);
            spots[i].event = Some(id);
            if let Some(event) = events.iter_mut().find(|e| e.id == id) {
                remember(&mut event.places, spots[i].place);
            }
        }
    }

    /// Is the place not quiet, and the hourly cap not reached? Counts each thing held back by the cap once.
    fn may_open(&self, input: &RuleInput, state: &mut RulesState, index: usize, spot: usize) -> bool {
        if input.waits {
            return false;
        }
        let this = &mut state.rules[index].spots[spot];
        let (rect, standing) = (this.rect, stands(&input.rule.kind));
        let here = |p: &Rect| {
            let share = p.intersection(&rect) / rect.area().max(1e-9);
            p.iou(&rect) >= SAME_IOU || (!standing && share >= 0.5)
        };
        let class = &input.rule.class.id;
        let quiet = |q: &Quiet| q.class == *class && input.at < q.until && q.places.iter().any(here);
        if state.quiet.iter().any(quiet) || state.ignored.iter().any(|i| i.covers(class, &rect, input.at)) {
            return false;
        }
        state.opened.retain(|t| input.at.since(*t) < HOUR);
        if state.opened.len() < self.max_events_per_hour as usize {
            return true;
        }
        if !std::mem::replace(&mut this.suppressed, true) {
            state.suppressed += 1;
        }
        false
    }

    fn begin(&self, input: &RuleInput, state: &mut RulesState, index: usize, spot: usize) -> Uuid {
        state.counter += 1;
        state.opened.push(input.at);
        let (rule, at) = (input.rule, input.at);
        let spot = &mut state.rules[index].spots[spot];
        let id = event_id(&self.node, &self.camera, &rule.id, spot.since, state.counter);
        spot.event = Some(id);
        let event = Event {
            id,
            rule: rule.id.clone(),
            class: rule.class.id.clone(),
            zone: spot.zone.clone(),
            severity: rule.severity,
            revision: 0,
            started: spot.since,
            // A change is shown before and after; of a sequence also what left it.
            shown: if spot.change.is_some() {
                spot.left_by.as_ref().and_then(|stop| stop.shown)
            } else {
                spot.shown
            },
            unwatched: spot.unwatched,
            reported: at,
            last_seen: at,
            confidence: 0.0,
            rect: spot.rect,
            objects: Vec::new(),
            places: vec![spot.place],
            permit: None,
            change: None,
        };
        state.rules[index].events.push(event);
        id
    }

    pub(super) fn violation(
        &self,
        event: &Event,
        transition: Transition,
        at: WallTime,
        reason: String,
    ) -> Violation {
        Violation {
            id: event.id,
            transition,
            revision: event.revision,
            camera: self.camera.clone(),
            rule: event.rule.clone(),
            class: event.class.clone(),
            zone: event.zone.clone(),
            severity: event.severity,
            started: event.started,
            shown: event.shown,
            watched: Some(event.last_seen.since(event.started).saturating_sub(event.unwatched)),
            at,
            last_seen: event.last_seen,
            confidence: event.confidence,
            rect: event.rect,
            objects: event.objects.clone(),
            permit: event.permit.clone(),
            rejected: false,
            reason,
            change: event.change.clone(),
        }
    }
}

/// Is it a change without an event that the memory of the place still knows? Its time runs on through night
/// and weather.
fn is_remembered(spot: &Spot) -> bool {
    spot.event.is_none() && spot.change.is_some() && spot.track != LOST
}

/// The id of an event; a replay gives the same.
fn event_id(node: &str, camera: &CameraId, rule: &str, started: WallTime, counter: u64) -> Uuid {
    let id = DerivedId::new("").name(node).name(camera.as_str()).name(rule);
    id.time(started).number(counter).at(started)
}

/// Updates an event from its things. It stays as it is if none of them is in the picture.
fn refresh(event: &mut Event, spots: &[Spot], input: &RuleInput) {
    let members = || spots.iter().filter(|s| s.event == Some(event.id));
    let Some(seen) = members().filter(|s| s.seen_now).map(|s| s.last_seen).max() else { return };
    event.last_seen = seen;
    event.unwatched = members().map(|s| s.unwatched).min().unwrap_or(event.unwatched);
    let objects: Vec<ViolationObject> = members().flat_map(|spot| objects(spot, input.second_look)).collect();
    let boxes =
        members().filter(|s| s.seen_now || is_shown(&s.rect)).map(|s| s.rect).reduce(|a, b| around(&a, &b));
    let confidence = confidence(members(), input.confidences);
    let moved: Vec<(Rect, Rect)> = members().map(|s| (s.place, s.rect)).collect();
    (event.objects, event.confidence) = (objects, confidence);
    event.rect = boxes.unwrap_or(event.rect);
    event.change = change(members()).or(event.change.take());
    for (place, now) in moved {
        // The path of a moving thing is its place.
        match event.places.iter_mut().find(|p| around(p, &place) == **p) {
            Some(way) => *way = around(way, &now),
            None => remember(&mut event.places, around(&place, &now)),
        }
    }
}

/// The largest change of an event, with the objects next to any of its changes.
fn change<'a>(members: impl Iterator<Item = &'a Spot> + Clone) -> Option<Box<ChangeFacts>> {
    let share = |s: &Spot| s.change.as_ref().map_or(0.0, |c| c.share);
    let largest =
        members.clone().filter(|s| s.change.is_some()).max_by(|a, b| share(a).total_cmp(&share(b)))?;
    let mut near: Vec<_> = members.flat_map(|s| &s.near).cloned().collect();
    near.sort_unstable();
    near.dedup();
    let left_by = largest.left_by.as_ref().map(|s| (s.class.clone(), s.from, s.to));
    Some(Box::new(ChangeFacts { region: largest.change.clone()?, near, left_by, flights: None }))
}

fn remember(places: &mut Vec<Rect>, place: Rect) {
    if places.len() >= MAX_PLACES {
        places.remove(0);
    }
    places.push(place);
}

fn objects(spot: &Spot, model: Option<&SecondLookManifest>) -> Vec<ViolationObject> {
    if !spot.counted.is_empty() {
        return spot.counted.clone();
    }
    let (class, ground) = (spot.class.clone(), spot.ground.clone());
    let second_look = bounds(model, spot).and_then(|bounds| spot.answers.facts(bounds));
    vec![ViolationObject {
        class,
        track: spot.track,
        score: spot.score,
        rect: spot.rect,
        ground,
        second_look,
    }]
}

/// What the mean scores of all members and the answers of second looks are worth, weighted by looks and raised by
/// each kind of companion. 0 to 1.
fn confidence<'a>(members: impl Iterator<Item = &'a Spot> + Clone, maps: &ConfidenceMaps) -> f32 {
    let worth = |s: &Spot| {
        let found = maps.confidence(&s.class, mean_score(s.scores));
        f64::from(s.answers.mean().map_or(found, |answer| (found + answer) / 2.0))
    };
    let add = |(sum, n): (f64, u64), s: &Spot| (sum + worth(s) * s.scores.1 as f64, n + s.scores.1);
    let (sum, looks) = members.clone().fold((0.0, 0), add);
    let mean = (sum / looks.max(1) as f64) as f32;
    let mut kinds: Vec<_> = members.flat_map(|s| &s.companions).collect();
    kinds.sort_unstable();
    kinds.dedup();
    raised(mean, kinds.len()).clamp(0.0, 1.0)
}
