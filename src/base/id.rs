//! Newtypes for the names and numbers that travel with the data.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }
    };
}

name_type! {
    /// A camera's id in the config: unique on a node, `[A-Za-z0-9_-]{1,64}`. Cheap to clone.
    CameraId
}
name_type! {
    /// A zone's id, unique within its camera.
    ZoneId
}
name_type! {
    /// A flight area's id in the config: unique among the cameras and areas of a node, `[A-Za-z0-9_-]{1,64}`.
    AreaId
}
name_type! {
    /// What a model calls an object, for example `excavator`. The list is the model manifest's, not ours.
    ClassName
}

/// Whether it can be the id of a node, a camera, a zone or an area: `[A-Za-z0-9_-]{1,64}`, safe in MQTT topics,
/// in paths and in URLs.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(fits_id)
}

/// Whether the character can stand in an id.
pub fn fits_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

impl CameraId {
    /// The span for work on this camera. Every log line within it names the camera.
    pub fn span(&self) -> tracing::Span {
        // At the highest level, so that no filter leaves the camera out of a line that it lets through.
        tracing::error_span!("camera", camera = %self)
    }
}

impl AreaId {
    /// As topics and events carry it: in place of a camera's id.
    pub fn to_camera(&self) -> CameraId {
        CameraId(self.0.clone())
    }
}

/// Number of an access unit of one camera: rises by one each, also across reconnects, so a gap is a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrameSeq(pub u64);

/// Number of a track, unique within one camera and one run of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrackId(pub u64);
