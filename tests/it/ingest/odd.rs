//! Cameras that do not keep to the letter: pictures go on, and what cannot be read costs no more than itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use lintel::config::{SourceConfig, Transport};
use lintel::ingest::{EncodedFrame, IngestSnapshot};

use super::clock::{fragments, framed, rtp, units};
use super::{Camera, rtsp};

/// Frames a second are 20, so that a test is short.
const FRAME: Duration = Duration::from_millis(50);
const TICKS: u32 = 4_500;

type Send = Arc<dyn Fn(&mut u16, usize, u32, &[Bytes]) -> Vec<u8> + std::marker::Send + Sync>;

/// What a camera does otherwise than others.
#[derive(Clone)]
struct Oddity {
    sdp: &'static str,
    /// Headers of the answer to DESCRIBE, SETUP and PLAY.
    describe: &'static str,
    setup: &'static str,
    play: &'static str,
    /// The packets of a frame, from its number, time and NAL units.
    send: Send,
}

const SDP: &str = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n";

impl Oddity {
    fn none() -> Self {
        Self {
            sdp: SDP,
            describe: "Content-Type: application/sdp\r\n",
            setup: "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
            play: "Session: 1\r\n",
            send: Arc::new(|sequence, _, time, nals| whole(sequence, time, nals)),
        }
    }
}

fn whole(sequence: &mut u16, time: u32, nals: &[Bytes]) -> Vec<u8> {
    let packet = |(i, nal): (usize, &Bytes)| fragments(sequence, i + 1 == nals.len(), time, nal);
    nals.iter().enumerate().flat_map(packet).collect()
}

/// Serves the clip in its own way. Counts its connections.
async fn start(oddity: Oddity) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listener");
    let url = format!("rtsp://{}/gate", listener.local_addr().expect("address"));
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        let units = units();
        while let Ok((socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            // The client hangs up when it has seen enough.
            tokio::spawn(serve(socket, oddity.clone(), units.clone()));
        }
    });
    (url, connections)
}

async fn serve(socket: TcpStream, oddity: Oddity, units: Arc<Vec<Vec<Bytes>>>) -> std::io::Result<()> {
    let (reader, mut writer) = socket.into_split();
    let mut lines = BufReader::new(reader).lines();
    let (mut method, mut sequence_line) = (String::new(), String::new());
    while let Some(line) = lines.next_line().await? {
        if method.is_empty() {
            method = line.split(' ').next().unwrap_or_default().to_owned();
        } else if line.to_ascii_lowercase().starts_with("cseq") {
            sequence_line = line;
        } else if line.is_empty() {
            let rest = match method.as_str() {
                "DESCRIBE" => {
                    format!("{}Content-Length: {}\r\n\r\n{}", oddity.describe, oddity.sdp.len(), oddity.sdp)
                }
                "SETUP" => format!("{}\r\n", oddity.setup),
                "PLAY" => format!("{}\r\n", oddity.play),
                _ => "Public: DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n\r\n".to_owned(),
            };
            writer.write_all(format!("RTSP/1.0 200 OK\r\n{sequence_line}\r\n{rest}").as_bytes()).await?;
            if method == "PLAY" {
                break;
            }
            method.clear();
        }
    }
    // Requests after PLAY are read, so that the camera's buffer does not fill, and not answered.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let (mut sequence, mut time) = (100, 9_000);
    for (number, nals) in units.iter().cycle().enumerate() {
        writer.write_all(&(oddity.send)(&mut sequence, number, time, nals)).await?;
        time += TICKS;
        tokio::time::sleep(FRAME).await;
    }
    Ok(())
}

/// Streams until 60 frames came, which is three GOPs.
async fn watch(oddity: Oddity, transport: Transport) -> (IngestSnapshot, usize) {
    let (url, connections) = start(oddity).await;
    let camera = Camera::start(SourceConfig::Rtsp(rtsp(&url, transport)));
    let stats = camera.until("60 frames", |s| s.frames >= 60).await;
    let frames = camera.stop().await;
    assert!(frames[0].key && frames.iter().filter(|frame| frame.key).count() >= 2);
    let in_order = |pair: &[EncodedFrame]| {
        pair[0].seq < pair[1].seq && (pair[0].stream < pair[1].stream || pair[0].pts < pair[1].pts)
    };
    assert!(frames.windows(2).all(in_order));
    (stats, connections.load(Ordering::SeqCst))
}

