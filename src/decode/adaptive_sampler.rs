//! Chooses which frames of one camera are decoded, and how, with `sampling = "adaptive"`. Pure: time comes
//! with the frames, so a replay picks the same ones.
//!
//! ```text
//! sampling: one key frame each `interval`; each `active_interval` while the frame sizes show motion
//!   |  the sizes show motion for a while, or two samples in a row show a change where most show none
//!   v
//! series: every frame from the start of the GOP on; `fps` of them a second become pictures
//!   |  after `burst`, when the sizes calm down, or when the pictures of a few seconds show no change
//!   v
//! sampling, without a series for `rest`
//! ```
//!
//! Smart codecs send key frames far apart. There each due sample decodes all frames since the last key frame
//! to get one picture at the end.

use std::time::Duration;

use crate::base::WallTime;
use crate::config::Adaptive as Config;
use crate::ingest::EncodedFrame;

use super::Throttle;
use super::activity::SizeSignal;
use super::job::QueuedFrame;
use super::thumbnail::Thumbnail;

/// Key frames at least this far apart make a long GOP.
pub(super) const LONG_GOP: Duration = Duration::from_secs(6);
/// A GOP longer than this, in frames or bytes, is not kept. Its frames are not decoded before the next key
/// frame.
const MAX_GOP_FRAMES: usize = 2_000;
const MAX_GOP_BYTES: usize = 64 << 20;
/// The sizes must show motion for this long before a series begins.
const SETTLE: Duration = Duration::from_millis(500);
/// A series ends, and samples become rare again, after this long without a sign of motion.
const CALM: Duration = Duration::from_secs(3);
/// A series is idle if its pictures show no change within this much footage.
const CONFIRM: Duration = Duration::from_secs(3);
/// Fewest pictures of a series that must agree before it counts as idle.
const CONFIRM_SAMPLES: u32 = 5;
/// Where more than this share of the samples show a change, another changed sample does not count as motion.
const USUALLY_CHANGES: f32 = 0.5;
/// Weight of the newest sample in that share.
const NEWEST_WEIGHT: f32 = 0.1;
/// Samples in a row that must show a change before a series begins.
const MIN_CHANGED_SAMPLES: u32 = 2;
/// A step back this long means that the clock was set. A B-frame steps back less.
const CLOCK_SET_BACK: Duration = Duration::from_secs(5);

/// What to decode after a frame arrived.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing.
    Skip,
    /// This key frame alone.
    KeyFrame,
    /// These frames, in order, with the camera's own decoder. `last`: the decoder is not needed afterwards.
    Frames { frames: Vec<QueuedFrame>, last: bool },
}

/// The sampler of one camera.
pub struct AdaptiveSampler {
    config: Config,
    interval: Duration,
    signal: SizeSignal,
    /// The frames so far of the GOP being received. Their bytes are shared with the ring.
    gop: Vec<EncodedFrame>,
    gop_bytes: usize,
    /// How many of them went to the camera's own decoder.
    decoded: usize,
    /// Between the last two key frames of the stream.
    key_distance: Option<Duration>,
    newest: Option<WallTime>,
    last_wanted: Option<WallTime>,
    /// Start of the current unbroken span in which the sizes show motion.
    moving_since: Option<WallTime>,
    last_motion: Option<WallTime>,
    series: Option<Series>,
    rest_until: Option<WallTime>,
    before: Option<Thumbnail>,
    /// Running share of the samples that showed a change, 0 to 1.
    change_share: f32,
    /// How many of the newest samples in a row showed an unusual change.
    changed_samples: u32,
    counts: Counts,
}

struct Series {
    ends: WallTime,
    confirm_by: WallTime,
    /// Pictures compared so far.
    compared: u32,
    confirmed: bool,
    /// Samples started it, not the sizes. So its pictures also decide when the motion is over.
    by_samples: bool,
}

impl Series {
    /// Enough pictures were compared and none showed a change. A slow decoder may not have delivered enough
    /// yet.
    fn is_idle(&self, at: WallTime) -> bool {
        !self.confirmed && self.compared >= CONFIRM_SAMPLES && at >= self.confirm_by
    }
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub series: u64,
    /// Series that showed no change.
    pub idle_series: u64,
}

