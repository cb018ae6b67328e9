//! A stranger at a camera's address: sends without end, asks for the password in the clear, or sends clients on.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostility {
    /// A description of 99 GB.
    Description,
    /// Headers without end.
    Headers,
    /// One NAL unit in fragments without end (FU-A, RFC 6184, 5.8), over TCP or UDP as the client asks.
    Fragments,
    /// Asks for Basic.
    Basic,
    /// Sends clients to another port.
    Redirect(u16),
}

/// Serves until the test ends.
pub struct Stranger {
    pub port: u16,
    /// Bytes that clients took.
    pub taken: Arc<AtomicU64>,
    /// Values of `Authorization`.
    pub heard: Arc<Mutex<Vec<String>>>,
}

const BLOCK: usize = 60_000;

impl Stranger {
    pub fn start(how: Hostility) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
        let port = listener.local_addr().expect("address").port();
        let stranger = Self { port, taken: Arc::default(), heard: Arc::default() };
        let (taken, heard) = (stranger.taken.clone(), stranger.heard.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (taken, heard) = (taken.clone(), heard.clone());
                // The client hangs up, which is the end of it.
                std::thread::spawn(move || drop(serve(&client, how, &taken, &heard)));
            }
        });
        stranger
    }

    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/x", self.port)
    }
}

fn serve(
    mut client: &TcpStream,
    how: Hostility,
    taken: &AtomicU64,
    heard: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(client).lines();
    let mut datagrams = None;
    loop {
        let request: Vec<String> =
            lines.by_ref().map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
        let header = |name: &str| {
            let named = |line: &&String| line.to_ascii_lowercase().starts_with(name);
            request.iter().find(named).and_then(|l| Some(l.split_once(':')?.1.trim().to_owned()))
        };
        let Some(method) = request.first().and_then(|l| l.split(' ').next()) else { return Ok(()) };
        let number = header("cseq").unwrap_or_default();
        let proof = header("authorization");
        let known = proof.is_some();
        heard.lock().extend(proof);
        let head = format!("RTSP/1.0 200 OK\r\nCSeq: {number}\r\n");
        let endless = |mut client: &TcpStream, head: &str, block: &[u8]| -> std::io::Result<()> {
            client.write_all(head.as_bytes())?;
            loop {
                client.write_all(block)?;
                taken.fetch_add(block.len() as u64, Ordering::Relaxed);
            }
        };
        match (method, how) {
            ("DESCRIBE", Hostility::Description) => {
                let head =
                    format!("{head}Content-Type: application/sdp\r\nContent-Length: 99999999999\r\n\r\n");
                return endless(client, &head, &[b"a=x:", &[b'A'; BLOCK][..], b"\r\n"].concat());
            }
            ("DESCRIBE", Hostility::Headers) => {
                return endless(client, &head, &b"X-A: AAAAAAAA\r\n".repeat(4096));
            }
            ("DESCRIBE", Hostility::Basic) if !known => {
                let asks = "WWW-Authenticate: Basic realm=\"x\"\r\n\r\n";
                write!(client, "RTSP/1.0 401 Unauthorized\r\nCSeq: {number}\r\n{asks}")?;
            }
            ("DESCRIBE", Hostility::Redirect(to)) => write!(
                client,
                "RTSP/1.0 302 Moved\r\nCSeq: {number}\r\nLocation: rtsp://127.0.0.1:{to}/x\r\n\r\n"
            )?,
            ("DESCRIBE", _) => {
                let sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAH9kAsD2hAAADAAEAAAMAPI8YMqA=,aMuDyyA=\r\na=control:track1\r\n";
                let length = sdp.len();
                write!(
                    client,
                    "{head}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}"
                )?;
            }
            ("SETUP", _) => {
                let asked = header("transport").unwrap_or_default();
                let port = asked.split("client_port=").nth(1).and_then(|p| p.split(['-', ';']).next());
                datagrams = match port.and_then(|p| p.parse::<u16>().ok()) {
                    None => {
                        let transport = "RTP/AVP/TCP;unicast;interleaved=0-1";
                        write!(client, "{head}Session: 1\r\nTransport: {transport}\r\n\r\n")?;
                        None
                    }
                    Some(port) => {
                        let socket = UdpSocket::bind("127.0.0.1:0")?;
                        let own = socket.local_addr()?.port();
                        let ports = format!("client_port={port}-{};server_port={own}-{own}", port + 1);
                        write!(client, "{head}Session: 1\r\nTransport: RTP/AVP;unicast;{ports}\r\n\r\n")?;
                        Some((socket, port))
                    }
                };
            }
            ("PLAY", Hostility::Fragments) => {
                write!(client, "{head}Session: 1\r\n\r\n")?;
                let framed = |n: u16, flags: u8| {
                    let packet = fragment(n, flags);
                    [&[b'$', 0][..], &(packet.len() as u16).to_be_bytes(), &packet].concat()
                };
                for n in 0u64.. {
                    let (number, flags) = (n as u16, if n == 0 { 0x85 } else { 0x05 });
                    match &datagrams {
                        None => client.write_all(&framed(number, flags))?,
                        Some((socket, port)) => {
                            // As fast as a camera's network; what is lost does not matter.
                            std::thread::sleep(Duration::from_micros(500));
                            drop(socket.send_to(&fragment(number, flags), ("127.0.0.1", *port)));
                            client.write_all(b"\r\n")?;
                        }
                    }
                    taken.fetch_add(BLOCK as u64, Ordering::Relaxed);
                }
            }
            _ => write!(client, "{head}Session: 1\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n")?,
        }
    }
}

/// An RTP packet with a piece of a key frame.
fn fragment(number: u16, flags: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(number.to_be_bytes());
    packet.extend([0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x7c, flags]);
    packet.resize(packet.len() + BLOCK, 0xaa);
    packet
}
