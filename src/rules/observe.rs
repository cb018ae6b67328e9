//! One picture against the things that a rule watches: which are still there, which are clearly gone, which are new.

use std::collections::BTreeSet;
use std::time::Duration;

use super::appearance::Appearance;
use super::camera::Thresholds;
use super::change::{is_believed, observe_changes};
use super::geometry::{
    ONE_IOU, SAME_IOU, around, clear_of_line, crosses, heights_between, hides, is_near, is_shown,
};
use super::state::{History, Quiet, RuleState, Slot, Spot};
use super::{Changes, ViolationObject};
use crate::base::{WallTime, ZoneId};
use crate::config::{Rule, RuleKind, Zone, ZoneArea};
use crate::decode::{GrayPatch, Picture};
use crate::track::Track;

/// Things that a rule holds at a time; more is a scene that no rule can judge.
pub(super) const MAX_SPOTS: usize = 512;
/// A standing thing that is not seen for less than this has not left.
const FLICKER: Duration = Duration::from_secs(3);
/// How far a place goes towards its thing with each picture of a camera that moves.
const DRIFT: f32 = 0.05;
/// Classes of which one may follow another on the same place.
const FLOWING: [&str; 6] = ["car", "van", "truck", "bus", "dump_truck", "concrete_mixer"];
/// Score that counts where neither rule nor model says one.
const DEFAULT_SCORE: f32 = 0.3;

/// One picture as a rule sees it.
pub(super) struct RuleInput<'a> {
    pub(super) at: WallTime,
    pub(super) tracks: &'a [Track],
    pub(super) changes: Option<&'a Changes>,
    pub(super) picture: Option<&'a Picture>,
    pub(super) thresholds: &'a Thresholds,
    pub(super) rule: &'a Rule,
    pub(super) awake: bool,
    /// The camera moves: places drift with the errors of its motion.
    pub(super) moving: bool,
    /// There was a picture shortly before: what is new now has just come.
    pub(super) watched_before: bool,
}

/// Brings the rule's things up to this picture. Gives the number of new things passed over as too many.
pub(super) fn observe(input: &RuleInput, quiet: &[Quiet], state: &mut RuleState) -> u64 {
    let RuleState { spots, stops, .. } = state;
    spots.iter_mut().for_each(|s| s.seen_now = false);
    let passed_over = match &input.rule.kind {
        RuleKind::Count { limit, .. } => observe_count(input, *limit as usize, quiet, spots),
        RuleKind::Change { .. } | RuleKind::Sequence { .. } => {
            observe_changes(input, quiet, spots, stops);
            0
        }
        _ => observe_things(input, quiet, spots),
    };
    if !input.awake && counts_waking_time(&input.rule.kind) {
        spots.iter_mut().filter(|s| s.event.is_none()).for_each(|s| s.since = input.at);
    }
    passed_over
}

/// Clearly absent in enough pictures; a thing that stands, also for long enough: at ten pictures a second a flicker of
/// the detector is not a departure.
pub(super) fn is_gone(input: &RuleInput, spot: &Spot) -> bool {
    let (n, m) = input.rule.hysteresis;
    let long_enough = !stands(&input.rule.kind) || input.at.since(spot.last_seen) >= FLICKER;
    spot.history.of_last(m).1 >= n && long_enough
}

/// Everything holds that an event needs, but for quiet times and the cap.
pub(super) fn qualifies(input: &RuleInput, spot: &Spot) -> bool {
    let (dwell, must_happen) = match input.rule.kind {
        RuleKind::Presence { dwell, .. }
        | RuleKind::Count { dwell, .. }
        | RuleKind::CompanionAbsent { dwell, .. }
        | RuleKind::Change { dwell, .. }
        | RuleKind::Sequence { dwell, .. }
        | RuleKind::LongDwell { dwell } => (dwell, false),
        RuleKind::Entry | RuleKind::LineCrossing { .. } => (Duration::ZERO, true),
    };
    let (seen, of) = input.rule.hysteresis;
    input.awake
        && spot.seen_now
        && (spot.happened || !must_happen)
        && input.at.since(spot.since) >= dwell
        && spot.history.of_last(of).0 >= seen
        && (!input.rule.kind.is_change() || is_believed(input, spot))
}

