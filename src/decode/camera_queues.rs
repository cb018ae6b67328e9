//! The frames that wait to be decoded, camera by camera, and whose turn it is. Pure: the pool adds locks and
//! threads.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Condvar;

use crate::base::CameraId;
use crate::config::{Priority, Sampling};
use crate::ingest::EncodedFrame;

use super::adaptive_queue::AdaptiveQueue;
use super::adaptive_sampler::AdaptiveSampler;
use super::job::{Job, MAX_FRAMES_PER_JOB, Outcome, QueuedFrame, Task};
use super::series_permits::SeriesPermits;
use super::stats::DecodeStats;
use super::{Sampler, StreamDecoder, Throttle};

/// Most queued frames of a camera whose every frame is decoded: two thirds of a second at 25 fps.
pub(super) const MAX_QUEUED_FRAMES: usize = 16;

#[derive(Default)]
pub(super) struct CameraQueues {
    /// By id. An id is never reused: when a worker returns a job of a camera that was removed meanwhile,
    /// nothing takes it.
    queues: BTreeMap<usize, CameraQueue>,
    next_id: usize,
    ids: HashMap<CameraId, usize>,
    /// Cameras with work that no worker holds, each once; the one that has waited longest comes first.
    ready: VecDeque<usize>,
    /// Most cameras in a series at the same time.
    pub max_series: usize,
    pub throttle: Throttle,
    wake: Arc<Condvar>,
}

struct CameraQueue {
    camera: CameraId,
    settings: (Sampling, Duration),
    sampler: Sampler,
    pending: Pending,
    /// It is listed in `ready`.
    is_ready: bool,
    /// A worker holds it. One worker a camera keeps its pictures in order.
    in_work: bool,
    stats: DecodeStats,
    failures_in_a_row: u64,
    long_gop_reported: bool,
    priority: Priority,
    /// Factor on its interval when the newest frame arrived.
    stretch: f64,
}

enum Pending {
    NewestKeyFrame(Option<EncodedFrame>),
    AllFrames {
        frames: VecDeque<EncodedFrame>,
        /// After an overflow: skip everything up to the next key frame.
        to_key: bool,
        /// `None` while a worker holds it, and before the first frame.
        decoder: Option<Box<StreamDecoder>>,
    },
    Adaptive(Box<AdaptiveQueue>),
}

/// Something to log about one camera.
#[derive(Debug, PartialEq)]
pub(super) enum Notice {
    /// Its frames began to fail, and why.
    Failing(String),
    /// Its frames decode again after this many failures.
    Recovered(u64),
    /// Its key frames are this far apart.
    LongGop(Duration),
}

impl CameraQueues {
    /// `cameras`: id, sampling and interval of each. `wake` is notified when a series may go on.
    pub fn new(cameras: Vec<(CameraId, Sampling, Duration)>, wake: &Arc<Condvar>) -> Self {
        let wake = Arc::clone(wake);
        let mut all = Self { wake, max_series: usize::MAX, ..Self::default() };
        for (camera, sampling, interval) in cameras {
            all.put(camera, sampling, interval);
        }
        all
    }

    /// Adds a camera or changes its settings. A change keeps its counters, drops its queued frames and counts
    /// them. The same settings again change nothing.
    pub fn put(&mut self, camera: CameraId, sampling: Sampling, interval: Duration) {
        let known = self.ids.get(&camera).and_then(|id| self.queues.get(id));
        if known.is_some_and(|queue| queue.settings == (sampling, interval)) {
            return;
        }
        let priority = known.map_or(Priority::Normal, |queue| queue.priority);
        let stats = self.remove(&camera).unwrap_or_default();
        let id = self.next_id;
        self.next_id += 1;
        self.ids.insert(camera.clone(), id);
        let pending = match sampling {
            Sampling::Adaptive(config) => {
                let sampler = AdaptiveSampler::new(config, interval);
                Pending::Adaptive(Box::new(AdaptiveQueue::new(sampler, SeriesPermits::new(&self.wake))))
            }
            Sampling::Keyframes => Pending::NewestKeyFrame(None),
            Sampling::All => Pending::AllFrames { frames: VecDeque::new(), to_key: true, decoder: None },
        };
        let queue = CameraQueue {
            camera,
            settings: (sampling, interval),
            sampler: Sampler::new(sampling, interval),
            pending,
            is_ready: false,
            in_work: false,
            stats,
            failures_in_a_row: 0,
            long_gop_reported: false,
            priority,
            stretch: 1.0,
        };
        self.queues.insert(id, queue);
    }

