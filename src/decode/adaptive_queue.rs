//! The queue of one adaptively sampled camera: a key frame to sample, or frames for the camera's own decoder.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::ingest::EncodedFrame;

use super::adaptive_sampler::{AdaptiveSampler, Step};
use super::job::{MAX_FRAMES_PER_JOB, QueuedFrame, Task};
use super::series_permits::SeriesPermits;
use super::stats::DecodeStats;
use super::thumbnail::Thumbnail;
use super::{StreamDecoder, Throttle};

/// Most queued frames of a camera with a long GOP: one such GOP and more.
const MAX_FRAMES_LONG_GOP: usize = 2_500;
/// Most queued frames of any other camera: 16 s at 25 fps. A later series is not worth the memory it holds.
const MAX_FRAMES: usize = 400;
/// The next key frame to sample displaces a series this late: the camera must not miss what happens now.
const LATE: Duration = Duration::from_secs(5);

pub(super) struct AdaptiveQueue {
    sampler: AdaptiveSampler,
    newest: Option<EncodedFrame>,
    frames: VecDeque<QueuedFrame>,
    /// The decoder is no longer needed after the queued frames.
    last: bool,
    decoder: Option<Box<StreamDecoder>>,
    /// The decoder that a worker holds has missed frames.
    broken: bool,
    permits: Arc<SeriesPermits>,
}

impl AdaptiveQueue {
    pub fn new(sampler: AdaptiveSampler, permits: Arc<SeriesPermits>) -> Self {
        let frames = VecDeque::new();
        Self { sampler, newest: None, frames, last: false, decoder: None, broken: false, permits }
    }

    pub fn offer(&mut self, frame: EncodedFrame, throttle: Throttle, stats: &mut DecodeStats) {
        match self.sampler.push(&frame, throttle) {
            Step::Skip => stats.passed_over += u64::from(frame.key),
            Step::KeyFrame => {
                let late =
                    |next: &QueuedFrame| next.series && frame.capture.at.since(next.frame.capture.at) > LATE;
                if self.frames.front().is_some_and(late) {
                    self.drop_frames(stats);
                }
                stats.replaced += u64::from(self.newest.replace(frame).is_some());
                if self.sampler.long_gop().is_none() && self.frames.is_empty() {
                    self.decoder = None;
                }
            }
            Step::Frames { mut frames, last } => {
                // The waiting key frame is among the frames to decode now: one decoding of it is enough.
                if let Some(waiting) = self.newest.take() {
                    match frames.iter_mut().find(|next| next.frame.seq == waiting.seq) {
                        Some(same) => same.wanted = true,
                        None => self.newest = Some(waiting),
                    }
                }
                let most = if self.sampler.long_gop().is_some() {
                    MAX_FRAMES_LONG_GOP
                } else {
                    MAX_FRAMES.max(frames.len())
                };
                if self.frames.len() + frames.len() > most {
                    stats.skipped += frames.len() as u64;
                    self.drop_frames(stats);
                } else {
                    self.frames.extend(frames);
                    self.last = last;
                }
            }
        }
        let counts = self.sampler.counts();
        (stats.series, stats.idle_series) = (counts.series, counts.idle_series);
        stats.in_series = self.sampler.in_series();
        stats.long_gop_s = self.sampler.long_gop().map(|distance| distance.as_secs_f64());
    }

    /// Drops the queued frames and counts them as skipped.
    fn drop_frames(&mut self, stats: &mut DecodeStats) {
        stats.skipped += self.frames.len() as u64;
        self.frames.clear();
        self.sampler.frames_dropped();
        self.broken = self.decoder.take().is_none();
        self.last = false;
    }

    pub fn take(&mut self) -> Task {
        // In order of time.
        let first = self.frames.front().map(|next| next.frame.seq);
        if let Some(frame) = self.newest.take_if(|newest| first.is_none_or(|first| newest.seq < first)) {
            return Task::KeyFrame(frame);
        }
        let frames: Vec<_> = self.frames.drain(..self.frames.len().min(MAX_FRAMES_PER_JOB)).collect();
        let last = self.frames.is_empty() && std::mem::take(&mut self.last);
        Task::Frames { frames, decoder: self.decoder.take(), last }
    }

    /// Takes the decoder back from a worker, with the thumbnails of its pictures.
    pub fn finish(&mut self, thumbnails: Vec<Thumbnail>, decoder: Option<Box<StreamDecoder>>) {
        thumbnails.into_iter().for_each(|thumbnail| self.sampler.push_thumbnail(thumbnail));
        if !std::mem::take(&mut self.broken) && decoder.is_some() {
            self.decoder = decoder;
        }
    }

    /// Drops and counts everything that waits. Returns the decoder, unless a worker holds it.
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

    /// A series is running, or frames for the camera's own decoder still wait.
    pub fn is_followed(&self) -> bool {
        self.sampler.in_series() || !self.frames.is_empty()
    }

    pub fn permits(&self) -> &Arc<SeriesPermits> {
        &self.permits
    }

    /// The next frame belongs to a series, and no permit is left for its picture.
    pub fn is_held_back(&self) -> bool {
        let next = self.frames.front().filter(|next| next.series);
        let first = |seq| self.newest.as_ref().is_none_or(|newest| seq < newest.seq);
        next.is_some_and(|next| first(next.frame.seq)) && self.permits.is_exhausted()
    }
}
