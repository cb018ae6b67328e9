//! Rules about lasting changes of a place, and about changes that something left behind.

use std::time::Duration;

use super::constants::{BARE, IN_ZONE};
use super::geometry::{SAME_IOU, touch};
use super::input::{Changed, Changes, RuleInput};
use super::spot::{LOST, MAX_SPOTS, begin_spot, zone_of};
use super::state::{Quiet, Spot, Stop};
use crate::base::{Point, Polygon, Rect, WallTime, ZoneId};
use crate::change::{ChangeRegion, Seen};
use crate::config::{RuleKind, ZoneArea};
use crate::track::Track;

/// A rule with a longer dwell needs a change in three lights.
const ONE_LIGHT: Duration = Duration::from_secs(12 * 3600);
/// No daylight inspection may have denied the change for this long, or for the dwell if that is shorter.
const UNDENIED: Duration = Duration::from_secs(24 * 3600);
/// Multiplies that time for a change that only daylight shows, and only by its edges.
const EDGES_ONLY: u32 = 3;
/// What a fitting object next to a change adds to its score.
const NEAR_RAISE: f32 = 0.2;
/// Things are next to each other when their boxes touch after growing by this share.
const BESIDE: f32 = 0.3;
/// A change no older than this has only just been found.
const AT_ONCE: Duration = Duration::from_secs(3600);
/// The most stops that a rule remembers.
const MAX_STOPS: usize = 64;

/// Updates the rule's changes from an inspection. Without one nothing is known about them.
pub(super) fn observe_changes(
    input: &RuleInput,
    quiet: &[Quiet],
    spots: &mut Vec<Spot>,
    stops: &mut Vec<Stop>,
) {
    if let RuleKind::Sequence { dwell, stop, within } = input.rule.kind {
        note_stops(input, stop, stops);
        // A change is seen some inspections after it came, so the stop is kept until then.
        stops.retain(|s| input.at.since(s.to) <= within + dwell);
    }
    let Some(changes) = input.changes else { return };
    let found = recognise(spots, changes);
    let mut taken = vec![false; changes.regions.len()];
    for (spot, found) in spots.iter_mut().zip(&found) {
        match found {
            Some(i) => {
                taken[*i] = true;
                see(input, spot, &changes.regions[*i]);
            }
            None if is_lost(spot, changes) => spot.track = LOST,
            None => {
                spot.last_clear = input.at;
                spot.history.fill(false, input.rule.hysteresis.1);
            }
        }
    }
    for (changed, _) in changes.regions.iter().zip(taken).filter(|(_, taken)| !taken) {
        if changed.region.seen != Seen::Yes || spots.len() >= MAX_SPOTS {
            continue;
        }
        let Some(zone) = zone_of_change(input, changed) else { continue };
        let left_by = match input.rule.kind {
            RuleKind::Sequence { within, .. } => match left_by(changed, stops, within) {
                Some(stop) => Some(stop.clone()),
                None => continue,
            },
            _ => None,
        };
        let mut spot = begin_spot(input, quiet, &changed.track, zone);
        if came_later(input, changed) {
            spot.since = input.at - changed.region.all_stood();
        }
        spot.left_by = left_by;
        see(input, &mut spot, changed);
        spots.push(spot);
    }
}

/// Does the change meet the rule, apart from its dwell?
pub(super) fn is_confirmed(input: &RuleInput, spot: &Spot) -> bool {
    let Some(region) = &spot.change else { return false };
    match input.rule.kind {
        RuleKind::Change { dwell, bare } => {
            let quiet = dwell.min(UNDENIED) * if region.edges_only { EDGES_ONLY } else { 1 };
            let undenied = region.denied.is_none_or(|denied| input.at.since(denied) >= quiet);
            undenied && (dwell < ONE_LIGHT || region.lights >= 3) && (!bare || region.bared >= BARE)
        }
        _ => true,
    }
}

/// Was the change known long before it reached the rule's zones? Then only the time counts for which its
/// whole outline has stood. A thing beside a zone may seem to reach into it for an hour of odd light.
fn came_later(input: &RuleInput, changed: &Changed) -> bool {
    let (RuleKind::Change { dwell, .. } | RuleKind::Sequence { dwell, .. }) = input.rule.kind else {
        return false;
    };
    input.at.since(changed.region.first_seen) > (dwell / 4).max(AT_ONCE)
}

/// Finds the region of each spot: by id where the place agrees, and by place only if the memory of the place
/// was lost.
fn recognise(spots: &[Spot], changes: &Changes) -> Vec<Option<usize>> {
    let mut taken = vec![false; changes.regions.len()];
    let mut found = vec![None; spots.len()];
    for (by_number, least) in [(true, 0.05), (false, SAME_IOU)] {
        for (spot, found) in spots.iter().zip(&mut found).filter(|(_, f)| f.is_none()) {
            let same = |(i, c): &(usize, &Changed)| {
                let same = if by_number { c.track.id == spot.track } else { is_lost(spot, changes) };
                same && !taken[*i] && c.region.rect.iou(&spot.rect) >= least
            };
            *found = changes.regions.iter().enumerate().find(same).map(|(i, _)| i);
            if let Some(i) = *found {
                taken[i] = true;
            }
        }
    }
    found
}