/// Sends the frames as they are, and after every fifth one what is odd.
fn after_every_fifth(
    odd: impl Fn(&mut u16, usize, u32) -> Vec<u8> + std::marker::Send + Sync + 'static,
) -> Send {
    Arc::new(move |sequence, number, time, nals| {
        let mut bytes = whole(sequence, time, nals);
        if number % 5 == 4 {
            bytes.extend(odd(sequence, number / 5, time));
        }
        bytes
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_that_are_nothing_do_not_end_the_connection() {
    let send = after_every_fifth(|sequence, turn, time| match turn % 5 {
        0 => rtp(sequence, false, time, &[]),
        1 => rtp(sequence, true, time, &[31, 1, 2]),
        2 => rtp(sequence, true, time, &[0x9c, 1, 2]),
        3 => rtp(sequence, false, time, &[0x7c]),
        // RTP of version 0.
        _ => framed(0, &[0; 20]),
    });
    let (stats, connections) = watch(Oddity { send, ..Oddity::none() }, Transport::Tcp).await;
    assert_eq!((connections, stats.lost_frames), (1, 0), "{stats:?}");
    assert!(stats.unreadable_packets >= 10, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn units_without_a_picture_are_no_frames() {
    // End of sequence, delimiter, filler, SEI: each with a time of its own.
    let send = after_every_fifth(|sequence, turn, time| {
        let nal: &[u8] = [&[10][..], &[9, 0x10], &[12, 255, 255], &[6, 5, 1, 0, 0x80]][turn % 4];
        rtp(sequence, true, time + TICKS / 2, nal)
    });
    let (stats, connections) = watch(Oddity { send, ..Oddity::none() }, Transport::Tcp).await;
    assert_eq!((connections, stats.lost_frames, stats.skipped_frames), (1, 0, 0), "{stats:?}");
    assert_eq!(stats.gop_frames, Some(20), "the clip's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stray_source_costs_its_packet_and_a_new_one_the_connection() {
    let stray = after_every_fifth(|sequence, _, time| {
        let mut packet = rtp(sequence, true, time, &[0x41, 0xc0]);
        packet[12] ^= 0xff;
        *sequence -= 1;
        packet
    });
    let (stats, connections) = watch(Oddity { send: stray, ..Oddity::none() }, Transport::Tcp).await;
    assert_eq!((connections, stats.lost_frames), (1, 0), "{stats:?}");
    let new: Send = Arc::new(|sequence, number, time, nals| {
        let mut bytes = whole(sequence, time, nals);
        if number >= 30 {
            let mut at = 0;
            while at < bytes.len() {
                bytes[at + 12] ^= 0xff;
                at += 4 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            }
        }
        bytes
    });
    let (stats, connections) = watch(Oddity { send: new, ..Oddity::none() }, Transport::Tcp).await;
    assert!(connections > 1 && stats.reconnects.total() > 0, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_the_camera_hold_no_picture_up() {
    let send = after_every_fifth(|_, turn, _| {
        let method = ["OPTIONS", "ANNOUNCE"][turn % 2];
        format!("{method} rtsp://127.0.0.1/gate RTSP/1.0\r\nCSeq: {turn}\r\n\r\n").into_bytes()
    });
    let (url, _) = start(Oddity { send, ..Oddity::none() }).await;
    let camera = Camera::start(SourceConfig::Rtsp(rtsp(&url, Transport::Tcp)));
    let stats = camera.until("60 frames", |s| s.frames >= 60).await;
    assert_eq!((stats.reconnects.total(), stats.connections), (0, 1), "{stats:?}");
    let frames = camera.stop().await;
    let waits = frames.windows(2).map(|pair| pair[1].capture.at.since(pair[0].capture.at));
    let longest = waits.max().expect("frames");
    assert!(longest < Duration::from_secs(4), "they came in bursts: {longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn loose_answers_are_understood_by_another_client_at_the_second_connection() {
    let none = Oddity::none;
    let loose = [
        Oddity { sdp: "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n", ..none() },
        Oddity { describe: "Content-Type: application/sdp;charset=utf-8\r\n", ..none() },
        Oddity { play: "Session: 1\r\nRTP-Info: seq=-1;rtptime=-5\r\n", ..none() },
        Oddity {
            setup: "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1; Timeout=60; x=1\r\n",
            ..none()
        },
    ];
    for oddity in loose {
        let (answer, sdp) = (oddity.describe, oddity.sdp);
        let (stats, connections) = watch(oddity, Transport::Auto).await;
        assert!(stats.gstreamer && connections <= 3, "{connections} {answer} {sdp} {stats:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_usual_camera_stays_with_the_cheap_client() {
    let (stats, connections) = watch(Oddity::none(), Transport::Auto).await;
    assert!(!stats.gstreamer && connections == 1, "{stats:?}");
}
