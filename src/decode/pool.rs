//! A few decoders for many cameras.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::base::{CameraId, Shutdown, monotonic};
use crate::config::{Priority, Sampling};
use crate::ingest::EncodedFrame;

use super::adaptive::Wanted;
use super::series_permits::SeriesPermits;
use super::slots::{DecodeStats, Job, Outcome, Slots, Turn, Work};
use super::thumbnail::Thumbnail;
use super::{DecodeError, DecoderChoice, KeyframeDecoder, Pace, Picture, StreamDecoder};

/// Where pictures go. Called from a decode thread; while it waits, that thread decodes for no other camera.
pub type PictureSink = Arc<dyn Fn(Arc<Picture>) + Send + Sync>;

/// Says whether pictures are wanted now: while too many wait, frames are not decoded, and the newest wins before it costs
/// anything.
pub type Demand = Arc<dyn Fn() -> bool + Send + Sync>;

/// How often a worker asks whether pictures are wanted again.
const ASK: Duration = Duration::from_millis(5);
/// How often an idle worker looks for the shutdown.
const LOOK: Duration = Duration::from_millis(200);

/// Threads `decode-N`. Of a camera sampled by key frames the newest waits; of one whose every frame is decoded a few
/// frames wait, and when they are too many it jumps to its next key frame. A camera's pictures keep their order, and
/// the camera that has waited longest is next, so none starves.
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
    slots: Slots,
    closed: bool,
    /// When a worker last took or gave back something.
    moved: Instant,
}

