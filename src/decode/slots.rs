//! What waits to be decoded, camera by camera, and whose turn it is. Pure: the pool puts locks and threads around it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Condvar;
use serde::Serialize;

use crate::base::{CameraId, WallTime};
use crate::config::{Priority, Sampling};
use crate::ingest::EncodedFrame;

use super::adaptive::{AdaptiveSampler, Wanted};
use super::series_permits::SeriesPermits;
use super::thumbnail::Thumbnail;
use super::{Sampler, StreamDecoder};

use adaptively::Adaptively;

/// Frames that wait of a camera whose every frame is decoded: two thirds of a second at 25 fps.
pub(super) const FEW: usize = 16;
/// Of these, how many are decoded before another camera has its turn.
const TURN: usize = 4;

/// Of one camera, since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DecodeStats {
    /// Pictures given on.
    pub pictures: u64,
    /// Key frames nearer to the last one than the sampling interval: not wanted, so not a loss.
    pub passed_over: u64,
    /// Key frames that gave way to a newer one, because all decoders were busy.
    pub replaced: u64,
    /// With every frame decoded: frames dropped on the way to the next key frame, because the decoders were too slow.
    pub skipped: u64,
    /// Frames between key frames that were decoded because something moved, or because key frames are too far apart.
    pub followed: u64,
    /// Times that every frame was decoded for a while because something seemed to move.
    pub series: u64,
    /// Of these, those that showed no change.
    pub false_alarms: u64,
    /// Every frame is being decoded now.
    pub in_series: bool,
    /// Key frames are this many seconds apart, so the frames between them must be decoded to look as often as wanted.
    pub long_gop_s: Option<f64>,
    /// Frames that gave no picture: damaged, or of a kind that the decoder does not know.
    pub failed: u64,
    /// Time spent on decoding and on handing the pictures on.
    pub seconds: f64,
    /// Capture time of the newest picture.
    pub last_at: Option<WallTime>,
    /// Why the last frame failed; `None` once one decodes again.
    pub last_error: Option<String>,
}

#[derive(Default)]
pub(super) struct Slots {
    /// By place. Cameras come and go; a place is never given twice, so what a worker still has of a camera that went
    /// finds nobody when it comes back.
    slots: BTreeMap<usize, Slot>,
    next_place: usize,
    places: HashMap<CameraId, usize>,
    /// Cameras with work and without a worker, each once: who has waited longest comes first.
    ready: VecDeque<usize>,
    /// Cameras whose every frame is decoded for a while, at the same time.
    pub most_series: usize,
    pub pace: Pace,
    wake: Arc<Condvar>,
}

struct Slot {
    camera: CameraId,
    settings: (Sampling, Duration),
    sampler: Sampler,
    waiting: Waiting,
    /// It stands in `ready`.
    queued: bool,
    /// A worker has it: its pictures keep their order.
    taken: bool,
    stats: DecodeStats,
    failures_in_a_row: u64,
    told_long: bool,
    priority: Priority,
    /// Of its interval, when the newest frame came.
    stretch: f64,
}

enum Waiting {
    Newest(Option<EncodedFrame>),
    Few {
        frames: VecDeque<EncodedFrame>,
        /// After an overflow nothing is taken before the next key frame.
        to_key: bool,
        /// Here while no worker has it; `None` before the first frame.
        decoder: Option<Box<StreamDecoder>>,
    },
    Adaptive(Box<Adaptively>),
}

/// How much the load guard lets the cameras have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Intervals are this many times as long as configured; at least 1.
    pub stretch: f64,
    /// New series may begin.
    pub series: bool,
}

impl Pace {
    /// All that is configured.
    pub const FREE: Pace = Pace { stretch: 1.0, series: true };
}

impl Default for Pace {
    fn default() -> Self {
        Self::FREE
    }
}

/// A worker's next piece of work.
pub(super) struct Job {
    pub place: usize,
    pub work: Work,
    /// The sampler wants to see the pictures' thumbnails; pictures of a series take a place here.
    pub room: Option<Arc<SeriesPermits>>,
}

pub(super) enum Work {
    Key(EncodedFrame),
    Few {
        frames: Vec<Wanted>,
        decoder: Option<Box<StreamDecoder>>,
        /// The decoder is to give what it holds, and is free then.
        last: bool,
    },
}

/// What became of a job.
#[derive(Default)]
pub(super) struct Outcome {
    pub pictures: u64,
    pub last_at: Option<WallTime>,
    pub failures: Vec<String>,
    pub skipped: u64,
    pub followed: u64,
    pub spent: Duration,
    pub decoder: Option<Box<StreamDecoder>>,
    pub thumbnails: Vec<Thumbnail>,
}

/// Worth a line in the log: a camera's frames began to fail, or decode again after so many.
#[derive(Debug, PartialEq)]
pub(super) enum Turn {
    Failing(CameraId, String),
    Well(CameraId, u64),
    LongGop(CameraId, Duration),
}

