//! Why a source gives nothing, in words for the operator.

use std::path::PathBuf;
use std::time::Duration;

/// What a lost connection is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nobody listens at the address, or the way to it is closed.
    Refused,
    /// User or password are wrong or missing.
    Auth,
    /// No answer in time while connecting.
    Timeout,
    /// Connected, but no access unit for the stall time-out.
    Stalled,
    /// Answers that make no sense, an unknown path, damaged data that ended the session.
    Protocol,
    /// No video that Lintel reads.
    Unsupported,
    /// The other side closed the stream.
    Ended,
}

#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("cannot connect to {place}: {what}; check the address, the cable and that RTSP is switched on")]
    Refused { place: String, what: String },
    #[error("{place} refuses the user or password; correct `username` and `password` of this camera")]
    WrongPassword { place: String },
    #[error("{place} asks for a user and password; set `username` and `password` of this camera")]
    PasswordMissing { place: String },
    #[error("{place} did not answer within {} s; check the address and the network", .after.as_secs_f32())]
    Timeout { place: String, after: Duration },
    #[error("{place} sent no picture for {} s, so the connection is built anew{hint}", .after.as_secs_f32())]
    Stalled { place: String, after: Duration, hint: &'static str },
    #[error("{place} has no stream under this path (404); check the path of the address")]
    NotFound { place: String },
    #[error("{place}: {what}")]
    Protocol { place: String, what: String },
    #[error("{place} offers {found}, Lintel reads H.264 and H.265; change the camera's video encoding")]
    Unsupported { place: String, found: String },
    #[error("{place} closed the stream")]
    Ended { place: String },
    #[error("cannot read {}: {what}", .path.display())]
    File { path: PathBuf, what: String },
    #[error("{} has {found}, Lintel reads H.264 and H.265 in mp4, mkv and ts", .path.display())]
    UnsupportedFile { path: PathBuf, found: String },
    #[error("GStreamer: {what}; install gstreamer1.0-plugins-good and gstreamer1.0-plugins-bad")]
    Gstreamer { what: String },
}

impl IngestError {
    pub fn reason(&self) -> Reason {
        match self {
            Self::Refused { .. } => Reason::Refused,
            Self::WrongPassword { .. } | Self::PasswordMissing { .. } => Reason::Auth,
            Self::Timeout { .. } => Reason::Timeout,
            Self::Stalled { .. } => Reason::Stalled,
            Self::Unsupported { .. } | Self::UnsupportedFile { .. } => Reason::Unsupported,
            Self::Ended { .. } => Reason::Ended,
            Self::NotFound { .. } | Self::Protocol { .. } | Self::File { .. } | Self::Gstreamer { .. } => {
                Reason::Protocol
            }
        }
    }

    /// Trying again soon only does harm: cameras lock accounts after a few wrong passwords.
    pub(crate) fn wants_patience(&self) -> bool {
        matches!(self.reason(), Reason::Auth | Reason::Unsupported)
    }
}
