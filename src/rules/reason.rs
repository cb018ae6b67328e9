//! The sentence that tells an officer why: what, where, since when, with the numbers that decided.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::constants::BARE;
use super::state::Event;
use super::violation::FlightFacts;
use crate::base::{ClassName, WallTime};
use crate::config::{GroundChange, Rule, RuleKind};

/// Why an event is open, for its opening and its updates.
pub(super) fn of_open(rule: &Rule, event: &Event, at: WallTime, zone: &TimeZone) -> String {
    let what = things(event);
    let place = place(rule, event);
    let since = clock(event.started, at, zone);
    let lasted = Lasted { elapsed: at.since(event.started), unwatched: event.unwatched };
    let have = if event.objects.len() > 1 { "have" } else { "has" };
    let forbidden = if rule.schedule.is_some() { ", when entry is forbidden" } else { "" };
    match &rule.kind {
        RuleKind::Presence { dwell, still: true } | RuleKind::LongDwell { dwell } => {
            format!("{what} {have} stood {place} since {since} ({})", limits(lasted, *dwell))
        }
        RuleKind::Presence { dwell, still: false } => {
            format!("{what} {have} been {place} since {since} ({})", limits(lasted, *dwell))
        }
        RuleKind::Entry => match zone_name(rule, event) {
            Some(name) => format!("{what} entered zone '{name}' at {since}{forbidden}"),
            None => format!("{what} came into the picture at {since}{forbidden}"),
        },
        RuleKind::LineCrossing { .. } => format!("{what} crossed the line at {since}"),
        RuleKind::Count { limit, dwell } => format!(
            "{what} {have} been {place} since {since} ({}); at most {limit} may be there",
            limits(lasted, *dwell)
        ),
        RuleKind::CompanionAbsent { distance, distance_m, dwell } => {
            let companions: Vec<String> = rule.companions.iter().map(words).collect();
            let on_ground = event.objects.iter().any(|o| o.ground.is_some());
            let near = match distance_m.filter(|_| on_ground) {
                Some(metres) => format!("{metres} m"),
                None => format!("{distance} times its height"),
            };
            format!(
                "{what} {have} been {place} since {since} with no {} within {near} ({})",
                companions.join(" or "),
                limits(lasted, *dwell)
            )
        }
        RuleKind::Change { dwell, .. } => looks_different(rule, event, &since, limits(lasted, *dwell)),
        RuleKind::Sequence { dwell, .. } => {
            let limits = limits(lasted, *dwell);
            let left_by = event.change.as_ref().and_then(|c| c.left_by.as_ref());
            let Some((class, from, to)) = left_by else {
                return looks_different(rule, event, &since, limits);
            };
            let (from, to) = (clock(*from, at, zone), clock(*to, at, zone));
            format!(
                "{} stood {place} from {from} to {to}; what it left has been there since {since} ({limits}){}",
                words(class),
                of_change(event)
            )
        }
    }
}

fn looks_different(rule: &Rule, event: &Event, since: &str, limits: String) -> String {
    format!("{} has looked different since {since} ({limits}){}", ground(rule, event), of_change(event))
}

/// What is known of a change besides its time.
fn of_change(event: &Event) -> String {
    let Some(change) = &event.change else { return String::new() };
    let region = &change.region;
    let lights = if region.lights == 1 { "light" } else { "lights" };
    let mut out =
        format!("; {:.2} % of the picture, seen in {} {lights}", region.share * 100.0, region.lights);
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
        let _ = write!(out, ", next to {}", near.join(" and "));
    }
    out
}

