//! The messages on the wire: CloudEvents 1.0 in structured JSON, and pieces of files.
//!
//! Pure: the same facts give the same bytes. The JSON Schemas in docs/schema are generated from these types.

mod capture;
mod chunk;
mod command;
mod confirm;
mod decision;
mod event;
mod evidence;
mod place;
mod reply;
mod state;
mod tamper;
mod topics;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::outbox::OutMessage;

pub use capture::{CaptureData, ClockData};
pub use chunk::{ChunkError, ChunkHeader, MAX_TOTAL_BYTES, decode_chunk, encode_chunk, is_storable};
pub use command::{
    CalibrationCommand, Command, Feedback, FeedbackCommand, IgnoredCommand, LeadCommand, MAX_COMMAND_BYTES,
    ReplyError, ResendCommand,
};
pub use confirm::{Confirmation, FileConfirmed, MAX_CONFIRMATION_BYTES, MessageConfirmed, Outcome};
pub use decision::DecisionData;
pub use event::{
    CameraRef, EventCamera, EventData, EventFacts, EventStatus, EvidenceState, FlightsData, MissingEvidence,
    ObjectData, PictureSize, PointGeometry, SeenBy, ZoneRef, event_message,
};
pub use evidence::{EvidenceData, LostData, MediaFile, evidence_message, lost_message};
pub use place::{AccuracyData, PolygonGeometry, PositionData};
pub use reply::{
    CameraAnswer, FoundObject, IgnoredPlace, ReplyData, ReplyStatus, Verdict, reply_message, reply_topic,
};
pub use state::{
    CameraBehind, CameraState, CameraSuppressed, ConfigState, FlightNotTaken, HealthStatus, NodeHealth,
    NodeLoad, NodeState, NodeStatus, ReloadState, RingsFull, Trouble, TroubleKind,
};
pub use tamper::{TamperData, tamper_message};
pub use topics::{About, Origin, Topics, subscriptions};

/// Media type of a CloudEvent in structured mode (CloudEvents JSON format 1.0.2, 3).
pub const CLOUD_EVENT: &str = "application/cloudevents+json";
/// Media type of a piece of a file.
pub const MEDIA_CHUNK: &str = "application/vnd.lintel.chunk";
pub const JSON: &str = "application/json";

/// The envelope (CloudEvents 1.0.2). `source` and `id` together are unique. A receiver may drop a message
/// whose `source` and `id` it already has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CloudEvent<T> {
    #[schemars(extend("const" = "1.0"))]
    pub specversion: Cow<'static, str>,
    /// `<event>/<revision>`, `<event>/evidence/<hash>`, `<event>/lost/<kind>/<hash>` or `<answer>/reply`.
    pub id: String,
    /// `/lintel/<node>/<camera>`, or `/lintel/<node>` for a message without a camera.
    #[schemars(regex(pattern = "^/lintel/[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64})?$"))]
    pub source: String,
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The id of the event or the reply (UUIDv7).
    #[schemars(regex(pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"))]
    pub subject: String,
    /// RFC 3339, UTC.
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$"))]
    pub time: String,
    #[schemars(extend("const" = "application/json"))]
    pub datacontenttype: Cow<'static, str>,
    pub dataschema: Cow<'static, str>,
    pub data: T,
}

impl<T: Serialize> CloudEvent<T> {
    /// Fills in spec version and content type.
    fn new(id: String, source: String, kind: &'static str, subject: String, time: String, data: T) -> Self {
        Self {
            specversion: "1.0".into(),
            id,
            source,
            kind: kind.into(),
            subject,
            time,
            datacontenttype: JSON.into(),
            dataschema: "".into(),
            data,
        }
    }

    fn schema(mut self, urn: &'static str) -> Self {
        self.dataschema = urn.into();
        self
    }

    fn into_message(self, topic: String) -> OutMessage {
        let payload = serde_json::to_vec(&self).expect("wire types have string keys only");
        let event = Uuid::parse_str(&self.subject).ok();
        OutMessage { topic, content_type: CLOUD_EVENT.to_owned(), payload, event, reply_to: None }
    }
}
