//! Rules and the catalogue of violation classes that they are instances of.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, Positive, Wait};
use crate::config::types::{GroundChange, Group, Severity};

/// A rule of one camera: a class of the catalogue, and what is to be different from it.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawRule {
    /// Violation class of the catalogue, for example `motor_vehicle_parking`.
    #[schemars(required)]
    pub(crate) class: Option<At<String>>,
    /// Unique within the camera. Default: the class. A camera's rule with the id of a shared one changes that
    /// one, value by value.
    #[expect(dead_code, reason = "here for the schema; read from the tree, before the layers are joined")]
    pub(crate) id: Option<At<String>>,
    /// Zones of the camera that it is about. Default: the whole picture.
    pub(crate) zones: Option<At<Vec<At<String>>>>,
    /// False: a shared rule does not apply to this camera. Default: true.
    pub(crate) enabled: Option<bool>,
}

/// What only a rule at top level has.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawSharedRule {
    /// Cameras of these profiles only. Default: all cameras; with `zones`, those that have one of them.
    #[expect(dead_code, reason = "here for the schema; read from the tree, before the layers are joined")]
    pub(crate) profiles: Option<Vec<At<String>>>,
}

/// How a class is decided; `[defaults]` of the catalogue, then the class, then the shared rule, then the
/// camera's rule.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawRuleSettings {
    /// How it is decided.
    pub(crate) kind: Option<At<RawKind>>,
    /// Objects that it is about, in the model's words.
    pub(crate) objects: Option<At<Vec<At<String>>>>,
    /// Objects that raise confidence; for `companion_absent` those whose absence matters.
    pub(crate) companions: Option<At<Vec<At<String>>>>,
    /// Lowest score of an object that counts. Default: the model's own threshold for its class.
    #[schemars(range(min = 0, max = 1))]
    pub(crate) min_score: Option<At<f32>>,
    /// For how long it must last.
    pub(crate) dwell: Option<At<Wait>>,
    /// For `presence`: the object must not have moved.
    pub(crate) still: Option<At<bool>>,
    /// For `change`: it must have lost its green, as leaves that became earth or stone.
    pub(crate) bare: Option<At<bool>>,
    /// For `change` and `sequence` in a flight area: which changes of the ground it is about. Default: all.
    pub(crate) shows: Option<At<Vec<GroundChange>>>,
    /// For `sequence`: for how long one of `companions` must have stood there.
    pub(crate) stop: Option<At<Wait>>,
    /// For `sequence`: how long before the change was first seen that may have been.
    pub(crate) within: Option<At<Positive>>,
    /// For `count`: more objects than this.
    #[schemars(range(min = 0, max = 10_000))]
    pub(crate) limit: Option<At<u32>>,
    /// For `companion_absent`: how near a companion must be, in object heights.
    #[schemars(range(min = 0, max = 100))]
    pub(crate) distance: Option<At<f32>>,
    /// For `companion_absent`: how near a companion must be on the ground, in metres; where the camera is not
    /// calibrated `distance` holds.
    #[schemars(range(min = 0, max = 10_000))]
    pub(crate) distance_m: Option<At<f64>>,
    /// For `line_crossing`: two points `[[x, y], [x, y]]`, 0 to 1.
    pub(crate) line: Option<At<[[f32; 2]; 2]>>,
    /// For `line_crossing`: the way that counts, as seen walking from the first point of the line to the
    /// second.
    pub(crate) direction: Option<At<RawDirection>>,
    /// When it is awake: `"mon-fri 22:00-06:00"`, `"sat,sun 00:00-24:00"`, `"07:00-09:00"` for every day.
    /// Default: always.
    pub(crate) schedule: Option<At<Vec<At<String>>>>,
    /// `[N, M]`: seen in at least N of the last M pictures before it opens, gone from as many before it
    /// closes.
    pub(crate) hysteresis: Option<At<[u32; 2]>>,
    /// An open event is updated at most this often.
    pub(crate) update_every: Option<At<Positive>>,
    /// After a close, the same class at the same place stays silent for this long.
    pub(crate) cool_down: Option<At<Wait>>,
    /// Objects whose boxes, grown by this share of their size, touch are one event; 0: each is its own.
    #[schemars(range(min = 0, max = 10))]
    pub(crate) merge_distance: Option<At<f32>>,
    /// Objects that stand within so many metres on the ground are one event; where the camera is not
    /// calibrated `merge_distance` holds.
    #[schemars(range(min = 0, max = 10_000))]
    pub(crate) merge_m: Option<At<f64>>,
    /// Smallest object that counts, in square metres of its box as seen. Only where the camera is calibrated.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(crate) min_area_m2: Option<At<f64>>,
    /// Largest object that counts, in square metres of its box as seen. Only where the camera is calibrated.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(crate) max_area_m2: Option<At<f64>>,
    /// An open event whose place is not seen for this long expires.
    pub(crate) expire_after: Option<At<Positive>>,
    /// How urgent it is.
    pub(crate) severity: Option<Severity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawKind {
    /// An object stays in the zone for `dwell`.
    Presence,
    /// An object comes into the zone while the schedule is awake.
    Entry,
    /// An object crosses `line`.
    LineCrossing,
    /// More than `limit` objects in the zone for `dwell`.
    Count,
    /// An object without a companion within `distance`, for `dwell`.
    CompanionAbsent,
    /// As presence, over hours to days: gaps, night and restarts do not count as leaving.
    LongDwell,
    /// A part of the zone looks different from how it was, and stays so for `dwell`, whatever the light.
    /// Needs no object.
    Change,
    /// As `change`, where one of `companions` stood before: a truck stops, leaves, and a heap remains.
    Sequence,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawDirection {
    Any,
    LeftToRight,
    RightToLeft,
}

/// Keys that a class of the catalogue has beside its rule settings.
pub(crate) const CLASS_KEYS: [&str; 6] = ["id", "zh", "en", "group", "code", "needs"];

/// A violation class: what it is called and how it is decided.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawClass {
    /// Stable id: lower-case letters, digits and `_`.
    #[schemars(required)]
    pub(crate) id: Option<At<String>>,
    /// Chinese name.
    #[schemars(required)]
    pub(crate) zh: Option<At<String>>,
    /// English name.
    #[schemars(required)]
    pub(crate) en: Option<At<String>>,
    /// Illegal construction or street disorder.
    #[schemars(required)]
    pub(crate) group: Option<Group>,
    /// The city's event code, digits; empty where it has none.
    pub(crate) code: Option<At<String>>,
    /// What this version cannot decide the class without; a rule of such a class is refused.
    pub(crate) needs: Option<RawNeeds>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawNeeds {
    /// Ground coordinates.
    Ground,
}
