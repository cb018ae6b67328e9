//! What the differences between two flights mean: new events, events that go on, events that are over.
//!
//! A difference becomes an event of each rule that is about its kind, its zone and its size. Its ground is then kept as it
//! looked before, so every further flight shows the difference again while the thing is there: the same event. Once a
//! flight shows the ground as it was before, the event is closed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::sight::{Sight, share_of, zone_of};
use super::state::{Flown, Look, OpenEvent};
use crate::base::{ClassName, TrackId, ZoneId};
use crate::compare::{Comparison, Found, Held, Shot};
use crate::config::{Config, FlightArea, GroundChange, Permit, Rule};
use crate::events::RecorderSettings;
use crate::evidence::{FlightJob, Stills, event_dir};
use crate::rules::{CHANGE, ChangeFacts, Transition, Violation, ViolationObject};
use crate::wire::EventPlace;

/// Share of one outline that lies in another one of the same thing, seen in two pictures of a flight.
const SAME: f64 = 0.3;
/// Less than this of a look's ground in a picture, and the picture does not decide.
const SEEN: f64 = 0.6;
/// With less of it different from before, the ground is as it was.
const AS_BEFORE: f64 = 0.15;
/// What each kind of fitting object beside it takes off the doubt.
const NEAR_RAISE: f32 = 0.15;
/// An event that grew by this is told again.
const GROWN: f32 = 1.2;
/// Events that one flight opens at most.
const MOST_OPENED: usize = 200;

/// One step of an event, ready to be told.
pub(crate) struct Step {
    pub violation: Violation,
    pub place: Option<EventPlace>,
    pub stills: Stills,
    /// Of the later picture.
    pub size: Option<(u32, u32)>,
}

/// What the flight says of an event that was open before it.
#[derive(Default)]
struct Fate {
    same: Option<Sight>,
    unsure: bool,
    gone: Option<Stills>,
}

pub(crate) struct Judge<'a> {
    config: &'a Config,
    settings: Arc<RecorderSettings>,
    area: &'a FlightArea,
    flight: &'a Flown,
    digest: &'a str,
    open: Vec<OpenEvent>,
    fates: BTreeMap<Uuid, Fate>,
    opened: Vec<(OpenEvent, Step)>,
    /// Events over [`MOST_OPENED`].
    untold: usize,
}

impl<'a> Judge<'a> {
    pub fn new(
        config: &'a Config,
        settings: Arc<RecorderSettings>,
        area: &'a FlightArea,
        flight: &'a Flown,
        digest: &'a str,
        open: Vec<OpenEvent>,
    ) -> Self {
        let (fates, opened) = (BTreeMap::new(), Vec::new());
        Self { config, settings, area, flight, digest, open, fates, opened, untold: 0 }
    }

    /// Takes a pair of pictures. Gives how the ground of the events in it looked before, written to files in `looks`.
    ///
    /// # Errors
    /// Such a file cannot be written.
    pub fn take(
        &mut self,
        pair: &Comparison,
        earlier: &Flown,
        after: &Shot,
        looks: &Path,
    ) -> std::io::Result<Vec<Look>> {
        let mut meant: BTreeMap<Uuid, (Vec<&Found>, Vec<&Held>)> = BTreeMap::new();
        let mut known = vec![false; pair.found.len()];
        for held in &pair.held {
            held.found.iter().for_each(|i| known[*i] = true);
            if held.seen < SEEN || !self.open.iter().any(|open| open.violation.id == held.event) {
                continue;
            }
            let sights: Vec<Sight> =
                held.found.iter().filter_map(|i| self.sight(&pair.found[*i], earlier, after)).collect();
            let fate = self.fates.entry(held.event).or_default();
            match sights.into_iter().max_by(|a, b| a.facts.region.share.total_cmp(&b.facts.region.share)) {
                Some(sight) => fate.see(sight),
                None if held.differs >= AS_BEFORE => fate.unsure = true,
                None => {
                    let dir = event_dir(&self.config.node.data_dir, held.event);
                    let rect = share_of(pair.rect_of(held), after.size);
                    fate.gone = Some(self.settings.stills.write_gone(&dir, &pair.after, rect));
                    continue;
                }
            }
            let entry = meant.entry(held.event).or_default();
            entry.0.extend(held.found.iter().map(|i| &pair.found[*i]));
            entry.1.push(held);
        }
        for (found, _) in pair.found.iter().zip(known).filter(|(_, known)| !known) {
            for event in self.events_of(found, pair, earlier, after) {
                meant.entry(event).or_default().0.push(found);
            }
        }
        std::fs::create_dir_all(looks)?;
        let folder = looks.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut kept = Vec::new();
        for (event, (found, held)) in meant {
            let name = format!("{}-{event}.png", after.name);
            if let Some(patch) = pair.keep_look(event, &found, &held, &looks.join(&name))? {
                kept.push(Look { event, file: format!("{folder}/{name}"), rect: patch.rect });
            }
        }
        Ok(kept)
    }

