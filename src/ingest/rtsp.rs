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

/// The stream that a redirection leads to. Only the configured address keeps user and password. `None`: it is
/// no RTSP address.
pub(super) fn sent_on(config: &RtspConfig, to: &str) -> Option<RtspConfig> {
    let mut url = config.url.join(to.trim()).ok().filter(|url| url.scheme() == "rtsp" && url.has_host())?;
    // Neither can fail where there is a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let there = RtspConfig { url, ..config.clone() };
    if address(&there) == address(config) {
        return Some(there);
    }
    Some(RtspConfig { username: None, password: None, basic: false, ..there })
}

/// The codec of a lower-case RTP encoding name.
pub(super) fn codec_of(encoding_name: &str) -> Option<Codec> {
    match encoding_name {
        "h264" => Some(Codec::H264),
        "h265" => Some(Codec::H265),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Secret, Transport};

    #[test]
    fn only_the_configured_address_keeps_the_password_after_a_redirection() {
        let config = RtspConfig {
            url: url::Url::parse("rtsp://camera.example/ch1?a=b").expect("a URL"),
            username: Some("op".into()),
            password: Some(Secret::new("secret".into())),
            basic: true,
            transport: Transport::Tcp,
            stall_timeout: Duration::from_secs(1),
            backoff_first: Duration::ZERO,
            backoff_max: Duration::ZERO,
        };
        let sent = |to: &str| sent_on(&config, to);
        let same = sent("rtsp://x:y@camera.example:554/ch2").expect("a stream");
        assert_eq!((same.url.as_str(), same.password.is_some()), ("rtsp://camera.example:554/ch2", true));
        assert_eq!(sent("/ch3").expect("a stream").url.as_str(), "rtsp://camera.example/ch3");
        for other in ["rtsp://camera.example:8554/ch1", "rtsp://192.0.2.1/ch1"] {
            let there = sent(other).expect("a stream");
            assert!(there.username.is_none() && there.password.is_none() && !there.basic, "{other}");
        }
        for wrong in
            ["http://camera.example/", "rtsp://", "an unnamed place of no use\u{0}:", "file:///etc/passwd"]
        {
            assert!(
                sent(wrong).is_none_or(|there| there.url.host_str() == Some("camera.example")),
                "{wrong}"
            );
        }
    }
}
