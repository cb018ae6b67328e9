//! Retained states: plain JSON; the newest one is valid.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::WallTime;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    Online,
    /// The connection broke. The broker publishes this for the node (last will).
    Offline,
    /// Stopped by its operator.
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Retained state of a node")]
pub struct NodeState {
    pub node: String,
    pub status: NodeStatus,
    /// Start of this status, RFC 3339. For `offline`: start of the broken connection.
    pub since: String,
    /// Version of the program.
    pub version: String,
    /// While online: the running config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigState>,
}

/// The running config of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigState {
    /// When it took effect, RFC 3339.
    pub since: String,
    /// Result of the last attempt to change it; missing if there was none since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reload: Option<ReloadState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReloadState {
    /// RFC 3339.
    pub at: String,
    /// `applied`, `unchanged`, `refused` or `rolled_back`. Only `applied` changes the running config.
    pub outcome: String,
    /// The changes that were made, or would have been made.
    pub changes: Vec<String>,
    /// Why it was not applied, one line each, as in the node's log.
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
    /// Frames a second that arrive now; 0 while not streaming.
    pub fps: f64,
    /// Time of the last frame.
    pub last_frame: Option<String>,
    /// Whether the newest picture can be judged: `clear`, or why not: `dark`, `even`, `faint`, `blurred`, `blinded`,
    /// `other_view`, `damaged`. Missing before the first picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// `gstreamer` where the built-in client does not serve the camera; missing otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Why it does not stream.
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Every streaming camera is analysed as often as configured, no event is suppressed, no flight failed,
    /// the footage of all cameras fits into its memory, and no trouble is named.
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
    /// Streaming cameras that are analysed less often than configured.
    pub behind: Vec<CameraBehind>,
    /// Cameras with events that `max_events_per_hour` suppressed within the last hour.
    pub suppressed: Vec<CameraSuppressed>,
    /// Areas with a flight that failed within the last hour.
    #[serde(default)]
    pub flights: Vec<FlightNotTaken>,
    /// Set if footage was dropped within the last hour, because all cameras together need more than
    /// `budget.ring_mb`.
    #[serde(default)]
    pub rings: Option<RingsFull>,
    /// What stands between a record and the platform, or between evidence and the disk.
    #[serde(default)]
    pub troubles: Vec<Trouble>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trouble {
    pub kind: TroubleKind,
    /// For people.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// No camera has streamed for a minute.
    NoCameraStreams,
    /// The broker has nobody to hand records on to. They stay with the node.
    NobodySubscribed,
    /// No platform has confirmed anything for ten minutes, though the broker has records.
    NotConfirmed,
    /// The broker does not let the node read what platforms confirm.
    ConfirmDenied,
    /// The broker refuses records; they wait here, and are offered again.
    BrokerRefuses,
    /// A platform refuses to store records.
    PlatformRefuses,
    /// Messages went by the broker's word, because no platform confirmed them and they took more than
    /// `outbox.max_mb`.
    Unconfirmed,
    /// There is no room for records.
    DiskFull,
    /// The file system takes no writes.
    DiskReadOnly,
    /// The disk fails in another way.
    DiskFails,
    /// Files were gone or changed before they could be sent, within the last hour.
    EvidenceLost,
    /// The outbox was damaged, or gone, when the node started.
    OutboxDamaged,
    /// The node's clock was set, and new events wait until it is in step again.
    ClockSet,
    /// No time service has kept the node's clock for ten minutes.
    ClockNotKept,
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
    /// Name of the flight in the drop folder.
    pub flight: String,
    pub reason: String,
    /// RFC 3339.
    pub at: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeLoad {
    /// Processor cores that the node uses.
    pub cores: f64,
    /// Processor cores that it may use.
    pub budget: f64,
    /// Factor by which the load governor stretches the cameras' intervals; 1 is as configured.
    pub stretch: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CameraBehind {
    pub camera: String,
    /// Current time between two analysed pictures, or the time since the last one if that is longer.
    pub interval_s: f64,
    /// The configured interval.
    pub promised_s: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CameraSuppressed {
    pub camera: String,
    /// Since the node started.
    pub events: u64,
}
