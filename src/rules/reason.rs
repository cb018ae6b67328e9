//! The sentence that tells an officer why: what, where, since when, with the numbers that decided.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::FlightFacts;
use super::constants::BARE;
use super::state::Event;
use crate::base::{ClassName, WallTime};
use crate::config::{GroundChange, Rule, RuleKind};

/// Why an event is open, for its opening and its updates.
pub(super) fn of_open(rule: &Rule, event: &Event, at: WallTime, zone: &TimeZone) -> String {
    let what = things(event);
    let place = place(rule, event);
    let since = clock(event.started, at, zone);
    let lasted = at.since(event.started);
    let plural = event.objects.len() > 1;
    match &rule.kind {
        RuleKind::Presence { dwell, still } => {
            let verb = match (still, plural) {
                (true, false) => "stands",
                (true, true) => "stand",
                (false, false) => "is",
                (false, true) => "are",
            };
            format!("{what} {verb} {place} since {since} ({})", limits(lasted, *dwell))
        }
        RuleKind::LongDwell { dwell } => {
            let verb = if plural { "have" } else { "has" };
            format!("{what} {verb} stood {place} since {since} ({})", limits(lasted, *dwell))
        }
        RuleKind::Entry => {
            format!("{what} came in at {since}, {place}, at a time when that is forbidden")
        }
        RuleKind::LineCrossing { .. } => format!("{what} crossed the line at {since}"),
        RuleKind::Count { limit, dwell } => {
            let n = event.objects.len();
            format!("{n} objects {place}, limit {limit}, since {since} ({}): {what}", limits(lasted, *dwell))
        }
        RuleKind::CompanionAbsent { distance, distance_m, dwell } => {
            let companions: Vec<String> = rule.companions.iter().map(words).collect();
            let on_ground = event.objects.iter().any(|o| o.ground.is_some());
            let near = match distance_m.filter(|_| on_ground) {
                Some(metres) => format!("{metres} m"),
                None => format!("{distance} of its heights"),
            };
            format!(
                "{what} without {} within {near}, {place}, since {since} ({})",
                companions.join(" or "),
                limits(lasted, *dwell)
            )
        }
        RuleKind::Change { dwell, .. } => {
            format!(
                "the place looks different {place} since {since} ({}){}",
                limits(lasted, *dwell),
                of_change(event)
            )
        }
        RuleKind::Sequence { dwell, .. } => {
            let left_by = event.change.as_ref().and_then(|c| c.left_by.as_ref());
            let who = left_by.map_or_else(String::new, |(class, from, to)| {
                let (from, to) = (clock(*from, at, zone), clock(*to, at, zone));
                format!("{} stood {place} from {from} to {to}; ", words(class))
            });
            let what = if who.is_empty() {
                format!("the place looks different {place}")
            } else {
                "what it left is there".to_owned()
            };
            format!("{who}{what} since {since} ({}){}", limits(lasted, *dwell), of_change(event))
        }
    }
}

/// What is known of a change beside its time.
fn of_change(event: &Event) -> String {
    let Some(change) = &event.change else { return String::new() };
    let region = &change.region;
    let lights = if region.lights == 1 { "light" } else { "lights" };
    let mut out =
        format!(", {:.2} % of the picture, seen in {} {lights}", region.share * 100.0, region.lights);
    // Writing to a String does not fail.
    let _ = match region.growth.len() {
        0 | 1 => Ok(()),
        2 => write!(out, ", grew once"),
        steps => write!(out, ", grew {} times", steps - 1),
    };
    if region.bared >= BARE {
        out.push_str(", lost its green");
    }
    if !change.near.is_empty() {
        let near: Vec<String> = change.near.iter().map(words).collect();
        let _ = write!(out, ", beside {}", near.join(" and "));
    }
    out
}

/// Why it closed.
pub(super) fn of_closed(rule: &Rule, event: &Event, at: WallTime, zone: &TimeZone) -> String {
    let (n, m) = rule.hysteresis;
    let last = clock(event.last_seen, at, zone);
    let lasted = spelt(event.last_seen.since(event.started));
    if let Some(permit) = event.permit.as_ref().filter(|_| rule.kind.is_change()) {
        return format!(
            "permitted ({permit}): from now on this is how the place {} looks",
            place(rule, event)
        );
    }
    if rule.kind.is_change() {
        let place = place(rule, event);
        return format!(
            "over: the place {place} looks as before; last different at {last}, {lasted} after it began"
        );
    }
    let unit = if matches!(rule.kind, RuleKind::LongDwell { .. }) { "stretches of time" } else { "pictures" };
    format!(
        "over: {} {} last seen at {last}, {lasted} after it began; clearly not so in {n} of the last {m} {unit}",
        things(event),
        place(rule, event)
    )
}

