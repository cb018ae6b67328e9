//! What waits of a camera that is sampled adaptively: a key frame for a look, or frames for its own decoder.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::decode::StreamDecoder;
use crate::decode::adaptive::{AdaptiveSampler, Step, Wanted};
use crate::decode::series_permits::SeriesPermits;
use crate::decode::thumbnail::Thumbnail;
use crate::ingest::EncodedFrame;

use super::{DecodeStats, Pace, TURN, Work};

/// Frames that wait of a camera that is followed: a long GOP and more.
const MANY: usize = 2_500;
/// Of one with usual GOPs: 16 s at 25 fps. A series that comes later than that is worth less than the memory that it holds.
const SOME: usize = 400;
/// A series that comes so late gives way to the next look: the camera must not be blind to what happens now.
const LATE: Duration = Duration::from_secs(5);

/// One camera's.
pub(super) struct Adaptively {
    sampler: AdaptiveSampler,
    newest: Option<EncodedFrame>,
    frames: VecDeque<Wanted>,
    /// After the frames that wait the decoder is not needed any more.
    last: bool,
    decoder: Option<Box<StreamDecoder>>,
    /// The decoder that a worker has in hand has missed frames.
    broken: bool,
    room: Arc<SeriesPermits>,
}

impl Adaptively {
    pub fn new(sampler: AdaptiveSampler, room: Arc<SeriesPermits>) -> Self {
        let frames = VecDeque::new();
        Self { sampler, newest: None, frames, last: false, decoder: None, broken: false, room }
    }

    pub fn offer(&mut self, frame: EncodedFrame, pace: Pace, stats: &mut DecodeStats) {
        match self.sampler.frame(&frame, pace) {
            Step::Pass => stats.passed_over += u64::from(frame.key),
            Step::Look => {
                let late =
                    |next: &Wanted| next.series && frame.capture.at.since(next.frame.capture.at) > LATE;
                if self.frames.front().is_some_and(late) {
                    self.give_up(stats);
                }
                stats.replaced += u64::from(self.newest.replace(frame).is_some());
                if self.sampler.long_gop().is_none() && self.frames.is_empty() {
                    self.decoder = None;
                }
            }
            Step::Follow { mut frames, last } => {
                // The key frame that waits for its look comes first in what is followed now.
                if let Some(waits) = self.newest.take() {
                    match frames.iter_mut().find(|next| next.frame.seq == waits.seq) {
                        Some(same) => same.wanted = true,
                        None => self.newest = Some(waits),
                    }
                }
                let most = if self.sampler.long_gop().is_some() { MANY } else { SOME.max(frames.len()) };
                if self.frames.len() + frames.len() > most {
                    stats.skipped += frames.len() as u64;
                    self.give_up(stats);
                } else {
                    self.frames.extend(frames);
                    self.last = last;
                }
            }
        }
        let counts = self.sampler.counts();
        (stats.series, stats.false_alarms) = (counts.series, counts.false_alarms);
        stats.in_series = self.sampler.in_series();
        stats.long_gop_s = self.sampler.long_gop().map(|distance| distance.as_secs_f64());
    }

    /// Drops the frames that wait, counted.
    fn give_up(&mut self, stats: &mut DecodeStats) {
        stats.skipped += self.frames.len() as u64;
        self.frames.clear();
        self.sampler.lost();
        self.broken = self.decoder.take().is_none();
        self.last = false;
    }

    pub fn take(&mut self) -> Work {
        // In order of time.
        let first = self.frames.front().map(|next| next.frame.seq);
        if let Some(frame) = self.newest.take_if(|newest| first.is_none_or(|first| newest.seq < first)) {
            return Work::Key(frame);
        }
        let frames: Vec<_> = self.frames.drain(..self.frames.len().min(TURN)).collect();
        let last = self.frames.is_empty() && std::mem::take(&mut self.last);
        Work::Few { frames, decoder: self.decoder.take(), last }
    }

    /// Takes back what a worker had in hand.
    pub fn done(&mut self, thumbnails: Vec<Thumbnail>, decoder: Option<Box<StreamDecoder>>) {
        thumbnails.into_iter().for_each(|thumbnail| self.sampler.seen(thumbnail));
        if !std::mem::take(&mut self.broken) && decoder.is_some() {
            self.decoder = decoder;
        }
    }

    /// Drops what waits, counted; gives the decoder, if a worker has not got it.
    pub fn clear(&mut self, stats: &mut DecodeStats) -> Option<Box<StreamDecoder>> {
        stats.replaced += u64::from(self.newest.take().is_some());
        stats.skipped += self.frames.len() as u64;
        stats.in_series = false;
        self.frames.clear();
        self.decoder.take()
    }

    pub fn has_work(&self) -> bool {
        self.newest.is_some() || !self.frames.is_empty()
    }

    /// Every frame is decoded now, or frames of such a spell still wait.
    pub fn is_followed(&self) -> bool {
        self.sampler.in_series() || !self.frames.is_empty()
    }

    pub fn room(&self) -> &Arc<SeriesPermits> {
        &self.room
    }

    /// As many pictures of a series as there may be wait for the detectors.
    pub fn is_held_back(&self) -> bool {
        let next = self.frames.front().filter(|next| next.series);
        let first = |seq| self.newest.as_ref().is_none_or(|newest| seq < newest.seq);
        next.is_some_and(|next| first(next.frame.seq)) && self.room.is_full()
    }
}
