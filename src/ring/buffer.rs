//! The ring itself.
//!
//! Bounds, in the order in which they yield:
//! 1. Never more than [`HARD_FACTOR`] times `max_bytes`, whatever the camera sends.
//! 2. The GOP being received and the last whole one before it stay, so that a clip can always start at a key frame.
//! 3. `max_bytes` and `max_duration`: the oldest GOP goes until both hold.
//! 4. What a clip that is asked for needs stays.
//! 5. `quiet`: the oldest GOP goes until it holds.
//!
//! Seconds are footage, not wall time: a camera that was away for an hour still has its last seconds from before.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;

use crate::base::WallTime;
use crate::config::RingConfig;
use crate::ingest::EncodedFrame;

use super::blocks::Blocks;
use super::gop::Gop;
use super::reader::RingReader;

/// A GOP that has not ended at this many times `max_bytes` never will: the stream has stopped sending key frames.
pub(super) const HARD_FACTOR: usize = 4;

/// The last seconds of one camera. Shared by `Arc`; every call takes the lock for microseconds only.
pub struct Ring {
    config: Mutex<RingConfig>,
    state: Mutex<State>,
}

/// What a ring has of a span of time.
#[derive(Clone, Debug)]
pub struct RingClip {
    /// In decode order; the first is a key frame, all have one `stream`. Never empty.
    pub frames: Vec<EncodedFrame>,
    /// The first frame is later than asked: the ring no longer, or not yet, had what was before.
    pub starts_late: bool,
    /// The ring has nothing as late as the end asked for: too early to cut, or the stream broke off.
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
    /// Frames ever kept.
    pub kept_frames: u64,
    /// Frames and bytes that made room for newer ones.
    pub evicted_frames: u64,
    pub evicted_bytes: u64,
    /// Frames that came before any key frame of their stream: nothing can decode them.
    pub headless_frames: u64,
    /// Times that a GOP had no end and was thrown away at the hard limit.
    pub endless_gops: u64,
}

#[derive(Default)]
pub(super) struct State {
    pub gops: VecDeque<Gop>,
    blocks: Blocks,
    /// Beginnings of the clips that are asked for.
    holds: Vec<WallTime>,
    /// Number of the next frame to be kept.
    pub next: u64,
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
        Self { config: Mutex::new(config), state: Mutex::default() }
    }

    /// Other bounds from the next frame on; what is held stays as far as it fits.
    pub fn resize(&self, config: RingConfig) {
        *self.config.lock() = config;
    }

    /// Keeps the frame and drops what no longer fits. Frames of one camera, in decode order. Gives the frame with its
    /// bytes where the ring has them: who keeps this one takes no memory of its own.
    pub fn push(&self, mut frame: EncodedFrame) -> EncodedFrame {
        let config = *self.config.lock();
        let mut state = self.lock();
        frame.data = state.blocks.keep(&frame.data);
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
                let camera = gop.frames[0].camera.clone();
                tracing::error!(
                    %camera,
                    frames = gop.frames.len(),
                    bytes = gop.bytes,
                    "no key frame within {HARD_FACTOR} times the ring's max_bytes: its footage is dropped up to the \
                     next key frame and clips will be missing; set a shorter key frame interval (I-frame interval, \
                     GOP) in the camera and turn its smart codec off, or raise ring.max_bytes"
                );
            }
            evicted.push(gop);
        }
        drop(state);
        // Only now is the memory given back: cameras do not wait for it.
        drop(evicted);
        frame
    }

    /// A clip from `from` on is asked for: what it needs stays until [`release`](Self::release), within the ring's bounds.
    pub fn hold(&self, from: WallTime) {
        self.lock().holds.push(from);
    }

    /// The clip from `from` on was cut, or is not wanted any more.
    pub fn release(&self, from: WallTime) {
        let holds = &mut self.lock().holds;
        if let Some(place) = holds.iter().position(|held| *held == from) {
            holds.swap_remove(place);
        }
    }

    /// What the ring has between `from` and `to`, from the last key frame at or before `from` on where it has one.
    ///
    /// Of several runs (a reconnect, a new resolution, a clock set back) the one that covers most of the span is
    /// given, the newest of equals. `None`: no run touches the span.
    pub fn clip(&self, from: WallTime, to: WallTime) -> Option<RingClip> {
        let state = self.lock();
        let run = runs(&state.gops)
            .into_iter()
            .filter(|run| run.touches(from, to))
            .max_by_key(|run| run.covers(from, to))?;
        let gops = state.gops.range(run.first..run.end);
        let skipped = gops.clone().filter(|gop| gop.starts() <= from).count().saturating_sub(1);
        let mut frames: Vec<_> = gops.skip(skipped).flat_map(|gop| &gop.frames).cloned().collect();
        drop(state);
        // In decode order: whatever the last wanted picture refers to stands before it.
        let last = frames.iter().rposition(|frame| frame.capture.at <= to)?;
        frames.truncate(last + 1);
        Some(RingClip { starts_late: frames[0].capture.at > from, ends_early: run.newest < to, frames })
    }

    /// The latest capture time of the GOP being received; `None` while the ring is empty.
    pub fn newest(&self) -> Option<WallTime> {
        self.lock().gops.back().map(|gop| gop.newest)
    }

    /// A reader that starts at the newest key frame, or at the next one while there is none.
    pub fn reader(self: &Arc<Self>) -> RingReader {
        let state = self.lock();
        let position = state.gops.back().map_or(state.next, |gop| gop.first);
        RingReader::new(Arc::clone(self), position)
    }

    pub fn stats(&self) -> RingStats {
        let state = self.lock();
        RingStats {
            frames: state.gops.iter().map(|gop| gop.frames.len()).sum(),
            bytes: state.bytes,
            gops: state.gops.len(),
            seconds: state.span.as_secs_f64(),
            oldest: state.gops.front().map(Gop::starts),
            newest: state.gops.back().map(|gop| gop.newest),
            kept_frames: state.next,
            evicted_frames: state.evicted_frames,
            evicted_bytes: state.evicted_bytes,
            headless_frames: state.headless_frames,
            endless_gops: state.endless_gops,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// False if the frame has no key frame to stand on.
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
                // A clock set back breaks a run as a reconnect does: times must rise within a clip.
                let follows = last.filter(|gop| gop.starts() < frame.capture.at);
                if let Some(last) = follows {
                    let before = last.span;
                    last.close(frame.capture.at);
                    self.span += last.span - before;
                } else {
                    self.runs += 1;
                }
                self.gops.push_back(Gop::new(self.next, self.runs, frame));
            }
        }
        self.next += 1;
        self.bytes += bytes;
        true
    }

    fn is_over(&self, config: &RingConfig) -> bool {
        if self.bytes > config.max_bytes || self.span > config.max_duration {
            return true;
        }
        // The oldest GOP's own span is not needed to fill the quiet time.
        let Some(oldest) = self.gops.front() else { return false };
        let held = self.holds.iter().any(|from| oldest.starts() + oldest.span > *from);
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

/// Neighbouring GOPs that play as one, by their places in the ring.
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
    for (place, gop) in gops.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if gops[run.first].run == gop.run => {
                run.end = place + 1;
                run.newest = run.newest.max(gop.newest);
            }
            _ => runs.push(Run { first: place, end: place + 1, starts: gop.starts(), newest: gop.newest }),
        }
    }
    runs
}