impl Slots {
    /// `wake`: told when a series may go on.
    pub fn new(cameras: Vec<(CameraId, Sampling, Duration)>, wake: &Arc<Condvar>) -> Self {
        let wake = Arc::clone(wake);
        let mut all = Self { wake, most_series: usize::MAX, ..Self::default() };
        for (camera, sampling, interval) in cameras {
            all.put(camera, sampling, interval);
        }
        all
    }

    /// Adds the camera, or gives it other settings: its figures go on, what waits of it is dropped, counted. Equal
    /// settings change nothing.
    pub fn put(&mut self, camera: CameraId, sampling: Sampling, interval: Duration) {
        let known = self.places.get(&camera).and_then(|place| self.slots.get(place));
        if known.is_some_and(|slot| slot.settings == (sampling, interval)) {
            return;
        }
        let priority = known.map_or(Priority::Normal, |slot| slot.priority);
        let stats = self.remove(&camera).unwrap_or_default();
        let place = self.next_place;
        self.next_place += 1;
        self.places.insert(camera.clone(), place);
        let waiting = match sampling {
            Sampling::Adaptive(config) => {
                let sampler = AdaptiveSampler::new(config, interval);
                Waiting::Adaptive(Box::new(Adaptively::new(sampler, SeriesPermits::new(&self.wake))))
            }
            Sampling::Keyframes => Waiting::Newest(None),
            Sampling::All => Waiting::Few { frames: VecDeque::new(), to_key: true, decoder: None },
        };
        let slot = Slot {
            camera,
            settings: (sampling, interval),
            sampler: Sampler::new(sampling, interval),
            waiting,
            queued: false,
            taken: false,
            stats,
            failures_in_a_row: 0,
            told_long: false,
            priority,
            stretch: 1.0,
        };
        self.slots.insert(place, slot);
    }

    /// Of a camera that is known: how far its interval is stretched when the box has too much to do.
    pub fn set_priority(&mut self, camera: &CameraId, priority: Priority) {
        if let Some(slot) = self.places.get(camera).and_then(|place| self.slots.get_mut(place)) {
            slot.priority = priority;
        }
    }

    /// Drops the camera with what waits of it; gives its last figures.
    pub fn remove(&mut self, camera: &CameraId) -> Option<DecodeStats> {
        let place = self.places.remove(camera)?;
        self.ready.retain(|&ready| ready != place);
        let mut slot = self.slots.remove(&place)?;
        slot.clear();
        Some(slot.stats)
    }

    /// True if a worker should wake up; `None` if no such camera is known.
    pub fn offer(&mut self, frame: EncodedFrame) -> Option<bool> {
        let place = *self.places.get(&frame.camera)?;
        let room = self.slots.values().filter(|slot| slot.is_followed()).count() < self.most_series;
        let pace = Pace { series: self.pace.series && room, ..self.pace };
        self.slots.get_mut(&place)?.offer(frame, pace);
        Some(self.queue(place))
    }

    pub fn take(&mut self) -> Option<Job> {
        for _ in 0..self.ready.len() {
            let place = self.ready.pop_front()?;
            let Some(slot) = self.slots.get_mut(&place) else { continue };
            if slot.is_held_back() {
                self.ready.push_back(place);
                continue;
            }
            slot.queued = false;
            // What it had may have been skipped meanwhile.
            if slot.has_work() {
                slot.taken = true;
                return Some(Job { place, work: slot.take(), room: slot.room() });
            }
        }
        None
    }

    /// Gives the camera back; true as the second if it has more work. Of one that has gone meanwhile nothing is kept.
    pub fn done(&mut self, place: usize, outcome: Outcome) -> (Option<Turn>, bool) {
        let Some(slot) = self.slots.get_mut(&place) else { return (None, false) };
        slot.taken = false;
        let turn = slot.note(&outcome);
        match &mut slot.waiting {
            Waiting::Newest(_) => {}
            Waiting::Few { decoder, .. } => *decoder = outcome.decoder,
            Waiting::Adaptive(camera) => camera.done(outcome.thumbnails, outcome.decoder),
        }
        (turn, self.queue(place))
    }

    /// Drops what waits, counted, and takes the decoders out.
    pub fn clear(&mut self) -> Vec<(usize, Box<StreamDecoder>)> {
        self.ready.clear();
        let slots = self.slots.iter_mut();
        slots.filter_map(|(&place, slot)| Some((place, slot.clear()?))).collect()
    }

    fn queue(&mut self, place: usize) -> bool {
        let Some(slot) = self.slots.get_mut(&place) else { return false };
        let queue = slot.has_work() && !slot.queued && !slot.taken;
        if queue {
            slot.queued = true;
            self.ready.push_back(place);
        }
        queue
    }

