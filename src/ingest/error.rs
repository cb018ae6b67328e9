//! Errors of a source, worded for the operator.

use std::path::PathBuf;
use std::time::Duration;

/// The reason under which a lost connection is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing listens at the address, or the network does not reach it.
    Refused,
    /// The user or password is wrong or missing.
    Auth,
    /// No timely answer while connecting.
    Timeout,
    /// Connected, but no access unit within the stall time-out.
    Stalled,
    /// Malformed answers, an unknown path, or damaged data that ended the session.
    Protocol,
    /// No H.264 or H.265 video.
    Unsupported,
    /// The other side closed the stream.
    Ended,
}

#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("cannot connect to {address}: {what}; check the address, the cable and that RTSP is switched on")]
    Refused { address: String, what: String },
    #[error("{address} refuses the user or password; correct `username` and `password` of this camera")]
    WrongPassword { address: String },
    #[error("{address} requires a user and password; set `username` and `password` of this camera")]
    PasswordMissing { address: String },
    #[error("{address} did not answer within {} s; check the address and the network", .after.as_secs_f32())]
    Timeout { address: String, after: Duration },
    #[error("{address} sent no picture for {} s, so Lintel reconnects{hint}", .after.as_secs_f32())]
    Stalled { address: String, after: Duration, hint: &'static str },
    #[error(
        "{address} asks for the password in the clear (Basic), so it was not sent; switch the camera to digest, or set `basic = true` of this camera if nobody else can be at this address"
    )]
    BasicOnly { address: String },
    #[error(
        "{address} sends Lintel on to {to:?}, which asks for a password or sends it on again; only the configured address gets a password: if the camera is there, set it as `url`"
    )]
    Redirected { address: String, to: String },
    #[error("{address} sent {what}, so Lintel cut the connection; is it the camera?")]
    Flood { address: String, what: String },
    #[error("{address} has no stream under this path (404); check the path of the address")]
    NotFound { address: String },
    #[error("{address} sends by UDP only (461); set `transport = \"udp\"` of this camera")]
    UdpOnly { address: String },
    #[error("{address} has no room for another viewer ({status}); close other viewers or raise its limit")]
    Busy { address: String, status: u16 },
    #[error("{address}: {what}")]
    Protocol { address: String, what: String },
    #[error("{address} offers {found}, but Lintel reads H.264 and H.265; change the camera's video encoding")]
    Unsupported { address: String, found: String },
    #[error("{address} closed the stream")]
    Ended { address: String },
    #[error("the node's clock was set far away, so Lintel connects to {address} anew, with the new time")]
    ClockSet { address: String },
    #[error("cannot read {}: {what}", .path.display())]
    File { path: PathBuf, what: String },
    #[error("{} was never closed: its index (moov) is missing; repair it, or record in mkv or ts", .path.display())]
    Unfinished { path: PathBuf },
    #[error("no picture of {} can be decoded: {why}", .path.display())]
    Undecodable { path: PathBuf, why: String },
    #[error("{} has {found}, but Lintel reads H.264 and H.265 in mp4, mkv and ts", .path.display())]
    UnsupportedFile { path: PathBuf, found: String },
    #[error("GStreamer: {what}; install gstreamer1.0-plugins-good and gstreamer1.0-plugins-bad")]
    Gstreamer { what: String },
}

impl IngestError {
    pub fn reason(&self) -> Reason {
        match self {
            Self::Refused { .. } => Reason::Refused,
            Self::WrongPassword { .. } | Self::PasswordMissing { .. } | Self::BasicOnly { .. } => {
                Reason::Auth
            }
            Self::Timeout { .. } => Reason::Timeout,
            Self::Stalled { .. } => Reason::Stalled,
            Self::Unsupported { .. } | Self::UnsupportedFile { .. } | Self::Undecodable { .. } => {
                Reason::Unsupported
            }
            Self::Ended { .. } | Self::ClockSet { .. } => Reason::Ended,
            Self::NotFound { .. }
            | Self::UdpOnly { .. }
            | Self::Busy { .. }
            | Self::Redirected { .. }
            | Self::Flood { .. }
            | Self::Protocol { .. }
            | Self::File { .. }
            | Self::Unfinished { .. }
            | Self::Gstreamer { .. } => Reason::Protocol,
        }
    }

    /// Whether to wait longer before the next attempt. Cameras lock accounts after a few wrong passwords.
    pub(crate) fn wants_patience(&self) -> bool {
        matches!(self.reason(), Reason::Auth | Reason::Unsupported)
    }
}
