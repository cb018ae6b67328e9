//! A difference between two flights, as the rules see it.

use super::constants::{BARE, IN_ZONE};
use super::violation::{ChangeFacts, FlightFacts, Violation};
use crate::base::{Point, Rect, WallTime, ZoneId};
use crate::change::{ChangeRegion, Seen};
use crate::compare::{ChangedArea, MapPosition, Shot};
use crate::config::{Rule, RuleKind, Zone, ZoneArea};
use crate::geo::GroundArea;

/// A difference in one pair of pictures.
#[derive(Clone)]
pub struct FlightFinding {
    pub facts: ChangeFacts,
    /// In the later picture, normalised.
    pub rect: Rect,
    /// 0 to 1.
    pub confidence: f32,
    /// The middle and the outline (longitude, latitude) on the map. `None` for a picture without a place.
    pub on_map: Option<(MapPosition, Vec<[f64; 2]>)>,
    pub ground: Option<GroundArea>,
    /// Of the later picture, in pixels.
    pub size: (u32, u32),
}

impl FlightFinding {
    /// The difference as the later picture shows it. `None` where nothing was added.
    ///
    /// `before` and `flight` are the names of the two flights; `at` is the time of the later one.
    pub fn new(found: &ChangedArea, before: &str, flight: &str, at: WallTime, after: &Shot) -> Option<Self> {
        let kind = found.kind.of_ground()?;
        let rect = share_of(bounds(&found.outline_px), after.size);
        let share = |p: &[f64; 2]| Point {
            x: (p[0] / f64::from(after.size[0])) as f32,
            y: (p[1] / f64::from(after.size[1])) as f32,
        };
        let region = ChangeRegion {
            id: 0,
            outline: found.outline_px.iter().map(share).collect(),
            rect,
            share: found.share as f32,
            first_seen: at,
            last_confirmed: at,
            denied: None,
            seen: Seen::Yes,
            edges_only: false,
            lights: 1,
            growth: vec![(at, found.share as f32)],
            bared: found.lost_green,
            brighter: found.brighter,
        };
        let flights = FlightFacts {
            before: before.to_owned(),
            after: flight.to_owned(),
            kind,
            area_m2: found.area_m2.map(|a| a as f32),
        };
        let facts = ChangeFacts { region, near: found.near.clone(), left_by: None, flights: Some(flights) };
        let ground = found.outline.as_ref().and_then(|ring| GroundArea::new(vec![vec![ring.clone()]]).ok());
        let confidence = found.confidence as f32;
        let size = (after.size[0], after.size[1]);
        Some(Self { facts, rect, confidence, on_map: on_map(found, after), ground, size })
    }

    /// Square metres where they are known, else the share of the picture.
    pub(super) fn extent(&self) -> f32 {
        extent(&self.facts)
    }

    /// The zone of the rule that contains the difference. The outer `None`: the rule is not about it.
    pub(super) fn zone_of(&self, rule: &Rule) -> Option<Option<ZoneId>> {
        let flights = self.facts.flights.as_ref()?;
        let shown = rule.shows.is_empty() || rule.shows.contains(&flights.kind);
        let bare = matches!(rule.kind, RuleKind::Change { bare: true, .. });
        if !shown || !rule.fits(flights.area_m2.map(f64::from)) || bare && self.facts.region.bared < BARE {
            return None;
        }
        if rule.zones.is_empty() {
            return Some(None);
        }
        let ground = self.ground.as_ref()?;
        // Of the difference in the zone, or of the zone that has changed.
        let share = |zone: &Zone| match &zone.area {
            ZoneArea::Ground { area, .. } => ground.share_in(area).max(area.share_in(ground)),
            ZoneArea::Picture(_) => 0.0,
        };
        let best = rule.zones.iter().map(|zone| (share(zone), zone)).max_by(|a, b| a.0.total_cmp(&b.0));
        best.filter(|(share, _)| *share >= IN_ZONE).map(|(_, zone)| Some(zone.id.clone()))
    }

    /// Gives the event the extent of this finding. Its start and its first flight stay.
    pub(super) fn grow(self, v: &mut Violation) {
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

/// Square metres where they are known, else the share of the picture.
pub(super) fn extent(facts: &ChangeFacts) -> f32 {
    facts.flights.as_ref().and_then(|f| f.area_m2).unwrap_or(facts.region.share)
}

fn on_map(found: &ChangedArea, after: &Shot) -> Option<(MapPosition, Vec<[f64; 2]>)> {
    let n = found.outline_px.len().max(1) as f64;
    let middle = [0, 1].map(|axis| found.outline_px.iter().map(|p| p[axis]).sum::<f64>() / n);
    let outline = found.outline.clone().filter(|outline| !outline.is_empty())?;
    Some((after.georeference.locate(middle)?, outline))
}

fn bounds(outline: &[[f64; 2]]) -> [f64; 4] {
    let edge = |axis: usize, start: f64, join: fn(f64, f64) -> f64| {
        outline.iter().map(|p| p[axis]).fold(start, join)
    };
    [edge(0, f64::MAX, f64::min), edge(1, f64::MAX, f64::min), edge(0, 0.0, f64::max), edge(1, 0.0, f64::max)]
}

/// A box in pixels, normalised to a picture of `size`.
pub(super) fn share_of([left, top, right, bottom]: [f64; 4], [width, height]: [u32; 2]) -> Rect {
    let (w, h) = (f64::from(width), f64::from(height));
    Rect::new((left / w) as f32, (top / h) as f32, (right / w) as f32, (bottom / h) as f32)
}
