//! Shared by both RTSP clients: the camera's address for messages, and the names of codecs.

use super::Codec;
use crate::config::RtspConfig;

/// Host and port, for messages. Without the path, which may contain a password.
pub(super) fn address(config: &RtspConfig) -> String {
    format!("{}:{}", config.url.host_str().unwrap_or("?"), port(config))
}

pub(super) fn port(config: &RtspConfig) -> u16 {
    config.url.port().unwrap_or(554)
}

/// The codec of a lower-case RTP encoding name.
pub(super) fn codec_of(encoding_name: &str) -> Option<Codec> {
    match encoding_name {
        "h264" => Some(Codec::H264),
        "h265" => Some(Codec::H265),
        _ => None,
    }
}
