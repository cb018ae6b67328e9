//! Commands of a platform.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest command that is parsed.
pub const MAX_COMMAND_BYTES: usize = 64 << 10;
const MAX_ID: usize = 128;
const MAX_TEXT: usize = 2_000;

/// A parsed command. Its name is the last part of the topic.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Lead(LeadCommand),
    Feedback(Feedback, FeedbackCommand),
    Calibration(CalibrationCommand),
    Resend(ResendCommand),
    Ignored(IgnoredCommand),
}

/// A person's decision about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feedback {
    /// It is a violation.
    Confirmed,
    /// It is not a violation: the node ignores the place for a time.
    Rejected,
    /// The violation is said to be gone: the node checks with the camera.
    Rectified,
    /// It is allowed.
    Permitted,
}

/// `command/lead`: requests what the cameras see at a place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "command/lead")]
#[serde(deny_unknown_fields)]
pub struct LeadCommand {
    /// Returned with the reply. A repeat of the command with the same id gets the same reply, with the same evidence.
    pub id: Option<String>,
    /// When it was sent, RFC 3339. A node refuses an old one (`commands.max_age`).
    #[serde(default)]
    pub issued_at: Option<String>,
    /// WGS-84, degrees.
    #[schemars(range(min = -180, max = 180))]
    pub lon: f64,
    #[schemars(range(min = -90, max = 90))]
    pub lat: f64,
    /// Metres above the ground. Default: 0.
    #[schemars(range(min = -100, max = 1000))]
    pub height_m: Option<f64>,
    /// Also send a clip from each camera. Default: true.
    pub clip: Option<bool>,
}

/// `command/confirmed`, `command/rejected`, `command/rectified`, `command/permitted`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "command/confirmed, rejected, rectified, permitted")]
#[serde(deny_unknown_fields)]
pub struct FeedbackCommand {
    /// Returned with the reply. A repeat of the command with the same id gets the same reply and does nothing.
    pub id: Option<String>,
    /// When it was sent, RFC 3339. A node refuses an old one (`commands.max_age`).
    #[serde(default)]
    pub issued_at: Option<String>,
    pub event: Uuid,
    /// The reason, in the officer's words.
    pub reason: Option<String>,
    /// Who decided.
    pub by: Option<String>,
    /// For `rejected`: the number of days without new events of the class at the place. Default: 30; 0:
    /// ignores nothing.
    #[schemars(range(min = 0, max = 366))]
    pub ignore_days: Option<f64>,
    /// For `permitted`: the permit's number.
    pub permit: Option<String>,
}

/// `command/calibration`: somebody has checked that the camera's positions are right again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "command/calibration")]
#[serde(deny_unknown_fields)]
pub struct CalibrationCommand {
    /// Returned with the reply. A repeat of the command with the same id gets the same reply and does nothing.
    pub id: Option<String>,
    /// When it was sent, RFC 3339. A node refuses an old one (`commands.max_age`).
    #[serde(default)]
    pub issued_at: Option<String>,
    pub camera: String,
}

/// `command/resend`: a platform lacks something of an event that it had confirmed, or never got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "command/resend")]
#[serde(deny_unknown_fields)]
pub struct ResendCommand {
    /// Returned with the reply. A repeat of the command with the same id gets the same reply and does nothing.
    pub id: Option<String>,
    /// When it was sent, RFC 3339. A node refuses an old one (`commands.max_age`).
    #[serde(default)]
    pub issued_at: Option<String>,
    pub event: Uuid,
    /// Kinds of files, for example `clip`. Default: all files and all messages of the event.
    pub kinds: Option<Vec<String>>,
}

