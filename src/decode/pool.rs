//! A few decode threads shared by many cameras.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::base::{CameraId, Shutdown, monotonic};
use crate::config::{Priority, Sampling};
use crate::ingest::EncodedFrame;

use super::camera_queues::{CameraQueues, Notice};
use super::job::{Job, Outcome, QueuedFrame, Task};
use super::series_permits::SeriesPermits;
use super::thumbnail::Thumbnail;
use super::{DecodeError, DecodeStats, DecoderChoice, KeyframeDecoder, Picture, StreamDecoder, Throttle};

/// Receives the pictures. Called from a decode thread, which decodes nothing else until the call returns.
pub type PictureSink = Arc<dyn Fn(Arc<Picture>) + Send + Sync>;

/// True while more pictures are wanted. While it is false nothing is decoded: a newer frame replaces a queued
/// one before either costs anything.
pub type Demand = Arc<dyn Fn() -> bool + Send + Sync>;

/// How often a worker checks whether pictures are wanted again.
const DEMAND_POLL: Duration = Duration::from_millis(5);
/// How often an idle worker checks for the shutdown.
const SHUTDOWN_POLL: Duration = Duration::from_millis(200);

/// Threads named `decode-N`. For a camera sampled by key frames only the newest key frame is queued. For a
/// camera whose every frame is decoded a few frames are queued; when they are too many it skips to its next
/// key frame. A camera's pictures stay in order. The camera that has waited longest is served first, so none
/// starves.
pub struct DecodePool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    choice: DecoderChoice,
    state: Mutex<State>,
    wake: Arc<Condvar>,
    sink: PictureSink,
    demand: OnceLock<Demand>,
    shutdown: Shutdown,
    unknown: AtomicU64,
}

struct State {
    queues: CameraQueues,
    closed: bool,
    /// When a worker last took or finished a job.
    last_progress: Instant,
}

impl DecodePool {
    /// `cameras`: id, sampling and shortest time between two pictures of each.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn start(
        choice: DecoderChoice,
        workers: usize,
        cameras: Vec<(CameraId, Sampling, Duration)>,
        sink: PictureSink,
        shutdown: Shutdown,
    ) -> Result<Self, DecodeError> {
        let wake = Arc::new(Condvar::new());
        let mut queues = CameraQueues::new(cameras, &wake);
        queues.max_series = workers.max(1);
        let shared = Arc::new(Shared {
            choice,
            state: Mutex::new(State { queues, closed: false, last_progress: monotonic() }),
            wake,
            sink,
            demand: OnceLock::new(),
            shutdown,
            unknown: AtomicU64::new(0),
        });
        let mut pool = Self { shared, threads: Vec::new() };
        for n in 0..workers.max(1) {
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new().name(format!("decode-{n}"));
            pool.threads.push(thread.spawn(move || shared.run_worker()).map_err(DecodeError::Thread)?);
        }
        Ok(pool)
    }

    /// From now on frames are decoded only while `demand` returns true. Can be set once.
    pub fn decode_while(&self, demand: Demand) {
        if self.shared.demand.set(demand).is_err() {
            tracing::error!("the decoders' demand is already set: please report this bug");
        }
    }

    /// Queues a frame. Never blocks. Offer every frame of a camera, in decode order: the pool picks.
    pub fn offer(&self, frame: EncodedFrame) {
        let offered = self.shared.lock().queues.offer(frame);
        match offered {
            // Not under the lock, which a woken thread that hangs would keep.
            Some(true) => {
                self.shared.wake.notify_one();
            }
            Some(false) => {}
            None => {
                self.shared.unknown.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Adds a camera or changes its settings. Other cameras go on undisturbed.
    pub fn put(&self, camera: CameraId, sampling: Sampling, interval: Duration) {
        self.shared.lock().queues.put(camera, sampling, interval);
    }

    /// Decides how far an overloaded box stretches the camera's interval. Ignored for a camera that was not
    /// added.
    pub fn set_priority(&self, camera: &CameraId, priority: Priority) {
        self.shared.lock().queues.set_priority(camera, priority);
    }

    /// Limits all cameras from now on.
    pub fn set_throttle(&self, throttle: Throttle) {
        self.shared.lock().queues.throttle = throttle;
    }

    /// Removes the camera. Its frames count as unknown from now on.
    pub fn remove(&self, camera: &CameraId) {
        self.shared.lock().queues.remove(camera);
    }

    /// Time for which frames have waited while no worker took or finished a job; zero while none wait.
    pub fn stalled_for(&self) -> Duration {
        let state = self.shared.lock();
        if state.queues.has_work() { state.last_progress.elapsed() } else { Duration::ZERO }
    }

    pub fn stats(&self, camera: &CameraId) -> Option<DecodeStats> {
        self.shared.lock().queues.stats(camera)
    }

    /// Counters of every camera, in the order in which they were added.
    pub fn snapshot(&self) -> Vec<(CameraId, DecodeStats)> {
        self.shared.lock().queues.snapshot()
    }

    /// Frames of cameras that were not added.
    pub fn unknown_frames(&self) -> u64 {
        self.shared.unknown.load(Ordering::Relaxed)
    }

    /// Decodes the queued frames, or drops and counts them if the shutdown was requested. Returns the final
    /// counters once every thread has ended and every pipeline is in state Null.
    pub fn join(mut self) -> Vec<(CameraId, DecodeStats)> {
        self.close();
        self.snapshot()
    }

    fn close(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!(
                    "a decode thread panicked and its last frames are lost: please report this bug"
                );
            }
        }
        self.shared.drain_decoders();
    }
}

