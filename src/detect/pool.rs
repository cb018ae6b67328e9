//! Worker threads with one scheduler: pictures of all cameras -> detections.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use serde::Serialize;

use super::scheduler::{CameraSlot, Eviction, Scheduler};
use super::{DetectError, Detections, Detector, Looked, TileScheduler};
use crate::base::{CameraId, Shutdown, TimeSource, WallTime, monotonic, wall_now};
use crate::decode::Picture;

/// Waiting pictures per worker up to which more are decoded. Enough to keep a worker busy; 3 MB each at
/// 1080p.
const WAITING_PER_WORKER: usize = 4;
/// How long a worker may take to notice a stop.
const STOP_POLL: Duration = Duration::from_millis(100);

/// Receives each picture's detections, even if there are none. Called from the workers, and may block them.
pub type DetectionSink = Arc<dyn Fn(Detections) + Send + Sync>;

/// Workers named `detect-0`, `detect-1`, ...: one per detector.
pub struct DetectPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// Counters of one camera's pictures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CameraDetectStats {
    pub camera: CameraId,
    pub analysed: u64,
    /// Of these, pictures without a run of the detector because they showed nothing new.
    pub unchanged: u64,
    /// Replaced by a newer one before a worker was free.
    pub replaced: u64,
    /// The run failed.
    pub failed: u64,
    /// Boxes of the network that cannot be, and were left out: another `head.kind` may be the right one.
    pub impossible_boxes: u64,
    /// Still waiting when the pool stopped.
    pub abandoned: u64,
    /// End of the last analysis, by the node's clock.
    pub last_at: Option<WallTime>,
    /// From the capture of the last picture to the end of its analysis; with RTCP, by the camera's clock.
    /// `None` for recordings.
    pub lag_s: Option<f64>,
    /// Time between two analyses, smoothed; grows while there is none. `None` before the second. Pictures of
    /// a series do not count, neither here nor below.
    pub interval_s: Option<f64>,
    /// Gaps before each of the last 128 analyses.
    pub gaps: Option<GapQuantiles>,
    /// Time since the last analysis, or since the camera was added.
    pub silent_s: f64,
}

/// In seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GapQuantiles {
    pub median_s: f64,
    pub p95_s: f64,
    pub worst_s: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DetectSnapshot {
    /// In the order in which they were added.
    pub cameras: Vec<CameraDetectStats>,
    /// Pictures of cameras that the pool does not know.
    pub unknown: u64,
    /// Milliseconds per picture with a run, over all its slices, smoothed. 0 before the first.
    pub letterbox_ms: f64,
    pub run_ms: f64,
    pub head_ms: f64,
    /// Share of the workers' time spent on pictures since the start, 0 to 1.
    pub load: f64,
    /// The same in seconds, summed over all workers.
    pub busy_s: f64,
    pub workers: usize,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    shutdown: Shutdown,
    sink: DetectionSink,
    started: Instant,
    workers: usize,
}

struct State {
    scheduler: Scheduler<Arc<Picture>>,
    slots: HashMap<CameraId, CameraSlot>,
    cameras: BTreeMap<CameraSlot, Camera>,
    /// Of the node; `cameras` of it stays empty.
    totals: DetectSnapshot,
    busy: Duration,
    /// When a worker last began or finished a picture.
    moved: Instant,
    /// The start of each picture in work.
    running: BTreeMap<CameraSlot, Instant>,
}

struct Camera {
    /// `None` while a worker has them.
    tiles: Option<TileScheduler>,
    /// Increases with each replacement, so that a worker does not put back tiles of older settings.
    laid_out: u64,
    stats: CameraDetectStats,
    came: Instant,
    ended: Option<Instant>,
    /// Oldest first, at most [`MOST_GAPS`].
    gaps: VecDeque<f32>,
}

/// What boxes that cannot be mean, and what to do.
pub const IMPOSSIBLE_BOXES: &str = "boxes of the network cannot be (no size, far outside, or a score above 1) and are \
     left out; is head.kind of the model right? `lintel detect --explain MODEL` shows what it looks like";

/// Number of gaps in the distribution.
const MOST_GAPS: usize = 128;

impl Camera {
    fn analysed(&mut self, now: Instant, picture: &Picture) {
        self.stats.analysed += 1;
        let ended_at = wall_now();
        self.stats.last_at = Some(ended_at);
        let live = picture.capture.source != TimeSource::Footage;
        self.stats.lag_s = live.then(|| ended_at.since(picture.capture.at).as_secs_f64());
        let Some(before) = self.ended.replace(now).filter(|_| picture.series.is_none()) else { return };
        let last = (now - before).as_secs_f64();
        self.stats.interval_s = Some(self.stats.interval_s.map_or(last, |old| smooth(old, last)));
        if self.gaps.len() == MOST_GAPS {
            self.gaps.pop_front();
        }
        self.gaps.push_back(last as f32);
    }

