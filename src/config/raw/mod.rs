//! The config as it is written. The doc comments are what the JSON Schema, the error messages and
//! docs/config.md say.
//!
//! Every key but those marked as required has its default in `src/config/defaults.toml`, and stands under the
//! operator's own values before these types are filled; so a field without `Option` is always there.

mod camera;
mod drone;
mod flights;
mod node;
mod rule;
mod value;

pub(crate) use camera::{RawCamera, RawPriority, RawRtsp, RawSampling, RawSettings, RawTransport, RawZone};
pub(crate) use drone::{RawCompensation, RawDrone};
pub(crate) use flights::RawFlightArea;
pub(crate) use node::{
    RawBudget, RawCommands, RawDecode, RawDetect, RawEvidence, RawHttp, RawIssuer, RawLimit, RawLog,
    RawLogFormat, RawMap, RawMqtt, RawNode, RawOutbox, RawRuntime, RawSecondLook, RawSections,
};
pub(crate) use rule::{
    CLASS_KEYS, RawClass, RawDirection, RawKind, RawNeeds, RawRule, RawRuleSettings, RawSharedRule,
};
pub(crate) use value::{At, POSITIVE, Positive, WAIT, Wait, parse_duration};