    /// Open events as they are now: people may have decided about them since the flight was begun.
    pub fn refresh(&mut self, now: &[OpenEvent]) {
        for open in &mut self.open {
            if let Some(fresh) = now.iter().find(|fresh| fresh.violation.id == open.violation.id) {
                open.clone_from(fresh);
            }
        }
    }

    /// Events that were too many to be opened; their ground is as usual from now on.
    pub fn untold(&self) -> usize {
        self.untold
    }

    /// Folders of what was written for events that nobody will hear of, if the flight is not accepted.
    pub fn discard(&self) -> Vec<PathBuf> {
        let data = &self.config.node.data_dir;
        self.opened.iter().map(|(event, _)| event_dir(data, event.violation.id)).collect()
    }

    /// The steps that the flight makes, and the events that are open from now on. `decided` are open no more since the flight
    /// was begun; `held` still have an earlier look in some picture.
    pub fn finish(mut self, decided: &BTreeSet<Uuid>, held: &BTreeSet<Uuid>) -> (Vec<Step>, Vec<OpenEvent>) {
        let (mut steps, mut open) = (Vec::new(), Vec::new());
        for mut event in self.open.into_iter().filter(|event| !decided.contains(&event.violation.id)) {
            let fate = self.fates.remove(&event.violation.id).unwrap_or_default();
            let v = &mut event.violation;
            let mut step = |v: &mut Violation, transition, reason: String, stills, size| {
                v.revision += 1;
                (v.transition, v.at, v.reason) = (transition, self.flight.at, reason);
                steps.push(Step { violation: v.clone(), place: event.place.clone(), stills, size });
            };
            let after = &self.flight.name;
            match fate {
                Fate { same: Some(sight), .. } => {
                    v.last_seen = self.flight.at;
                    let share = |facts: &ChangeFacts| {
                        facts.flights.as_ref().and_then(|f| f.area_m2).unwrap_or(facts.region.share)
                    };
                    let before = v.change.as_deref().map_or(0.0, share);
                    if share(&sight.facts) > GROWN * before {
                        let size = sight.size;
                        sight.grow(v);
                        step(
                            v,
                            Transition::Updated,
                            format!("It has grown by the flight {after}"),
                            Stills::default(),
                            Some(size),
                        );
                    }
                    open.push(event);
                }
                Fate { unsure: true, .. } => open.push(event),
                Fate { gone: Some(stills), .. } => {
                    let reason = format!("The flight {after} shows the ground as it was before");
                    step(v, Transition::Closed, reason, stills, None);
                }
                // Nobody flew over it.
                _ if held.contains(&v.id) => open.push(event),
                _ => {
                    let reason =
                        format!("The flight {after} does not show its ground well enough to go on with it");
                    step(v, Transition::Expired, reason, Stills::default(), None);
                }
            }
        }
        for (event, step) in self.opened {
            open.push(event);
            steps.push(step);
        }
        (steps, open)
    }

    /// The events that a difference belongs to: those that are there already, and new ones.
    fn events_of(&mut self, found: &Found, pair: &Comparison, earlier: &Flown, after: &Shot) -> Vec<Uuid> {
        let Some(sight) = self.sight(found, earlier, after) else { return Vec::new() };
        let mut events = Vec::new();
        for rule in &self.area.rules {
            let Some(zone) = zone_of(rule, &sight) else { continue };
            let same = |open: &&OpenEvent| {
                let both = open.ground.as_ref().zip(sight.ground.as_ref());
                open.violation.rule == rule.id
                    && both.is_some_and(|(a, b)| a.share_in(b).max(b.share_in(a)) >= SAME)
            };
            if let Some(open) = self.open.iter().find(same) {
                events.push(open.violation.id);
                self.fates.entry(open.violation.id).or_default().see(sight.clone());
            } else if let Some((open, _)) = self.opened.iter().find(|(open, _)| same(&open)) {
                events.push(open.violation.id);
            } else if self.opened.len() >= MOST_OPENED {
                self.untold += 1;
            } else {
                let event = self.open(rule, zone, &sight, pair);
                events.push(event.0.violation.id);
                self.opened.push(event);
            }
        }
        events
    }

