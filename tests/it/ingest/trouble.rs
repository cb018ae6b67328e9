//! Cameras that fail: what is counted, what is reported, and that they come back.

use std::time::Duration;

use lintel::config::{RtspConfig, SourceConfig, Transport};
use lintel::ingest::SourceState;

use super::{Camera, clip, clip_h265, ffmpeg, rtsp, with_login};
use crate::support::rtsp::{Options, RtspServer};

fn start(server: &RtspServer, transport: Transport) -> Camera {
    Camera::start(SourceConfig::Rtsp(rtsp(&server.url("gate"), transport)))
}

#[tokio::test]
async fn a_wrong_password_is_said_clearly_and_not_hammered() {
    let options = Options { auth: Some(("digest", "admin", "secret")), ..Options::default() };
    let server = RtspServer::start(&[("gate", &clip())], options);
    for transport in [Transport::Tcp, Transport::GstreamerTcp] {
        let login = with_login(rtsp(&server.url("gate"), transport), "admin", "hunter2");
        let patient = RtspConfig { backoff_max: Duration::from_secs(3600), ..login.clone() };
        let locked = Camera::start(SourceConfig::Rtsp(patient));
        let stats = locked.until("a refusal", |s| s.reconnects.auth > 0).await;
        let error = stats.last_error.expect("an error");
        assert!(error.contains("refuses the user or password") && error.contains("`password`"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        // While another camera streams for seconds, this one asks no second time.
        let good = Camera::start(SourceConfig::Rtsp(with_login(login, "admin", "secret")));
        good.until("three seconds of frames", |s| s.frames >= 30).await;
        good.stop().await;
        let stats = locked.stats();
        assert_eq!((stats.reconnects.auth, stats.state), (1, SourceState::BackingOff));
        locked.stop().await;
    }
}

#[tokio::test]
async fn a_camera_that_was_switched_off_comes_back() {
    let mut server = RtspServer::start(&[("gate", &clip())], Options::default());
    let camera = start(&server, Transport::Tcp);
    camera.until("frames", |s| s.frames >= 5).await;
    server.stop();
    let off = camera.until("nobody there", |s| s.reconnects.refused > 0).await;
    assert_eq!((off.fps, off.reconnects.ended), (0.0, 1), "a dead stream has no frame rate");
    assert!(off.last_error.expect("an error").contains("cannot connect"));
    server.start_again();
    let on = camera.until("a second connection", |s| s.connections == 2 && s.frames > off.frames).await;
    assert_eq!((on.state, on.last_error), (SourceState::Streaming, None));
    let frames = camera.stop().await;
    assert!(frames.iter().enumerate().all(|(i, f)| f.seq.0 == i as u64), "numbers go on");
    let back = frames.iter().position(|f| f.stream == 2).expect("second stream");
    assert!(frames[back].key && frames[..back].iter().all(|f| f.stream == 1));
}

#[tokio::test]
async fn a_stalled_stream_is_noticed_and_built_anew() {
    for transport in [Transport::Tcp, Transport::Udp, Transport::GstreamerTcp] {
        let mut server = RtspServer::start(&[("gate", &clip())], Options::default());
        let config = rtsp(&server.url("gate"), transport);
        let camera =
            Camera::start(SourceConfig::Rtsp(RtspConfig { stall_timeout: Duration::from_secs(3), ..config }));
        camera.until("frames", |s| s.frames >= 5).await;
        server.stall();
        let stalled = camera.until("the watchdog", |s| s.reconnects.stalled == 1).await;
        assert_eq!(stalled.fps, 0.0);
        server.resume();
        camera.until("frames again", |s| s.connections >= 2 && s.frames > stalled.frames + 5).await;
        camera.stop().await;
    }
}

#[tokio::test]
async fn corrupted_access_units_break_nothing() {
    let streams = [("gate", clip()), ("h265", clip_h265())];
    let mut server =
        RtspServer::start(&streams.each_ref().map(|(n, f)| (*n, f.as_path())), Options::default());
    let sources = [
        ("gate", Transport::Tcp),
        ("gate", Transport::GstreamerTcp),
        ("h265", Transport::Tcp),
        ("h265", Transport::GstreamerTcp),
    ];
    let cameras = sources
        .map(|(name, transport)| Camera::start(SourceConfig::Rtsp(rtsp(&server.url(name), transport))));
    for camera in &cameras {
        camera.until("frames", |s| s.frames >= 5).await;
    }
    server.corrupt(0.5);
    for camera in &cameras {
        let before = camera.stats().frames;
        camera.until("sixty frames, half of them damaged", |s| s.frames >= before + 60).await;
    }
    server.resume();
    for camera in cameras {
        let before = camera.stats();
        camera.until("clean key frames", |s| s.key_frames >= before.key_frames + 2).await;
        assert!(!camera.handle.is_finished());
        camera.stop().await;
    }
}

#[tokio::test]
async fn lost_packets_leave_gaps_in_the_numbers() {
    for transport in [Transport::Tcp, Transport::GstreamerUdp] {
        let mut server = RtspServer::start(&[("gate", &clip())], Options::default());
        let camera = start(&server, transport);
        camera.until("frames", |s| s.frames >= 5).await;
        server.lose(0.2);
        let stats = camera.until("losses", |s| s.lost_frames >= 3).await;
        assert!(stats.lost_packets >= stats.lost_frames, "{stats:?}");
        let frames = camera.stop().await;
        let gaps = frames.windows(2).filter(|w| w[1].seq.0 != w[0].seq.0 + 1).count();
        assert!(gaps >= 3, "{gaps} gaps");
    }
}

#[tokio::test]
async fn missing_key_frames_are_counted_once() {
    let mut server = RtspServer::start(&[("gate", &clip())], Options::default());
    let camera = start(&server, Transport::Tcp);
    camera.until("a key frame distance", |s| s.key_frames >= 2).await;
    server.stop_key_frames();
    let missing = camera.until("the watch", |s| s.key_frames_missing == 1).await;
    assert_eq!(missing.state, SourceState::Streaming, "what comes is still passed on");
    camera.until("ten more frames", |s| s.frames >= missing.frames + 10).await;
    assert_eq!(camera.stats().key_frames_missing, 1);
    server.resume();
    camera.until("key frames again", |s| s.key_frames > missing.key_frames).await;
    camera.stop().await;
}

#[tokio::test]
async fn another_resolution_in_mid_stream_begins_a_new_stream() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let small = dir.path().join("small.mp4");
    let (from, to) = (clip(), small.to_str().expect("path").to_owned());
    ffmpeg(&[
        "-i",
        from.to_str().expect("path"),
        "-t",
        "4",
        "-vf",
        "scale=384:288",
        "-preset",
        "ultrafast",
        "-g",
        "10",
        &to,
    ]);
    let mut server = RtspServer::start(&[("gate", &from), ("small", &small)], Options::default());
    for transport in [Transport::Tcp, Transport::GstreamerTcp] {
        server.switch("gate", "gate");
        let camera = start(&server, transport);
        camera.until("the large picture", |s| s.frames >= 5 && s.width == 768).await;
        server.switch("gate", "small");
        let stats = camera.until("the small picture", |s| s.width == 384 && s.height == 288).await;
        assert_eq!((stats.connections, stats.reconnects.total()), (1, 0), "the connection stays");
        let frames = camera.stop().await;
        let change = frames.iter().position(|f| f.stream == 2).expect("second stream");
        assert!(frames[change].key);
    }
}

#[tokio::test]
async fn unsupported_video_is_named() {
    let line = "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=5/1 ! jpegenc ! rtpjpegpay name=pay0 pt=26";
    let launches = vec![("gate".to_owned(), line.to_owned())];
    let server = RtspServer::start(&[], Options { launches, ..Options::default() });
    for transport in [Transport::Tcp, Transport::GstreamerTcp] {
        let camera = start(&server, transport);
        let stats = camera.until("a refusal", |s| s.reconnects.unsupported > 0).await;
        let error = stats.last_error.expect("an error");
        assert!(error.contains("JPEG") && error.contains("H.264 and H.265"), "{error}");
        camera.stop().await;
    }
}

#[tokio::test]
async fn a_camera_that_is_not_there_is_counted_as_refused() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("port").port();
    for transport in [Transport::Tcp, Transport::GstreamerTcp] {
        let camera =
            Camera::start(SourceConfig::Rtsp(rtsp(&format!("rtsp://127.0.0.1:{port}/gate"), transport)));
        camera.until("refusals", |s| s.reconnects.refused >= 2).await;
        assert_eq!(camera.stats().frames, 0);
        camera.stop().await;
    }
}

/// Speaks something else than RTSP, or stops in the middle of an answer.
#[tokio::test]
async fn garbage_instead_of_rtsp_is_a_protocol_error() {
    let answers: [&[u8]; 3] = [
        b"\x00\xff\x13garbage\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 5000\r\n\r\nv=0\r\n",
        b"$\x00\xff\xff\x80\x60",
    ];
    for answer in answers {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listener");
        let url = format!("rtsp://{}/gate", listener.local_addr().expect("address"));
        let server = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 512];
                if socket.read(&mut request).await.is_ok() {
                    let _ = socket.write_all(answer).await;
                }
            }
        });
        let camera = Camera::start(SourceConfig::Rtsp(rtsp(&url, Transport::Tcp)));
        let stats = camera.until("two failures", |s| s.reconnects.total() >= 2).await;
        assert_eq!(stats.reconnects.protocol + stats.reconnects.ended, stats.reconnects.total(), "{stats:?}");
        camera.stop().await;
        server.abort();
    }
}
