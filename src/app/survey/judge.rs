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

use super::state::{Flown, Look, OpenEvent};
use crate::app::place::round;
use crate::app::recorder::RecorderSettings;
use crate::base::{ClassName, GroundArea, Point, Rect, TrackId, ZoneId};
use crate::change::{ChangeRegion, Seen};
use crate::compare::{Comparison, Found, Held, Shot};
use crate::config::{Config, FlightArea, GroundChange, Rule, RuleKind, ZoneArea};
use crate::evidence::{FlightJob, Stills, event_dir};
use crate::geo::gcj02_from_wgs84;
use crate::publish::wire::{AccuracyData, CalibrationState, EventPlace, PolygonGeometry, PositionData};
use crate::rules::{CHANGE, ChangeFacts, FlightFacts, Transition, Violation, ViolationObject};

/// Share of a difference that must lie in a zone, or of the zone that must have changed.
const IN_ZONE: f64 = 0.4;
/// Share of one outline that lies in another one of the same thing, seen in two pictures of a flight.
const SAME: f64 = 0.3;
/// A rule about lost green wants so much of it gone.
const BARE: f32 = 0.35;
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
pub(super) struct Step {
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

/// A difference in one picture.
struct Sight {
    facts: ChangeFacts,
    rect: Rect,
    confidence: f32,
    place: Option<EventPlace>,
    ground: Option<GroundArea>,
    size: (u32, u32),
}

pub(super) struct Judge<'a> {
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
                held.found.iter().map(|i| self.sight(&pair.found[*i], earlier, after)).collect();
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
        let sight = self.sight(found, earlier, after);
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
                let sight = self.sight(found, earlier, after);
                self.fates.entry(open.violation.id).or_default().see(sight);
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

    fn sight(&self, found: &Found, earlier: &Flown, after: &Shot) -> Sight {
        let at = self.flight.at;
        let rect = share_of(bounds(&found.outline_px), after.size);
        let share = |p: &[f64; 2]| Point {
            x: (p[0] / f64::from(after.size[0])) as f32,
            y: (p[1] / f64::from(after.size[1])) as f32,
        };
        let kind = found.kind.of_ground().unwrap_or(GroundChange::BuiltUp);
        let region = ChangeRegion {
            id: 0,
            outline: found.outline_px.iter().map(share).collect(),
            rect,
            share: found.share as f32,
            first_seen: at,
            last_confirmed: at,
            seen: Seen::Yes,
            lights: 1,
            growth: vec![(at, found.share as f32)],
            bared: found.lost_green,
            brighter: found.brighter,
        };
        let flights = FlightFacts {
            before: earlier.name.clone(),
            after: self.flight.name.clone(),
            kind,
            area_m2: found.area_m2.map(|a| a as f32),
        };
        let facts = ChangeFacts { region, near: found.near.clone(), left_by: None, flights: Some(flights) };
        let ground = found.outline.as_ref().and_then(|ring| GroundArea::new(vec![vec![ring.clone()]]).ok());
        let size = (after.size[0], after.size[1]);
        Sight {
            facts,
            rect,
            confidence: found.confidence as f32,
            place: self.place(found, after),
            ground,
            size,
        }
    }

    fn place(&self, found: &Found, after: &Shot) -> Option<EventPlace> {
        let n = found.outline_px.len().max(1) as f64;
        let middle = [0, 1].map(|axis| found.outline_px.iter().map(|p| p[axis]).sum::<f64>() / n);
        let at = after.placed.on_map(middle)?;
        let position = PositionData {
            lon: round(at.lon, 1e8),
            lat: round(at.lat, 1e8),
            alt: at.alt.map(|alt| round(alt, 1e2)),
        };
        let mut ring: Vec<[f64; 2]> =
            found.outline.as_ref()?.iter().map(|p| p.map(|v| round(v, 1e8))).collect();
        ring.push(*ring.first()?);
        let (lon, lat) = gcj02_from_wgs84(at.lon, at.lat);
        Some(EventPlace {
            position,
            accuracy: at.accuracy.map(|a| AccuracyData {
                semi_major_m: round(a.semi_major_m, 1e2),
                semi_minor_m: round(a.semi_minor_m, 1e2),
                azimuth_deg: round(a.azimuth_deg, 1e1),
                confidence: 0.95,
            }),
            method: at.method,
            calibration: CalibrationState::Valid,
            footprint: Some(PolygonGeometry::new(ring)),
            gcj02: self.config.map.gcj02.then(|| [round(lon, 1e8), round(lat, 1e8)]),
            objects: vec![Some(position)],
        })
    }

    fn permit(&self, rule: &Rule, sight: &Sight) -> Option<String> {
        let at = sight.place.as_ref()?.position;
        let covers = |p: &&crate::config::Permit| {
            p.allows(&rule.class.id, self.flight.at) && p.area.contains(at.lon, at.lat)
        };
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

impl Sight {
    /// The event is as large as this from now on; it began when it did.
    fn grow(self, v: &mut Violation) {
        let mut facts = self.facts;
        if let Some(before) = v.change.take() {
            facts.region.first_seen = before.region.first_seen;
            facts.region.growth.splice(0..0, before.region.growth);
            if let (Some(now), Some(then)) = (&mut facts.flights, before.flights) {
                now.before = then.before;
            }
        }
        (v.rect, v.confidence) = (self.rect, self.confidence);
        v.objects.iter_mut().for_each(|object| (object.rect, object.score) = (self.rect, self.confidence));
        v.change = Some(Box::new(facts));
    }
}

/// The rule's zone that the difference is in; the outer `None`: it is not about it.
fn zone_of(rule: &Rule, sight: &Sight) -> Option<Option<ZoneId>> {
    let flights = sight.facts.flights.as_ref()?;
    let shown = rule.shows.is_empty() || rule.shows.contains(&flights.kind);
    let size = flights.area_m2.map(f64::from);
    let fits = size.is_none_or(|a| {
        rule.area_m2.0.is_none_or(|least| a >= least) && rule.area_m2.1.is_none_or(|most| a <= most)
    });
    let bare = matches!(rule.kind, RuleKind::Change { bare: true, .. });
    if !shown || !fits || bare && sight.facts.region.bared < BARE {
        return None;
    }
    if rule.zones.is_empty() {
        return Some(None);
    }
    let ground = sight.ground.as_ref()?;
    let share = |zone: &crate::config::Zone| match &zone.area {
        ZoneArea::Ground { area, .. } => ground.share_in(area).max(area.share_in(ground)),
        ZoneArea::Picture(_) => 0.0,
    };
    let best = rule.zones.iter().map(|zone| (share(zone), zone)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(share, _)| *share >= IN_ZONE).map(|(_, zone)| Some(zone.id.clone()))
}

fn bounds(outline: &[[f64; 2]]) -> [f64; 4] {
    let edge = |axis: usize, start: f64, join: fn(f64, f64) -> f64| {
        outline.iter().map(|p| p[axis]).fold(start, join)
    };
    [edge(0, f64::MAX, f64::min), edge(1, f64::MAX, f64::min), edge(0, 0.0, f64::max), edge(1, 0.0, f64::max)]
}

/// Pixels to shares of a picture.
fn share_of([left, top, right, bottom]: [f64; 4], [width, height]: [u32; 2]) -> Rect {
    let (w, h) = (f64::from(width), f64::from(height));
    Rect::new((left / w) as f32, (top / h) as f32, (right / w) as f32, (bottom / h) as f32)
}