/// `command/ignored`: which places are ignored because of rejected events?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "command/ignored")]
#[serde(deny_unknown_fields)]
pub struct IgnoredCommand {
    /// Returned with the reply. A repeat of the command with the same id gets the same reply and does nothing.
    pub id: Option<String>,
    /// When it was sent, RFC 3339. A node refuses an old one (`commands.max_age`).
    #[serde(default)]
    pub issued_at: Option<String>,
    /// Default: all cameras.
    pub camera: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplyError {
    pub reason: String,
    pub help: String,
}

impl Command {
    /// # Errors
    /// The problem, worded for the sender.
    pub fn parse(name: &str, payload: &[u8]) -> Result<Self, ReplyError> {
        let wrong = |reason: String, help: &str| ReplyError { reason, help: help.to_owned() };
        if payload.len() > MAX_COMMAND_BYTES {
            return Err(wrong(
                format!("the command has {} bytes, {MAX_COMMAND_BYTES} are the most", payload.len()),
                "send the fields that docs/mqtt.md names and nothing else",
            ));
        }
        let command = match name {
            "lead" => Self::Lead(read(payload)?),
            "confirmed" => Self::Feedback(Feedback::Confirmed, read(payload)?),
            "rejected" => Self::Feedback(Feedback::Rejected, read(payload)?),
            "rectified" => Self::Feedback(Feedback::Rectified, read(payload)?),
            "permitted" => Self::Feedback(Feedback::Permitted, read(payload)?),
            "calibration" => Self::Calibration(read(payload)?),
            "resend" => Self::Resend(read(payload)?),
            "ignored" => Self::Ignored(read(payload)?),
            other => {
                let other: String = other.chars().take(64).collect();
                return Err(wrong(
                    format!("there is no command `{other}`"),
                    "the commands are lead, confirmed, rejected, rectified, permitted, calibration, resend and ignored",
                ));
            }
        };
        command.check().map_err(|(reason, help)| wrong(reason, help))?;
        Ok(command)
    }

    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Lead(lead) => lead.id.as_deref(),
            Self::Feedback(_, feedback) => feedback.id.as_deref(),
            Self::Calibration(calibration) => calibration.id.as_deref(),
            Self::Resend(resend) => resend.id.as_deref(),
            Self::Ignored(ignored) => ignored.id.as_deref(),
        }
    }

    /// RFC 3339, as it came.
    pub fn issued_at(&self) -> Option<&str> {
        match self {
            Self::Lead(lead) => lead.issued_at.as_deref(),
            Self::Feedback(_, feedback) => feedback.issued_at.as_deref(),
            Self::Calibration(calibration) => calibration.issued_at.as_deref(),
            Self::Resend(resend) => resend.issued_at.as_deref(),
            Self::Ignored(ignored) => ignored.issued_at.as_deref(),
        }
    }

    fn check(&self) -> Result<(), (String, &'static str)> {
        let long = |text: Option<&String>, most: usize| text.is_some_and(|t| t.len() > most);
        if self.id().is_some_and(|id| id.len() > MAX_ID) {
            return Err((format!("`id` is longer than {MAX_ID} bytes"), "use a shorter one"));
        }
        match self {
            Self::Lead(lead) => {
                if !(-180.0..=180.0).contains(&lead.lon) || !(-90.0..=90.0).contains(&lead.lat) {
                    let reason = format!("lon {}, lat {} is no place", lead.lon, lead.lat);
                    return Err((reason, "degrees, WGS-84; are the two swapped?"));
                }
                if lead.height_m.is_some_and(|h| !(-100.0..=1000.0).contains(&h)) {
                    return Err(("`height_m` is not from -100 to 1000".into(), "metres above the ground"));
                }
            }
            Self::Feedback(_, feedback) => {
                if [&feedback.reason, &feedback.by, &feedback.permit]
                    .into_iter()
                    .any(|t| long(t.as_ref(), MAX_TEXT))
                {
                    return Err((format!("a text is longer than {MAX_TEXT} bytes"), "shorten it"));
                }
                if feedback.ignore_days.is_some_and(|d| !(0.0..=366.0).contains(&d)) {
                    return Err(("`ignore_days` is not from 0 to 366".into(), "0: nothing is ignored"));
                }
            }
            Self::Calibration(_) | Self::Resend(_) | Self::Ignored(_) => {}
        }
        Ok(())
    }
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, ReplyError> {
    let wrong = |reason: String| ReplyError {
        reason: format!("the command cannot be read: {reason}"),
        help: "a JSON object with the fields that docs/mqtt.md names for it".to_owned(),
    };
    // Serde would take the values of a list for the fields in their order.
    if payload.trim_ascii_start().starts_with(b"[") {
        return Err(wrong("it is a list".to_owned()));
    }
    serde_json::from_slice(payload).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(name: &str, payload: &str, part: &str) {
        let error = Command::parse(name, payload.as_bytes()).expect_err("refused");
        assert!(error.reason.contains(part) && !error.help.is_empty(), "{part:?} is not in {error:?}");
    }

    #[test]
    fn commands_are_read_and_errors_in_broken_ones_are_named() {
        let lead = Command::parse("lead", br#"{"id": "7", "lon": 120.1, "lat": 30.2}"#).expect("a lead");
        assert_eq!(lead.id(), Some("7"));
        let event = "01a20184-a5b8-7101-8101-010101010101";
        let text = format!(r#"{{"event": "{event}", "reason": "a scarecrow", "ignore_days": 7}}"#);
        let Ok(Command::Feedback(Feedback::Rejected, feedback)) = Command::parse("rejected", text.as_bytes())
        else {
            panic!("feedback")
        };
        assert_eq!(feedback.event.to_string(), event);

        refused("leed", "{}", "no command `leed`");
        refused("lead", "", "cannot be read");
        refused("lead", r#"{"lon": 120.1}"#, "missing field `lat`");
        refused("lead", r#"{"lon": 30.2, "lat": 120.1}"#, "no place");
        refused("lead", r#"{"lon": 120.1, "lat": 30.2, "clips": true}"#, "unknown field `clips`");
        refused("lead", r#"{"lon": 1e999, "lat": 30.2}"#, "out of range");
        refused("lead", r#" ["7", 120.1, 30.2, null, null]"#, "it is a list");
        refused("rejected", r#"{"event": "7"}"#, "cannot be read");
        refused("rejected", &format!(r#"{{"event": "{event}", "ignore_days": -1}}"#), "ignore_days");
        refused("confirmed", &format!(r#"{{"event": "{event}", "by": "{}"}}"#, "x".repeat(3000)), "longer");
        refused("calibration", &" ".repeat(MAX_COMMAND_BYTES + 1), "bytes");
        refused("calibration", "\u{0}\u{1}", "cannot be read");
    }
}