impl Drop for DecodePool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn run_worker(&self) {
        let mut keyframes = KeyframeDecoder::new(&self.choice);
        let mut spare = None;
        while let Some(Job { queue, camera, task, permits }) = self.next() {
            let _camera = camera.span().entered();
            let start = monotonic();
            let permits = permits.as_ref();
            let mut outcome = match task {
                Task::KeyFrame(frame) => self.decode_key_frame(&mut keyframes, &frame, permits),
                Task::Frames { frames, decoder, last } => {
                    let decoder = decoder.or_else(|| spare.take());
                    let mut outcome = self.decode_frames(&frames, decoder, permits);
                    if last && let Some(mut decoder) = outcome.decoder.take() {
                        decoder
                            .finish()
                            .into_iter()
                            .for_each(|p| self.hand_on(p, &mut outcome, permits, true));
                        spare = Some(decoder);
                    }
                    outcome
                }
            };
            outcome.spent = start.elapsed();
            self.finish_job(queue, outcome);
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if self.shutdown.is_stopped() {
                return None;
            }
            let wanted = self.demand.get().is_none_or(|demand| demand());
            if !wanted {
                self.wake.wait_for(&mut state, DEMAND_POLL);
                continue;
            }
            match state.queues.take() {
                Some(job) => {
                    state.last_progress = monotonic();
                    return Some(job);
                }
                // Each worker continues with the camera it holds, so no frame is left behind.
                None if state.closed => return None,
                None => {
                    self.wake.wait_for(&mut state, SHUTDOWN_POLL);
                }
            }
        }
    }

    fn decode_key_frame(
        &self,
        decoder: &mut KeyframeDecoder,
        frame: &EncodedFrame,
        permits: Option<&Arc<SeriesPermits>>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        match decoder.decode(frame) {
            Ok(picture) => self.hand_on(picture, &mut outcome, permits, false),
            Err(error) => outcome.failures.push(error.to_string()),
        }
        outcome
    }

    fn decode_frames(
        &self,
        frames: &[QueuedFrame],
        decoder: Option<Box<StreamDecoder>>,
        permits: Option<&Arc<SeriesPermits>>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut decoder =
            decoder.unwrap_or_else(|| Box::new(StreamDecoder::new(&self.choice, frames[0].frame.codec)));
        let before = decoder.headless();
        for QueuedFrame { frame, wanted, series } in frames {
            match decoder.push_if(frame, *wanted) {
                Ok(pictures) => {
                    pictures.into_iter().for_each(|p| self.hand_on(p, &mut outcome, permits, *series))
                }
                Err(error) => outcome.failures.push(error.to_string()),
            }
        }
        if permits.is_some() {
            outcome.followed = frames.len() as u64;
        }
        outcome.skipped = decoder.headless() - before;
        outcome.decoder = Some(decoder);
        outcome
    }

    fn hand_on(
        &self,
        mut picture: Picture,
        outcome: &mut Outcome,
        permits: Option<&Arc<SeriesPermits>>,
        series: bool,
    ) {
        if let Some(permits) = permits {
            outcome.thumbnails.extend(Thumbnail::of(&picture));
            picture.series = series.then(|| permits.acquire());
        }
        outcome.pictures += 1;
        outcome.last_at = Some(picture.capture.at);
        (self.sink)(Arc::new(picture));
    }

    fn finish_job(&self, queue: usize, outcome: Outcome) {
        let (notice, more) = {
            let mut state = self.lock();
            state.last_progress = monotonic();
            state.queues.finish(queue, outcome)
        };
        if more {
            self.wake.notify_one();
        }
        match notice {
            Some(Notice::Failing(error)) => {
                tracing::warn!("a frame gave no picture: {error}; further failures are counted, not logged");
            }
            Some(Notice::Recovered(failed)) => {
                tracing::info!(failed, "frames give pictures again");
            }
            Some(Notice::LongGop(distance)) => {
                let seconds = distance.as_secs();
                tracing::warn!(
                    seconds,
                    "key frames come only every {seconds} s, so the frames between them are decoded too; this costs up \
                     to ten times as much, and clips start late; turn off the smart codec (H.264+, H.265+, Smart \
                     Coding) or set a fixed key frame interval of 2 to 4 s"
                );
            }
            None => {}
        }
    }

    /// Hands on the pictures that the cameras' own decoders still hold, unless the shutdown was requested.
    /// Called once the threads have ended.
    fn drain_decoders(&self) {
        let decoders = self.lock().queues.clear();
        for (queue, mut decoder) in decoders {
            let mut outcome = Outcome::default();
            if !self.shutdown.is_stopped() {
                decoder
                    .finish()
                    .into_iter()
                    .for_each(|picture| self.hand_on(picture, &mut outcome, None, false));
            }
            self.finish_job(queue, outcome);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}
