//! One client: answers its requests and sends what is due, on one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gstreamer_rtsp_server::glib;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Paths;
use super::packets::{CLOCK_HZ, Numbering};
use super::path::Path;
use super::request::{self, Parsed, Request};

/// A client with this many unread bytes is behind: its units are dropped up to the next key frame.
const MAX_UNREAD: usize = 2 << 20;
const REPORT_EVERY: Duration = Duration::from_secs(5);
const TRACK: &str = "track";
/// Seconds from 1900 (NTP) to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

pub struct Connection {
    stream: TcpStream,
    paths: Arc<Paths>,
    input: Vec<u8>,
    /// To be written, from `written` on.
    output: Vec<u8>,
    written: usize,
    chosen: Option<Arc<Path>>,
    playing: Option<Player>,
    session: u32,
    channel: u8,
    closing: bool,
}

/// Where a client is in its path.
struct Player {
    next: usize,
    /// Media time of the start of this round.
    round: Duration,
    numbers: Numbering,
    /// Units are dropped until the next key frame.
    behind: bool,
    reported: Option<Instant>,
    /// Of the path when it began.
    generation: u64,
}

impl Connection {
    pub fn new(stream: TcpStream, paths: Arc<Paths>) -> Self {
        static SESSIONS: AtomicU64 = AtomicU64::new(1);
        let n = SESSIONS.fetch_add(1, Ordering::Relaxed);
        // Numbers that look random and differ from client to client (Knuth's multiplicative hash).
        let session = (n as u32).wrapping_mul(2_654_435_761);
        Self {
            stream,
            paths,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            chosen: None,
            playing: None,
            session,
            channel: 0,
            closing: false,
        }
    }

