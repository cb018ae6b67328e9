//! The things that a rule watches: how they begin, and what each picture adds.

use std::collections::BTreeSet;
use std::time::Duration;

use super::answers::Answers;
use super::appearance::Appearance;
use super::geometry::{SAME_IOU, clear_of_line, heights_between};
use super::input::RuleInput;
use super::state::{Arrival, EventSight, History, Quiet, Slot, Spot};
use crate::base::{ClassName, TrackId, WallTime, ZoneId};
use crate::config::{Rule, RuleKind, Zone, ZoneArea};
use crate::observation::{AS_CLOSE, Before};
use crate::track::Track;

/// The most things that a rule holds. No rule can judge a scene with more.
pub(super) const MAX_SPOTS: usize = 512;
/// The region id of a spot whose region was lost with the memory of the place, until it is found again.
pub(super) const LOST: TrackId = TrackId(1 << 32);
/// The least score if neither the rule nor the model sets one.
pub(super) const DEFAULT_SCORE: f32 = 0.3;

/// Does the rule watch standing things? They are recognised by their place, others by their track.
pub(super) fn stands(kind: &RuleKind) -> bool {
    matches!(kind, RuleKind::Presence { still: true, .. } | RuleKind::LongDwell { .. }) || kind.is_change()
}

/// A new thing, if it meets the rule's condition with enough score.
pub(super) fn begin(input: &RuleInput, quiet: &[Quiet], track: &Track) -> Option<Spot> {
    let (rule, at) = (input.rule, input.at);
    let zone = condition(input, track)?;
    let still_for = at.since(track.still_since);
    let since = match rule.kind {
        RuleKind::LongDwell { dwell } if still_for < slot_length(dwell) => return None,
        RuleKind::Presence { still: true, .. } if still_for.is_zero() => return None,
        RuleKind::Presence { still: true, .. } => track.still_since.max(track.found_since),
        RuleKind::LongDwell { .. } => track.still_since,
        _ => at,
    };
    let since = since.max(input.watched_from);
    let mut spot = begin_at(input, quiet, track, zone, since);
    note_arrival(input, &mut spot);
    // The looks that made the track count too.
    if stands(&rule.kind) {
        spot.history.fill(true, track.hits.saturating_sub(1).min(rule.hysteresis.1));
    }
    if let RuleKind::LineCrossing { line, .. } = rule.kind {
        spot.beside = clear_of_line(line, &track.rect);
    }
    add_score(&mut spot, track);
    mark_seen(input, &mut spot);
    (track.score >= least(input, &track.class) && fits(rule, track)).then_some(spot)
}

/// The least score of an object of the class: the rule's, else the model's.
pub(super) fn least(input: &RuleInput, class: &ClassName) -> f32 {
    let of_model = || input.thresholds.get(class).copied();
    input.rule.min_score.or_else(of_model).unwrap_or(DEFAULT_SCORE)
}

/// How long the condition has been met while the camera watched.
pub(super) fn stood(spot: &Spot, at: WallTime) -> Duration {
    at.since(spot.since).saturating_sub(spot.unwatched)
}

/// The time that counts as dwell. Lasting changes and days of standing run on through nights, and are
/// recognised by their look afterwards.
pub(super) fn time_of(input: &RuleInput, spot: &Spot) -> Duration {
    match input.rule.kind {
        RuleKind::Change { .. } | RuleKind::Sequence { .. } | RuleKind::LongDwell { .. } => {
            input.at.since(spot.since)
        }
        _ => stood(spot, input.at),
    }
}

/// Notes whether a new thing came while the camera watched. What came is a thing; what was always there may
/// be the scene.
fn note_arrival(input: &RuleInput, spot: &mut Spot) {
    let may_be_scene = matches!(
        input.rule.kind,
        RuleKind::Presence { .. }
            | RuleKind::Entry
            | RuleKind::LongDwell { .. }
            | RuleKind::CompanionAbsent { .. }
    );
    if may_be_scene && input.before(&spot.rect) == Some(Before::Same) {
        spot.arrival = Arrival::PresentAtStart;
        spot.happened = false;
    }
}

/// A new change.
pub(super) fn begin_spot(input: &RuleInput, quiet: &[Quiet], track: &Track, zone: Option<ZoneId>) -> Spot {
    let since = track.first_seen;
    let mut spot = begin_at(input, quiet, track, zone, since);
    spot.happened = true;
    spot
}

pub(super) fn begin_at(
    input: &RuleInput,
    quiet: &[Quiet],
    track: &Track,
    zone: Option<ZoneId>,
    since: WallTime,
) -> Spot {
    let (rule, at) = (input.rule, input.at);
    // A thing cannot have been here since before the place was last clear.
    let same =
        |q: &&Quiet| q.class == rule.class.id && q.places.iter().any(|p| p.iou(&track.rect) >= SAME_IOU);
    let since = quiet.iter().filter(same).map(|q| q.from).fold(since, WallTime::max).min(at);
    Spot {
        track: track.id,
        class: track.class.clone(),
        zone,
        place: track.rect,
        rect: track.rect,
        ground: track.ground.clone(),
        score: track.score,
        since,
        shown: Some(at),
        unwatched: Duration::ZERO,
        arrival: Arrival::Came,
        scale: track.scale,
        unsure_since: None,
        last_seen: at,
        last_clear: at,
        seen_now: false,
        history: History::default(),
        happened: rule.kind == RuleKind::Entry && input.awake && input.watched_before,
        beside: None,
        slot: Slot { start: at, seen: false, absent: false },
        companions: BTreeSet::new(),
        counted: Vec::new(),
        scores: (0, 0),
        suppressed: false,
        event: None,
        change: None,
        near: BTreeSet::new(),
        left_by: None,
        answers: Answers::default(),
        sight: EventSight::default(),
        appearance: Appearance::default(),
    }
}

