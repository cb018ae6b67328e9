//! A camera was covered, blinded or moved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Topics;
use super::{CameraRef, CloudEvent};
use crate::base::{CameraId, WallTime};
use crate::geo::CalibrationState;
use crate::outbox::OutMessage;
use crate::tamper::TamperKind;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "cn.lintel.camera.tamper: data")]
pub struct TamperData {
    /// The same from the start of the tampering to its end.
    pub incident: Uuid,
    pub camera: CameraRef,
    pub kind: TamperKind,
    /// Capture time of the deciding picture. RFC 3339, UTC.
    pub at: String,
    /// Whether the camera's positions are reliable; `null`: it is not calibrated.
    pub calibration: Option<CalibrationState>,
    /// For `moved`, if measured: the shift of the picture to the right and down, in pixels of the reference
    /// picture.
    pub shift_px: Option<[f64; 2]>,
    /// For `moved`, if measured: the clockwise rotation of the picture.
    pub turn_deg: Option<f64>,
    pub reason: String,
}

/// One message of an incident.
pub fn tamper_message(topics: &Topics, node: &str, at: WallTime, data: TamperData) -> OutMessage {
    let kind = match data.kind {
        TamperKind::Covered => "covered",
        TamperKind::Blinded => "blinded",
        TamperKind::Moved => "moved",
        TamperKind::Lost => "lost",
        TamperKind::Well => "well",
    };
    let camera = CameraId::new(data.camera.id.clone());
    CloudEvent::new(
        format!("{}/tamper/{kind}", data.incident),
        format!("/lintel/{node}/{camera}"),
        "cn.lintel.camera.tamper",
        data.incident.to_string(),
        at.to_string(),
        data,
    )
    .schema("urn:lintel:schema:tamper:1")
    .into_message(topics.tamper(&camera))
}
