//! The node's own figures, polled at `/health`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The part of the node's answer that is needed here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Health {
    /// Inference time for one picture with its slices.
    pub detect_run_ms: f64,
    pub cameras: BTreeMap<String, Camera>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Camera {
    pub ingest: Ingest,
    pub decode: Decode,
    pub detect: Option<Detect>,
    pub ring: Ring,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ingest {
    /// Such as `streaming`.
    pub state: String,
    pub frames: u64,
    pub lost_frames: u64,
    pub connections: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Decode {
    pub pictures: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Detect {
    pub analysed: u64,
    pub unchanged: u64,
    /// Microseconds since 1970.
    pub last_at: Option<i64>,
    /// From capture to the end of the analysis.
    pub lag_s: Option<f64>,
}

impl Detect {
    /// Capture time of the last picture, microseconds since 1970.
    fn captured_at(&self) -> Option<f64> {
        Some(self.last_at? as f64 - self.lag_s? * 1e6)
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ring {
    pub bytes: u64,
}

/// Everything between two moments.
pub(crate) struct HealthWindow {
    pub before: Health,
    pub after: Health,
    /// Seconds between two analyses, by camera.
    pub intervals_s: BTreeMap<String, Vec<f64>>,
    /// Seconds between the capture times of two analysed pictures, of all cameras.
    pub capture_intervals_s: Vec<f64>,
    /// Seconds from capture to the end of the analysis, of the newest picture at each poll.
    pub lags_s: Vec<f64>,
}

pub(crate) struct HealthMonitor {
    address: SocketAddr,
    last: BTreeMap<String, Detect>,
    intervals_s: BTreeMap<String, Vec<f64>>,
    capture_intervals_s: Vec<f64>,
    lags_s: Vec<f64>,
}

impl HealthMonitor {
    pub fn new(port: u16) -> Self {
        let address = (Ipv4Addr::LOCALHOST, port).into();
        Self {
            address,
            last: BTreeMap::new(),
            intervals_s: BTreeMap::new(),
            capture_intervals_s: Vec::new(),
            lags_s: Vec::new(),
        }
    }

    /// Starts a new window and returns the health at its start.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn reset(&mut self) -> anyhow::Result<Health> {
        self.poll()?;
        self.intervals_s.clear();
        self.capture_intervals_s.clear();
        self.lags_s.clear();
        self.fetch()
    }

    /// Returns how many cameras have been analysed at least once.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn poll(&mut self) -> anyhow::Result<usize> {
        let health = self.fetch()?;
        let detects = health.cameras.into_iter().filter_map(|(name, camera)| Some((name, camera.detect?)));
        for (name, now) in detects {
            let Some(at) = now.last_at else { continue };
            if let Some((before, before_at)) = self.last.get(&name).and_then(|d| Some((d, d.last_at?)))
                && now.analysed > before.analysed
            {
                // Several since the last poll: only their mean is known.
                let count = now.analysed - before.analysed;
                let each = (at - before_at) as f64 / 1e6 / count as f64;
                self.intervals_s.entry(name.clone()).or_default().extend((0..count).map(|_| each));
                if let Some((captured, captured_before)) = now.captured_at().zip(before.captured_at()) {
                    self.capture_intervals_s
                        .extend((0..count).map(|_| (captured - captured_before) / 1e6 / count as f64));
                }
                self.lags_s.extend(now.lag_s);
            }
            self.last.insert(name, now);
        }
        Ok(self.last.len())
    }

    /// Ends the window that began with `before`. A camera whose last analysis is long ago counts with the
    /// time since then.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn finish(&mut self, before: Health) -> anyhow::Result<HealthWindow> {
        self.poll()?;
        let after = self.fetch()?;
        let newest = self.last.values().filter_map(|d| d.last_at).max().unwrap_or(0);
        let mut intervals_s = std::mem::take(&mut self.intervals_s);
        for name in after.cameras.keys() {
            let intervals = intervals_s.entry(name.clone()).or_default();
            let longest = intervals.iter().copied().fold(0.0, f64::max);
            let last = self.last.get(name).and_then(|d| d.last_at);
            let open = last.map_or(f64::INFINITY, |at| (newest - at) as f64 / 1e6);
            if open > longest {
                intervals.push(open);
            }
        }
        let capture_intervals_s = std::mem::take(&mut self.capture_intervals_s);
        let lags_s = std::mem::take(&mut self.lags_s);
        Ok(HealthWindow { before, after, intervals_s, capture_intervals_s, lags_s })
    }

    /// # Errors
    /// The node does not answer, or with something else.
    pub fn fetch(&self) -> anyhow::Result<Health> {
        let context = || format!("the node's health at {}", self.address);
        let mut stream = TcpStream::connect_timeout(&self.address, TIMEOUT).with_context(context)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).with_context(context)?;
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |end| end + 4);
        serde_json::from_slice(&answer[body..]).with_context(context)
    }
}
