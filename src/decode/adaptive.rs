//! Which frames of one camera are decoded, and how, with `sampling = "adaptive"`. Pure: time comes with the frames, so a
//! replay picks the same ones.
//!
//! ```text
//! looks:  a key frame each `interval`; each `active_interval` while sizes say that something moves
//!   |  the sizes go on saying so, or two looks in a row show a change where looks usually show none
//!   v
//! series: every frame from the start of the GOP on, `fps` pictures a second of them
//!   |  over after `burst`, when the sizes calm down, or when two pictures a while apart show no change
//!   v
//! looks, and no series for `rest`
//! ```
//!
//! A stream whose key frames are far apart (smart codecs) is followed: what came since the last key frame is decoded for
//! the sake of one picture at the end, each time that a look is due.

use std::time::Duration;

use crate::base::WallTime;
use crate::config::Adaptive as Config;
use crate::ingest::EncodedFrame;

use super::Pace;
use super::activity::SizeSignal;
use super::thumbnail::Thumbnail;

/// Key frames at least this far apart make a long GOP.
pub(super) const LONG_GOP: Duration = Duration::from_secs(6);
/// A GOP that is longer in frames or bytes is not kept: nothing is followed before its next key frame.
const MOST_FRAMES: usize = 2_000;
const MOST_BYTES: usize = 64 << 20;
/// Sizes must say so for this long before a series begins.
const SETTLE: Duration = Duration::from_millis(500);
/// Without a sign of motion for this long a series is over, and looks are rare again.
const CALM: Duration = Duration::from_secs(3);
/// Within this much footage two pictures of a series must differ.
const CONFIRM: Duration = Duration::from_secs(3);
/// And at least so many are looked at before they count as all the same.
const CONFIRM_PICTURES: u32 = 5;
/// Where more than this share of the looks show a change, one more is no news.
const USUALLY_CHANGES: f32 = 0.5;
/// Weight of the newest look in that share.
const NEWEST_LOOK: f32 = 0.1;
/// Looks in a row that must show a change before a series begins.
const CHANGED_LOOKS: u32 = 2;
/// A time this far before the last one is a clock that was set, not a B-frame.
const CLOCK_SET_BACK: Duration = Duration::from_secs(5);

/// What is to be done after a frame.
#[derive(Debug)]
pub(super) enum Step {
    Pass,
    /// Decode this key frame alone.
    Look,
    /// Decode these, in order, with the camera's own decoder. `last`: it is not needed any more then.
    Follow {
        frames: Vec<Wanted>,
        last: bool,
    },
}

/// A frame for the camera's own decoder.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub frame: EncodedFrame,
    /// Its picture is wanted.
    pub wanted: bool,
    /// Its picture is one of a series: it is not to give way to the next one.
    pub series: bool,
}

/// One camera's.
pub struct AdaptiveSampler {
    config: Config,
    interval: Duration,
    signal: SizeSignal,
    /// The GOP being received, as far as it came. Its bytes are shared with the ring.
    gop: Vec<EncodedFrame>,
    gop_bytes: usize,
    /// How many of them the camera's own decoder has had.
    followed: usize,
    /// Between the last two key frames of the stream.
    key_distance: Option<Duration>,
    newest: Option<WallTime>,
    last_wanted: Option<WallTime>,
    /// Since when the sizes have been saying without a break that something moves.
    moving_since: Option<WallTime>,
    moved: Option<WallTime>,
    series: Option<Series>,
    rest_until: Option<WallTime>,
    before: Option<Thumbnail>,
    /// Share of the looks that showed a change, and how many of the newest have, one after the other.
    changes: f32,
    changed_looks: u32,
    counts: Counts,
}

struct Series {
    ends: WallTime,
    confirm_by: WallTime,
    /// Pictures looked at.
    seen: u32,
    confirmed: bool,
    /// The pictures told of it and not the sizes, so the pictures tell when it is over as well.
    by_looks: bool,
}

impl Series {
    /// Enough was seen, and it was always the same. A decoder that lags behind has not shown enough yet.
    fn is_false_alarm(&self, at: WallTime) -> bool {
        !self.confirmed && self.seen >= CONFIRM_PICTURES && at >= self.confirm_by
    }
}

