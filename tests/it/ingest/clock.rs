//! A scripted camera with a wrong clock that loses its connection every few seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use lintel::base::{TimeSource, WallTime, monotonic, wall_now};
use lintel::config::{RingConfig, SourceConfig, Transport};
use lintel::evidence::ClipCutter;
use lintel::ingest::{EncodedFrame, open_file};
use lintel::ring::Ring;

use super::{Camera, clip, rtsp};

/// Of the footage.
const FRAME: Duration = Duration::from_millis(100);
/// How long a connection lasts, and how often the camera says its time.
const LASTS: Duration = Duration::from_secs(3);
const REPORT: Duration = Duration::from_millis(500);
/// Seconds from 1900 to 1970.
const NTP: i64 = 2_208_988_800;
const SSRC: u32 = 7;

struct ScriptedCamera {
    url: String,
    /// Its clock minus the true time.
    offset_ms: Arc<AtomicI64>,
    server: tokio::task::JoinHandle<()>,
}

impl ScriptedCamera {
    async fn start(offset_ms: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listener");
        let url = format!("rtsp://{}/gate", listener.local_addr().expect("address"));
        let offset_ms = Arc::new(AtomicI64::new(offset_ms));
        let units = units();
        let offset = offset_ms.clone();
        let server = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // The client hangs up when it has seen enough.
                tokio::spawn(serve(socket, units.clone(), offset.clone()));
            }
        });
        Self { url, offset_ms, server }
    }
}

/// The NAL units of each frame: forty, two GOPs.
pub(super) fn units() -> Arc<Vec<Vec<Bytes>>> {
    let frames = open_file(&clip(), "gate".into(), WallTime(0)).expect("clip").take(40);
    let split = |data: Bytes| {
        let mut at: Vec<usize> = (0..data.len() - 3).filter(|&i| data[i..i + 3] == [0, 0, 1]).collect();
        at.push(data.len());
        let nals = at.windows(2).map(|w| data.slice(w[0] + 3..w[1]));
        nals.map(|nal| nal.slice(..nal.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1))).collect()
    };
    Arc::new(frames.map(|frame| split(frame.expect("frame").data)).collect())
}

/// Interleaved binary data (RFC 2326, 10.12).
pub(super) fn framed(channel: u8, packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(packet.len()).expect("short");
    [&[b'$', channel][..], &length.to_be_bytes(), packet].concat()
}

pub(super) fn rtp(sequence: &mut u16, mark: bool, time: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96 | if mark { 0x80 } else { 0 }];
    packet.extend(sequence.to_be_bytes());
    packet.extend(time.to_be_bytes());
    packet.extend(SSRC.to_be_bytes());
    packet.extend(payload);
    *sequence = sequence.wrapping_add(1);
    framed(0, &packet)
}

/// One NAL unit in fragments (FU-A, RFC 6184, 5.8).
pub(super) fn fragments(sequence: &mut u16, last: bool, time: u32, nal: &[u8]) -> Vec<u8> {
    if nal.len() < 1400 {
        return rtp(sequence, last, time, nal);
    }
    let pieces: Vec<&[u8]> = nal[1..].chunks(1400).collect();
    let packets = pieces.iter().enumerate().map(|(i, piece)| {
        let end = i + 1 == pieces.len();
        let flags = if i == 0 { 0x80 } else { 0 } | if end { 0x40 } else { 0 };
        let payload = [&[(nal[0] & 0xe0) | 28, flags | (nal[0] & 31)], *piece].concat();
        rtp(sequence, last && end, time, &payload)
    });
    packets.collect::<Vec<_>>().concat()
}

/// A sender report: the camera's clock read `wall` at RTP time `time`.
fn report(wall: WallTime, time: u32) -> Vec<u8> {
    let seconds = u32::try_from(wall.0.div_euclid(1_000_000) + NTP).expect("before 2036");
    let fraction = ((wall.0.rem_euclid(1_000_000) as u64) << 32) / 1_000_000;
    let words = [0x80c8_0006, SSRC, seconds, fraction as u32, time, 0, 0];
    framed(1, &words.map(u32::to_be_bytes).concat())
}

async fn serve(
    socket: TcpStream,
    units: Arc<Vec<Vec<Bytes>>>,
    offset_ms: Arc<AtomicI64>,
) -> std::io::Result<()> {
    let (reader, mut writer) = socket.into_split();
    let mut lines = BufReader::new(reader).lines();
    let (mut method, mut sequence_line) = (String::new(), String::new());
    while let Some(line) = lines.next_line().await? {
        if method.is_empty() {
            method = line.split(' ').next().unwrap_or_default().to_owned();
        } else if line.to_ascii_lowercase().starts_with("cseq") {
            sequence_line = line;
        } else if line.is_empty() {
            let head = format!("RTSP/1.0 200 OK\r\n{sequence_line}\r\n");
            let rest = match method.as_str() {
                "DESCRIBE" => {
                    let sdp = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n";
                    format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
                }
                "SETUP" => "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n".to_owned(),
                "PLAY" => "Session: 1\r\n\r\n".to_owned(),
                _ => "\r\n".to_owned(),
            };
            writer.write_all(format!("{head}{rest}").as_bytes()).await?;
            if method == "PLAY" {
                return play(writer, &units, &offset_ms).await;
            }
            method.clear();
        }
    }
    Ok(())
}