    fn stats(&self) -> CameraDetectStats {
        let silent = self.ended.unwrap_or(self.came).elapsed().as_secs_f64();
        let mut sorted: Vec<f64> = self.gaps.iter().map(|gap| f64::from(*gap)).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted.get(((sorted.len() as f64 - 1.0) * share).round() as usize).copied();
        let gaps = at(0.5).zip(at(0.95)).zip(at(1.0));
        CameraDetectStats {
            interval_s: self.stats.interval_s.map(|interval| interval.max(silent)),
            gaps: gaps.map(|((median_s, p95_s), worst_s)| GapQuantiles { median_s, p95_s, worst_s }),
            silent_s: silent,
            ..self.stats.clone()
        }
    }
}

impl State {
    fn put(&mut self, id: CameraId, tiles: TileScheduler, interval: Duration) {
        let tiles = Some(tiles);
        if let Some((slot, camera)) =
            self.slots.get(&id).and_then(|slot| Some((*slot, self.cameras.get_mut(slot)?)))
        {
            (camera.tiles, camera.laid_out) = (tiles, camera.laid_out + 1);
            self.scheduler.set_interval(slot, interval);
            return;
        }
        let stats = CameraDetectStats {
            camera: id.clone(),
            analysed: 0,
            unchanged: 0,
            replaced: 0,
            failed: 0,
            impossible_boxes: 0,
            abandoned: 0,
            last_at: None,
            lag_s: None,
            interval_s: None,
            gaps: None,
            silent_s: 0.0,
        };
        let slot = self.scheduler.add(interval);
        self.slots.insert(id, slot);
        self.cameras.insert(
            slot,
            Camera { tiles, laid_out: 0, stats, came: monotonic(), ended: None, gaps: VecDeque::new() },
        );
    }

    fn snapshot(&self) -> DetectSnapshot {
        let cameras = self.cameras.values().map(Camera::stats);
        DetectSnapshot { cameras: cameras.collect(), ..self.totals.clone() }
    }
}

impl DetectPool {
    /// `cameras`: unique id, slices and interval.
    ///
    /// # Errors
    /// The system cannot create a thread.
    pub fn start(
        detectors: Vec<Detector>,
        cameras: Vec<(CameraId, TileScheduler, Duration)>,
        sink: DetectionSink,
        shutdown: Shutdown,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new(detectors.len(), cameras, sink, shutdown));
        let mut pool = Self { shared: shared.clone(), workers: Vec::new() };
        for (i, detector) in detectors.into_iter().enumerate() {
            let shared = shared.clone();
            let worker = std::thread::Builder::new().name(format!("detect-{i}"));
            match worker.spawn(move || shared.work(detector)) {
                Ok(handle) => pool.workers.push(handle),
                Err(e) => {
                    pool.shared.shutdown.stop();
                    pool.join();
                    return Err(e);
                }
            }
        }
        Ok(pool)
    }

    /// Queues a picture in place of a waiting one of its camera. Never blocks on a run.
    pub fn offer(&self, picture: Arc<Picture>) {
        self.shared.offer(picture);
    }

    /// Adds the camera, or changes its settings, without effect on other cameras. A picture in work keeps its
    /// slices.
    pub fn put(&self, camera: CameraId, tiles: TileScheduler, interval: Duration) {
        self.shared.lock().put(camera, tiles, interval);
    }

    /// Removes the camera and its waiting pictures. A picture in work still yields its detections.
    pub fn remove(&self, camera: &CameraId) {
        let state = &mut *self.shared.lock();
        if let Some(slot) = state.slots.remove(camera) {
            state.scheduler.remove(slot);
            state.cameras.remove(&slot);
        }
    }

    /// Whether few enough pictures wait that decoding more is worth it.
    pub fn wants_more(&self) -> bool {
        self.shared.lock().scheduler.waiting() < WAITING_PER_WORKER * self.shared.workers
    }

    /// How long pictures have waited while no worker began or finished one, or how long a worker has been
    /// busy with one picture, whichever is longer. Zero while there is nothing to do.
    pub fn stalled_for(&self) -> Duration {
        let state = self.shared.lock();
        let waiting = if state.scheduler.has_work() { state.moved.elapsed() } else { Duration::ZERO };
        state.running.values().map(Instant::elapsed).fold(waiting, Duration::max)
    }

    pub fn snapshot(&self) -> DetectSnapshot {
        let state = self.shared.lock();
        let time = self.shared.started.elapsed().as_secs_f64() * self.shared.workers as f64;
        let load = if time > 0.0 { (state.busy.as_secs_f64() / time).min(1.0) } else { 0.0 };
        DetectSnapshot { load, busy_s: state.busy.as_secs_f64(), ..state.snapshot() }
    }

    /// Waits for the workers. After a shutdown they end with their current picture. Counts the waiting
    /// pictures as abandoned.
    pub fn join(self) -> DetectSnapshot {
        self.shared.work.notify_all();
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a detect worker panicked");
            }
        }
        let mut state = self.shared.lock();
        for (slot, _) in state.scheduler.clear() {
            if let Some(camera) = state.cameras.get_mut(&slot) {
                camera.stats.abandoned += 1;
            }
        }
        state.snapshot()
    }
}

