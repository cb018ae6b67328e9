//! What a healthy camera gives, over every transport.

use std::time::Duration;

use lintel::base::TimeSource;
use lintel::config::{RtspConfig, SourceConfig, Transport};
use lintel::ingest::{Codec, EncodedFrame, IngestError, probe};

use super::{Camera, PATIENCE, clip, clip_h265, rtsp, with_login};
use crate::support::rtsp::{Options, RtspServer};

/// In order, complete, one stream, key frame first and every `gop` frames, each key frame with its parameter
/// sets.
fn check_frames(frames: &[EncodedFrame], codec: Codec, gop: usize) {
    let first_set = match codec {
        Codec::H264 => 0x67,
        Codec::H265 => 32 << 1,
    };
    for (i, frame) in frames.iter().enumerate() {
        assert_eq!(frame.seq.0, i as u64, "no gap");
        assert_eq!((frame.stream, frame.codec), (1, codec));
        assert_eq!(frame.key, i % gop == 0, "frame {i}");
        assert_eq!(&frame.data[..4], [0, 0, 0, 1]);
        assert_eq!(frame.data[4] == first_set, frame.key, "parameter sets of frame {i}");
    }
    assert!(frames.windows(2).all(|w| w[0].pts < w[1].pts), "no B-frames in the clip, so times rise");
}

async fn streams(transport: Transport) {
    let server = RtspServer::start(&[("gate", &clip())], Options::default());
    let camera = Camera::start(SourceConfig::Rtsp(rtsp(&server.url("gate"), transport)));
    let stats = camera
        .until("two distances and the camera's clock", |s| {
            s.key_frames >= 3 && s.time_source == Some(TimeSource::Rtcp)
        })
        .await;
    assert_eq!((stats.width, stats.height), (768, 576));
    assert_eq!((stats.gop_frames, stats.key_interval_ms), (Some(20), Some(2000)));
    assert!(stats.offset_ms.is_some_and(|ms| ms.abs() < 2_000), "one clock on both sides: {stats:?}");
    assert!(stats.fps > 5.0, "{stats:?}");
    check_frames(&camera.stop().await, Codec::H264, 20);
}

#[tokio::test]
async fn h264_over_tcp() {
    streams(Transport::Tcp).await;
}

#[tokio::test]
async fn h264_over_udp() {
    streams(Transport::Udp).await;
}

#[tokio::test]
async fn h264_by_gstreamer_over_tcp() {
    streams(Transport::GstreamerTcp).await;
}

#[tokio::test]
async fn h264_by_gstreamer_over_udp() {
    streams(Transport::GstreamerUdp).await;
}

#[tokio::test]
async fn h265_by_both_transports() {
    let server = RtspServer::start(&[("gate", &clip_h265())], Options::default());
    for transport in [Transport::Tcp, Transport::GstreamerTcp] {
        let camera = Camera::start(SourceConfig::Rtsp(rtsp(&server.url("gate"), transport)));
        camera.until("two key frames", |s| s.key_frames >= 2).await;
        let gop = camera.frames().iter().skip(1).position(|f| f.key).expect("second key frame") + 1;
        check_frames(&camera.stop().await, Codec::H265, gop);
    }
}

#[tokio::test]
async fn both_transports_give_the_same_access_units() {
    let server = RtspServer::start(&[("gate", &clip())], Options::default());
    let start = |transport| Camera::start(SourceConfig::Rtsp(rtsp(&server.url("gate"), transport)));
    let (first, second) = (start(Transport::Tcp), start(Transport::GstreamerTcp));
    first.until("four key frames", |s| s.key_frames >= 4).await;
    second.until("four key frames", |s| s.key_frames >= 4).await;
    let (first, second) = (first.stop().await, second.stop().await);
    // They came at different moments; from the first key frame that both have on, everything is equal.
    let key =
        first.iter().find(|f| f.key && second.iter().any(|g| g.data == f.data)).expect("a common key frame");
    let from = |frames: &[EncodedFrame]| -> Vec<EncodedFrame> {
        frames.iter().skip_while(|f| f.data != key.data).take(40).cloned().collect()
    };
    let (first, second) = (from(&first), from(&second));
    assert_eq!((first.len(), second.len()), (40, 40));
    for (a, b) in first.iter().zip(&second) {
        assert_eq!((a.key, &a.data), (b.key, &b.data));
        let steps = (a.pts.0 - first[0].pts.0, b.pts.0 - second[0].pts.0);
        assert!((steps.0 - steps.1).abs() < 1_000, "times agree within a millisecond: {steps:?}");
    }
}

#[tokio::test]
async fn basic_and_digest_let_the_right_user_in() {
    for method in ["basic", "digest"] {
        let options = Options { auth: Some((method, "admin", "p:a ss")), ..Options::default() };
        let server = RtspServer::start(&[("gate", &clip())], options);
        for transport in [Transport::Tcp, Transport::GstreamerTcp] {
            let login = with_login(rtsp(&server.url("gate"), transport), "admin", "p:a ss");
            let login = RtspConfig { basic: method == "basic", ..login };
            let camera = Camera::start(SourceConfig::Rtsp(login));
            camera.until("frames", |s| s.frames >= 5).await;
            camera.stop().await;
        }
    }
}

#[tokio::test]
async fn probe_reports_what_the_camera_gives() {
    let server = RtspServer::start(&[("gate", &clip())], Options::default());
    let source = SourceConfig::Rtsp(rtsp(&server.url("gate"), Transport::Tcp));
    let report = probe(&source, PATIENCE).await.expect("report");
    assert_eq!((report.codec, report.width, report.height), (Some(Codec::H264), 768, 576));
    assert_eq!((report.gop_frames, report.key_interval_ms), (Some(20), Some(2000)));
    assert!((6.0..15.0).contains(&report.fps), "{report:?}");
    assert_eq!(report.time_source, Some(TimeSource::Rtcp));
    assert_eq!(report.advice, Vec::<String>::new());
}

#[tokio::test]
async fn probe_of_a_locked_or_missing_camera_says_what_to_do() {
    let options = Options { auth: Some(("digest", "admin", "secret")), ..Options::default() };
    let server = RtspServer::start(&[("gate", &clip())], options);
    let open = rtsp(&server.url("gate"), Transport::Tcp);
    let wrong = with_login(open.clone(), "admin", "hunter2");
    let probed = |c| async move { probe(&SourceConfig::Rtsp(c), Duration::from_secs(20)).await };
    let missing = probed(open).await.expect_err("no password given");
    assert!(matches!(missing, IngestError::PasswordMissing { .. }), "{missing}");
    let refused = probed(wrong).await.expect_err("wrong password");
    assert!(matches!(refused, IngestError::WrongPassword { .. }), "{refused}");
    assert!(refused.to_string().contains("`password`") && !refused.to_string().contains("hunter2"));
    let elsewhere = with_login(rtsp(&server.url("nothing"), Transport::Tcp), "admin", "secret");
    let lost = probed(elsewhere).await.expect_err("wrong path");
    assert!(matches!(lost, IngestError::NotFound { .. }), "{lost}");
}
