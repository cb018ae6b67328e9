//! Messages about a suspected violation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::CloudEvent;
use super::Topics;
use super::capture::CaptureData;
use super::decision::DecisionData;
use super::place::{AccuracyData, PolygonGeometry, PositionData};
use crate::base::{CameraId, Capture};
use crate::config::{
    CameraConfig, FlightArea, GroundChange, Group, NodeConfig, Position, Severity, ViolationClass, Zone,
};
use crate::geo::{CalibrationState, EventPlace, Method};
use crate::outbox::OutMessage;
use crate::rules::{ChangeFacts, Decision, SecondLookVerdict, Transition, Violation};

/// The facts in a message about a violation.
#[derive(Clone, Copy, Debug)]
pub struct EventFacts<'a> {
    pub node: &'a NodeConfig,
    pub camera: EventCamera<'a>,
    pub class: &'a ViolationClass,
    pub violation: &'a Violation,
    /// Capture of the picture that made the transition; `None` without one (expiry).
    pub capture: Option<Capture>,
    /// Width and height of that picture.
    pub picture: Option<(u32, u32)>,
    /// Its place on the map, if known.
    pub place: Option<&'a EventPlace>,
    /// The cameras that see it, if there are several.
    pub seen_by: &'a [SeenBy],
    pub evidence: &'a EvidenceState,
    /// The person's decision that made the transition; `None`: pictures made it.
    pub decision: Option<&'a Decision>,
}

/// The source of the event: a camera, or a flight area.
#[derive(Clone, Copy, Debug)]
pub struct EventCamera<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub gb_id: Option<&'a str>,
    pub position: Option<Position>,
    pub zones: &'a [Zone],
}

impl<'a> From<&'a CameraConfig> for EventCamera<'a> {
    fn from(camera: &'a CameraConfig) -> Self {
        let CameraConfig { id, name, gb_id, position, zones, .. } = camera;
        Self { id: id.as_str(), name, gb_id: gb_id.as_deref(), position: *position, zones }
    }
}

impl<'a> From<&'a FlightArea> for EventCamera<'a> {
    fn from(area: &'a FlightArea) -> Self {
        Self { id: area.id.as_str(), name: &area.name, gb_id: None, position: None, zones: &area.zones }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "cn.lintel.violation.*: data")]