    fn open(&self, rule: &Rule, zone: Option<ZoneId>, sight: &Sight, pair: &Comparison) -> (OpenEvent, Step) {
        let mut facts = sight.facts.clone();
        facts.near.retain(|class| rule.objects.contains(class) || rule.companions.contains(class));
        let raise = NEAR_RAISE * facts.near.len().min(2) as f32;
        let confidence = sight.confidence + (1.0 - sight.confidence) * raise;
        let id = self.id(rule);
        let at = self.flight.at;
        let object = ViolationObject {
            class: ClassName::from(CHANGE),
            track: TrackId(self.opened.len() as u64 + 1),
            score: confidence,
            rect: sight.rect,
            ground: None,
        };
        let violation = Violation {
            id,
            transition: Transition::Opened,
            revision: 0,
            camera: self.area.id.clone(),
            rule: rule.id.clone(),
            class: rule.class.id.clone(),
            severity: rule.severity,
            started: at,
            at,
            last_seen: at,
            confidence,
            rect: sight.rect,
            objects: vec![object],
            permit: self.permit(rule, sight),
            rejected: false,
            reason: self.reason(zone.as_ref(), sight),
            change: Some(Box::new(facts)),
            zone,
        };
        let outline = &sight.facts.region.outline;
        let job = FlightJob { before: &pair.before, after: &pair.after, outline, rect: sight.rect };
        let stills = self.settings.stills.write_flights(&event_dir(&self.config.node.data_dir, id), &job);
        let place = sight.place.clone();
        let event =
            OpenEvent { violation: violation.clone(), place: place.clone(), ground: sight.ground.clone() };
        (event, Step { violation, place, stills, size: Some(sight.size) })
    }

    fn sight(&self, found: &Found, earlier: &Flown, after: &Shot) -> Option<Sight> {
        Sight::new(found, earlier, self.flight, after, self.config.map.gcj02)
    }

    fn permit(&self, rule: &Rule, sight: &Sight) -> Option<String> {
        let at = sight.place.as_ref()?.position;
        let covers =
            |p: &&Permit| p.allows(&rule.class.id, self.flight.at) && p.area.contains(at.lon, at.lat);
        self.config.map.permits.iter().find(covers).map(|permit| permit.id.clone())
    }

    fn reason(&self, zone: Option<&ZoneId>, sight: &Sight) -> String {
        let Some(flights) = &sight.facts.flights else { return String::new() };
        let what = match flights.kind {
            GroundChange::BuiltUp => "Something was built",
            GroundChange::Cleared => "Ground was cleared or dug up",
            GroundChange::Stockpile => "Something was piled up",
        };
        let area = flights.area_m2.map_or_else(String::new, |a| format!(" on {a:.0} m2"));
        let name = |id: &ZoneId| self.area.zones.iter().find(|z| z.id == *id).map(|z| z.name.as_str());
        let zone = zone.and_then(name).map_or_else(String::new, |name| format!(" in the zone {name}"));
        format!("{what}{area}{zone} between the flights {} and {}", flights.before, flights.after)
    }

    /// UUIDv7 of the flight's time; the random bits are a hash, so that the same flight gives the same events.
    fn id(&self, rule: &Rule) -> Uuid {
        let mut hash = Sha256::new();
        for part in [self.config.node.id.as_str(), self.area.id.as_str(), rule.id.as_str(), self.digest] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.update(self.opened.len().to_be_bytes());
        let mut bits = [0; 10];
        bits.copy_from_slice(&hash.finalize()[..10]);
        let millis = u64::try_from(self.flight.at.0 / 1000).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &bits).into_uuid()
    }
}

impl Fate {
    /// Of several pictures that which shows most of it.
    fn see(&mut self, sight: Sight) {
        let share =
            |s: &Sight| s.facts.flights.as_ref().and_then(|f| f.area_m2).unwrap_or(s.facts.region.share);
        if self.same.as_ref().is_none_or(|before| share(&sight) > share(before)) {
            self.same = Some(sight);
        }
    }
}
