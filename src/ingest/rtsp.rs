//! What both RTSP clients share: the camera's address in messages, and names of codecs.

use super::Codec;
use crate::config::RtspConfig;

/// Host and port, for messages. Never the password, and not the path, which may contain one.
pub(super) fn place(config: &RtspConfig) -> String {
    format!("{}:{}", config.url.host_str().unwrap_or("?"), config.url.port().unwrap_or(554))
}

/// Codec of an RTP encoding name in lower case.
pub(super) fn codec_of(encoding_name: &str) -> Option<Codec> {
    match encoding_name {
        "h264" => Some(Codec::H264),
        "h265" => Some(Codec::H265),
        _ => None,
    }
}
