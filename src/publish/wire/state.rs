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
}

impl NodeState {
    pub fn new(node: &str, status: NodeStatus, since: WallTime) -> Self {
        Self {
            node: node.to_owned(),
            status,
            since: since.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
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
    /// When this was told, RFC 3339.
    pub at: String,
    /// Frames a second that arrive now; 0 when the stream is dead.
    pub fps: f64,
    /// When the last frame came.
    pub last_frame: Option<String>,
    /// Why it does not stream.
    pub reason: Option<String>,
}
