//! Where a camera's video comes from.

use std::path::PathBuf;
use std::time::Duration;

use super::secret::Secret;
use crate::base::WallTime;
use crate::config::moving::UdpConfig;

#[derive(Clone, Debug, PartialEq)]
pub enum SourceConfig {
    Rtsp(RtspConfig),
    File(FileConfig),
    /// MPEG-TS over UDP, as drones and their ground stations send it.
    Udp(UdpConfig),
}

#[derive(Clone, Debug, PartialEq)]
pub struct RtspConfig {
    /// Without user and password.
    pub url: url::Url,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// Send the password in the clear to a camera that asks for it.
    pub basic: bool,
    pub transport: Transport,
    /// No access unit for this long: the connection is given up and built anew.
    pub stall_timeout: Duration,
    pub backoff_first: Duration,
    pub backoff_max: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// The built-in client over TCP first; another one for a camera that it cannot speak to.
    Auto,
    Tcp,
    Udp,
    /// GStreamer's rtspsrc over TCP, for devices that retina cannot speak to.
    GstreamerTcp,
    GstreamerUdp,
}

impl Transport {
    pub fn is_gstreamer(self) -> bool {
        matches!(self, Self::GstreamerTcp | Self::GstreamerUdp)
    }
}

/// For messages.
impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "the built-in client over TCP, or another",
            Self::Tcp => "the built-in client over TCP",
            Self::Udp => "the built-in client over UDP",
            Self::GstreamerTcp => "GStreamer over TCP",
            Self::GstreamerUdp => "GStreamer over UDP",
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct FileConfig {
    pub path: PathBuf,
    pub pace: Pace,
    /// Start again at the end.
    pub repeat: bool,
    /// When its first frame was taken; `None`: it plays as if that were now.
    pub start: Option<WallTime>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Times real time; 1.0 is real time.
    Speed(f64),
    AsFastAsPossible,
}
