//! Retained states: plain JSON, the newest one counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::WallTime;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    Online,
    /// The connection broke: the broker says so in the node's name (last will).
    Offline,
    /// Stopped by its operator.
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Retained state of a node")]
pub struct NodeState {
    pub node: String,
    pub status: NodeStatus,
    /// When this status began, RFC 3339. For `offline`: when the connection that broke was made.
    pub since: String,
    /// Of the program.
    pub version: String,
    /// While it is online: the config that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigState>,
}

/// Which config a node runs with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigState {
    /// Since when, RFC 3339.
    pub since: String,
    /// What became of the last attempt to change it; missing if there was none since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reload: Option<ReloadState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReloadState {
    /// RFC 3339.
    pub at: String,
    /// `applied`, `unchanged`, `refused` or `rolled_back`; only after `applied` another config runs than before.
    pub outcome: String,
    /// What was changed, or would have been.
    pub changes: Vec<String>,
    /// Why it was not taken, a line each; the same as in the node's log.
    pub problems: Vec<String>,
}

impl NodeState {
    pub fn new(node: &str, status: NodeStatus, since: WallTime) -> Self {
        Self {
            node: node.to_owned(),
            status,
            since: since.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Retained state of a camera")]
pub struct CameraState {
    pub node: String,
    pub camera: String,
    pub name: String,
    /// `connecting`, `streaming`, `backing_off` or `ended`.
    pub status: String,
    /// When this was reported, RFC 3339.
    pub at: String,
    /// Frames a second that arrive now; 0 when the stream is dead.
    pub fps: f64,
    /// When the last frame came.
    pub last_frame: Option<String>,
    /// Why it does not stream.
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Every camera that streams is analysed as often as configured, no event is held back, no flight failed, and the
    /// footage of all cameras fits into its memory.
    Ok,
    Degraded,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Retained health of a node")]
pub struct NodeHealth {
    pub node: String,
    pub status: HealthStatus,
    /// When this was reported, RFC 3339.
    pub at: String,
    pub load: NodeLoad,
    /// Cameras that stream and are analysed less often than configured.
    pub behind: Vec<CameraBehind>,
    /// Cameras of which events were held back by `max_events_per_hour` within the last hour.
    pub suppressed: Vec<CameraSuppressed>,
    /// Areas whose last flight to fail did so within the last hour.
    #[serde(default)]
    pub flights: Vec<FlightNotTaken>,
    /// Set if footage was dropped within the last hour, because all cameras together need more than `budget.ring_mb`.
    #[serde(default)]
    pub rings: Option<RingsFull>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RingsFull {
    /// `budget.ring_mb`.
    pub budget_mb: u64,
    /// Footage dropped for it since the node started.
    pub dropped_mb: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlightNotTaken {
    pub area: String,
    /// Its name as it was dropped.
    pub flight: String,
    pub reason: String,
    /// RFC 3339.
    pub at: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeLoad {
    /// Processor cores that the node uses.
    pub cores: f64,
    /// Those that it may use.
    pub budget: f64,
    /// The load guard has stretched the cameras' intervals by this; 1 is as configured.
    pub stretch: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CameraBehind {
    pub camera: String,
    /// Between two analysed pictures now, or since the last one if that is longer.
    pub interval_s: f64,
    /// As configured.
    pub promised_s: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CameraSuppressed {
    pub camera: String,
    /// Since the node started.
    pub events: u64,
}
