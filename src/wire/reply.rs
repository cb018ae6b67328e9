//! What a node answers to a command.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::command::ReplyError;
use super::{CloudEvent, MissingEvidence, Topics};
use crate::base::WallTime;
use crate::outbox::OutMessage;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "cn.lintel.command.reply: data")]
pub struct ReplyData {
    /// Name of the command: `lead`, `confirmed` and so on.
    pub command: String,
    /// The id in the command.
    pub id: Option<String>,
    pub status: ReplyStatus,
    /// The problem, and what to do.
    pub error: Option<ReplyError>,
    /// The event that the feedback is about.
    pub event: Option<Uuid>,
    /// For `rectified`.
    pub verdict: Option<Verdict>,
    /// Why the verdict is `unknown`.
    pub reason: Option<String>,
    /// For `lead`: the cameras that see the place, best first. For `rectified`: the event's camera.
    pub cameras: Vec<CameraAnswer>,
    /// For `ignored`: the places at which the node reports nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<Vec<IgnoredPlace>>,
}

/// A place at which a class is not reported, because people rejected an event there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IgnoredPlace {
    pub camera: String,
    /// The rejected event. `confirmed` for it ends this.
    pub event: Uuid,
    /// Id of the violation class.
    pub class: String,
    /// RFC 3339.
    pub until: String,
    /// Boxes: left, top, right, bottom as shares of the picture's width and height.
    pub boxes: Vec<[f64; 4]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyStatus {
    Done,
    /// Nothing was done.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Not seen in any of the newest pictures.
    Gone,
    StillThere,
    /// No picture arrived in time, the place cannot be judged now (night, weather), or only another flight
    /// can show it.
    Unknown,
}

/// The result of one camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CameraAnswer {
    pub camera: String,
    pub name: String,
    /// Id of its files on the media topic, and of a message on the camera's evidence topic.
    pub evidence: Option<Uuid>,
    /// Kinds of files to come: `still`, `annotated`, `clip`, `manifest`.
    pub expected: Vec<String>,
    pub missing: Vec<MissingEvidence>,
    /// Capture time of the picture.
    pub time: Option<String>,
    /// The place in the picture, as shares of width and height.
    pub pixel: Option<[f64; 2]>,
    pub distance_m: Option<f64>,
    pub metres_per_pixel: Option<f64>,
    /// Terrain hides the place from the camera.
    pub hidden: Option<bool>,
    /// Detections in the picture, nearest to the place first.
    pub objects: Vec<FoundObject>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FoundObject {
    pub class: String,
    pub score: f64,
    #[serde(rename = "box")]
    pub rect: [f64; 4],
    /// Distance from the place of the command, along the ground.
    pub distance_m: Option<f64>,
    /// Start of its standstill.
    pub still_since: String,
}

impl ReplyData {
    pub fn done(command: &str, id: Option<&str>) -> Self {
        Self {
            command: command.to_owned(),
            id: id.map(str::to_owned),
            status: ReplyStatus::Done,
            error: None,
            event: None,
            verdict: None,
            reason: None,
            cameras: Vec::new(),
            ignored: None,
        }
    }

    pub fn refused(command: &str, id: Option<&str>, error: ReplyError) -> Self {
        Self { status: ReplyStatus::Refused, error: Some(error), ..Self::done(command, id) }
    }
}

/// The reply to a command. `subject` is its own id. `topic` and `correlation` are from the command.
pub fn reply_message(
    node: &str,
    subject: Uuid,
    at: WallTime,
    topic: String,
    correlation: Vec<u8>,
    data: ReplyData,
) -> OutMessage {
    let message = CloudEvent::new(
        format!("{subject}/reply"),
        format!("/lintel/{node}"),
        "cn.lintel.command.reply",
        subject.to_string(),
        at.to_string(),
        data,
    )
    .schema("urn:lintel:schema:reply:1")
    .into_message(topic);
    OutMessage { reply_to: Some(correlation), ..message }
}

/// The topic of a reply: the command's own if it is allowed, else the node's.
pub fn reply_topic(topics: &Topics, prefixes: &[String], requested: Option<&str>) -> String {
    let allowed = requested.filter(|topic| topics.may_answer_on(prefixes, topic));
    allowed.map_or_else(|| topics.reply(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stay_off_the_topics_that_mean_something_else() {
        let topics = Topics::new("lintel", "box");
        let prefixes = ["platform/answers/".to_owned(), "lintel/v1/".to_owned()];
        let to = |asked| reply_topic(&topics, &prefixes, asked);
        assert_eq!(to(Some("platform/answers/7")), "platform/answers/7");
        assert_eq!(to(Some("lintel/v1/box/reply/7")), "lintel/v1/box/reply/7");
        for bad in [
            None,
            Some("lintel/v1/box/state"),
            Some("platform/cases"),
            Some("platform/answers"),
            Some("lintel/v1/box/replying"),
            Some("lintel/v1/other/camera/a/event"),
            Some("a/#"),
            Some(""),
            Some("$SYS/x"),
        ] {
            assert_eq!(to(bad), "lintel/v1/box/reply", "{bad:?}");
        }
        assert_eq!(topics.command_name("lintel/v1/box/command/lead"), Some("lead"));
        assert_eq!(topics.command_name("lintel/v1/box/command/a/b"), None);
        assert_eq!(topics.command_name("lintel/v1/boxer/command/lead"), None);
    }
}