/// Since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub series: u64,
    /// Of these, how many showed no change.
    pub false_alarms: u64,
}

impl AdaptiveSampler {
    pub fn new(config: Config, interval: Duration) -> Self {
        Self {
            config,
            interval,
            signal: SizeSignal::default(),
            gop: Vec::new(),
            gop_bytes: 0,
            followed: 0,
            key_distance: None,
            newest: None,
            last_wanted: None,
            moving_since: None,
            moved: None,
            series: None,
            rest_until: None,
            before: None,
            changes: 0.0,
            changed_looks: 0,
            counts: Counts::default(),
        }
    }

    /// Takes every frame, in decode order. `pace`: is there room for a series now, and are intervals stretched?
    pub(super) fn frame(&mut self, frame: &EncodedFrame, pace: Pace) -> Step {
        let at = frame.capture.at;
        if self.newest.is_some_and(|newest| newest.since(at) > CLOCK_SET_BACK) {
            self.forget_times();
        }
        self.newest = self.newest.max(Some(at));
        self.keep(frame);
        self.sense(frame, at);
        if let Some(over) = self.series.as_ref().map(|series| self.is_over(series, at)) {
            if over {
                self.end_series(at);
            }
            let frames = vec![self.next_of_series(frame.clone())];
            let last = over && !self.is_long(at);
            self.followed = if last { 0 } else { self.gop.len() };
            return Step::Follow { frames, last };
        }
        if pace.series && self.wants_series(at) {
            return self.begin_series(at);
        }
        let least =
            if self.is_lively(at) { self.config.active_interval.min(self.interval) } else { self.interval };
        let due = self.is_due(at, least.mul_f64(pace.stretch));
        let last_chance = frame.key && self.is_last_chance(at, pace);
        if !due && !last_chance {
            return Step::Pass;
        }
        if frame.key {
            self.last_wanted = Some(at);
            return Step::Look;
        }
        if self.is_long(at) && !self.gop.is_empty() {
            self.last_wanted = Some(at);
            return self.catch_up();
        }
        Step::Pass
    }

    /// Takes what the pictures show, in the order in which they were decoded.
    pub(super) fn seen(&mut self, now: Thumbnail) {
        let changed = self.before.as_ref().is_some_and(|before| now.shows_change(before));
        match &mut self.series {
            // Two pictures of a series are too near to each other: all are compared with what was before it.
            Some(series) => {
                series.seen += 1;
                series.confirmed |= changed;
                if changed && series.by_looks {
                    self.moved = self.newest;
                }
            }
            None => {
                let news = changed && self.changes <= USUALLY_CHANGES;
                self.changed_looks = if news { self.changed_looks + 1 } else { 0 };
                self.changes += NEWEST_LOOK * (f32::from(u8::from(changed)) - self.changes);
                if news {
                    self.moved = self.newest;
                }
            }
        }
        if self.series.is_none() || self.before.is_none() {
            self.before = Some(now);
        }
    }

    /// There was no room for what was given last: the frames are lost to the camera's decoder.
    pub(super) fn lost(&mut self) {
        if let Some(at) = self.newest {
            self.end_series(at);
        }
        self.gop.clear();
        (self.gop_bytes, self.followed) = (0, 0);
    }

    /// Key frames come so rarely that frames between them must be followed.
    pub(super) fn long_gop(&self) -> Option<Duration> {
        self.key_distance.filter(|distance| *distance >= LONG_GOP)
    }

