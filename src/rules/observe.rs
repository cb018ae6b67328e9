//! Compares a picture with the things that a rule watches: which are still there, which are gone, which are
//! new.

use std::time::Duration;

use super::answers::Answers;
use super::appearance::Sight;
use super::change::{is_confirmed, observe_changes};
use super::count::observe_count;
use super::geometry::{ONE_IOU, SAME_IOU, clear_of_line, crosses, hides, is_near, is_shown};
use super::input::RuleInput;
use super::second_look;
use super::spot::{
    MAX_SPOTS, add_score, begin, clearly_absent, condition, least, mark_seen, mean_score, note_companions,
    stands, time_of, zone_of,
};
use super::state::{Arrival, EventSight, History, Quiet, RuleState, Spot};
use crate::base::WallTime;
use crate::config::{PresentAtStart, RuleKind};
use crate::track::Track;

/// A thing has not left until it was unseen for this long, however many pictures that are.
const LEFT: Duration = Duration::from_secs(8);
/// A place that cannot be compared for this long goes by the detector alone, if the camera's view is
/// otherwise as usual.
const UNSURE: Duration = Duration::from_secs(120);
/// The view is as usual when so many of its blocks show their place.
const USUAL_VIEW: f32 = 0.7;
/// How fast a place follows its thing, per picture of a moving camera.
const DRIFT: f32 = 0.05;

/// Updates the rule's things from this picture. Returns how many new things were skipped as too many.
pub(super) fn observe(input: &RuleInput, quiet: &[Quiet], state: &mut RuleState) -> u64 {
    let RuleState { spots, stops, .. } = state;
    for spot in spots.iter_mut() {
        spot.seen_now = false;
        spot.sight = EventSight::NotLookedAt;
        spot.unwatched += input.unwatched();
    }
    let passed_over = match &input.rule.kind {
        // What cannot be seen is neither there nor gone.
        _ if !input.observation.visibility.is_clear() => 0,
        RuleKind::Count { limit, .. } => observe_count(input, *limit as usize, quiet, spots),
        RuleKind::Change { .. } | RuleKind::Sequence { .. } => {
            observe_changes(input, quiet, spots, stops);
            0
        }
        _ => observe_things(input, quiet, spots),
    };
    if !input.awake && counts_waking_time(&input.rule.kind) {
        spots.iter_mut().filter(|s| s.event.is_none()).for_each(|s| restart(s, input.at));
    }
    passed_over
}

/// Begins its time anew.
fn restart(spot: &mut Spot, at: WallTime) {
    (spot.since, spot.shown, spot.unwatched) = (at, None, Duration::ZERO);
}

/// Has the thing clearly been absent in enough looks, and for long enough? A picture in which nothing can be
/// seen ends nothing.
pub(super) fn is_gone(input: &RuleInput, spot: &Spot) -> bool {
    let (n, m) = input.rule.hysteresis;
    let judged = input.observation.visibility.is_clear() && input.observation.is_new;
    let long_enough = input.rule.kind.is_change() || input.at.since(spot.last_seen) >= LEFT;
    judged && long_enough && spot.history.of_last(m).1 >= n
}

/// Does the thing meet the rule, apart from quiet places and the cap?
pub(super) fn qualifies(input: &RuleInput, spot: &Spot) -> bool {
    let must_happen = matches!(input.rule.kind, RuleKind::Entry | RuleKind::LineCrossing { .. });
    let (seen, of) = input.rule.hysteresis;
    input.awake
        && spot.seen_now
        && (spot.happened || !must_happen)
        && time_of(input, spot) >= input.rule.kind.dwell()
        && is_sure(input, spot)
        && is_seen_enough(input, spot, (seen, of))
        && (!input.rule.kind.is_change() || is_confirmed(input, spot))
}

/// Have enough of the last looks seen it? For a thing that stands one is enough, if none missed it and another
/// network confirms it.
fn is_seen_enough(input: &RuleInput, spot: &Spot, (needed, of): (u32, u32)) -> bool {
    let (seen, missed) = spot.history.of_last(of);
    let always = seen >= 1 && missed == 0 && stands(&input.rule.kind);
    seen >= needed || (always && second_look::is_confirmed(input, spot))
}

/// Is it a thing, by all of its looks: its mean score, its look over time, and that it came?
fn is_sure(input: &RuleInput, spot: &Spot) -> bool {
    if input.rule.kind.is_change() {
        return true;
    }
    let seen_to_stand = !is_compared(input) || spot.appearance.is_one();
    may_be_told(input, spot)
        && mean_score(spot.scores) >= least(input, &spot.class)
        && seen_to_stand
        && second_look::allows(input, spot)
}

/// Does the rule compare the look of its things over time? In the view of a fixed camera, where there are
/// pictures.
fn is_compared(input: &RuleInput) -> bool {
    stands(&input.rule.kind) && input.fixed_picture().is_some()
}

