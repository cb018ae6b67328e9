//! A scripted camera with the flaws of cheap ones: interleaved data before the answer to PLAY, RTP times that
//! stand still, no RTCP, and wrong numbers in RTP-Info.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use lintel::base::TimeSource;
use lintel::config::{SourceConfig, Transport};
use lintel::ingest::open_file;

use super::{Camera, clip, rtsp};

/// The parameter sets of the clip's first key frame, and an IDR slice that fits into one packet.
fn nals() -> Vec<Vec<u8>> {
    let mut frames = open_file(&clip(), "gate".into(), lintel::base::WallTime(0)).expect("clip");
    let data = frames.next().expect("a frame").expect("readable").data;
    let starts: Vec<usize> = (0..data.len() - 4).filter(|&i| data[i..i + 4] == [0, 0, 0, 1]).collect();
    let nal = |kind: u8| {
        let start = starts.iter().find(|&&i| data[i + 4] & 0x1f == kind).expect("NAL unit") + 4;
        let end = starts.iter().find(|&&i| i >= start).copied().unwrap_or(data.len());
        data[start..end.min(start + 900)].to_vec()
    };
    vec![nal(7), nal(8), nal(5)]
}

/// One RTP packet on interleaved channel 0 (RFC 2326, 10.12).
fn packet(sequence: u16, mark: bool, nal: &[u8]) -> Vec<u8> {
    let length = u16::try_from(nal.len() + 12).expect("short");
    let mut bytes = vec![b'$', 0];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0x80, 96 | if mark { 0x80 } else { 0 }]);
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(4_242_424u32.to_be_bytes());
    bytes.extend(7u32.to_be_bytes());
    bytes.extend(nal);
    bytes
}

async fn serve(socket: TcpStream, nals: Vec<Vec<u8>>) -> std::io::Result<()> {
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
            match method.as_str() {
                "DESCRIBE" => {
                    let sdp = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n";
                    let body = format!(
                        "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
                        sdp.len()
                    );
                    writer.write_all(format!("{head}{body}").as_bytes()).await?;
                }
                "SETUP" => {
                    let rest = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n";
                    writer.write_all(format!("{head}{rest}").as_bytes()).await?;
                }
                "PLAY" => {
                    writer.write_all(&packet(1, true, &nals[2])).await?;
                    let rest = "Session: 1\r\nRTP-Info: url=track1;seq=60000;rtptime=1\r\n\r\n";
                    writer.write_all(format!("{head}{rest}").as_bytes()).await?;
                    let mut sequence = 2;
                    loop {
                        for (i, nal) in nals.iter().enumerate() {
                            writer.write_all(&packet(sequence, i == 2, nal)).await?;
                            sequence = sequence.wrapping_add(1);
                        }
                        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
                    }
                }
                _ => writer.write_all(format!("{head}\r\n").as_bytes()).await?,
            }
            method.clear();
        }
    }
    Ok(())
}

#[tokio::test]
async fn data_before_play_and_standing_timestamps_are_lived_with() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listener");
    let url = format!("rtsp://{}/gate", listener.local_addr().expect("address"));
    let server = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // The client hangs up when it has seen enough.
            tokio::spawn(serve(socket, nals()));
        }
    });
    let camera = Camera::start(SourceConfig::Rtsp(rtsp(&url, Transport::Tcp)));
    let stats = camera.until("frames", |s| s.frames >= 10).await;
    assert_eq!((stats.connections, stats.reconnects.total(), stats.lost_packets), (1, 0, 0), "{stats:?}");
    assert!(stats.repaired_timestamps >= 9, "{stats:?}");
    assert_eq!((stats.time_source, stats.offset_ms), (Some(TimeSource::Arrival), None));
    let frames = camera.stop().await;
    assert!(frames.windows(2).all(|w| w[0].pts < w[1].pts), "put right");
    server.abort();
}
