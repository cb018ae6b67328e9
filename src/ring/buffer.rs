//! The ring buffer of one camera.
//!
//! Its limits, the strongest first:
//! 1. Never more than [`HARD_FACTOR`] times `max_bytes`, whatever the camera sends. All rings of a node
//!    together have a bound too, in `pool`.
//! 2. The GOP being received and the last whole one before it stay, so that a clip can always start at a key
//!    frame.
//! 3. `max_bytes` and `max_duration`: the oldest GOP is dropped until both hold.
//! 4. Footage that a pending clip needs stays.
//! 5. `quiet`: the oldest GOP is dropped until it holds.
//!
//! Durations count footage, not wall time: a camera that was offline for an hour still has its last seconds
//! from before.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;

use crate::base::WallTime;
use crate::config::RingConfig;
use crate::ingest::EncodedFrame;

use super::blocks::Blocks;
use super::gop::Gop;

/// A GOP larger than this many times `max_bytes` will never end: the stream has stopped sending key frames.
const HARD_FACTOR: usize = 4;

/// The last seconds of one camera. Shared by `Arc`; every call holds the lock for microseconds only.
pub struct Ring {
    config: Mutex<RingConfig>,
    state: Mutex<State>,
    /// Bytes of footage in this ring and in those that share the count.
    total: Arc<AtomicUsize>,
}

/// The part of a time span that a ring holds.
#[derive(Clone, Debug)]
pub struct RingClip {
    /// In decode order. The first is a key frame, and all belong to one `stream`. Never empty.
    pub frames: Vec<EncodedFrame>,
    /// The first frame is later than requested: the ring no longer holds, or never held, the frames before
    /// it.
    pub starts_late: bool,
    /// The ring holds no frame as late as the requested end: it is too early to cut, or the stream ended.
    pub ends_early: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RingStats {
    pub frames: usize,
    pub bytes: usize,
    pub gops: usize,
    /// Footage held, in seconds.
    pub seconds: f64,
    pub oldest: Option<WallTime>,
    pub newest: Option<WallTime>,
    /// Frames kept since the start.
    pub kept_frames: u64,
    /// Frames and bytes dropped to make room for newer ones.
    pub evicted_frames: u64,
    pub evicted_bytes: u64,
    /// Frames before the first key frame of their stream: no decoder can use them.
    pub headless_frames: u64,
    /// GOPs without an end that were dropped at the hard limit.
    pub endless_gops: u64,
}

#[derive(Default)]
struct State {
    gops: VecDeque<Gop>,
    blocks: Blocks,
    /// Start times of the pending clips.
    holds: Vec<WallTime>,
    kept_frames: u64,
    bytes: usize,
    span: Duration,
    runs: u64,
    evicted_frames: u64,
    evicted_bytes: u64,
    headless_frames: u64,
    endless_gops: u64,
}

impl Ring {
    pub fn new(config: RingConfig) -> Self {
        Self::counted(config, Arc::default())
    }

    /// Also counts its bytes in `total`.
    pub(super) fn counted(config: RingConfig, total: Arc<AtomicUsize>) -> Self {
        Self { config: Mutex::new(config), state: Mutex::default(), total }
    }

    /// Changes the limits from the next frame on. Held frames stay as far as they fit.
    pub fn resize(&self, config: RingConfig) {
        *self.config.lock() = config;
    }

    /// Keeps a frame and drops what no longer fits. Push the frames of one camera in decode order. Returns
    /// the frame with its bytes in the ring's memory, so that keeping it costs no more.
    pub fn push(&self, mut frame: EncodedFrame) -> EncodedFrame {
        let config = *self.config.lock();
        let mut state = self.lock();
        let before = state.bytes;
        frame.data = state.blocks.store(&frame.data);
        if !state.keep(frame.clone()) {
            return frame;
        }
        let mut evicted = Vec::new();
        while state.gops.len() > 2 && state.is_over(&config) {
            evicted.extend(state.evict());
        }
        let hard = config.max_bytes.saturating_mul(HARD_FACTOR);
        while state.bytes > hard {
            let Some(gop) = state.evict() else { break };
            if state.gops.is_empty() {
                state.endless_gops += 1;
                tracing::error!(
                    frames = gop.frames.len(),
                    bytes = gop.bytes,
                    "no key frame within {HARD_FACTOR} times the ring's max_bytes: footage is dropped up to the next \
                     key frame, so clips will be missing; set a shorter key frame interval (I-frame interval, GOP) \
                     in the camera and turn off its smart codec, or raise ring.max_bytes"
                );
            }
            evicted.push(gop);
        }
        self.count(before, state.bytes);
        drop(state);
        // Memory is freed after the lock, so that no camera waits for it.
        drop(evicted);
        frame
    }

    /// Drops the oldest GOP, whatever needs it. Returns its bytes; `None` if the ring is empty.
    pub(super) fn drop_oldest(&self) -> Option<usize> {
        let mut state = self.lock();
        let before = state.bytes;
        let gop = state.evict()?;
        self.count(before, state.bytes);
        drop(state);
        Some(gop.bytes)
    }

    /// Number of GOPs, and bytes of footage.
    pub(super) fn size(&self) -> (usize, usize) {
        let state = self.lock();
        (state.gops.len(), state.bytes)
    }