impl Shared {
    fn new(
        workers: usize,
        cameras: Vec<(CameraId, TileScheduler, Duration)>,
        sink: DetectionSink,
        shutdown: Shutdown,
    ) -> Self {
        let totals = DetectSnapshot {
            cameras: Vec::new(),
            unknown: 0,
            letterbox_ms: 0.0,
            run_ms: 0.0,
            head_ms: 0.0,
            load: 0.0,
            busy_s: 0.0,
            workers,
        };
        let mut state = State {
            scheduler: Scheduler::new([]),
            slots: HashMap::new(),
            cameras: BTreeMap::new(),
            totals,
            busy: Duration::ZERO,
            moved: monotonic(),
            running: BTreeMap::new(),
        };
        for (id, tiles, interval) in cameras {
            state.put(id, tiles, interval);
        }
        Self { state: Mutex::new(state), work: Condvar::new(), shutdown, sink, started: monotonic(), workers }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn offer(&self, picture: Arc<Picture>) {
        let mut held = self.lock();
        let state = &mut *held;
        let known = state.slots.get(&picture.camera).and_then(|s| Some((*s, state.cameras.get_mut(s)?)));
        let Some((slot, camera)) = known else {
            state.totals.unknown += 1;
            return;
        };
        let eviction = if picture.series.is_some() { Eviction::Keep } else { Eviction::NewestWins };
        if state.scheduler.offer(slot, picture, eviction, monotonic()).is_some() {
            camera.stats.replaced += 1;
        }
        // Never notify under the lock: the woken thread would own it, and keep it if it hangs.
        drop(held);
        self.work.notify_one();
    }

    /// The loop of a worker.
    fn work(&self, mut detector: Detector) {
        while let Some((slot, (mut tiles, laid_out), picture)) = self.next() {
            let _camera = picture.camera.span().entered();
            let start = monotonic();
            let result = detector.detect_next(&picture, &mut tiles);
            self.record(slot, &detector, start, &result, &picture);
            if let Ok((items, looked)) = result {
                (self.sink)(Detections { picture, items, looked });
            }
            // Free the camera only now: its next picture must not overtake this one on the way to the sink.
            let mut state = self.lock();
            if let Some(camera) = state.cameras.get_mut(&slot).filter(|camera| camera.laid_out == laid_out) {
                camera.tiles = Some(tiles);
            }
            state.scheduler.finish(slot);
            state.running.remove(&slot);
            state.moved = monotonic();
            drop(state);
            self.work.notify_one();
        }
    }

    fn next(&self) -> Option<(CameraSlot, (TileScheduler, u64), Arc<Picture>)> {
        let mut state = self.lock();
        loop {
            if self.shutdown.is_stopped() {
                return None;
            }
            if let Some((slot, picture)) = state.scheduler.next(monotonic()) {
                state.moved = monotonic();
                let tiles = state
                    .cameras
                    .get_mut(&slot)
                    .and_then(|camera| Some((camera.tiles.take()?, camera.laid_out)));
                let Some(tiles) = tiles else { continue };
                let now = state.moved;
                state.running.insert(slot, now);
                return Some((slot, tiles, picture));
            }
            self.work.wait_for(&mut state, STOP_POLL);
        }
    }

    fn record(
        &self,
        slot: CameraSlot,
        detector: &Detector,
        start: Instant,
        result: &Result<(Vec<super::Detection>, Looked), DetectError>,
        picture: &Picture,
    ) {
        let now = monotonic();
        let state = &mut *self.lock();
        state.busy += now - start;
        // The camera was removed meanwhile.
        let Some(known) = state.cameras.get_mut(&slot) else { return };
        if let Err(error) = result {
            let stats = &mut known.stats;
            stats.failed += 1;
            // Log only the 1st, 2nd, 4th, 8th and so on: a broken camera must not flood the log.
            if stats.failed.is_power_of_two() {
                tracing::error!(failed = stats.failed, "picture lost: {error}");
            }
            return;
        }
        known.analysed(now, picture);
        let impossible = detector.impossible() as u64;
        if impossible > 0 && known.stats.impossible_boxes == 0 {
            tracing::warn!(boxes = impossible, "{IMPOSSIBLE_BOXES}");
        }
        known.stats.impossible_boxes += impossible;
        let Some(timing) = detector.timing() else {
            known.stats.unchanged += 1;
            return;
        };
        let first = state.totals.run_ms == 0.0;
        for (average, last) in [
            (&mut state.totals.letterbox_ms, timing.letterbox),
            (&mut state.totals.run_ms, timing.run),
            (&mut state.totals.head_ms, timing.head),
        ] {
            let last = last.as_secs_f64() * 1e3;
            *average = if first { last } else { smooth(*average, last) };
        }
    }
}

/// Exponential moving average over about ten values.
fn smooth(old: f64, new: f64) -> f64 {
    old + 0.1 * (new - old)
}