    /// Runs until the client leaves or sends no valid request, or the path goes down.
    pub async fn run(mut self) {
        drop(self.stream.set_nodelay(true));
        while self.step().await.is_ok() {}
        if let (Some(path), Some(_)) = (&self.chosen, &self.playing) {
            path.counts.clients.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// `Err`: the connection is over.
    async fn step(&mut self) -> Result<(), ()> {
        let due = self.due();
        let waits = self.written < self.output.len();
        let ended = |(path, player): (&Arc<Path>, &Player)| path.generation() != player.generation;
        if self.chosen.as_ref().zip(self.playing.as_ref()).is_some_and(ended) {
            return Err(());
        }
        tokio::select! {
            ready = self.stream.readable() => {
                ready.map_err(drop)?;
                self.read()?;
            }
            ready = self.stream.writable(), if waits => ready.map_err(drop)?,
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.play(),
        }
        self.write()
    }

    /// When the next unit is to be sent.
    fn due(&self) -> Option<Instant> {
        let (path, player) = (self.chosen.as_ref()?, self.playing.as_ref()?);
        Some(path.instant(player.round + path.packets.units[player.next].due))
    }

    fn read(&mut self) -> Result<(), ()> {
        let mut block = [0; 4096];
        match self.stream.try_read(&mut block) {
            Ok(0) => return Err(()),
            Ok(n) => self.input.extend_from_slice(&block[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(()),
        }
        loop {
            match request::take(&mut self.input) {
                Parsed::Incomplete => return Ok(()),
                Parsed::Nonsense => return Err(()),
                Parsed::Request(request) => self.answer(&request)?,
            }
        }
    }

    fn write(&mut self) -> Result<(), ()> {
        while self.written < self.output.len() {
            match self.stream.try_write(&self.output[self.written..]) {
                Ok(n) => self.written += n,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(()),
            }
        }
        self.output.clear();
        self.written = 0;
        if self.closing { Err(()) } else { Ok(()) }
    }

    /// Sends everything that is due.
    fn play(&mut self) {
        let (Some(path), Some(player)) = (&self.chosen, &mut self.playing) else { return };
        let now = path.now();
        let unread = self.output.len() - self.written;
        while player.round + path.packets.units[player.next].due <= now {
            let unit = &path.packets.units[player.next];
            player.behind = unread > MAX_UNREAD || (player.behind && !unit.key);
            if player.behind {
                path.counts.dropped.fetch_add(1, Ordering::Relaxed);
            } else if !path.is_stalled() {
                let timestamp = player.numbers.timestamp.wrapping_add(ticks(player.round + unit.shown));
                unit.write(&mut player.numbers, timestamp, &mut self.output);
                path.counts.sent.fetch_add(1, Ordering::Relaxed);
            }
            player.next += 1;
            if player.next == path.packets.units.len() {
                player.next = 0;
                player.round += path.packets.duration;
            }
        }
        if player.reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) && !path.is_stalled() {
            player.reported = Some(Instant::now());
            report(&player.numbers, now, &mut self.output);
        }
    }

    fn answer(&mut self, request: &Request) -> Result<(), ()> {
        let name = request.path.strip_suffix(&format!("/{TRACK}")).unwrap_or(&request.path);
        let path = self.paths.get(name).cloned();
        if path.as_ref().is_some_and(|path| path.is_down()) {
            return Err(());
        }
        let session = format!("Session: {:08x};timeout=60\r\n", self.session);
        let (status, headers, body) = match (request.method.as_str(), path) {
            ("OPTIONS", _) => (
                "200 OK",
                "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n".to_owned(),
                String::new(),
            ),
            ("GET_PARAMETER" | "SET_PARAMETER", _) => ("200 OK", session, String::new()),
            ("TEARDOWN", _) => {
                self.closing = true;
                ("200 OK", session, String::new())
            }
            (_, None) => ("404 Not Found", String::new(), String::new()),
            ("DESCRIBE", Some(path)) => {
                ("200 OK", "Content-Type: application/sdp\r\n".to_owned(), sdp(name, &path))
            }
            ("SETUP", Some(path)) => match request::channel(&request.transport) {
                Some(channel) if self.playing.is_none() => {
                    self.chosen = Some(path);
                    self.channel = channel;
                    let after = channel.wrapping_add(1);
                    let transport = format!(
                        "Transport: RTP/AVP/TCP;unicast;interleaved={channel}-{after};ssrc={:08X}\r\n{session}",
                        self.session
                    );
                    ("200 OK", transport, String::new())
                }
                Some(_) => ("455 Method Not Valid in This State", session, String::new()),
                None => ("461 Unsupported Transport", String::new(), String::new()),
            },
            ("PLAY", Some(path)) if self.chosen.is_some() => {
                if self.playing.is_none() {
                    self.start(&path);
                }
                ("200 OK", format!("{session}Range: npt=now-\r\n"), String::new())
            }
            ("PLAY", Some(_)) => ("455 Method Not Valid in This State", String::new(), String::new()),
            _ => ("501 Not Implemented", String::new(), String::new()),
        };
        self.closing |= request.wants_to_close;
        let head = format!(
            "RTSP/1.0 {status}\r\nCSeq: {}\r\nServer: lintel-rtsp-server\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            request.cseq,
            body.len()
        );
        self.output.extend_from_slice(head.as_bytes());
        Ok(())
    }

    fn start(&mut self, path: &Arc<Path>) {
        let now = path.now();
        let rounds = now.as_nanos() / path.packets.duration.as_nanos().max(1);
        let round = path.packets.duration * u32::try_from(rounds).unwrap_or(u32::MAX);
        let (next, over) = path.packets.key_from(now.saturating_sub(round));
        path.counts.clients.fetch_add(1, Ordering::Relaxed);
        path.counts.plays.fetch_add(1, Ordering::Relaxed);
        self.playing = Some(Player {
            next,
            round: if over { round + path.packets.duration } else { round },
            numbers: Numbering {
                channel: self.channel,
                ssrc: self.session,
                sequence: self.session as u16,
                timestamp: self.session.rotate_left(16),
                packets: 0,
                octets: 0,
            },
            behind: false,
            reported: None,
            generation: path.generation(),
        });
    }
}

fn ticks(time: Duration) -> u32 {
    // Wraps, as RTP's timestamps do.
    (time.as_nanos() * u128::from(CLOCK_HZ) / 1_000_000_000) as u32
}

/// A sender report: which wall time the media time `now` is (RFC 3550, 6.4.1).
fn report(numbers: &Numbering, now: Duration, out: &mut Vec<u8>) {
    let wall_us = u64::try_from(glib::real_time()).unwrap_or(0);
    let fraction = ((wall_us % 1_000_000) << 32) / 1_000_000;
    let ntp = ((wall_us / 1_000_000 + NTP_EPOCH) << 32) | fraction;
    out.extend_from_slice(&[b'$', numbers.channel.wrapping_add(1), 0, 28, 0x80, 200, 0, 6]);
    out.extend_from_slice(&numbers.ssrc.to_be_bytes());
    out.extend_from_slice(&ntp.to_be_bytes());
    out.extend_from_slice(&numbers.timestamp.wrapping_add(ticks(now)).to_be_bytes());
    out.extend_from_slice(&numbers.packets.to_be_bytes());
    out.extend_from_slice(&numbers.octets.to_be_bytes());
}

fn sdp(name: &str, path: &Path) -> String {
    format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns={name}\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=range:npt=now-\r\n\
         m=video 0 RTP/AVP 96\r\na=rtpmap:96 {}/{CLOCK_HZ}\r\na=fmtp:96 {}\r\na=control:{TRACK}\r\n",
        path.packets.encoding, path.packets.fmtp
    )
}