/// What was there when the camera began may be the scene, so the rule may hold it back.
fn may_be_told(input: &RuleInput, spot: &Spot) -> bool {
    spot.arrival == Arrival::Came
        || match input.rule.present_at_start {
            PresentAtStart::Tell => true,
            PresentAtStart::Hold => second_look::is_sure(input, spot),
            PresentAtStart::Ignore => false,
        }
}

/// Would it be a violation, had it not been there from the start?
pub(super) fn is_held(input: &RuleInput, spot: &Spot) -> bool {
    spot.event.is_none() && input.rule.present_at_start == PresentAtStart::Hold && !may_be_told(input, spot)
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
    let stays = stands(&input.rule.kind) && spot.place.iou(&track.rect) >= ONE_IOU;
    let holds = stays || condition(input, track).is_some();
    spot.track = track.id;
    spot.class = track.class.clone();
    spot.rect = track.rect;
    spot.ground.clone_from(&track.ground);
    // What has moved is no part of the scene.
    if spot.arrival == Arrival::PresentAtStart && !is_near(&spot.place, &track.rect) {
        spot.arrival = Arrival::Came;
    }
    if !holds {
        clearly_absent(input, spot);
        return;
    }
    if let RuleKind::LineCrossing { line, direction } = input.rule.kind
        && let Some(now) = clear_of_line(line, &track.rect)
    {
        let crossed = spot.beside.is_some_and(|before| crosses(line, direction, before, now));
        if crossed && input.awake && !spot.happened && zone_of(input.rule, track).is_some() {
            spot.happened = true;
            restart(spot, input.at);
        }
        spot.beside = Some(now);
    }
    if input.moving {
        spot.place = spot.place.towards(&track.rect, DRIFT);
    }
    keep_appearance(input, spot);
    spot.shown.get_or_insert(input.at);
    spot.score = track.score;
    if input.observation.is_new {
        add_score(spot, track);
    }
    mark_seen(input, spot);
    note_companions(input, spot);
}

/// Keeps the look of the thing, in the view of a fixed camera. Vehicles that follow each other at one place
/// are not one that stands; only vehicles flow past and keep their shape.
fn keep_appearance(input: &RuleInput, spot: &mut Spot) {
    let Some(picture) = input.fixed_picture() else { return };
    let place = if stands(&input.rule.kind) { spot.place } else { spot.rect };
    let dwell = match input.rule.kind {
        RuleKind::Presence { dwell, still: true } | RuleKind::LongDwell { dwell } => Some(dwell),
        _ => None,
    };
    let another = spot.appearance.push(input.at, picture, &place, dwell.unwrap_or_default());
    if another && dwell.is_some() && spot.event.is_none() && input.kinds.flows(&spot.class) {
        restart(spot, input.at);
        (spot.history, spot.scores, spot.answers) = (History::default(), (0, 0), Answers::default());
    }
}

fn miss(input: &RuleInput, spot: &mut Spot) {
    // Only things that came since it was last seen can hide it now.
    let hidden = input.tracks.iter().any(|t| {
        t.seen_now && t.id != spot.track && t.still_since > spot.last_seen && hides(&t.rect, &spot.rect)
    });
    // A moving camera turns away from things. What is outside the picture is not gone.
    if hidden || !is_shown(&spot.rect) || !input.observation.looked_at(&spot.rect, spot.scale) {
        return;
    }
    let sight = input.fixed_picture().and_then(|picture| spot.appearance.find(picture));
    spot.sight = match sight {
        Some(Sight::Here) => EventSight::Here,
        Some(Sight::Unsure) => EventSight::Unsure,
        Some(Sight::Gone) | None => EventSight::Gone,
    };
    match sight {
        // The detector missed it.
        Some(Sight::Here) => {
            (spot.last_seen, spot.last_clear, spot.unsure_since) = (input.at, input.at, None);
            spot.slot.seen = true;
            if spot.event.is_none() && !matches!(input.rule.kind, RuleKind::LongDwell { .. }) {
                // A place that only looks alike makes no thing: the detector must say so often enough.
                spot.history.push(input.at, false);
            }
        }
        // An event stays open while nobody can say. What has none yet must be seen.
        Some(Sight::Unsure) if spot.event.is_some() => {
            let since = *spot.unsure_since.get_or_insert(input.at);
            let usual_view = input.observation.view.is_none_or(|share| share >= USUAL_VIEW);
            if usual_view && input.at.since(since) >= UNSURE {
                clearly_absent(input, spot);
            }
        }
        _ => {
            spot.unwatched += input.observation.watched;
            if sight == Some(Sight::Gone) && spot.event.is_none() && stands(&input.rule.kind) {
                // What comes to the place next is another thing.
                restart(spot, input.at);
            }
            clearly_absent(input, spot);
        }
    }
}
