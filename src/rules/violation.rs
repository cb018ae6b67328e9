//! A suspected violation and the steps of its life.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::{CameraId, ClassName, Rect, TrackId, WallTime, ZoneId};
use crate::change::ChangeRegion;
use crate::config::{GroundChange, Severity};
use crate::track::OnGround;

/// `opened -> updated* -> closed | expired`, all under one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    Opened,
    Updated,
    /// Cleared: the thing is gone, seen clearly.
    Closed,
    /// Unknown: the camera has not shown the place clearly for too long.
    Expired,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// UUIDv7 with the time of `started`. The same in all transitions.
    pub id: Uuid,
    pub transition: Transition,
    /// 0 for `opened`, then increasing by one. `(id, revision)` is unique.
    pub revision: u32,
    pub camera: CameraId,
    /// `Rule::id`.
    pub rule: String,
    /// `ViolationClass::id`.
    pub class: String,
    pub zone: Option<ZoneId>,
    pub severity: Severity,
    /// When the thing was first seen.
    pub started: WallTime,
    /// Capture time of the picture that first showed it, or the vehicle that left it behind. `None`: none did
    /// before this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<WallTime>,
    /// How much of the time from `started` to `last_seen` the camera watched. `None` for flights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<Duration>,
    /// Capture time of the picture that made this transition.
    pub at: WallTime,
    /// When the thing was last seen.
    pub last_seen: WallTime,
    /// 0 to 1: what the scores are worth by the model's manifest, raised by companions.
    pub confidence: f32,
    /// The box around all objects, normalised.
    pub rect: Rect,
    pub objects: Vec<ViolationObject>,
    /// Number of the permit that people named for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit: Option<String>,
    /// Closed because people rejected it.
    #[serde(default)]
    pub rejected: bool,
    /// One sentence for the officer: why this is a suspected violation.
    pub reason: String,
    /// The change, if the rule is about one.
    pub change: Option<Box<ChangeFacts>>,
}

/// What a person decided about an event, and who sent the word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// `confirmed`, `rejected`, `permitted` or `rectified`.
    pub verdict: String,
    /// In the command's own words; not proved.
    pub by: Option<String>,
    /// The proved sender of the command. `None`: the config names none, so the broker's access rules decide.
    pub issuer: Option<String>,
    /// The command's id.
    pub command: Option<String>,
    /// When the command came.
    pub at: WallTime,
}

#[cfg(test)]
impl Violation {
    /// For tests: a step of a thing of class and rule `clutter`.
    pub(crate) fn step_of(id: Uuid, camera: &str, transition: Transition, revision: u32) -> Self {
        let at = WallTime(1_795_321_800_000_000);
        Self {
            id,
            transition,
            revision,
            camera: CameraId::new(camera),
            rule: "clutter".into(),
            class: "clutter".into(),
            zone: None,
            severity: Severity::Low,
            started: at,
            shown: None,
            watched: None,
            at,
            last_seen: at,
            confidence: 0.5,
            rect: Rect::new(0.1, 0.1, 0.2, 0.2),
            objects: Vec::new(),
            change: None,
            permit: None,
            rejected: false,
            reason: "why".into(),
        }
    }
}

/// A lasting change: its region, what stands beside it, and what left it behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeFacts {
    pub region: ChangeRegion,
    /// The rule's objects that the detector saw next to it.
    pub near: Vec<ClassName>,
    /// What stood there before it came, and from when to when.
    pub left_by: Option<(ClassName, WallTime, WallTime)>,
    /// For a difference between two flights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flights: Option<FlightFacts>,
}

/// A difference between two flights over the same ground.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlightFacts {
    /// Names of the flights.
    pub before: String,
    pub after: String,
    pub kind: GroundChange,
    pub area_m2: Option<f32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViolationObject {
    pub class: ClassName,
    pub track: TrackId,
    pub score: f32,
    pub rect: Rect,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<OnGround>,
    /// `None`: it was not looked at a second time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_look: Option<SecondLookFacts>,
}

/// What a second network says about the crop around an object.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecondLookFacts {
    pub verdict: SecondLookVerdict,
    /// Mean probability that it is of its class's kind, such as a vehicle; `None`: no answer has come.
    pub probability: Option<f32>,
    pub answers: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecondLookVerdict {
    /// It is what the rule is about.
    Confirmed,
    /// It may be.
    Unsure,
    /// It is not.
    Denied,
    /// No answer came in time.
    NotDone,
}