async fn play(
    mut writer: tokio::net::tcp::OwnedWriteHalf,
    units: &[Vec<Bytes>],
    offset_ms: &AtomicI64,
) -> std::io::Result<()> {
    let (start, wall) = (Instant::now(), wall_now());
    let base: u32 = rand::random();
    let (mut sequence, mut next_report) = (rand::random(), REPORT);
    for (n, nals) in units.iter().cycle().enumerate() {
        tokio::time::sleep_until(start + FRAME * n as u32).await;
        let passed = start.elapsed();
        if passed >= LASTS {
            break;
        }
        let time = base.wrapping_add((passed.as_micros() * 9 / 100) as u32);
        for (i, nal) in nals.iter().enumerate() {
            writer.write_all(&fragments(&mut sequence, i + 1 == nals.len(), time, nal)).await?;
        }
        if passed >= next_report {
            let offset = WallTime(offset_ms.load(Ordering::Relaxed) * 1_000);
            let camera = WallTime((wall + passed).0 + offset.0);
            writer.write_all(&report(camera, time)).await?;
            next_report = passed + REPORT;
        }
    }
    Ok(())
}

/// In each connection as long as the stream says, and over all of them no longer than it took.
fn check_times(frames: &[EncodedFrame], earliest: WallTime, latest: WallTime) {
    for pair in frames.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        assert!(a.capture.at <= b.capture.at, "{:?} {:?}", a.capture, b.capture);
        if a.stream == b.stream {
            let (media, passed) = (b.pts.0 - a.pts.0, b.capture.at.0 - a.capture.at.0);
            assert!((passed - media).abs() <= media / 20 + 1, "{passed} us in {media}");
        }
    }
    let (first, last) = (frames[0].capture.at, frames[frames.len() - 1].capture.at);
    assert!(first >= earliest && last <= latest, "{first} to {last} within {earliest} to {latest}");
}

/// Cuts a clip from the last seconds of one connection to the first of the next.
fn check_clip(frames: &[EncodedFrame]) {
    let config =
        RingConfig { max_bytes: 64 << 20, max_duration: Duration::from_secs(60), quiet: Duration::MAX };
    let ring = Ring::new(config);
    frames.iter().for_each(|frame| drop(ring.push(frame.clone())));
    let next = frames.iter().position(|f| f.stream > frames[0].stream).expect("a second connection");
    let place = tempfile::tempdir().expect("a folder");
    for (before, after) in [(2_000, 500), (500, 1_500)] {
        let from = frames[next - 1].capture.at - Duration::from_millis(before);
        let to = frames[next].capture.at + Duration::from_millis(after);
        let span = ring.clip(from, to).expect("held");
        let clip = ClipCutter::new().expect("GStreamer").cut(&span, place.path()).expect("cut");
        let said = clip.ends.since(clip.starts) + FRAME;
        let differs = said.abs_diff(Duration::from_millis(clip.duration_ms));
        assert!(differs <= said / 20 + FRAME, "it says {said:?}, and plays for {} ms", clip.duration_ms);
        assert!(clip.starts + Duration::from_secs(2) >= from && clip.ends <= to, "{clip:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_55_s_ahead_and_lost_connections_add_no_time() {
    let script = ScriptedCamera::start(55_000).await;
    let (earliest, began) = (wall_now(), monotonic());
    let camera = Camera::start(SourceConfig::Rtsp(rtsp(&script.url, Transport::Tcp)));
    let wrong = camera.until("a third connection", |s| s.connections == 3 && s.fps > 0.0).await;
    assert_eq!(wrong.time_source, Some(TimeSource::Arrival));
    assert!(wrong.offset_ms.is_some_and(|ms| (54_000..=55_100).contains(&ms)), "{wrong:?}");
    assert_eq!((wrong.camera_clock_steps, wrong.node_clock_steps, wrong.stray_reports), (0, 0, 0));
    script.offset_ms.store(0, Ordering::Relaxed);
    let set = camera.until("the camera's clock to be set", |s| s.camera_clock_steps == 1).await;
    let right = camera.until("its frames", |s| s.frames > set.frames + 5).await;
    assert_eq!((right.time_source, right.camera_clock_steps), (Some(TimeSource::Rtcp), 1), "{right:?}");
    assert!(right.offset_ms.is_some_and(|ms| ms.abs() < 2_000), "{right:?}");
    let frames = camera.stop().await;
    let latest = wall_now() + Duration::from_millis(500);
    check_times(&frames, earliest, latest);
    check_clip(&frames);
    assert!(began.elapsed() < Duration::from_secs(20), "quick: {:?}", began.elapsed());
    script.server.abort();
}
