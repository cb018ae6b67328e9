//! What the differences between two flights mean: new events, events that go on, events that are over.
//!
//! A difference opens an event of each rule that covers its kind, its zone and its size. The ground of the
//! event is then kept as it looked before, so each later flight shows the difference again while the thing is
//! there: it is the same event. Once a flight shows the ground as it was before, the event is closed.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::constants::raised;
use super::flight_finding::{FlightFinding, extent, share_of};
use super::input::CHANGE;
use super::reason;
use super::violation::{Transition, Violation, ViolationObject};
use crate::base::{ClassName, DerivedId, Rect, TrackId, WallTime, ZoneId};
use crate::compare::{ChangedArea, Comparison, PatchCheck, Shot};
use crate::config::{FlightArea, Permit, Rule};
use crate::geo::GroundArea;

/// Two outlines in different pictures of a flight are the same thing when this share of one lies in the
/// other.
const SAME: f64 = 0.3;
/// A picture that shows less than this share of an event's ground does not decide about the event.
const SEEN: f64 = 0.6;
/// With a smaller share of it different from before, the ground is as it was.
const AS_BEFORE: f64 = 0.15;
/// An event that has grown by this factor is reported again.
const GROWN: f32 = 1.2;
/// Events that one flight opens at most.
const MOST_OPENED: usize = 200;

/// The flight that is judged.
#[derive(Clone, Copy)]
pub struct Flight<'a> {
    pub node: &'a str,
    pub area: &'a FlightArea,
    pub permits: &'a [Permit],
    pub name: &'a str,
    pub at: WallTime,
    /// Hash of its pictures; part of the ids of its events.
    pub digest: &'a str,
}

/// An open event, with its area on the map.
#[derive(Clone)]
pub struct FlightEvent {
    pub violation: Violation,
    pub ground: Option<GroundArea>,
}

/// One transition of an event.
pub struct FlightStep {
    pub violation: Violation,
    /// Of the later picture, in pixels, where the step is about one.
    pub size: Option<(u32, u32)>,
}

/// What one pair of pictures says.
#[derive(Default)]
pub struct PairFindings<'p> {
    /// Events whose ground looks as before, with its box in the later picture.
    pub gone: Vec<(Uuid, Rect)>,
    pub opened: Vec<(Uuid, FlightFinding)>,
    /// The differences and the kept ground of each event in the pair.
    pub ground: BTreeMap<Uuid, (Vec<&'p ChangedArea>, Vec<&'p PatchCheck>)>,
}

/// What the flight says of an event that was open before it.
#[derive(Default)]
struct Fate {
    /// Of several pictures that which shows most of it.
    same: Option<FlightFinding>,
    unsure: bool,
    gone: bool,
}

/// Judges one flight, pair by pair.
pub struct FlightJudge<'a> {
    flight: Flight<'a>,
    open: Vec<FlightEvent>,
    fates: BTreeMap<Uuid, Fate>,
    opened: Vec<(FlightEvent, FlightStep)>,
    left_out: usize,
}

impl<'a> FlightJudge<'a> {
    /// `open`: the area's events that are open before the flight.
    pub fn new(flight: Flight<'a>, open: Vec<FlightEvent>) -> Self {
        Self { flight, open, fates: BTreeMap::new(), opened: Vec::new(), left_out: 0 }
    }