/// Why it closed.
pub(super) fn of_closed(rule: &Rule, event: &Event, at: WallTime, zone: &TimeZone) -> String {
    let (n, m) = rule.hysteresis;
    let last = clock(event.last_seen, at, zone);
    let lasted = spelt(event.last_seen.since(event.started));
    if rule.kind.is_change() {
        let ground = ground(rule, event);
        return match &event.permit {
            Some(permit) => format!("permitted ({permit}): {ground} counts as usual from now on"),
            None => format!(
                "over: {ground} looks as before; it last looked different at {last}, {lasted} after the change began"
            ),
        };
    }
    let unit = if matches!(rule.kind, RuleKind::LongDwell { .. }) { "stretches of time" } else { "pictures" };
    let was = was(event);
    format!(
        "over: {} {was} last seen {} at {last}, {lasted} after the start; {n} of the last {m} {unit} clearly show otherwise",
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
    let have = if event.objects.len() > 1 { "have" } else { "has" };
    format!(
        "unknown: {} {} {have} not been seen clearly since {last} ({waited})",
        things(event),
        place(rule, event)
    )
}

/// Why it expired: the operator's config no longer has the rule as it was.
pub(super) fn of_orphan(event: &Event, at: WallTime, zone: &TimeZone) -> String {
    let last = clock(event.last_seen, at, zone);
    format!(
        "unknown: rule '{}' was removed or changed in the config; {} {} last seen at {last}",
        event.rule,
        things(event),
        was(event)
    )
}

/// Why a flight opened an event; `zone` is the name of its zone.
pub(super) fn of_open_flight(flights: &FlightFacts, zone: Option<&str>) -> String {
    let what = match flights.kind {
        GroundChange::BuiltUp => "something was built",
        GroundChange::Cleared => "ground was cleared or dug up",
        GroundChange::Stockpile => "material was piled up",
    };
    let area = flights.area_m2.map_or_else(String::new, |a| format!(" on {a:.0} m2"));
    let zone = zone.map_or_else(String::new, |name| format!(" in zone '{name}'"));
    format!("{what}{area}{zone} between flights {} and {}", flights.before, flights.after)
}

/// Why a later flight reports an event again.
pub(super) fn of_grown_flight(flight: &str) -> String {
    format!("flight {flight} shows that it has grown")
}

/// Why a flight closes an event.
pub(super) fn of_closed_flight(flight: &str) -> String {
    format!("over: flight {flight} shows the ground as it was before")
}

/// Why an event expires with a flight.
pub(super) fn of_expired_flight(flight: &str) -> String {
    format!("unknown: flight {flight} does not show its ground clearly enough")
}

/// How long it has been so, and how much of that nobody watched.
#[derive(Clone, Copy)]
struct Lasted {
    elapsed: Duration,
    unwatched: Duration,
}

impl From<Duration> for Lasted {
    fn from(elapsed: Duration) -> Self {
        Self { elapsed, unwatched: Duration::ZERO }
    }
}

/// Both times where they differ: an officer must know what nobody has watched.
fn limits(lasted: impl Into<Lasted>, limit: Duration) -> String {
    let Lasted { elapsed, unwatched } = lasted.into();
    if unwatched < WORTH_SAYING {
        return format!("{}, limit {}", spelt(elapsed), spelt(limit));
    }
    let watched = elapsed.saturating_sub(unwatched);
    format!("{}, of these watched {}, limit {}", spelt(elapsed), spelt(watched), spelt(limit))
}

/// Shorter gaps are not named.
const WORTH_SAYING: Duration = Duration::from_secs(10);

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

/// `car`; `2 cars`; `3 objects (2 cars, 1 truck)`.
fn things(event: &Event) -> String {
    let mut kinds: Vec<(&ClassName, usize)> = Vec::new();
    for object in &event.objects {
        match kinds.iter_mut().find(|k| *k.0 == object.class) {
            Some(kind) => kind.1 += 1,
            None => kinds.push((&object.class, 1)),
        }
    }
    match kinds[..] {
        [(class, 1)] => words(class),
        [(class, n)] => counted(class, n),
        _ => {
            let each: Vec<String> = kinds.iter().map(|(class, n)| counted(class, *n)).collect();
            format!("{} objects ({})", event.objects.len(), each.join(", "))
        }
    }
}

/// `1 bus`; `2 buses`.
fn counted(class: &ClassName, n: usize) -> String {
    let word = words(class);
    let ending = match word.as_str() {
        _ if n == 1 => "",
        "person" => return format!("{n} people"),
        w if w.ends_with(['s', 'x']) || w.ends_with("ch") || w.ends_with("sh") => "es",
        _ => "s",
    };
    format!("{n} {word}{ending}")
}

fn words(class: &ClassName) -> String {
    class.as_str().replace('_', " ")
}

fn was(event: &Event) -> &'static str {
    if event.objects.len() > 1 { "were" } else { "was" }
}

fn zone_name<'a>(rule: &'a Rule, event: &Event) -> Option<&'a str> {
    let id = event.zone.as_ref()?;
    rule.zones.iter().find(|z| z.id == *id).map(|z| z.name.as_str())
}

/// Where the things are.
fn place(rule: &Rule, event: &Event) -> String {
    zone_name(rule, event).map_or_else(|| "in the picture".to_owned(), |name| format!("in zone '{name}'"))
}

/// What looks different.
fn ground(rule: &Rule, event: &Event) -> String {
    zone_name(rule, event).map_or_else(|| "the place".to_owned(), |name| format!("zone '{name}'"))
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
    fn times_read_as_people_say_them() {
        for (seconds, text) in [
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
            assert_eq!(spelt(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn counts_have_the_plural() {
        for (class, n, text) in [
            ("car", 1, "1 car"),
            ("dump_truck", 3, "3 dump trucks"),
            ("bus", 2, "2 buses"),
            ("person", 2, "2 people"),
        ] {
            assert_eq!(counted(&ClassName::from(class), n), text);
        }
    }
}
