//! One difference between two pictures as rules and events know it: its outline, its place on the map, its zone.

use super::state::Flown;
use crate::base::{GroundArea, Point, Rect, ZoneId};
use crate::change::{ChangeRegion, Seen};
use crate::compare::{Found, Shot};
use crate::config::{Rule, RuleKind, Zone, ZoneArea};
use crate::geo::gcj02_from_wgs84;
use crate::rules::{ChangeFacts, FlightFacts, Violation};
use crate::scene::round;
use crate::wire::{AccuracyData, CalibrationState, EventPlace, PolygonGeometry, PositionData};

/// Share of a difference that must lie in a zone, or of the zone that must have changed.
const IN_ZONE: f64 = 0.4;
/// A rule about lost green wants so much of it gone.
const BARE: f32 = 0.35;

/// A difference in one picture.
#[derive(Clone)]
pub(crate) struct Sight {
    pub facts: ChangeFacts,
    pub rect: Rect,
    pub confidence: f32,
    pub place: Option<EventPlace>,
    pub ground: Option<GroundArea>,
    pub size: (u32, u32),
}

impl Sight {
    /// As the later picture shows it; `None` where nothing came.
    pub fn new(found: &Found, earlier: &Flown, flight: &Flown, after: &Shot, gcj02: bool) -> Option<Self> {
        let kind = found.kind.of_ground()?;
        let at = flight.at;
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
            before: earlier.name.clone(),
            after: flight.name.clone(),
            kind,
            area_m2: found.area_m2.map(|a| a as f32),
        };
        let facts = ChangeFacts { region, near: found.near.clone(), left_by: None, flights: Some(flights) };
        let ground = found.outline.as_ref().and_then(|ring| GroundArea::new(vec![vec![ring.clone()]]).ok());
        let size = (after.size[0], after.size[1]);
        Some(Sight {
            facts,
            rect,
            confidence: found.confidence as f32,
            place: place(found, after, gcj02),
            ground,
            size,
        })
    }

    /// The event is as large as this from now on; it began when it did.
    pub fn grow(self, v: &mut Violation) {
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

fn place(found: &Found, after: &Shot, gcj02: bool) -> Option<EventPlace> {
    let n = found.outline_px.len().max(1) as f64;
    let middle = [0, 1].map(|axis| found.outline_px.iter().map(|p| p[axis]).sum::<f64>() / n);
    let at = after.placed.on_map(middle)?;
    let position = PositionData {
        lon: round(at.lon, 1e8),
        lat: round(at.lat, 1e8),
        alt: at.alt.map(|alt| round(alt, 1e2)),
    };
    let mut ring: Vec<[f64; 2]> = found.outline.as_ref()?.iter().map(|p| p.map(|v| round(v, 1e8))).collect();
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
        gcj02: gcj02.then(|| [round(lon, 1e8), round(lat, 1e8)]),
        objects: vec![Some(position)],
    })
}

/// The rule's zone that the difference is in; the outer `None`: it is not about it.
pub(crate) fn zone_of(rule: &Rule, sight: &Sight) -> Option<Option<ZoneId>> {
    let flights = sight.facts.flights.as_ref()?;
    let shown = rule.shows.is_empty() || rule.shows.contains(&flights.kind);
    let bare = matches!(rule.kind, RuleKind::Change { bare: true, .. });
    if !shown || !rule.fits(flights.area_m2.map(f64::from)) || bare && sight.facts.region.bared < BARE {
        return None;
    }
    if rule.zones.is_empty() {
        return Some(None);
    }
    let ground = sight.ground.as_ref()?;
    let share = |zone: &Zone| match &zone.area {
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
pub(crate) fn share_of([left, top, right, bottom]: [f64; 4], [width, height]: [u32; 2]) -> Rect {
    let (w, h) = (f64::from(width), f64::from(height));
    Rect::new((left / w) as f32, (top / h) as f32, (right / w) as f32, (bottom / h) as f32)
}