    /// Does anything wait, also of a camera that a worker has in hand?
    pub fn has_work(&self) -> bool {
        self.slots.values().any(Slot::has_work)
    }

    pub fn stats(&self, camera: &CameraId) -> Option<DecodeStats> {
        self.slots.get(self.places.get(camera)?).map(|slot| slot.stats.clone())
    }

    pub fn snapshot(&self) -> Vec<(CameraId, DecodeStats)> {
        self.slots.values().map(|slot| (slot.camera.clone(), slot.stats.clone())).collect()
    }
}

impl Slot {
    fn offer(&mut self, frame: EncodedFrame, pace: Pace) {
        let stretch = self.priority.stretch(pace.stretch);
        self.stretch = stretch;
        match &mut self.waiting {
            Waiting::Adaptive(camera) => camera.offer(frame, Pace { stretch, ..pace }, &mut self.stats),
            Waiting::Newest(newest) => {
                if !frame.key {
                    return;
                }
                if !self.sampler.wants_at(&frame, stretch) {
                    self.stats.passed_over += 1;
                    return;
                }
                self.stats.replaced += u64::from(newest.replace(frame).is_some());
            }
            Waiting::Few { frames, to_key, .. } => {
                if frames.len() == FEW {
                    self.stats.skipped += FEW as u64;
                    frames.clear();
                    *to_key = true;
                }
                if *to_key && !frame.key {
                    self.stats.skipped += 1;
                    return;
                }
                *to_key = false;
                frames.push_back(frame);
            }
        }
    }

    /// Drops what waits, counted; gives the decoder, if a worker has not got it.
    fn clear(&mut self) -> Option<Box<StreamDecoder>> {
        match &mut self.waiting {
            Waiting::Newest(frame) => {
                self.stats.replaced += u64::from(frame.take().is_some());
                None
            }
            Waiting::Few { frames, decoder, .. } => {
                self.stats.skipped += frames.len() as u64;
                frames.clear();
                decoder.take()
            }
            Waiting::Adaptive(camera) => camera.clear(&mut self.stats),
        }
    }

    fn has_work(&self) -> bool {
        match &self.waiting {
            Waiting::Newest(frame) => frame.is_some(),
            Waiting::Few { frames, .. } => !frames.is_empty(),
            Waiting::Adaptive(camera) => camera.has_work(),
        }
    }

    fn is_held_back(&self) -> bool {
        matches!(&self.waiting, Waiting::Adaptive(camera) if camera.is_held_back())
    }

    fn is_followed(&self) -> bool {
        matches!(&self.waiting, Waiting::Adaptive(camera) if camera.is_followed())
    }

    fn room(&self) -> Option<Arc<SeriesPermits>> {
        match &self.waiting {
            Waiting::Adaptive(camera) => Some(Arc::clone(camera.room())),
            _ => None,
        }
    }

    fn take(&mut self) -> Work {
        match &mut self.waiting {
            Waiting::Newest(frame) => Work::Key(frame.take().expect("only cameras with work are ready")),
            Waiting::Few { frames, decoder, .. } => {
                let turn = frames.drain(..frames.len().min(TURN));
                let (sampler, stretch) = (&mut self.sampler, self.stretch);
                let wanted = |frame: EncodedFrame| {
                    let wanted = sampler.wants_at(&frame, stretch);
                    Wanted { frame, wanted, series: false }
                };
                Work::Few { frames: turn.map(wanted).collect(), decoder: decoder.take(), last: false }
            }
            Waiting::Adaptive(camera) => camera.take(),
        }
    }

    fn note(&mut self, outcome: &Outcome) -> Option<Turn> {
        self.stats.pictures += outcome.pictures;
        self.stats.failed += outcome.failures.len() as u64;
        self.stats.skipped += outcome.skipped;
        self.stats.followed += outcome.followed;
        self.stats.seconds += outcome.spent.as_secs_f64();
        self.stats.last_at = outcome.last_at.or(self.stats.last_at);
        let before = self.failures_in_a_row;
        if let Some(error) = outcome.failures.last() {
            self.failures_in_a_row += outcome.failures.len() as u64;
            self.stats.last_error = Some(error.clone());
            return (before == 0).then(|| Turn::Failing(self.camera.clone(), error.clone()));
        }
        if outcome.pictures == 0 || before == 0 {
            return self.tell_long();
        }
        self.failures_in_a_row = 0;
        self.stats.last_error = None;
        Some(Turn::Well(self.camera.clone(), before))
    }

    /// Once a camera.
    fn tell_long(&mut self) -> Option<Turn> {
        let long = Duration::try_from_secs_f64(self.stats.long_gop_s.filter(|_| !self.told_long)?).ok()?;
        self.told_long = true;
        Some(Turn::LongGop(self.camera.clone(), long))
    }
}

mod adaptively;
#[cfg(test)]
mod tests;