    /// Decides how far an overloaded box stretches the camera's interval. Ignored for a camera that was not
    /// added.
    pub fn set_priority(&mut self, camera: &CameraId, priority: Priority) {
        if let Some(queue) = self.ids.get(camera).and_then(|id| self.queues.get_mut(id)) {
            queue.priority = priority;
        }
    }

    /// Removes the camera with its queued frames. Returns its final counters.
    pub fn remove(&mut self, camera: &CameraId) -> Option<DecodeStats> {
        let id = self.ids.remove(camera)?;
        self.ready.retain(|&ready| ready != id);
        let mut queue = self.queues.remove(&id)?;
        queue.clear();
        Some(queue.stats)
    }

    /// Queues a frame. True if a worker should wake up; `None` for a camera that was not added.
    pub fn offer(&mut self, frame: EncodedFrame) -> Option<bool> {
        let id = *self.ids.get(&frame.camera)?;
        let followed = self.queues.values().filter(|queue| queue.is_followed()).count();
        let series = self.throttle.series && followed < self.max_series;
        let throttle = Throttle { series, ..self.throttle };
        self.queues.get_mut(&id)?.offer(frame, throttle);
        Some(self.mark_ready(id))
    }

    /// The next job, of the camera that has waited longest.
    pub fn take(&mut self) -> Option<Job> {
        for _ in 0..self.ready.len() {
            let id = self.ready.pop_front()?;
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            if queue.is_held_back() {
                self.ready.push_back(id);
                continue;
            }
            queue.is_ready = false;
            // Its frames may have been dropped since it was listed.
            if queue.has_work() {
                queue.in_work = true;
                let camera = queue.camera.clone();
                return Some(Job { queue: id, camera, task: queue.take(), permits: queue.permits() });
            }
        }
        None
    }

    /// Records a job's outcome and frees the camera. The second value is true if it has more work. Does
    /// nothing for a camera that was removed meanwhile.
    pub fn finish(&mut self, id: usize, outcome: Outcome) -> (Option<Notice>, bool) {
        let Some(queue) = self.queues.get_mut(&id) else { return (None, false) };
        queue.in_work = false;
        let notice = queue.record(&outcome);
        match &mut queue.pending {
            Pending::NewestKeyFrame(_) => {}
            Pending::AllFrames { decoder, .. } => *decoder = outcome.decoder,
            Pending::Adaptive(camera) => camera.finish(outcome.thumbnails, outcome.decoder),
        }
        (notice, self.mark_ready(id))
    }

    /// Drops and counts all queued frames. Returns the decoders with their cameras' ids.
    pub fn clear(&mut self) -> Vec<(usize, Box<StreamDecoder>)> {
        self.ready.clear();
        let queues = self.queues.iter_mut();
        queues.filter_map(|(&id, queue)| Some((id, queue.clear()?))).collect()
    }

    /// Lists the camera in `ready` if it has work and no worker holds it. True if it was added to the list.
    fn mark_ready(&mut self, id: usize) -> bool {
        let Some(queue) = self.queues.get_mut(&id) else { return false };
        let added = queue.has_work() && !queue.is_ready && !queue.in_work;
        if added {
            queue.is_ready = true;
            self.ready.push_back(id);
        }
        added
    }

    /// Does any frame wait, including those of cameras that a worker holds?
    pub fn has_work(&self) -> bool {
        self.queues.values().any(CameraQueue::has_work)
    }

