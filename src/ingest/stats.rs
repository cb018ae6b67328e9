//! Counters of a source, for metrics, health and the probe.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::{Codec, IngestError, Reason};
use crate::base::{Capture, TimeSource, WallTime, monotonic};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    #[default]
    Connecting,
    Streaming,
    /// Waiting before the next attempt because of `last_error`.
    BackingOff,
    /// The end of the file was reached, or the source was stopped.
    Ended,
}

/// How often a connection or an attempt failed, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Reconnects {
    pub refused: u64,
    pub auth: u64,
    pub timeout: u64,
    pub stalled: u64,
    pub protocol: u64,
    pub unsupported: u64,
    pub ended: u64,
}

impl Reconnects {
    pub fn total(&self) -> u64 {
        self.refused + self.auth + self.timeout + self.stalled + self.protocol + self.unsupported + self.ended
    }

    fn count(&mut self, reason: Reason) {
        let counter = match reason {
            Reason::Refused => &mut self.refused,
            Reason::Auth => &mut self.auth,
            Reason::Timeout => &mut self.timeout,
            Reason::Stalled => &mut self.stalled,
            Reason::Protocol => &mut self.protocol,
            Reason::Unsupported => &mut self.unsupported,
            Reason::Ended => &mut self.ended,
        };
        *counter += 1;
    }
}

#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct IngestSnapshot {
    pub state: SourceState,
    /// Connected through GStreamer, which costs more than the built-in client.
    pub gstreamer: bool,
    /// Access units passed to the sink.
    pub frames: u64,
    pub key_frames: u64,
    pub bytes: u64,
    /// RTP packets that did not arrive.
    pub lost_packets: u64,
    /// RTP packets that nothing could be read from.
    pub unreadable_packets: u64,
    /// Gaps in the sequence: pictures that are missing or damaged.
    pub lost_frames: u64,
    /// Intact access units that cannot be decoded: before the first key frame, or without parameter sets.
    pub skipped_frames: u64,
    /// Access units whose presentation time stood still, jumped or ran away and was repaired.
    pub repaired_timestamps: u64,
    /// Steps of the camera's clock.
    pub camera_clock_steps: u64,
    /// Steps of the node's clock while the camera was connected or connecting.
    pub node_clock_steps: u64,
    /// Sender reports that were ignored, because their RTP time is not that of the stream.
    pub stray_reports: u64,
    /// Periods without key frames, much longer than the usual interval.
    pub key_frames_missing: u64,
    /// Intact telemetry packets of a drone.
    pub telemetry: u64,
    /// Unusable telemetry packets and records.
    pub telemetry_rejected: u64,
    /// Connections that delivered a key frame.
    pub connections: u64,
    pub reconnects: Reconnects,
    /// Over the last 5 s; 0 while not streaming.
    pub fps: f64,
    pub codec: Option<Codec>,
    pub width: u32,
    pub height: u32,
    /// Access units between the last two key frames.
    pub gop_frames: Option<u32>,
    pub key_interval_ms: Option<u64>,
    /// Camera clock minus node clock.
    pub offset_ms: Option<i64>,
    /// Capture time minus the clock that it follows: what is left of a step, worked off by 50 ms a second.
    pub clock_error_ms: Option<i64>,
    /// The node's clock was set and is not in step again, so no event opens.
    pub waits_for_clock: bool,
    pub time_source: Option<TimeSource>,
    pub last_frame_at: Option<WallTime>,
    pub last_error: Option<String>,
}

/// Shared between a camera's task and its readers.
#[derive(Debug, Default)]
pub struct IngestStats {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    shown: IngestSnapshot,
    recent: VecDeque<Instant>,
    connected: Option<Instant>,
    /// Since when it does not stream.
    away_since: Option<Instant>,
    since_key: Option<u32>,
}

const FPS_WINDOW: Duration = Duration::from_secs(5);
/// 5 s at 120 fps. At higher frame rates fps reads too low.
const RECENT_MAX: usize = 600;

/// One access unit passed to the sink.
pub(super) struct Counted<'a> {
    pub bytes: usize,
    pub key: bool,
    pub codec: Codec,
    pub size: Option<(u32, u32)>,
    pub capture: &'a Capture,
    /// Time since the previous key frame of the same stream.
    pub key_interval: Option<Duration>,
}

impl IngestStats {
    pub fn snapshot(&self) -> IngestSnapshot {
        let mut inner = self.lock();
        let now = monotonic();
        inner.forget_old(now);
        let lived = inner.connected.map_or(FPS_WINDOW, |since| now.saturating_duration_since(since));
        let window = lived.clamp(Duration::from_millis(500), FPS_WINDOW);
        let alive = inner.shown.state == SourceState::Streaming;
        let fps = if alive { inner.recent.len() as f64 / window.as_secs_f64() } else { 0.0 };
        IngestSnapshot { fps, ..inner.shown.clone() }
    }

    pub(super) fn state(&self, state: SourceState) {
        self.lock().shown.state = state;
    }

    /// Counts a connection at its first key frame. Returns how long the camera was away, if it was.
    pub(super) fn connected(&self, now: Instant) -> Option<Duration> {
        let mut inner = self.lock();
        inner.shown.state = SourceState::Streaming;
        inner.shown.connections += 1;
        inner.shown.last_error = None;
        inner.connected = Some(now);
        inner.recent.clear();
        inner.since_key = None;
        inner.away_since.take().map(|since| now.saturating_duration_since(since))
    }

    pub(super) fn failed(&self, error: &IngestError) {
        let mut inner = self.lock();
        inner.shown.reconnects.count(error.reason());
        inner.shown.last_error = Some(error.to_string());
        inner.shown.state = SourceState::BackingOff;
        inner.away_since.get_or_insert_with(monotonic);
    }

    pub(super) fn frame(&self, unit: &Counted<'_>, now: Instant) {
        let mut inner = self.lock();
        inner.forget_old(now);
        if inner.recent.len() < RECENT_MAX {
            inner.recent.push_back(now);
        }
        if unit.key {
            inner.shown.gop_frames = inner.since_key.or(inner.shown.gop_frames);
            inner.since_key = Some(0);
        }
        inner.since_key = inner.since_key.map(|n| n + 1);
        let shown = &mut inner.shown;
        shown.frames += 1;
        shown.key_frames += u64::from(unit.key);
        shown.bytes += unit.bytes as u64;
        shown.codec = Some(unit.codec);
        if let Some((width, height)) = unit.size {
            (shown.width, shown.height) = (width, height);
        }
        if let Some(interval) = unit.key_interval {
            shown.key_interval_ms = u64::try_from(interval.as_millis()).ok();
        }
        shown.offset_ms = unit.capture.offset_ms;
        shown.time_source = Some(unit.capture.source);
        shown.last_frame_at = Some(unit.capture.at);
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut IngestSnapshot)) {
        change(&mut self.lock().shown);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    fn forget_old(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|&t| now.saturating_duration_since(t) > FPS_WINDOW) {
            self.recent.pop_front();
        }
    }
}
