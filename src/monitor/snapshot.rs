//! The state of a node at one moment: `/health` shows it as JSON, `/metrics` as numbers.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use crate::base::{AreaId, CameraId, KernelClock, WallTime};
use crate::decode::DecodeStats;
use crate::detect::CameraDetectStats;
use crate::ingest::{IngestSnapshot, SourceState};
use crate::observation::Visibility;
use crate::outbox::DiskTrouble;
use crate::publish::PublishSnapshot;
use crate::ring::{RingPoolStats, RingStats};
use crate::rules::Ignored;
use crate::second_look::SecondLookStats;

#[derive(Clone, Debug, Serialize)]
pub struct NodeSnapshot {
    pub node: String,
    pub version: &'static str,
    pub uptime_s: u64,
    /// All stages are built and the node has not been asked to stop.
    pub ready: bool,
    /// The rules thread has answered within the last 30 s.
    pub pipeline_alive: bool,
    /// Share of the detect workers' time that is used, 0 to 1.
    pub detect_load: f64,
    /// Time in the model for one picture with its tiles, milliseconds.
    pub detect_run_ms: f64,
    /// Time that the detect workers have spent on pictures, seconds.
    pub detect_busy_s: f64,
    /// `None`: there are no second looks.
    pub second_look: Option<SecondLookStats>,
    pub load: LoadSnapshot,
    /// What the kernel says of the clock; `None`: it does not tell.
    pub clock: Option<KernelClock>,
    /// All rings together.
    pub rings: RingPoolStats,
    /// Also the state of the outbox.
    pub publish: PublishSnapshot,
    pub events: EventCounts,
    /// Pictures of a first sight that were not kept, or not until they were wanted.
    pub first_sights_lost: u64,
    pub config: ConfigStatus,
    pub cameras: BTreeMap<CameraId, CameraSnapshot>,
    /// By area.
    pub flights: BTreeMap<AreaId, FlightsSnapshot>,
}

/// Flights of an area since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FlightsSnapshot {
    /// In the folder, including those that are still being copied.
    pub waiting: u64,
    pub done: u64,
    pub failed: u64,
    /// The one that is being compared.
    pub comparing: Option<String>,
    pub last_failure: Option<FlightFailure>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlightFailure {
    pub flight: String,
    pub reason: String,
    #[serde(serialize_with = "as_text")]
    pub at: WallTime,
}

fn as_text<S: serde::Serializer>(at: &WallTime, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

/// The load as the load governor measures it, and its reaction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LoadSnapshot {
    /// Processor cores that the node uses, averaged over some seconds.
    pub cores: f64,
    /// Processor cores that it may use.
    pub budget: f64,
    /// Factor on the cameras' intervals; 1 is as configured.
    pub stretch: f64,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct EventCounts {
    pub opened: u64,
    pub updated: u64,
    pub closed: u64,
    pub expired: u64,
    /// Parts of evidence that could not be made; the events were sent without them.
    pub evidence_missing: u64,
    /// Whole seconds in which the outbox was full.
    pub outbox_full_seconds: u64,
    /// Why records cannot be stored now.
    pub disk: Option<DiskTrouble>,
}

/// A place that is ignored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IgnoredSnapshot {
    /// The rejected event.
    pub event: Uuid,
    pub class: String,
    #[serde(serialize_with = "as_text")]
    pub until: WallTime,
}

impl From<&Ignored> for IgnoredSnapshot {
    fn from(ignored: &Ignored) -> Self {
        Self { event: ignored.event, class: ignored.class.clone(), until: ignored.until }
    }
}

/// The running config and the outcome of the last reload.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ConfigStatus {
    /// Start of the running config, RFC 3339.
    pub since: String,
    /// Reloads that were applied.
    pub applied: u64,
    pub refused: u64,
    pub last_reload: Option<ReloadReport>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReloadReport {
    /// RFC 3339.
    pub at: String,
    pub outcome: ReloadOutcome,
    /// The changes, such as `camera gate: source`; if refused, those that it would have made.
    pub changes: Vec<String>,
    /// Why it was refused, one reason per entry.
    pub problems: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadOutcome {
    Applied,
    /// The files say the same as before.
    Unchanged,
    /// The config is wrong or needs a restart. The old one runs on.
    Refused,
    /// It could not be applied and was undone. The old one runs on.
    RolledBack,
}

#[derive(Clone, Debug, Serialize)]
pub struct CameraSnapshot {
    pub ingest: IngestSnapshot,
    pub ring: RingStats,
    pub decode: DecodeStats,
    /// `None` once the node is stopping.
    pub detect: Option<CameraDetectStats>,
    pub open_events: u64,
    /// Events held back by the hourly limit.
    pub suppressed_events: u64,
    /// Things that were there when the camera began, and are not reported for that.
    pub present_at_start: u64,
    /// Places at which a class is not reported, because people rejected an event there.
    pub ignored: Vec<IgnoredSnapshot>,
    /// Of the newest picture; `None` before the first.
    pub visibility: Option<Visibility>,
    /// The longest interval between two analysed pictures that the config promises, seconds.
    pub promised_s: f64,
}

impl CameraSnapshot {
    /// The interval between two analysed pictures, or the time since the last one if that is longer, seconds.
    pub fn analysed_every_s(&self) -> f64 {
        self.detect.as_ref().map_or(0.0, |detect| detect.interval_s.unwrap_or(0.0).max(detect.silent_s))
    }

    /// It streams and is analysed less often than promised. Pictures cannot come more often than key frames,
    /// and a small delay does not count.
    pub fn behind(&self) -> bool {
        let keys = self.ingest.key_interval_ms.map_or(0.0, |ms| ms as f64 / 1e3);
        self.ingest.state == SourceState::Streaming
            && self.analysed_every_s() > 1.5 * self.promised_s.max(keys) + 1.0
    }
}

impl NodeSnapshot {
    /// A dead camera or broker is shown but leaves the node healthy: a restart would not help.
    pub fn healthy(&self) -> bool {
        self.ready && self.pipeline_alive
    }
}
