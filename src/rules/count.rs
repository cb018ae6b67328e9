//! Counting rules: the watched thing is the zone.

use super::geometry::around;
use super::input::RuleInput;
use super::spot::{add_score, begin, clearly_absent, fits, least, mark_seen, note_companions, stands_in};
use super::state::{History, Quiet, Spot};
use super::violation::ViolationObject;
use crate::base::ZoneId;
use crate::track::Track;

/// Updates the zones. A zone is present while more than `limit` things are in it.
pub(super) fn observe_count(input: &RuleInput, limit: usize, quiet: &[Quiet], spots: &mut Vec<Spot>) -> u64 {
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
        if input.observation.is_new {
            inside.iter().for_each(|t| add_score(spot, t));
        }
        mark_seen(input, spot);
        note_companions(input, spot);
    }
    0
}

/// The things that count in the zone, each once, best score first.
fn inside<'a>(input: &RuleInput<'a>, zone: Option<&ZoneId>) -> Vec<&'a Track> {
    let rule = input.rule;
    let zone = zone.and_then(|id| rule.zones.iter().find(|z| z.id == *id));
    let mut found: Vec<&Track> = input
        .tracks
        .iter()
        .filter(|t| t.seen_now && rule.objects.contains(&t.class) && t.score >= least(input, &t.class))
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
    ViolationObject {
        class,
        track: track.id,
        score: track.score,
        rect: track.rect,
        ground,
        second_look: None,
    }
}