impl AdaptiveSampler {
    pub fn new(config: Config, interval: Duration) -> Self {
        Self {
            config,
            interval,
            signal: SizeSignal::default(),
            gop: Vec::new(),
            gop_bytes: 0,
            decoded: 0,
            key_distance: None,
            newest: None,
            last_wanted: None,
            moving_since: None,
            last_motion: None,
            series: None,
            rest_until: None,
            before: None,
            change_share: 0.0,
            changed_samples: 0,
            counts: Counts::default(),
        }
    }

    /// Decides about one frame. Call it with every frame, in decode order. `throttle` stretches the intervals
    /// and may forbid a new series.
    pub(super) fn push(&mut self, frame: &EncodedFrame, throttle: Throttle) -> Step {
        let at = frame.capture.at;
        if self.newest.is_some_and(|newest| newest.since(at) > CLOCK_SET_BACK) {
            self.forget_times();
        }
        self.newest = self.newest.max(Some(at));
        self.keep_in_gop(frame);
        self.detect_motion(frame, at);
        if let Some(over) = self.series.as_ref().map(|series| self.is_over(series, at)) {
            if over {
                self.end_series(at);
            }
            let frames = vec![self.next_of_series(frame.clone())];
            let last = over && !self.has_long_gop(at);
            self.decoded = if last { 0 } else { self.gop.len() };
            return Step::Frames { frames, last };
        }
        if throttle.series && self.wants_series(at) {
            return self.begin_series(at);
        }
        let least =
            if self.is_active(at) { self.config.active_interval.min(self.interval) } else { self.interval };
        let due = self.is_due(at, least.mul_f64(throttle.stretch));
        let last_chance = frame.key && self.is_last_chance(at, throttle);
        if !due && !last_chance {
            return Step::Skip;
        }
        if frame.key {
            self.last_wanted = Some(at);
            return Step::KeyFrame;
        }
        if self.has_long_gop(at) && !self.gop.is_empty() {
            self.last_wanted = Some(at);
            return self.catch_up();
        }
        Step::Skip
    }

    /// Adds a decoded picture's thumbnail. Call it in the order in which the pictures were decoded.
    pub(super) fn push_thumbnail(&mut self, now: Thumbnail) {
        let changed = self.before.as_ref().is_some_and(|before| now.shows_change(before));
        match &mut self.series {
            // Consecutive pictures of a series are too close in time. Compare each with the last sample
            // before it.
            Some(series) => {
                series.compared += 1;
                series.confirmed |= changed;
                if changed && series.by_samples {
                    self.last_motion = self.newest;
                }
            }
            None => {
                let unusual = changed && self.change_share <= USUALLY_CHANGES;
                self.changed_samples = if unusual { self.changed_samples + 1 } else { 0 };
                self.change_share += NEWEST_WEIGHT * (f32::from(u8::from(changed)) - self.change_share);
                if unusual {
                    self.last_motion = self.newest;
                }
            }
        }
        if self.series.is_none() || self.before.is_none() {
            self.before = Some(now);
        }
    }

    /// The frames of the last step were dropped, so the camera's decoder needs a key frame first.
    pub(super) fn frames_dropped(&mut self) {
        if let Some(at) = self.newest {
            self.end_series(at);
        }
        self.gop.clear();
        (self.gop_bytes, self.decoded) = (0, 0);
    }

    /// Distance of the stream's key frames, if it is so long that the frames between them must be decoded.
    pub(super) fn long_gop(&self) -> Option<Duration> {
        self.key_distance.filter(|distance| *distance >= LONG_GOP)
    }