/// Is the spot's region from before the memory of the place was lost? Its id may be reused.
fn is_lost(spot: &Spot, changes: &Changes) -> bool {
    spot.track.0 > u64::from(changes.last_id)
}

fn see(input: &RuleInput, spot: &mut Spot, changed: &Changed) {
    spot.track = changed.track.id;
    let mut region = changed.region.clone();
    region.first_seen = region.first_seen.min(spot.since);
    spot.change = Some(region);
    match changed.region.seen {
        Seen::Unknown => {}
        Seen::No => spot.last_clear = input.at,
        Seen::Yes => {
            spot.rect = changed.region.rect;
            spot.ground.clone_from(&changed.track.ground);
            note_near(input, spot);
            let raise = if spot.near.is_empty() { 0.0 } else { NEAR_RAISE };
            spot.score = (changed.track.score + raise).min(1.0);
            spot.scores = ((spot.score * 10_000.0).round() as u64, 1);
            (spot.last_seen, spot.last_clear, spot.seen_now) = (input.at, input.at, true);
            spot.history.push(input.at, true);
        }
    }
}

/// Records the rule's objects and companions next to the change.
fn note_near(input: &RuleInput, spot: &mut Spot) {
    for track in input.tracks.iter().filter(|t| t.seen_now && touch(&t.rect, &spot.rect, BESIDE)) {
        if input.rule.objects.contains(&track.class) {
            spot.near.insert(track.class.clone());
        } else if input.rule.companions.contains(&track.class) {
            spot.companions.insert(track.class.clone());
        }
    }
}

fn zone_of_change(input: &RuleInput, changed: &Changed) -> Option<Option<ZoneId>> {
    let rule = input.rule;
    if rule.zones.is_empty() {
        return Some(None);
    }
    if rule.zones.iter().all(|z| matches!(z.area, ZoneArea::Ground { .. })) {
        return zone_of(rule, &changed.track);
    }
    let share = |zone: &crate::config::Zone| match &zone.area {
        ZoneArea::Picture(polygon) => share_inside(&changed.region, polygon),
        ZoneArea::Ground { .. } => {
            let inside = changed.track.ground.as_ref().is_some_and(|g| g.zones.contains(&zone.id));
            if inside { 1.0 } else { 0.0 }
        }
    };
    let best = rule.zones.iter().map(|z| (share(z), z)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(share, _)| *share >= IN_ZONE as f32).map(|(_, z)| Some(z.id.clone()))
}

/// The share of a change that lies in a polygon, by a grid of points.
fn share_inside(region: &ChangeRegion, polygon: &Polygon) -> f32 {
    const POINTS: usize = 12;
    let outline = Polygon::new(region.outline.clone()).ok();
    let rect = &region.rect;
    let (mut own, mut both) = (0, 0);
    for i in 0..POINTS * POINTS {
        let part = |n: usize| (n as f32 + 0.5) / POINTS as f32;
        let p = Point {
            x: rect.x0 + part(i % POINTS) * rect.width(),
            y: rect.y0 + part(i / POINTS) * rect.height(),
        };
        if outline.as_ref().is_none_or(|o| o.contains(p)) {
            own += 1;
            both += usize::from(polygon.contains(p));
        }
    }
    if own == 0 { 0.0 } else { both as f32 / own as f32 }
}

/// Remembers what stood still in one of the rule's zones for long enough.
fn note_stops(input: &RuleInput, least: Duration, stops: &mut Vec<Stop>) {
    let stands = |t: &&Track| {
        t.seen_now && input.rule.companions.contains(&t.class) && input.at.since(t.still_since) >= least
    };
    for track in input.tracks.iter().filter(stands).filter(|t| zone_of(input.rule, t).is_some()) {
        // Track ids restart with the program. A stop that ended before this one began is another one.
        match stops.iter_mut().find(|s| s.track == track.id && s.to >= track.still_since) {
            Some(stop) => (stop.to, stop.rect) = (input.at, track.rect),
            None => {
                if stops.len() >= MAX_STOPS {
                    stops.remove(0);
                }
                let (class, from, to) = (track.class.clone(), track.still_since, input.at);
                stops.push(Stop {
                    track: track.id,
                    class,
                    rect: track.rect,
                    from,
                    to,
                    shown: Some(input.at),
                });
            }
        }
    }
}

/// The latest stop next to the change.
fn left_by<'a>(changed: &Changed, stops: &'a [Stop], within: Duration) -> Option<&'a Stop> {
    let first = changed.region.first_seen;
    let beside = |rect: &Rect| touch(rect, &changed.region.rect, BESIDE);
    let fits = |s: &&Stop| {
        let ended_before = first.since(s.to) <= within;
        s.from <= latest(first, changed.region.last_confirmed) && ended_before && beside(&s.rect)
    };
    stops.iter().filter(fits).max_by_key(|s| s.to)
}

/// The latest time at which the stop may have begun: the change may be visible before the truck leaves, not
/// before it came.
fn latest(first: WallTime, confirmed: WallTime) -> WallTime {
    first.max(first + confirmed.since(first) / 2)
}