/// Things of this kind are known by their place; others move and are known by their track.
pub(super) fn stands(kind: &RuleKind) -> bool {
    matches!(kind, RuleKind::Presence { still: true, .. } | RuleKind::LongDwell { .. }) || kind.is_change()
}

fn counts_waking_time(kind: &RuleKind) -> bool {
    !kind.is_change()
        && !matches!(kind, RuleKind::LongDwell { .. } | RuleKind::Entry | RuleKind::LineCrossing { .. })
}

fn observe_things(input: &RuleInput, quiet: &[Quiet], spots: &mut Vec<Spot>) -> u64 {
    let rule = input.rule;
    let seen: Vec<&Track> =
        input.tracks.iter().filter(|t| t.seen_now && rule.objects.contains(&t.class)).collect();
    let of_spot = recognise(&rule.kind, spots, &seen);
    let mut taken = vec![false; seen.len()];
    for (spot, found) in spots.iter_mut().zip(&of_spot) {
        match found {
            Some(i) => {
                taken[*i] = true;
                see(input, spot, seen[*i]);
            }
            None => miss(input, spot),
        }
    }
    let known = spots.len();
    let mut passed_over = 0;
    for (track, _) in seen.iter().zip(taken).filter(|(_, taken)| !taken) {
        // A second box on a thing that is known, or was found a moment ago, is the same thing.
        let double = spots.iter().any(|s| s.seen_now && s.rect.iou(&track.rect) >= ONE_IOU);
        let Some(spot) = (!double).then(|| begin(input, quiet, track)).flatten() else { continue };
        if spots.len() < MAX_SPOTS {
            spots.push(spot);
        } else {
            passed_over += 1;
        }
    }
    for spot in &mut spots[known..] {
        note_companions(input, spot);
    }
    passed_over
}