    pub(super) fn in_series(&self) -> bool {
        self.series.is_some()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    fn keep_in_gop(&mut self, frame: &EncodedFrame) {
        let first = self.gop.first();
        if frame.key {
            let before = first.filter(|first| first.stream == frame.stream).map(|first| first.capture.at);
            self.key_distance = before.map(|before| frame.capture.at.since(before)).or(self.key_distance);
            self.gop.clear();
            (self.gop_bytes, self.decoded) = (0, 0);
        } else if first.is_none_or(|first| first.stream != frame.stream) {
            // No key frame to decode it from.
            self.gop.clear();
            return;
        } else if self.gop.len() >= MAX_GOP_FRAMES || self.gop_bytes > MAX_GOP_BYTES {
            self.gop.clear();
            return;
        }
        self.gop_bytes += frame.data.len();
        self.gop.push(frame.clone());
    }

    fn detect_motion(&mut self, frame: &EncodedFrame, at: WallTime) {
        if self.signal.push(frame) {
            self.moving_since.get_or_insert(at);
            self.last_motion = Some(at);
        } else {
            self.moving_since = None;
        }
    }

    fn is_active(&self, at: WallTime) -> bool {
        self.last_motion.is_some_and(|motion| at.since(motion) < CALM)
    }

    fn is_due(&self, at: WallTime, least: Duration) -> bool {
        let least = least - least / 10;
        self.last_wanted.is_none_or(|last| least.is_zero() || (at > last && at.since(last) >= least))
    }

    /// Waiting for the next key frame would exceed the configured interval.
    fn is_last_chance(&self, at: WallTime, throttle: Throttle) -> bool {
        let latest = self.interval.mul_f64(1.1 * throttle.stretch);
        let next = self.key_distance.unwrap_or_default();
        self.last_wanted.is_some_and(|last| at > last && at.since(last) + next > latest)
    }

    fn has_long_gop(&self, at: WallTime) -> bool {
        let age = self.gop.first().map_or(Duration::ZERO, |first| at.since(first.capture.at));
        age >= LONG_GOP || self.long_gop().is_some()
    }

    fn wants_series(&self, at: WallTime) -> bool {
        let has_rested = self.rest_until.is_none_or(|until| at >= until);
        let moving = self.moving_since.is_some_and(|since| at.since(since) >= SETTLE);
        let shown = self.changed_samples >= MIN_CHANGED_SAMPLES;
        has_rested && (moving || shown) && !self.gop.is_empty() && !self.config.burst.is_zero()
    }

    fn begin_series(&mut self, at: WallTime) -> Step {
        self.counts.series += 1;
        self.series = Some(Series {
            ends: at + self.config.burst,
            confirm_by: at + CONFIRM,
            compared: 0,
            confirmed: false,
            by_samples: self.changed_samples >= MIN_CHANGED_SAMPLES,
        });
        self.changed_samples = 0;
        let frames: Vec<_> = self.gop[self.decoded..].to_vec();
        self.decoded = self.gop.len();
        let frames = frames.into_iter().map(|frame| self.next_of_series(frame)).collect();
        Step::Frames { frames, last: false }
    }

    fn is_over(&self, series: &Series, at: WallTime) -> bool {
        at >= series.ends || !self.is_active(at) || series.is_idle(at)
    }

    fn end_series(&mut self, at: WallTime) {
        let Some(series) = self.series.take() else { return };
        self.rest_until = Some(at + self.config.rest);
        self.before = None;
        if series.is_idle(at) {
            self.counts.idle_series += 1;
            self.signal.dismiss();
            (self.last_motion, self.moving_since) = (None, None);
        }
    }

    fn next_of_series(&mut self, frame: EncodedFrame) -> QueuedFrame {
        let at = frame.capture.at;
        let wanted =
            self.series.is_some() && self.is_due(at, Duration::from_secs(1) / self.config.fps.max(1));
        if wanted {
            self.last_wanted = Some(at);
        }
        QueuedFrame { frame, wanted, series: true }
    }

    /// All frames since the last key frame that were not decoded yet. Only the newest becomes a picture.
    fn catch_up(&mut self) -> Step {
        let mut frames: Vec<_> = self.gop[self.decoded..]
            .iter()
            .map(|frame| QueuedFrame { frame: frame.clone(), wanted: false, series: false })
            .collect();
        if let Some(newest) = frames.last_mut() {
            newest.wanted = true;
        }
        self.decoded = self.gop.len();
        Step::Frames { frames, last: false }
    }

    fn forget_times(&mut self) {
        (self.newest, self.last_wanted, self.last_motion, self.moving_since) = (None, None, None, None);
        self.rest_until = None;
        if let Some(series) = &mut self.series {
            // The next frame ends it.
            series.ends = WallTime(i64::MIN);
        }
    }
}

#[cfg(test)]
mod tests;