/// Why it closed: people said that it is no violation.
pub(super) fn of_rejected(rule: &Rule, event: &Event, at: WallTime, zone: &TimeZone, why: &str) -> String {
    let since = clock(event.started, at, zone);
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    format!("rejected{why}; {} {} since {since}", things(event), place(rule, event))
}

/// Why it expired: no picture shows the place.
pub(super) fn of_expired(rule: &Rule, event: &Event, at: WallTime, zone: &TimeZone) -> String {
    let last = clock(event.last_seen, at, zone);
    let waited = limits(at.since(event.last_seen), rule.expire_after);
    format!("unknown: {} {} not seen clearly since {last} ({waited})", things(event), place(rule, event))
}

/// Why it expired: the operator's config no longer has the rule as it was.
pub(super) fn of_orphan(event: &Event, at: WallTime, zone: &TimeZone) -> String {
    let last = clock(event.last_seen, at, zone);
    format!(
        "unknown: rule '{}' was removed or changed in the config; {} last seen at {last}",
        event.rule,
        things(event)
    )
}

/// Why a flight opened an event; `zone` is the name of its zone.
pub(super) fn of_open_flight(flights: &FlightFacts, zone: Option<&str>) -> String {
    let what = match flights.kind {
        GroundChange::BuiltUp => "Something was built",
        GroundChange::Cleared => "Ground was cleared or dug up",
        GroundChange::Stockpile => "Something was piled up",
    };
    let area = flights.area_m2.map_or_else(String::new, |a| format!(" on {a:.0} m2"));
    let zone = zone.map_or_else(String::new, |name| format!(" in the zone {name}"));
    format!("{what}{area}{zone} between the flights {} and {}", flights.before, flights.after)
}

/// Why a later flight reports an event again.
pub(super) fn of_grown_flight(flight: &str) -> String {
    format!("It has grown by the flight {flight}")
}

/// Why a flight closes an event.
pub(super) fn of_closed_flight(flight: &str) -> String {
    format!("The flight {flight} shows the ground as it was before")
}

/// Why an event expires with a flight.
pub(super) fn of_expired_flight(flight: &str) -> String {
    format!("The flight {flight} does not show its ground well enough to go on with it")
}

fn limits(lasted: Duration, limit: Duration) -> String {
    format!("{}, limit {}", spelt(lasted), spelt(limit))
}

/// As people say it: `300 s`, `45 min`, `47.5 h`, `9.2 days`; rounded down.
fn spelt(time: Duration) -> String {
    let seconds = time.as_secs();
    let (unit, name) = match seconds {
        0..600 => return format!("{seconds} s"),
        600..10_800 => return format!("{} min", seconds / 60),
        10_800..259_200 => (3600, "h"),
        _ => (86_400, "days"),
    };
    match (seconds / unit, seconds * 10 / unit % 10) {
        (whole, 0) => format!("{whole} {name}"),
        (whole, tenths) => format!("{whole}.{tenths} {name}"),
    }
}

/// `car`; `3 objects (2 car, truck)`.
fn things(event: &Event) -> String {
    let mut kinds: Vec<(&ClassName, usize)> = Vec::new();
    for object in &event.objects {
        match kinds.iter_mut().find(|k| *k.0 == object.class) {
            Some(kind) => kind.1 += 1,
            None => kinds.push((&object.class, 1)),
        }
    }
    if let [(class, 1)] = kinds[..] {
        return words(class);
    }
    let mut out = format!("{} objects (", event.objects.len());
    for (i, (class, n)) in kinds.iter().enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        let count = if *n > 1 { format!("{n} ") } else { String::new() };
        // Writing to a String does not fail.
        let _ = write!(out, "{comma}{count}{}", words(class));
    }
    out.push(')');
    out
}

fn words(class: &ClassName) -> String {
    class.as_str().replace('_', " ")
}

fn place(rule: &Rule, event: &Event) -> String {
    let zone = event.zone.as_ref().and_then(|id| rule.zones.iter().find(|z| z.id == *id));
    zone.map_or_else(|| "in the picture".to_owned(), |z| format!("in zone '{}'", z.name))
}

/// Time of day; with the date where `at` has another one.
fn clock(time: WallTime, at: WallTime, zone: &TimeZone) -> String {
    let civil = |t: WallTime| t.timestamp().map(|t| zone.to_datetime(t));
    match (civil(time), civil(at)) {
        (Some(t), Some(a)) if t.date() == a.date() => t.strftime("%H:%M:%S").to_string(),
        (Some(t), _) => t.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        (None, _) => time.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_say_them() {
        for (seconds, told) in [
            (0, "0 s"),
            (599, "599 s"),
            (600, "10 min"),
            (1800, "30 min"),
            (10_800, "3 h"),
            (86_400, "24 h"),
            (171_000, "47.5 h"),
            (259_200, "3 days"),
            (799_999, "9.2 days"),
        ] {
            assert_eq!(spelt(Duration::from_secs(seconds)), told);
        }
    }
}