    pub fn stats(&self, camera: &CameraId) -> Option<DecodeStats> {
        self.queues.get(self.ids.get(camera)?).map(|queue| queue.stats.clone())
    }

    pub fn snapshot(&self) -> Vec<(CameraId, DecodeStats)> {
        self.queues.values().map(|queue| (queue.camera.clone(), queue.stats.clone())).collect()
    }
}

impl CameraQueue {
    fn offer(&mut self, frame: EncodedFrame, throttle: Throttle) {
        let stretch = self.priority.stretch(throttle.stretch);
        self.stretch = stretch;
        match &mut self.pending {
            Pending::Adaptive(camera) => {
                camera.offer(frame, Throttle { stretch, ..throttle }, &mut self.stats)
            }
            Pending::NewestKeyFrame(newest) => {
                if !frame.key {
                    return;
                }
                if !self.sampler.wants_at(&frame, stretch) {
                    self.stats.passed_over += 1;
                    return;
                }
                self.stats.replaced += u64::from(newest.replace(frame).is_some());
            }
            Pending::AllFrames { frames, to_key, .. } => {
                if frames.len() == MAX_QUEUED_FRAMES {
                    self.stats.skipped += MAX_QUEUED_FRAMES as u64;
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

    /// Drops and counts the queued frames. Returns the decoder, unless a worker holds it.
    fn clear(&mut self) -> Option<Box<StreamDecoder>> {
        match &mut self.pending {
            Pending::NewestKeyFrame(frame) => {
                self.stats.replaced += u64::from(frame.take().is_some());
                None
            }
            Pending::AllFrames { frames, decoder, .. } => {
                self.stats.skipped += frames.len() as u64;
                frames.clear();
                decoder.take()
            }
            Pending::Adaptive(camera) => camera.clear(&mut self.stats),
        }
    }

    fn has_work(&self) -> bool {
        match &self.pending {
            Pending::NewestKeyFrame(frame) => frame.is_some(),
            Pending::AllFrames { frames, .. } => !frames.is_empty(),
            Pending::Adaptive(camera) => camera.has_work(),
        }
    }

    fn is_held_back(&self) -> bool {
        matches!(&self.pending, Pending::Adaptive(camera) if camera.is_held_back())
    }

    fn is_followed(&self) -> bool {
        matches!(&self.pending, Pending::Adaptive(camera) if camera.is_followed())
    }

    fn permits(&self) -> Option<Arc<SeriesPermits>> {
        match &self.pending {
            Pending::Adaptive(camera) => Some(Arc::clone(camera.permits())),
            _ => None,
        }
    }

    fn take(&mut self) -> Task {
        match &mut self.pending {
            Pending::NewestKeyFrame(frame) => {
                Task::KeyFrame(frame.take().expect("only cameras with work are ready"))
            }
            Pending::AllFrames { frames, decoder, .. } => {
                let batch = frames.drain(..frames.len().min(MAX_FRAMES_PER_JOB));
                let (sampler, stretch) = (&mut self.sampler, self.stretch);
                let queued = |frame: EncodedFrame| {
                    let wanted = sampler.wants_at(&frame, stretch);
                    QueuedFrame { frame, wanted, series: false }
                };
                Task::Frames { frames: batch.map(queued).collect(), decoder: decoder.take(), last: false }
            }
            Pending::Adaptive(camera) => camera.take(),
        }
    }

    fn record(&mut self, outcome: &Outcome) -> Option<Notice> {
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
            return (before == 0).then(|| Notice::Failing(error.clone()));
        }
        if outcome.pictures == 0 || before == 0 {
            return self.notice_long_gop();
        }
        self.failures_in_a_row = 0;
        self.stats.last_error = None;
        Some(Notice::Recovered(before))
    }

    /// At most one notice a camera.
    fn notice_long_gop(&mut self) -> Option<Notice> {
        let long =
            Duration::try_from_secs_f64(self.stats.long_gop_s.filter(|_| !self.long_gop_reported)?).ok()?;
        self.long_gop_reported = true;
        Some(Notice::LongGop(long))
    }
}

#[cfg(test)]
mod tests;