pub(super) fn fits(rule: &Rule, track: &Track) -> bool {
    rule.fits(track.ground.as_ref().map(|g| f64::from(g.area_m2)))
}

/// The zone in which the thing meets the rule's condition now. The inner `None` is the whole picture.
pub(super) fn condition(input: &RuleInput, track: &Track) -> Option<Option<ZoneId>> {
    match input.rule.kind {
        RuleKind::LineCrossing { .. } => Some(zone_of(input.rule, track).flatten()),
        RuleKind::CompanionAbsent { distance, distance_m, .. } => {
            // All live tracks count: a companion that is hidden for a moment is still there.
            let near = |t: &Track| match (distance_m, &track.ground, &t.ground) {
                (Some(metres), Some(a), Some(b)) => f64::from(a.metres_to(b)) <= metres,
                _ => heights_between(&track.rect, &t.rect) <= distance,
            };
            let companion = |t: &Track| input.rule.companions.contains(&t.class) && near(t);
            zone_of(input.rule, track).filter(|_| !input.tracks.iter().any(companion))
        }
        _ => zone_of(input.rule, track),
    }
}

/// The first of the rule's zones in which the thing stands.
pub(super) fn zone_of(rule: &Rule, track: &Track) -> Option<Option<ZoneId>> {
    if rule.zones.is_empty() {
        return Some(None);
    }
    rule.zones.iter().find(|z| stands_in(z, track)).map(|z| Some(z.id.clone()))
}

pub(super) fn stands_in(zone: &Zone, track: &Track) -> bool {
    match &zone.area {
        ZoneArea::Picture(polygon) => polygon.contains(track.rect.bottom_center()),
        ZoneArea::Ground { .. } => track.ground.as_ref().is_some_and(|g| g.zones.contains(&zone.id)),
    }
}

pub(super) fn mark_seen(input: &RuleInput, spot: &mut Spot) {
    (spot.last_seen, spot.last_clear, spot.seen_now) = (input.at, input.at, true);
    spot.unsure_since = None;
    spot.sight = EventSight::Here;
    match input.rule.kind {
        RuleKind::LongDwell { dwell } => {
            end_slot(input.at, dwell, spot);
            spot.slot.seen = true;
        }
        // A repeated answer is no new look.
        _ if input.observation.is_new => spot.history.push(input.at, true),
        _ => {}
    }
}

pub(super) fn clearly_absent(input: &RuleInput, spot: &mut Spot) {
    if let RuleKind::LongDwell { dwell } = input.rule.kind {
        end_slot(input.at, dwell, spot);
        // A picture without any object may be night and says nothing.
        spot.slot.absent |= input.tracks.iter().any(|t| t.seen_now && t.id != spot.track);
    } else {
        spot.last_clear = input.at;
        spot.history.push(input.at, false);
    }
}

pub(super) fn end_slot(at: WallTime, dwell: Duration, spot: &mut Spot) {
    if at.since(spot.slot.start) < slot_length(dwell) {
        return;
    }
    if spot.slot.seen || spot.slot.absent {
        spot.history.push(at, spot.slot.seen);
        spot.last_clear = at;
    }
    spot.slot = Slot { start: at, seen: false, absent: false };
}

/// A long dwell is judged in stretches of one 48th of it, but no longer than an hour.
pub(super) fn slot_length(dwell: Duration) -> Duration {
    (dwell / 48).clamp(Duration::from_secs(1), Duration::from_secs(3600))
}

pub(super) fn note_companions(input: &RuleInput, spot: &mut Spot) {
    if matches!(input.rule.kind, RuleKind::CompanionAbsent { .. }) || input.rule.companions.is_empty() {
        return;
    }
    for track in input.tracks.iter().filter(|t| t.seen_now && input.rule.companions.contains(&t.class)) {
        if zone_of(input.rule, track).is_some_and(|zone| zone == spot.zone) {
            spot.companions.insert(track.class.clone());
        }
    }
}

/// The mean of a sum of scores in ten-thousandths over a number of looks, 0 to 1.
pub(super) fn mean_score((sum, looks): (u64, u64)) -> f32 {
    sum as f32 / (looks.max(1) as f32 * 10_000.0)
}

/// Adds the score of a look. Looks from farther away than the closest one say less and do not count.
pub(super) fn add_score(spot: &mut Spot, track: &Track) {
    if track.scale < AS_CLOSE * spot.scale {
        return;
    }
    if spot.scale < AS_CLOSE * track.scale {
        spot.scores = (0, 0);
    }
    spot.scale = spot.scale.max(track.scale);
    let score = track.score;
    let score = if score.is_finite() { score.clamp(0.0, 1.0) } else { 0.0 };
    spot.scores.0 += (score * 10_000.0).round() as u64;
    spot.scores.1 += 1;
}