    /// Counts a change of the ring's bytes. Call it before the lock is free, so that the count never falls
    /// below zero.
    fn count(&self, before: usize, after: usize) {
        if after >= before {
            self.total.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.total.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    /// Announces a clip from `from` on. Its footage stays until [`release`](Self::release), within the ring's
    /// limits.
    pub fn hold(&self, from: WallTime) {
        self.lock().holds.push(from);
    }

    /// Ends a [`hold`](Self::hold): the clip was cut or is no longer wanted.
    pub fn release(&self, from: WallTime) {
        let holds = &mut self.lock().holds;
        if let Some(index) = holds.iter().position(|held| *held == from) {
            holds.swap_remove(index);
        }
    }

    /// The frames between `from` and `to`, starting at the last key frame at or before `from` if the ring has
    /// it.
    ///
    /// A reconnect, a new resolution or a clock set back begins a new run. The result is the run that covers
    /// most of the span, the newest of equals. `None` if no run touches the span.
    pub fn clip(&self, from: WallTime, to: WallTime) -> Option<RingClip> {
        let state = self.lock();
        let run = runs(&state.gops)
            .into_iter()
            .filter(|run| run.touches(from, to))
            .max_by_key(|run| run.covers(from, to))?;
        let gops = state.gops.range(run.first..run.end);
        let skipped = gops.clone().filter(|gop| gop.start() <= from).count().saturating_sub(1);
        let mut frames: Vec<_> = gops.skip(skipped).flat_map(|gop| &gop.frames).cloned().collect();
        drop(state);
        // In decode order, so all frames that the last wanted picture refers to come before it.
        let last = frames.iter().rposition(|frame| frame.capture.at <= to)?;
        frames.truncate(last + 1);
        Some(RingClip { starts_late: frames[0].capture.at > from, ends_early: run.newest < to, frames })
    }

    /// The latest capture time of the GOP being received; `None` while the ring is empty.
    pub fn newest(&self) -> Option<WallTime> {
        self.lock().gops.back().map(|gop| gop.newest)
    }

    pub fn stats(&self) -> RingStats {
        let state = self.lock();
        RingStats {
            frames: state.gops.iter().map(|gop| gop.frames.len()).sum(),
            bytes: state.bytes,
            gops: state.gops.len(),
            seconds: state.span.as_secs_f64(),
            oldest: state.gops.front().map(Gop::start),
            newest: state.gops.back().map(|gop| gop.newest),
            kept_frames: state.kept_frames,
            evicted_frames: state.evicted_frames,
            evicted_bytes: state.evicted_bytes,
            headless_frames: state.headless_frames,
            endless_gops: state.endless_gops,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.total.fetch_sub(self.state.get_mut().bytes, Ordering::Relaxed);
    }
}

impl State {
    /// False if no key frame comes before the frame in its stream.
    fn keep(&mut self, frame: EncodedFrame) -> bool {
        let bytes = frame.data.len();
        let last = self.gops.back_mut().filter(|gop| gop.stream() == frame.stream);
        match last {
            Some(last) if !frame.key => {
                let before = last.span;
                last.push(frame);
                self.span += last.span - before;
            }
            None if !frame.key => {
                self.headless_frames += 1;
                return false;
            }
            last => {
                // A clock set back ends a run, as a reconnect does: times must rise within a clip.
                let follows = last.filter(|gop| gop.start() < frame.capture.at);
                if let Some(last) = follows {
                    let before = last.span;
                    last.close(frame.capture.at);
                    self.span += last.span - before;
                } else {
                    self.runs += 1;
                }
                self.gops.push_back(Gop::new(self.runs, frame));
            }
        }
        self.kept_frames += 1;
        self.bytes += bytes;
        true
    }

    fn is_over(&self, config: &RingConfig) -> bool {
        if self.bytes > config.max_bytes || self.span > config.max_duration {
            return true;
        }
        // The quiet time must be filled without the oldest GOP.
        let Some(oldest) = self.gops.front() else { return false };
        let held = self.holds.iter().any(|from| oldest.start() + oldest.span > *from);
        !held && self.span - oldest.span >= config.quiet
    }

    fn evict(&mut self) -> Option<Gop> {
        let gop = self.gops.pop_front()?;
        self.bytes -= gop.bytes;
        self.span -= gop.span;
        self.evicted_frames += gop.frames.len() as u64;
        self.evicted_bytes += gop.bytes as u64;
        Some(gop)
    }
}

/// Consecutive GOPs that play as one clip, by their indices in the ring.
struct Run {
    first: usize,
    end: usize,
    starts: WallTime,
    newest: WallTime,
}

impl Run {
    fn touches(&self, from: WallTime, to: WallTime) -> bool {
        self.starts <= to && self.newest >= from && from <= to
    }

    fn covers(&self, from: WallTime, to: WallTime) -> Duration {
        self.newest.min(to).since(self.starts.max(from))
    }
}

fn runs(gops: &VecDeque<Gop>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (index, gop) in gops.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if gops[run.first].run == gop.run => {
                run.end = index + 1;
                run.newest = run.newest.max(gop.newest);
            }
            _ => runs.push(Run { first: index, end: index + 1, starts: gop.start(), newest: gop.newest }),
        }
    }
    runs
}