pub struct EventData {
    /// The same for the whole life of the violation (UUIDv7 of its start).
    pub event: Uuid,
    /// 0 for opened, then increasing by one.
    pub revision: u32,
    pub class: ClassRef,
    pub camera: CameraRef,
    /// `null`: the whole picture.
    pub zone: Option<ZoneRef>,
    /// The configured rule that it broke.
    pub rule: String,
    pub status: EventStatus,
    /// For `status` `permitted`: the number of the permit that covers it, or the permission that a person
    /// named.
    pub permit: Option<String>,
    #[schemars(with = "SeveritySchema")]
    pub severity: Severity,
    /// The mean score of the objects over their looks, as the share of such detections that are right by the
    /// model's manifest, raised by fitting objects nearby. The scores themselves are in `objects`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f64,
    /// When the object was first seen. RFC 3339, UTC, as all times.
    pub started: String,
    /// How much of the time from `started` to `last_seen` the camera watched, in seconds. The rest is time without a
    /// stream, or in which nothing could be seen. `null` for an event between two flights.
    pub watched_s: Option<f64>,
    /// Time of this transition.
    pub at: String,
    /// The person's decision that made this transition. `null`: no person made it.
    #[serde(default)]
    pub decision: Option<DecisionData>,
    pub last_seen: String,
    /// Why this is a suspected violation, as a sentence.
    pub reason: String,
    /// The box around all objects: left, top, right, bottom as shares of the picture's width and height.
    #[serde(rename = "box")]
    pub rect: [f64; 4],
    pub objects: Vec<ObjectData>,
    /// For a class about lasting change: how the place looks now. Else `null`.
    pub change: Option<ChangeData>,
    pub capture: Option<CaptureData>,
    pub picture: Option<PictureSize>,
    /// GeoJSON (RFC 7946): longitude, latitude, and altitude in metres where known. `null`: unknown.
    pub geometry: Option<PointGeometry>,
    /// What `geometry` is the position of. `object`: the object. `camera`: the camera; the violation is in
    /// its view.
    #[schemars(extend("enum" = ["object", "camera"]))]
    pub position_of: String,
    /// Position of the object: the point where the lower edge of its box meets the ground. `null`: unknown.
    pub position: Option<PositionData>,
    pub accuracy: Option<AccuracyData>,
    /// How the position was found: `pose_*` by a calibrated camera, `telemetry_*` by a drone's flight data;
    /// `*_plane` on level ground, `*_dem` on a terrain model.
    pub method: Option<Method>,
    /// Whether the position is reliable.
    pub calibration: Option<CalibrationState>,
    /// The ground under the event's objects: a square under each box, as deep as the box is wide, and the
    /// area between them.
    pub footprint: Option<PolygonGeometry>,
    /// The same position in GCJ-02 (longitude, latitude), for Chinese web maps, if configured.
    pub gcj02: Option<[f64; 2]>,
    /// If several cameras see the same object at the same place and time: all of them, the event's camera
    /// first. The stills and clip of each have the id in `evidence`.
    pub seen_by: Vec<SeenBy>,
    #[schemars(extend("const" = "EPSG:4326"))]
    pub crs: String,
    pub evidence: EvidenceState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    Suspected,
    /// A permit covers the place, the class and the time, or a person permitted it.
    Permitted,
    /// A person rejected it: it is not a violation, and it is closed.
    Rejected,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClassRef {
    /// Stable, from the catalogue.
    pub id: String,
    pub zh: String,
    pub en: String,
    #[schemars(extend("enum" = ["construction", "street"]))]
    pub group: String,
    /// The city's event code with the area as a prefix; `null` if the city has none.
    pub code: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CameraRef {
    pub id: String,
    pub name: String,
    /// GB/T 28181 device id.
    pub gb_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeenBy {
    pub camera: String,
    pub evidence: Uuid,
    /// Kinds of files to come: `still`, `annotated`, `clip`, `manifest`.
    pub expected: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ZoneRef {
    pub id: String,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectData {
    /// The model's name of the class.
    pub class: String,
    /// Number of the track: the same for an object as long as it is tracked.
    pub track: u64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub score: f64,
    #[serde(rename = "box")]
    pub rect: [f64; 4],
    /// Its position, if known.
    pub position: Option<PositionData>,
    /// What a second network says about the crop around it. `null`: it was not asked.
    #[serde(default)]
    pub second_look: Option<SecondLookData>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecondLookData {
    pub verdict: SecondLookVerdict,
    /// Mean probability that it is of its class's kind, such as a vehicle. `null`: no answer has come.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: Option<f64>,
    /// Number of crops, from different pictures.
    pub answers: u32,
}

/// A part of the picture that has looked different for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeData {
    /// Corners as shares of the picture's width and height.
    pub outline: Vec<[f64; 2]>,
    /// Share of the picture within the outline.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
    pub first_seen: String,
    /// The last sample that showed it.
    pub last_confirmed: String,
    /// Number of lights in which it was seen: times of day, infrared.
    pub lights: u32,
    /// Times at which it had grown, and its share of the picture then. The first entry is its start.
    pub growth: Vec<GrowthData>,
    /// Share of green that was lost, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub lost_green: f64,
    /// Ratio of the brightness now to the brightness before, relative to the rest of the picture.
    pub brighter: f64,
    /// The rule's objects that were detected beside it; for a comparison of flights also its companions.
    pub near: Vec<String>,
    /// The object that stood there before the change.
    pub left_by: Option<LeftByData>,
    /// For a comparison of two flights; else `null`.
    pub flights: Option<FlightsData>,
}

/// A difference between two flights over the same ground; its outline on the map is the event's `footprint`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlightsData {
    /// Name of the earlier flight.
    pub before: String,
    /// Name of the later flight.
    pub after: String,
    #[schemars(with = "GroundChange")]
    pub kind: GroundChange,
    /// Area of the outline in square metres; `null`: the pictures have no scale.
    pub area_m2: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GrowthData {
    pub at: String,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftByData {
    /// The model's name of the class.
    pub class: String,
    pub from: String,
    pub to: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PictureSize {
    pub width: u32,
    pub height: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PointGeometry {
    #[serde(rename = "type")]
    #[schemars(extend("const" = "Point"))]
    pub kind: String,
    #[schemars(length(min = 2, max = 3))]
    pub coordinates: Vec<f64>,
}

/// Evidence to come on the evidence topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceState {
    /// Kinds of files to come: `still`, `annotated`, `clip`, `closed`, `manifest`. For a lasting change also
    /// `before` and `after`; for two flights also `comparison`.
    pub expected: Vec<String>,
    /// Evidence that could not be made; the event has none of it.
    pub missing: Vec<MissingEvidence>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingEvidence {
    pub kind: String,
    pub reason: String,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "the schema of config's Severity, which has none itself")]
enum SeveritySchema {
    Low,
    Medium,
    High,
}

/// The message of one transition. Its CloudEvents id is `<event>/<revision>`.
pub fn event_message(topics: &Topics, facts: &EventFacts<'_>) -> OutMessage {
    let EventFacts { node, camera, violation: v, .. } = *facts;
    let kind = match v.transition {
        Transition::Opened => "cn.lintel.violation.opened",
        Transition::Updated => "cn.lintel.violation.updated",
        Transition::Closed => "cn.lintel.violation.closed",
        Transition::Expired => "cn.lintel.violation.expired",
    };
    CloudEvent::new(
        format!("{}/{}", v.id, v.revision),
        format!("/lintel/{}/{}", node.id, camera.id),
        kind,
        v.id.to_string(),
        v.at.to_string(),
        data(facts),
    )
    .schema("urn:lintel:schema:violation:1")
    .into_message(topics.event(&CameraId::from(camera.id)))
}

fn data(facts: &EventFacts<'_>) -> EventData {
    let EventFacts {
        node,
        camera,
        class,
        violation: v,
        capture,
        picture,
        place,
        seen_by,
        evidence,
        decision,
    } = *facts;
    EventData {
        event: v.id,
        revision: v.revision,
        class: ClassRef {
            id: class.id.clone(),
            zh: class.zh.clone(),
            en: class.en.clone(),
            group: match class.group {
                Group::Construction => "construction",
                Group::Street => "street",
            }
            .to_owned(),
            code: (!class.code.is_empty()).then(|| format!("{}{}", node.area_code, class.code)),
        },
        camera: CameraRef {
            id: camera.id.to_string(),
            name: camera.name.to_owned(),
            gb_id: camera.gb_id.map(str::to_owned),
        },
        zone: v.zone.as_ref().map(|id| ZoneRef {
            id: id.to_string(),
            name: camera.zones.iter().find(|z| z.id == *id).map(|z| z.name.clone()).unwrap_or_default(),
        }),
        rule: v.rule.clone(),
        status: match (v.rejected, &v.permit) {
            (true, _) => EventStatus::Rejected,
            (false, Some(_)) => EventStatus::Permitted,
            (false, None) => EventStatus::Suspected,
        },
        permit: v.permit.clone(),
        severity: v.severity,
        confidence: round(v.confidence),
        started: v.started.to_string(),
        watched_s: v.watched.map(|watched| (watched.as_secs_f64() * 1000.0).round() / 1000.0),
        at: v.at.to_string(),
        decision: decision.map(Into::into),
        last_seen: v.last_seen.to_string(),
        reason: v.reason.clone(),
        rect: corners(&v.rect),
        objects: v
            .objects
            .iter()
            .enumerate()
            .map(|(i, o)| ObjectData {
                position: place.and_then(|p| *p.objects.get(i)?).map(Into::into),
                class: o.class.to_string(),
                track: o.track.0,
                score: round(o.score),
                rect: corners(&o.rect),
                second_look: o.second_look.map(|look| SecondLookData {
                    verdict: look.verdict,
                    probability: look.probability.map(round),
                    answers: look.answers,
                }),
            })
            .collect(),
        change: v.change.as_deref().map(change),
        capture: capture.map(Into::into),
        picture: picture.map(|(width, height)| PictureSize { width, height }),
        geometry: match (place, camera.position) {
            (Some(p), _) => Some(point([Some(p.position.lon), Some(p.position.lat), p.position.alt])),
            (None, Some(p)) => Some(point([Some(p.lon), Some(p.lat), p.alt])),
            (None, None) => None,
        },
        position_of: if place.is_some() { "object" } else { "camera" }.to_owned(),
        position: place.map(|p| p.position.into()),
        accuracy: place.and_then(|p| p.accuracy).map(Into::into),
        method: place.map(|p| p.method),
        calibration: place.map(|p| p.calibration),
        footprint: place.and_then(|p| p.footprint.clone()).map(PolygonGeometry::new),
        gcj02: place.and_then(|p| p.gcj02),
        seen_by: seen_by.to_vec(),
        crs: "EPSG:4326".to_owned(),
        evidence: evidence.clone(),
    }
}

fn point(coordinates: [Option<f64>; 3]) -> PointGeometry {
    PointGeometry { kind: "Point".to_owned(), coordinates: coordinates.into_iter().flatten().collect() }
}

fn change(facts: &ChangeFacts) -> ChangeData {
    let region = &facts.region;
    let grown = |(at, share): &(crate::base::WallTime, f32)| GrowthData {
        at: at.to_string(),
        share: (f64::from(*share) * 1e6).round() / 1e6,
    };
    ChangeData {
        outline: region.outline.iter().map(|p| [round(p.x), round(p.y)]).collect(),
        share: (f64::from(region.share) * 1e6).round() / 1e6,
        first_seen: region.first_seen.to_string(),
        last_confirmed: region.last_confirmed.to_string(),
        lights: region.lights,
        growth: region.growth.iter().map(grown).collect(),
        lost_green: round(region.bared),
        brighter: round(region.brighter),
        near: facts.near.iter().map(ToString::to_string).collect(),
        left_by: facts.left_by.as_ref().map(|(class, from, to)| LeftByData {
            class: class.to_string(),
            from: from.to_string(),
            to: to.to_string(),
        }),
        flights: facts.flights.as_ref().map(|flights| FlightsData {
            before: flights.before.clone(),
            after: flights.after.clone(),
            kind: flights.kind,
            area_m2: flights.area_m2.map(|a| (f64::from(a) * 10.0).round() / 10.0),
        }),
    }
}

/// Rounds to four decimals, which removes the noise of single precision. The error is at most a tenth of a
/// pixel at 1080p.
fn round(v: f32) -> f64 {
    (f64::from(v) * 1e4).round() / 1e4
}

fn corners(r: &crate::base::Rect) -> [f64; 4] {
    [r.x0, r.y0, r.x1, r.y1].map(round)
}
