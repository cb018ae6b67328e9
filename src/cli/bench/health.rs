//! What the node says of its cameras, asked again and again at `/health`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The part of the node's answer that is used here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Health {
    /// Time in the model for one picture with its slices.
    pub detect_run_ms: f64,
    pub cameras: BTreeMap<String, Camera>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Camera {
    pub ingest: Ingest,
    pub decode: Decode,
    pub detect: Option<Detect>,
    pub ring: Ring,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Ingest {
    /// In the words of the node, such as `streaming`.
    pub state: String,
    pub frames: u64,
    pub lost_frames: u64,
    pub connections: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Decode {
    pub pictures: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Detect {
    pub analysed: u64,
    pub unchanged: u64,
    /// Microseconds since 1970.
    pub last_at: Option<i64>,
    /// From capture to the end of the analysis.
    pub lag_s: Option<f64>,
}

impl Detect {
    /// When the last picture was taken, in microseconds.
    fn taken_at(&self) -> Option<f64> {
        Some(self.last_at? as f64 - self.lag_s? * 1e6)
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Ring {
    pub bytes: u64,
}

/// What was seen between begin and end.
pub(super) struct Seen {
    pub before: Health,
    pub after: Health,
    /// Seconds between two analyses, by camera.
    pub intervals: BTreeMap<String, Vec<f64>>,
    /// Seconds from one analysed picture to the next by their capture times, of all cameras.
    pub taken: Vec<f64>,
    /// Seconds from capture to the end of the analysis, of those pictures that were the last when the node was asked.
    pub lags: Vec<f64>,
}

pub(super) struct Watch {
    address: SocketAddr,
    last: BTreeMap<String, Detect>,
    intervals: BTreeMap<String, Vec<f64>>,
    taken: Vec<f64>,
    lags: Vec<f64>,
}

impl Watch {
    pub fn new(port: u16) -> Self {
        let address = (Ipv4Addr::LOCALHOST, port).into();
        Self {
            address,
            last: BTreeMap::new(),
            intervals: BTreeMap::new(),
            taken: Vec::new(),
            lags: Vec::new(),
        }
    }

    /// Forgets what was before.
    pub fn begin(&mut self) -> anyhow::Result<Health> {
        self.poll()?;
        self.intervals.clear();
        self.taken.clear();
        self.lags.clear();
        self.ask()
    }

    /// Gives how many cameras have been analysed at least once.
    pub fn poll(&mut self) -> anyhow::Result<usize> {
        let health = self.ask()?;
        let detects = health.cameras.into_iter().filter_map(|(name, camera)| Some((name, camera.detect?)));
        for (name, now) in detects {
            let Some(at) = now.last_at else { continue };
            if let Some((before, before_at)) = self.last.get(&name).and_then(|d| Some((d, d.last_at?)))
                && now.analysed > before.analysed
            {
                // Several since the last look: only their mean is known.
                let count = now.analysed - before.analysed;
                let each = (at - before_at) as f64 / 1e6 / count as f64;
                self.intervals.entry(name.clone()).or_default().extend((0..count).map(|_| each));
                if let Some((taken, taken_before)) = now.taken_at().zip(before.taken_at()) {
                    self.taken.extend((0..count).map(|_| (taken - taken_before) / 1e6 / count as f64));
                }
                self.lags.extend(now.lag_s);
            }
            self.last.insert(name, now);
        }
        Ok(self.last.len())
    }

    /// A camera that was looked at last long ago counts with the time since then.
    pub fn end(&mut self, before: &Health) -> anyhow::Result<Seen> {
        self.poll()?;
        let after = self.ask()?;
        let newest = self.last.values().filter_map(|d| d.last_at).max().unwrap_or(0);
        let mut intervals = std::mem::take(&mut self.intervals);
        for name in after.cameras.keys() {
            let seen = intervals.entry(name.clone()).or_default();
            let longest = seen.iter().copied().fold(0.0, f64::max);
            let last = self.last.get(name).and_then(|d| d.last_at);
            let open = last.map_or(f64::INFINITY, |at| (newest - at) as f64 / 1e6);
            if open > longest {
                seen.push(open);
            }
        }
        let (taken, lags) = (std::mem::take(&mut self.taken), std::mem::take(&mut self.lags));
        Ok(Seen { before: before.clone(), after, intervals, taken, lags })
    }

    pub fn ask(&self) -> anyhow::Result<Health> {
        let place = || format!("the node's health at {}", self.address);
        let mut stream = TcpStream::connect_timeout(&self.address, TIMEOUT).with_context(place)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).with_context(place)?;
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |end| end + 4);
        serde_json::from_slice(&answer[body..]).with_context(place)
    }
}
