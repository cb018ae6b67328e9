//! Strangers at a camera's address: they fill no memory and learn no password.

use std::sync::atomic::Ordering;

use lintel::config::{RtspConfig, SourceConfig, Transport};
use lintel::ingest::IngestSnapshot;

use super::{Camera, clip, rtsp, with_login};
use crate::support::hostile::{Hostility, Stranger};
use crate::support::rtsp::{Options, RtspServer};

const CLIENTS: [Transport; 4] =
    [Transport::Tcp, Transport::GstreamerTcp, Transport::Udp, Transport::GstreamerUdp];
/// What a connection may send, and what the buffers of four sockets hold.
const MOST: u64 = 48 << 20;

/// The first failure of a camera with this stranger.
async fn failure(config: RtspConfig) -> (IngestSnapshot, String) {
    let camera = Camera::start(SourceConfig::Rtsp(config));
    let stats = camera.until("a failure", |s| s.reconnects.total() > 0).await;
    camera.stop().await;
    let error = stats.last_error.clone().expect("an error");
    (stats, error)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_end_is_cut_off() {
    let cases = [
        (Hostility::Description, "a message of more than"),
        (Hostility::Headers, "headers of more than"),
        (Hostility::Fragments, "without a whole picture"),
    ];
    for (how, part) in cases {
        for transport in CLIENTS {
            let stranger = Stranger::start(how);
            let (stats, error) = failure(rtsp(&stranger.url(), transport)).await;
            assert!(error.contains(part), "{how:?} {transport:?}: {error}");
            assert_eq!(stats.reconnects.total(), stats.reconnects.protocol, "{how:?} {transport:?}");
            let connections = stats.reconnects.total() + 1;
            let taken = stranger.taken.load(Ordering::Relaxed);
            assert!(taken < MOST * connections, "{how:?} {transport:?}: {taken} bytes");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_sent_in_the_clear_to_nobody() {
    for transport in CLIENTS {
        let stranger = Stranger::start(Hostility::Basic);
        let login = with_login(rtsp(&stranger.url(), transport), "op", "S3cretPw");
        let (stats, error) = failure(login).await;
        assert!(error.contains("in the clear") && error.contains("`basic = true`"), "{error}");
        assert_eq!(stats.reconnects.total(), stats.reconnects.auth);
        assert_eq!(*stranger.heard.lock(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_follows_no_redirection() {
    for transport in CLIENTS {
        let other = Stranger::start(Hostility::Basic);
        let stranger = Stranger::start(Hostility::Redirect(other.port));
        let login = with_login(rtsp(&stranger.url(), transport), "op", "S3cretPw");
        let (_, error) = failure(RtspConfig { basic: true, ..login }).await;
        assert!(
            error.contains(&format!("127.0.0.1:{}", other.port))
                && error.contains("only the configured address"),
            "{error}"
        );
        assert_eq!([stranger.heard.lock().len(), other.heard.lock().len()], [0, 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirection_is_followed_once() {
    let server = RtspServer::start(&[("x", &clip())], Options::default());
    for transport in [Transport::Tcp, Transport::GstreamerTcp] {
        let stranger = Stranger::start(Hostility::Redirect(server.port()));
        let login = with_login(rtsp(&stranger.url(), transport), "op", "S3cretPw");
        let camera = Camera::start(SourceConfig::Rtsp(login));
        camera.until("pictures", |s| s.frames > 5).await;
        camera.stop().await;

        let again = Stranger::start(Hostility::Redirect(stranger.port));
        let (_, error) = failure(rtsp(&again.url(), transport)).await;
        assert!(error.contains("sends it on again"), "{error}");
    }
}