    pub(super) fn in_series(&self) -> bool {
        self.series.is_some()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    fn keep(&mut self, frame: &EncodedFrame) {
        let first = self.gop.first();
        if frame.key {
            let before = first.filter(|first| first.stream == frame.stream).map(|first| first.capture.at);
            self.key_distance = before.map(|before| frame.capture.at.since(before)).or(self.key_distance);
            self.gop.clear();
            (self.gop_bytes, self.followed) = (0, 0);
        } else if first.is_none_or(|first| first.stream != frame.stream) {
            // Nothing to decode it with.
            self.gop.clear();
            return;
        } else if self.gop.len() >= MOST_FRAMES || self.gop_bytes > MOST_BYTES {
            self.gop.clear();
            return;
        }
        self.gop_bytes += frame.data.len();
        self.gop.push(frame.clone());
    }

    fn sense(&mut self, frame: &EncodedFrame, at: WallTime) {
        if self.signal.push(frame) {
            self.moving_since.get_or_insert(at);
            self.moved = Some(at);
        } else {
            self.moving_since = None;
        }
    }

    fn is_lively(&self, at: WallTime) -> bool {
        self.moved.is_some_and(|moved| at.since(moved) < CALM)
    }

    fn is_due(&self, at: WallTime, least: Duration) -> bool {
        let least = least - least / 10;
        self.last_wanted.is_none_or(|last| least.is_zero() || (at > last && at.since(last) >= least))
    }

    /// The next key frame would come too late for the interval that was promised.
    fn is_last_chance(&self, at: WallTime, pace: Pace) -> bool {
        let latest = self.interval.mul_f64(1.1 * pace.stretch);
        let next = self.key_distance.unwrap_or_default();
        self.last_wanted.is_some_and(|last| at > last && at.since(last) + next > latest)
    }

    fn is_long(&self, at: WallTime) -> bool {
        let age = self.gop.first().map_or(Duration::ZERO, |first| at.since(first.capture.at));
        age >= LONG_GOP || self.long_gop().is_some()
    }

    fn wants_series(&self, at: WallTime) -> bool {
        let rested = self.rest_until.is_none_or(|until| at >= until);
        let moving = self.moving_since.is_some_and(|since| at.since(since) >= SETTLE);
        let shown = self.changed_looks >= CHANGED_LOOKS;
        rested && (moving || shown) && !self.gop.is_empty() && !self.config.burst.is_zero()
    }

    fn begin_series(&mut self, at: WallTime) -> Step {
        self.counts.series += 1;
        self.series = Some(Series {
            ends: at + self.config.burst,
            confirm_by: at + CONFIRM,
            seen: 0,
            confirmed: false,
            by_looks: self.changed_looks >= CHANGED_LOOKS,
        });
        self.changed_looks = 0;
        let frames: Vec<_> = self.gop[self.followed..].to_vec();
        self.followed = self.gop.len();
        let frames = frames.into_iter().map(|frame| self.next_of_series(frame)).collect();
        Step::Follow { frames, last: false }
    }

    fn is_over(&self, series: &Series, at: WallTime) -> bool {
        at >= series.ends || !self.is_lively(at) || series.is_false_alarm(at)
    }

    fn end_series(&mut self, at: WallTime) {
        let Some(series) = self.series.take() else { return };
        self.rest_until = Some(at + self.config.rest);
        self.before = None;
        if series.is_false_alarm(at) {
            self.counts.false_alarms += 1;
            self.signal.dismiss();
            (self.moved, self.moving_since) = (None, None);
        }
    }

    fn next_of_series(&mut self, frame: EncodedFrame) -> Wanted {
        let at = frame.capture.at;
        let wanted =
            self.series.is_some() && self.is_due(at, Duration::from_secs(1) / self.config.fps.max(1));
        if wanted {
            self.last_wanted = Some(at);
        }
        Wanted { frame, wanted, series: true }
    }

    /// Everything since the last key frame that the decoder has not had, for the newest picture's sake.
    fn catch_up(&mut self) -> Step {
        let mut frames: Vec<_> = self.gop[self.followed..]
            .iter()
            .map(|frame| Wanted { frame: frame.clone(), wanted: false, series: false })
            .collect();
        if let Some(newest) = frames.last_mut() {
            newest.wanted = true;
        }
        self.followed = self.gop.len();
        Step::Follow { frames, last: false }
    }

    fn forget_times(&mut self) {
        (self.newest, self.last_wanted, self.moved, self.moving_since) = (None, None, None, None);
        self.rest_until = None;
        if let Some(series) = &mut self.series {
            // It ends with the next frame.
            series.ends = WallTime(i64::MIN);
        }
    }
}

#[cfg(test)]
mod tests;
