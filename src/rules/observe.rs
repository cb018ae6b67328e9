//! Compares a picture with the things that a rule watches: which are still there, which are gone, which are new.

use std::time::Duration;

use super::change::{is_confirmed, observe_changes};
use super::count::observe_count;
use super::geometry::{ONE_IOU, SAME_IOU, clear_of_line, crosses, hides, is_near, is_shown};
use super::input::RuleInput;
use super::spot::{
    MAX_SPOTS, add_score, begin, clearly_absent, condition, mark_seen, note_companions, stands, zone_of,
};
use super::state::{History, Quiet, RuleState, Spot};
use crate::config::RuleKind;
use crate::decode::GrayPatch;
use crate::track::Track;

/// A standing thing has not left until it was unseen for this long.
const FLICKER: Duration = Duration::from_secs(3);
/// How fast a place follows its thing, per picture of a moving camera.
const DRIFT: f32 = 0.05;

/// Updates the rule's things from this picture. Returns how many new things were skipped as too many.
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

/// Has the thing clearly been absent in enough pictures? A standing thing must also be unseen for long enough, because the
/// detector may flicker for some pictures.
pub(super) fn is_gone(input: &RuleInput, spot: &Spot) -> bool {
    let (n, m) = input.rule.hysteresis;
    let long_enough = !stands(&input.rule.kind) || input.at.since(spot.last_seen) >= FLICKER;
    spot.history.of_last(m).1 >= n && long_enough
}

/// Does the thing meet the rule, apart from quiet places and the cap?
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
        && (!input.rule.kind.is_change() || is_confirmed(input, spot))
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
        // A second box on a known thing is the same thing.
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

/// Finds the track of each spot: by id, then by place, best overlap first.
fn recognise(kind: &RuleKind, spots: &[Spot], seen: &[&Track]) -> Vec<Option<usize>> {
    let stands = stands(kind);
    let mut of_spot: Vec<Option<usize>> = vec![None; spots.len()];
    let mut taken = vec![false; seen.len()];
    for (spot, found) in spots.iter().zip(&mut of_spot) {
        // Track ids restart with the program. A track that began after the spot was last seen is another one.
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
    // Vehicles that follow each other at one place are not one that stands.
    if let Some(dwell) = judged_by_appearance(input, spot)
        && let Some(now) = input.picture.and_then(|picture| GrayPatch::of(picture, &spot.place))
        && spot.appearance.push(input.at, now, dwell)
    {
        (spot.since, spot.history) = (input.at, History::default());
    }
    spot.score = track.score;
    add_score(spot, track.score);
    mark_seen(input, spot);
    note_companions(input, spot);
}

/// The dwell of a vehicle that has not stood long enough yet, in the view of a fixed camera. Only vehicles flow past and
/// keep their shape.
fn judged_by_appearance(input: &RuleInput, spot: &Spot) -> Option<Duration> {
    let (RuleKind::Presence { dwell, still: true } | RuleKind::LongDwell { dwell }) = input.rule.kind else {
        return None;
    };
    (spot.event.is_none() && !input.moving && input.kinds.flows(&spot.class)).then_some(dwell)
}

fn miss(input: &RuleInput, spot: &mut Spot) {
    // Only things that came since it was last seen can hide it now.
    let hidden = input.tracks.iter().any(|t| {
        t.seen_now && t.id != spot.track && t.still_since > spot.last_seen && hides(&t.rect, &spot.rect)
    });
    // A moving camera turns away from things. What is outside the picture is not gone.
    if !hidden && is_shown(&spot.rect) {
        clearly_absent(input, spot);
    }
}