    /// Judges a pair of pictures. `before` is the name of the earlier flight, `after` the later picture.
    pub fn push<'p>(&mut self, pair: &'p Comparison, before: &str, after: &Shot) -> PairFindings<'p> {
        let (name, at) = (self.flight.name, self.flight.at);
        let finding = |found: &ChangedArea| FlightFinding::new(found, before, name, at, after);
        let mut findings = PairFindings::default();
        let mut known = vec![false; pair.changes.len()];
        for patch in &pair.patches {
            patch.changes.iter().for_each(|i| known[*i] = true);
            if patch.visible < SEEN || !self.open.iter().any(|open| open.violation.id == patch.event) {
                continue;
            }
            let own = patch.changes.iter().filter_map(|i| finding(&pair.changes[*i]));
            let largest = own.max_by(|a, b| a.facts.region.share.total_cmp(&b.facts.region.share));
            let fate = self.fates.entry(patch.event).or_default();
            match largest {
                Some(largest) => fate.push(largest),
                None if patch.differs >= AS_BEFORE => fate.unsure = true,
                None => {
                    fate.gone = true;
                    findings.gone.push((patch.event, share_of(pair.rect_of(patch), after.size)));
                    continue;
                }
            }
            let ground = findings.ground.entry(patch.event).or_default();
            ground.0.extend(patch.changes.iter().map(|i| &pair.changes[*i]));
            ground.1.push(patch);
        }
        for (found, _) in pair.changes.iter().zip(known).filter(|(_, known)| !known) {
            let Some(finding) = finding(found) else { continue };
            for event in self.events_of(&finding, &mut findings.opened) {
                findings.ground.entry(event).or_default().0.push(found);
            }
        }
        findings
    }

    /// Brings the open events up to date: people may have decided about them since the flight began.
    pub fn refresh(&mut self, now: &[Violation]) {
        for open in &mut self.open {
            if let Some(fresh) = now.iter().find(|fresh| fresh.id == open.violation.id) {
                open.violation.clone_from(fresh);
            }
        }
    }

    /// How many events were too many to open. Their ground counts as usual from now on.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The events that the flight has opened so far.
    pub fn opened(&self) -> impl Iterator<Item = Uuid> {
        self.opened.iter().map(|(event, _)| event.violation.id)
    }

    /// The transitions that the flight makes, and the events that are open from now on.
    ///
    /// `decided`: events that people have closed since the flight began. `held`: events whose earlier ground some picture
    /// still keeps.
    pub fn finish(
        mut self,
        decided: &BTreeSet<Uuid>,
        held: &BTreeSet<Uuid>,
    ) -> (Vec<FlightStep>, Vec<FlightEvent>) {
        let (mut steps, mut open) = (Vec::new(), Vec::new());
        for mut event in self.open.into_iter().filter(|event| !decided.contains(&event.violation.id)) {
            let v = &mut event.violation;
            let mut step = |v: &mut Violation, transition, reason, size| {
                v.revision += 1;
                (v.transition, v.at, v.reason) = (transition, self.flight.at, reason);
                steps.push(FlightStep { violation: v.clone(), size });
            };
            let name = self.flight.name;
            match self.fates.remove(&v.id).unwrap_or_default() {
                Fate { same: Some(finding), .. } => {
                    v.last_seen = self.flight.at;
                    if finding.extent() > GROWN * v.change.as_deref().map_or(0.0, extent) {
                        let size = Some(finding.size);
                        finding.grow(v);
                        step(v, Transition::Updated, reason::of_grown_flight(name), size);
                    }
                    open.push(event);
                }
                Fate { unsure: true, .. } => open.push(event),
                Fate { gone: true, .. } => {
                    step(v, Transition::Closed, reason::of_closed_flight(name), None);
                }
                // The flight did not pass over it.
                _ if held.contains(&v.id) => open.push(event),
                _ => step(v, Transition::Expired, reason::of_expired_flight(name), None),
            }
        }
        for (event, step) in self.opened {
            open.push(event);
            steps.push(step);
        }
        (steps, open)
    }

    /// The events that a difference belongs to: known ones, and new ones, which are added to `new`.
    fn events_of(&mut self, finding: &FlightFinding, new: &mut Vec<(Uuid, FlightFinding)>) -> Vec<Uuid> {
        let mut events = Vec::new();
        let area = self.flight.area;
        for rule in &area.rules {
            let Some(zone) = finding.zone_of(rule) else { continue };
            let same = |open: &&FlightEvent| {
                let both = open.ground.as_ref().zip(finding.ground.as_ref());
                open.violation.rule == rule.id
                    && both.is_some_and(|(a, b)| a.share_in(b).max(b.share_in(a)) >= SAME)
            };
            if let Some(open) = self.open.iter().find(same) {
                events.push(open.violation.id);
                self.fates.entry(open.violation.id).or_default().push(finding.clone());
            } else if let Some((open, _)) = self.opened.iter().find(|(open, _)| same(&open)) {
                events.push(open.violation.id);
            } else if self.opened.len() >= MOST_OPENED {
                self.left_out += 1;
            } else {
                let violation = self.open(rule, zone, finding);
                events.push(violation.id);
                new.push((violation.id, finding.clone()));
                let step = FlightStep { violation: violation.clone(), size: Some(finding.size) };
                self.opened.push((FlightEvent { violation, ground: finding.ground.clone() }, step));
            }
        }
        events
    }

    fn open(&self, rule: &Rule, zone: Option<ZoneId>, finding: &FlightFinding) -> Violation {
        let Flight { area, at, .. } = self.flight;
        let mut facts = finding.facts.clone();
        facts.near.retain(|class| rule.objects.contains(class) || rule.companions.contains(class));
        let confidence = raised(finding.confidence, facts.near.len());
        let object = ViolationObject {
            class: ClassName::from(CHANGE),
            track: TrackId(self.opened.len() as u64 + 1),
            score: confidence,
            rect: finding.rect,
            ground: None,
            second_look: None,
        };
        let zone_name = zone.as_ref().and_then(|id| area.zones.iter().find(|z| z.id == *id));
        let zone_name = zone_name.map(|z| z.name.as_str());
        let flights = facts.flights.as_ref();
        Violation {
            id: self.id(rule),
            transition: Transition::Opened,
            revision: 0,
            camera: area.id.to_camera(),
            rule: rule.id.clone(),
            class: rule.class.id.clone(),
            severity: rule.severity,
            started: at,
            shown: None,
            watched: None,
            at,
            last_seen: at,
            confidence,
            rect: finding.rect,
            objects: vec![object],
            permit: self.permit(rule, finding),
            rejected: false,
            reason: flights.map_or_else(String::new, |f| reason::of_open_flight(f, zone_name)),
            change: Some(Box::new(facts)),
            zone,
        }
    }

    fn permit(&self, rule: &Rule, finding: &FlightFinding) -> Option<String> {
        let (at, _) = finding.on_map.as_ref()?;
        let covers =
            |p: &&Permit| p.allows(&rule.class.id, self.flight.at) && p.area.contains(at.lon, at.lat);
        self.flight.permits.iter().find(covers).map(|permit| permit.id.clone())
    }

    /// The id of the next event; the same flight gives the same ids.
    fn id(&self, rule: &Rule) -> Uuid {
        let Flight { node, area, digest, at, .. } = self.flight;
        let parts = [node, area.id.as_str(), rule.id.as_str(), digest];
        let id = parts.into_iter().fold(DerivedId::new(""), DerivedId::name);
        id.number(self.opened.len() as u64).at(at)
    }
}

impl Fate {
    fn push(&mut self, finding: FlightFinding) {
        if self.same.as_ref().is_none_or(|before| finding.extent() > before.extent()) {
            self.same = Some(finding);
        }
    }
}