/// For each spot the track that is the same thing: by track, then by place, the best overlap first.
fn recognise(kind: &RuleKind, spots: &[Spot], seen: &[&Track]) -> Vec<Option<usize>> {
    let stands = stands(kind);
    let mut of_spot: Vec<Option<usize>> = vec![None; spots.len()];
    let mut taken = vec![false; seen.len()];
    for (spot, found) in spots.iter().zip(&mut of_spot) {
        // After a restart numbers begin again; a track that began after the spot was last seen is another one.
        let same = |t: &&Track| {
            t.id == spot.track && t.first_seen <= spot.last_seen && (!stands || is_near(&spot.place, &t.rect))
        };
        *found = seen.iter().position(same).filter(|i| !std::mem::replace(&mut taken[*i], true));
    }
    let place = |s: &Spot| if stands { s.place } else { s.rect };
    let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
    for (s, spot) in spots.iter().enumerate().filter(|(s, _)| of_spot[*s].is_none()) {
        for (t, track) in seen.iter().enumerate().filter(|(t, _)| !taken[*t]) {
            let overlap = place(spot).iou(&track.rect);
            if overlap >= SAME_IOU {
                pairs.push((overlap, s, t));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    for (_, s, t) in pairs {
        if of_spot[s].is_none() && !taken[t] {
            (of_spot[s], taken[t]) = (Some(t), true);
        }
    }
    of_spot
}

fn see(input: &RuleInput, spot: &mut Spot, track: &Track) {
    let holds = stands(&input.rule.kind) || condition(input, track).is_some();
    spot.track = track.id;
    spot.class = track.class.clone();
    spot.rect = track.rect;
    spot.ground.clone_from(&track.ground);
    if !holds {
        clearly_absent(input, spot);
        return;
    }
    if let RuleKind::LineCrossing { line, direction } = input.rule.kind
        && let Some(now) = clear_of_line(line, &track.rect)
    {
        let crossed = spot.beside.is_some_and(|before| crosses(line, direction, before, now));
        if crossed && input.awake && !spot.happened && zone_of(input.rule, track).is_some() {
            (spot.happened, spot.since) = (true, input.at);
        }
        spot.beside = Some(now);
    }
    if input.moving {
        spot.place = spot.place.towards(&track.rect, DRIFT);
    }
    // One vehicle after another on the same place is none that stands.
    if let Some(dwell) = judged_by_look(input, spot)
        && let Some(now) = input.picture.and_then(|picture| GrayPatch::of(picture, &spot.place))
        && spot.look.is_another(input.at, now, dwell)
    {
        (spot.since, spot.history) = (input.at, History::default());
    }
    spot.score = track.score;
    add_score(spot, track.score);
    mark_seen(input, spot);
    note_companions(input, spot);
}

/// The dwell of what flows past like no other thing, and does not change its shape: vehicles that have not stood long enough
/// yet, seen by a camera that stands itself.
fn judged_by_look(input: &RuleInput, spot: &Spot) -> Option<Duration> {
    let (RuleKind::Presence { dwell, still: true } | RuleKind::LongDwell { dwell }) = input.rule.kind else {
        return None;
    };
    (spot.event.is_none() && !input.moving && FLOWING.contains(&spot.class.as_str())).then_some(dwell)
}

fn miss(input: &RuleInput, spot: &mut Spot) {
    // What stood beside it before hides nothing that it did not hide then; what came since does.
    let hidden = input.tracks.iter().any(|t| {
        t.seen_now && t.id != spot.track && t.still_since > spot.last_seen && hides(&t.rect, &spot.rect)
    });
    // A camera that moves looks away from things: what the picture does not show is not gone.
    if !hidden && is_shown(&spot.rect) {
        clearly_absent(input, spot);
    }
}

/// A new thing, if it meets the rule's condition strongly enough.
fn begin(input: &RuleInput, quiet: &[Quiet], track: &Track) -> Option<Spot> {
    let (rule, at) = (input.rule, input.at);
    let least =
        rule.min_score.or_else(|| input.thresholds.get(&track.class).copied()).unwrap_or(DEFAULT_SCORE);
    let zone = condition(input, track)?;
    let still_for = at.since(track.still_since);
    let since = match rule.kind {
        RuleKind::LongDwell { dwell } if still_for < slot_length(dwell) => return None,
        RuleKind::Presence { still: true, .. } if still_for.is_zero() => return None,
        RuleKind::Presence { still: true, .. } | RuleKind::LongDwell { .. } => track.still_since,
        _ => at,
    };
    let mut spot = begin_at(input, quiet, track, zone, since);
    if let RuleKind::LineCrossing { line, .. } = rule.kind {
        spot.beside = clear_of_line(line, &track.rect);
    }
    add_score(&mut spot, track.score);
    mark_seen(input, &mut spot);
    (track.score >= least && fits(rule, track)).then_some(spot)
}

/// A change that was found.
pub(super) fn begin_spot(input: &RuleInput, quiet: &[Quiet], track: &Track, zone: Option<ZoneId>) -> Spot {
    let since = track.first_seen;
    let mut spot = begin_at(input, quiet, track, zone, since);
    spot.happened = true;
    spot
}

fn begin_at(
    input: &RuleInput,
    quiet: &[Quiet],
    track: &Track,
    zone: Option<ZoneId>,
    since: WallTime,
) -> Spot {
    let (rule, at) = (input.rule, input.at);
    // What was clearly gone has not been there since before it went.
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
        look: Appearance::default(),
    }
}

fn fits(rule: &Rule, track: &Track) -> bool {
    rule.fits(track.ground.as_ref().map(|g| f64::from(g.area_m2)))
}

/// The zone in which the thing meets the rule's condition in this picture; the inner `None` is the whole picture.
fn condition(input: &RuleInput, track: &Track) -> Option<Option<ZoneId>> {
    match input.rule.kind {
        RuleKind::LineCrossing { .. } => Some(zone_of(input.rule, track).flatten()),
        RuleKind::CompanionAbsent { distance, distance_m, .. } => {
            // A companion that is hidden for a moment is still there: all live tracks count.
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

fn stands_in(zone: &Zone, track: &Track) -> bool {
    match &zone.area {
        ZoneArea::Picture(polygon) => polygon.contains(track.rect.bottom_center()),
        ZoneArea::Ground { .. } => track.ground.as_ref().is_some_and(|g| g.zones.contains(&zone.id)),
    }
}

fn mark_seen(input: &RuleInput, spot: &mut Spot) {
    (spot.last_seen, spot.last_clear, spot.seen_now) = (input.at, input.at, true);
    match input.rule.kind {
        RuleKind::LongDwell { dwell } => {
            end_slot(input.at, dwell, spot);
            spot.slot.seen = true;
        }
        _ => spot.history.push(true),
    }
}

fn clearly_absent(input: &RuleInput, spot: &mut Spot) {
    if let RuleKind::LongDwell { dwell } = input.rule.kind {
        end_slot(input.at, dwell, spot);
        // A picture in which nothing at all is seen may be a night: it says nothing.
        spot.slot.absent |= input.tracks.iter().any(|t| t.seen_now && t.id != spot.track);
    } else {
        spot.last_clear = input.at;
        spot.history.push(false);
    }
}

fn end_slot(at: WallTime, dwell: Duration, spot: &mut Spot) {
    if at.since(spot.slot.start) < slot_length(dwell) {
        return;
    }
    if spot.slot.seen || spot.slot.absent {
        spot.history.push(spot.slot.seen);
        spot.last_clear = at;
    }
    spot.slot = Slot { start: at, seen: false, absent: false };
}

/// A long dwell is judged by stretches of a 48th of it, but no longer than an hour.
pub(super) fn slot_length(dwell: Duration) -> Duration {
    (dwell / 48).clamp(Duration::from_secs(1), Duration::from_secs(3600))
}

fn note_companions(input: &RuleInput, spot: &mut Spot) {
    if matches!(input.rule.kind, RuleKind::CompanionAbsent { .. }) || input.rule.companions.is_empty() {
        return;
    }
    for track in input.tracks.iter().filter(|t| t.seen_now && input.rule.companions.contains(&t.class)) {
        if zone_of(input.rule, track).is_some_and(|zone| zone == spot.zone) {
            spot.companions.insert(track.class.clone());
        }
    }
}

fn add_score(spot: &mut Spot, score: f32) {
    let score = if score.is_finite() { score.clamp(0.0, 1.0) } else { 0.0 };
    spot.scores.0 += (score * 10_000.0).round() as u64;
    spot.scores.1 += 1;
}

/// For a count the watched thing is the zone: present while more than `limit` are in it.
fn observe_count(input: &RuleInput, limit: usize, quiet: &[Quiet], spots: &mut Vec<Spot>) -> u64 {
    let rule = input.rule;
    let zones: Vec<Option<ZoneId>> = if rule.zones.is_empty() {
        vec![None]
    } else {
        rule.zones.iter().map(|z| Some(z.id.clone())).collect()
    };
    for zone in zones {
        let inside = inside(input, zone.as_ref());
        let over = inside.len() > limit;
        let index = match spots.iter().position(|s| s.zone == zone) {
            Some(index) => index,
            None if over => {
                let Some(mut spot) = inside.first().and_then(|t| begin(input, quiet, t)) else { continue };
                (spot.zone, spot.history, spot.scores) = (zone, History::default(), (0, 0));
                spots.push(spot);
                spots.len() - 1
            }
            None => continue,
        };
        let spot = &mut spots[index];
        if !over {
            clearly_absent(input, spot);
            continue;
        }
        let boxes = inside.iter().map(|t| t.rect);
        spot.rect = boxes.reduce(|a, b| around(&a, &b)).unwrap_or(spot.rect);
        spot.counted = inside.iter().map(|t| object(t)).collect();
        inside.iter().for_each(|t| add_score(spot, t.score));
        mark_seen(input, spot);
        note_companions(input, spot);
    }
    0
}

/// What counts in the zone, each thing once, best first.
fn inside<'a>(input: &RuleInput<'a>, zone: Option<&ZoneId>) -> Vec<&'a Track> {
    let rule = input.rule;
    let least = |t: &Track| {
        rule.min_score.or_else(|| input.thresholds.get(&t.class).copied()).unwrap_or(DEFAULT_SCORE)
    };
    let zone = zone.and_then(|id| rule.zones.iter().find(|z| z.id == *id));
    let mut found: Vec<&Track> = input
        .tracks
        .iter()
        .filter(|t| t.seen_now && rule.objects.contains(&t.class) && t.score >= least(t))
        .filter(|t| fits(rule, t) && zone.is_none_or(|z| stands_in(z, t)))
        .collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    let mut once: Vec<&Track> = Vec::new();
    for track in found {
        if !once.iter().any(|t| t.rect.iou(&track.rect) > 0.7) {
            once.push(track);
        }
    }
    once
}

fn object(track: &Track) -> ViolationObject {
    let (class, ground) = (track.class.clone(), track.ground.clone());
    ViolationObject { class, track: track.id, score: track.score, rect: track.rect, ground }
}