impl DecodePool {
    /// `cameras`: each with its sampling and the least time between two pictures.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn start(
        choice: DecoderChoice,
        workers: usize,
        cameras: Vec<(CameraId, Sampling, Duration)>,
        sink: PictureSink,
        shutdown: Shutdown,
    ) -> Result<Self, DecodeError> {
        let wake = Arc::new(Condvar::new());
        let mut slots = Slots::new(cameras, &wake);
        slots.most_series = workers.max(1);
        let shared = Arc::new(Shared {
            choice,
            state: Mutex::new(State { slots, closed: false, moved: monotonic() }),
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
            pool.threads.push(thread.spawn(move || shared.work()).map_err(DecodeError::Thread)?);
        }
        Ok(pool)
    }

    /// From now on frames are decoded only while `demand` says so. Once.
    pub fn decode_while(&self, demand: Demand) {
        if self.shared.demand.set(demand).is_err() {
            tracing::error!("decoders are held back already: please report it");
        }
    }

    /// Never blocks. Frames of one camera, in decode order, all of them: the pool picks.
    pub fn offer(&self, frame: EncodedFrame) {
        match self.shared.lock().slots.offer(frame) {
            Some(true) => {
                self.shared.wake.notify_one();
            }
            Some(false) => {}
            None => {
                self.shared.unknown.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Adds the camera, or gives it other settings; no other camera notices.
    pub fn put(&self, camera: CameraId, sampling: Sampling, interval: Duration) {
        self.shared.lock().slots.put(camera, sampling, interval);
    }

    /// Of a camera that the pool has: how far its interval is stretched when the box has too much to do.
    pub fn set_priority(&self, camera: &CameraId, priority: Priority) {
        self.shared.lock().slots.set_priority(camera, priority);
    }

    /// What the load guard allows from now on.
    pub fn set_pace(&self, pace: Pace) {
        self.shared.lock().slots.pace = pace;
    }

    /// Forgets the camera; its frames are counted as unknown from now on.
    pub fn remove(&self, camera: &CameraId) {
        self.shared.lock().slots.remove(camera);
    }

    /// How long frames have waited without any worker taking or finishing one; zero while none wait.
    pub fn stalled_for(&self) -> Duration {
        let state = self.shared.lock();
        if state.slots.has_work() { state.moved.elapsed() } else { Duration::ZERO }
    }

    pub fn stats(&self, camera: &CameraId) -> Option<DecodeStats> {
        self.shared.lock().slots.stats(camera)
    }

    /// Every camera's, in the order in which they came.
    pub fn snapshot(&self) -> Vec<(CameraId, DecodeStats)> {
        self.shared.lock().slots.snapshot()
    }

    /// Frames offered under the name of a camera that the pool does not have.
    pub fn unknown_frames(&self) -> u64 {
        self.shared.unknown.load(Ordering::Relaxed)
    }

    /// Decodes what waits, unless the shutdown has come: then it is dropped, counted. Gives the last figures once
    /// every thread has ended and every pipeline is Null.
    pub fn join(mut self) -> Vec<(CameraId, DecodeStats)> {
        self.close();
        self.snapshot()
    }

    fn close(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a decode thread died of a bug; its last frames are lost: please report it");
            }
        }
        self.shared.finish();
    }
}

impl Drop for DecodePool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn work(&self) {
        let mut keyframes = KeyframeDecoder::new(&self.choice);
        let mut spare = None;
        while let Some(Job { place, work, room }) = self.next() {
            let start = monotonic();
            let room = room.as_ref();
            let mut outcome = match work {
                Work::Key(frame) => self.key(&mut keyframes, &frame, room),
                Work::Few { frames, decoder, last } => {
                    let decoder = decoder.or_else(|| spare.take());
                    let mut outcome = self.few(&frames, decoder, room);
                    if last && let Some(mut decoder) = outcome.decoder.take() {
                        decoder.finish().into_iter().for_each(|p| self.give(p, &mut outcome, room, true));
                        spare = Some(decoder);
                    }
                    outcome
                }
            };
            outcome.spent = start.elapsed();
            self.give_back(place, outcome);
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
                self.wake.wait_for(&mut state, ASK);
                continue;
            }
            match state.slots.take() {
                Some(job) => {
                    state.moved = monotonic();
                    return Some(job);
                }
                // What another worker has in hand comes back to that worker, so nothing is left behind.
                None if state.closed => return None,
                None => {
                    self.wake.wait_for(&mut state, LOOK);
                }
            }
        }
    }

    fn key(
        &self,
        decoder: &mut KeyframeDecoder,
        frame: &EncodedFrame,
        room: Option<&Arc<SeriesPermits>>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        match decoder.decode(frame) {
            Ok(picture) => self.give(picture, &mut outcome, room, false),
            Err(error) => outcome.failures.push(error.to_string()),
        }
        outcome
    }

    fn few(
        &self,
        frames: &[Wanted],
        decoder: Option<Box<StreamDecoder>>,
        room: Option<&Arc<SeriesPermits>>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut decoder =
            decoder.unwrap_or_else(|| Box::new(StreamDecoder::new(&self.choice, frames[0].frame.codec)));
        let before = decoder.headless();
        for Wanted { frame, wanted, series } in frames {
            match decoder.push_if(frame, *wanted) {
                Ok(pictures) => pictures.into_iter().for_each(|p| self.give(p, &mut outcome, room, *series)),
                Err(error) => outcome.failures.push(error.to_string()),
            }
        }
        if room.is_some() {
            outcome.followed = frames.len() as u64;
        }
        outcome.skipped = decoder.headless() - before;
        outcome.decoder = Some(decoder);
        outcome
    }

    fn give(
        &self,
        mut picture: Picture,
        outcome: &mut Outcome,
        room: Option<&Arc<SeriesPermits>>,
        series: bool,
    ) {
        if let Some(room) = room {
            outcome.thumbnails.extend(Thumbnail::of(&picture));
            picture.series = series.then(|| room.take());
        }
        outcome.pictures += 1;
        outcome.last_at = Some(picture.capture.at);
        (self.sink)(Arc::new(picture));
    }

    fn give_back(&self, place: usize, outcome: Outcome) {
        let (turn, more) = {
            let mut state = self.lock();
            state.moved = monotonic();
            state.slots.done(place, outcome)
        };
        if more {
            self.wake.notify_one();
        }
        match turn {
            Some(Turn::Failing(camera, error)) => {
                tracing::warn!(%camera, "a frame gave no picture: {error}; more of it is counted, not logged");
            }
            Some(Turn::Well(camera, failed)) => {
                tracing::info!(%camera, failed, "frames give pictures again");
            }
            Some(Turn::LongGop(camera, distance)) => {
                let seconds = distance.as_secs();
                tracing::warn!(%camera, seconds,
                    "key frames come every {seconds} s only: the frames between them are decoded too, which costs up to \
                     ten times as much, and clips start late; switch the smart codec (H.264+, H.265+, Smart Coding) off \
                     or set a fixed key frame interval of 2 to 4 s");
            }
            None => {}
        }
    }

    /// After the threads: the last pictures of the cameras whose every frame is decoded, where there is time.
    fn finish(&self) {
        let decoders = self.lock().slots.clear();
        for (place, mut decoder) in decoders {
            let mut outcome = Outcome::default();
            if !self.shutdown.is_stopped() {
                decoder
                    .finish()
                    .into_iter()
                    .for_each(|picture| self.give(picture, &mut outcome, None, false));
            }
            self.give_back(place, outcome);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}
