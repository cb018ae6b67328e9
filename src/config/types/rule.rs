//! Rules: what to watch for, where and when.

use std::time::Duration;

use super::catalogue::ViolationClass;
use super::schedule::Schedule;
use super::zone::Zone;
use crate::base::{ClassName, Point};

/// One configured instance of a violation class on one camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Unique within its camera; the class id unless the operator gives another.
    pub id: String,
    /// Index into `Config::catalogue` would break on reload, so the class itself.
    pub class: ViolationClass,
    /// Empty: the whole picture.
    pub zones: Vec<Zone>,
    pub kind: RuleKind,
    /// For a flight area: what of the ground it is about; empty: all.
    pub shows: Vec<GroundChange>,
    /// The objects that the rule is about.
    pub objects: Vec<ClassName>,
    /// The lowest score of an object that counts; `None`: the model's threshold for its class.
    pub min_score: Option<f32>,
    /// Objects that raise confidence when they are in the zone too.
    pub companions: Vec<ClassName>,
    /// When the rule is awake; `None`: always.
    pub schedule: Option<Schedule>,
    /// What is done with things that were there when the camera began.
    pub present_at_start: PresentAtStart,
    /// Seen in at least `.0` of the last `.1` pictures before it opens; gone from as many before it closes.
    pub hysteresis: (u32, u32),
    /// An open event is updated at most this often.
    pub update_every: Duration,
    /// After a close, the same class at the same place stays silent for this long.
    pub cool_down: Duration,
    /// Objects whose boxes, grown by this share of their size, touch are one event.
    pub merge_distance: f32,
    /// As `merge_distance`, on the ground, where places on it are known.
    pub merge_m: Option<f64>,
    /// Objects whose box is smaller or larger do not count, where places on the ground are known; square
    /// metres.
    pub area_m2: (Option<f64>, Option<f64>),
    /// An open event that is not seen clearly for this long (camera dark, stream gone) expires.
    pub expire_after: Duration,
    pub severity: Severity,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RuleKind {
    /// An object stays in the zone for `dwell`. `still`: it must not have moved by more than half its size.
    Presence { dwell: Duration, still: bool },
    /// An object comes into the zone while the schedule is awake.
    Entry,
    /// The bottom centre of an object crosses the line; `direction` as seen walking from `.0` to `.1`.
    LineCrossing { line: (Point, Point), direction: Direction },
    /// More than `limit` objects in the zone for `dwell`.
    Count { limit: u32, dwell: Duration },
    /// An object without any of `companions` within `distance` object heights, for `dwell`; within
    /// `distance_m` metres where places on the ground are known.
    CompanionAbsent { distance: f32, distance_m: Option<f64>, dwell: Duration },
    /// As presence, over hours to days: gaps, night and restarts do not count as leaving.
    LongDwell { dwell: Duration },
    /// A part of the zone looks different, by day in every light, from its beginning until at least `dwell`
    /// later. `bare`: it has lost its green.
    Change { dwell: Duration, bare: bool },
    /// As change, where one of `companions` stood for `stop` and no longer than `within` before it was first
    /// seen.
    Sequence { dwell: Duration, stop: Duration, within: Duration },
}

/// What a rule does with things whose place has looked the same since the camera began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresentAtStart {
    /// Counts them and waits until they are seen to move, or to come again.
    #[default]
    Hold,
    /// Reports them like things that came.
    Tell,
    /// Neither reports nor counts them.
    Ignore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Any,
    LeftToRight,
    RightToLeft,
}

#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    High,
}

/// What two flights can show to have happened to the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroundChange {
    /// Roofs, walls, hard standing.
    BuiltUp,
    /// Plants gone, bare earth, a pit.
    Cleared,
    /// A heap of something on open ground.
    Stockpile,
}

impl Rule {
    /// Is this neither too small nor too large? Every size is right where it is not known.
    pub fn fits(&self, area_m2: Option<f64>) -> bool {
        let (least, most) = self.area_m2;
        area_m2.is_none_or(|size| least.is_none_or(|l| size >= l) && most.is_none_or(|m| size <= m))
    }
}

impl RuleKind {
    /// How long a thing must be there; zero for what happens at once.
    pub fn dwell(&self) -> Duration {
        match self {
            Self::Entry | Self::LineCrossing { .. } => Duration::ZERO,
            Self::Presence { dwell, .. }
            | Self::Count { dwell, .. }
            | Self::CompanionAbsent { dwell, .. }
            | Self::LongDwell { dwell }
            | Self::Change { dwell, .. }
            | Self::Sequence { dwell, .. } => *dwell,
        }
    }

    /// Is it about what a place looks like, not about objects?
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Change { .. } | Self::Sequence { .. })
    }
}
