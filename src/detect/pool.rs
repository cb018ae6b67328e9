//! Worker threads over one scheduler: any camera's picture -> detections.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::scheduler::{Scheduler, Slot};
use super::{DetectError, Detections, Detector};
use crate::base::{CameraId, Shutdown, WallTime, monotonic, wall_now};
use crate::config::Tiling;
use crate::decode::Picture;

/// How long a worker may not notice that it shall stop.
const STOP_POLL: Duration = Duration::from_millis(100);

/// Gets every picture's detections, also when there are none. Called from the workers: it may block them.
pub type DetectionSink = Arc<dyn Fn(Detections) + Send + Sync>;

/// Workers named `detect-0`, `detect-1`, ...: one a detector.
pub struct DetectPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// What became of one camera's pictures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CameraDetectStats {
    pub camera: CameraId,
    pub analysed: u64,
    /// Gave way to a newer one before a worker was free.
    pub replaced: u64,
    /// The run failed.
    pub failed: u64,
    /// Still waited when the pool was stopped.
    pub abandoned: u64,
    /// When the last analysis ended, by the node's clock.
    pub last_at: Option<WallTime>,
    /// Between two analyses, smoothed; grows while none comes. `None` before the second.
    pub interval_s: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DetectSnapshot {
    /// In the order of the config.
    pub cameras: Vec<CameraDetectStats>,
    /// Pictures of cameras that the pool does not know.
    pub unknown: u64,
    /// Of one picture with all its slices, smoothed, in milliseconds. 0 before the first.
    pub letterbox_ms: f64,
    pub run_ms: f64,
    pub head_ms: f64,
    /// Share of the workers' time that was spent on pictures since the start, 0 to 1.
    pub load: f64,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    shutdown: Shutdown,
    slots: HashMap<CameraId, Slot>,
    tilings: Vec<Tiling>,
    sink: DetectionSink,
    started: Instant,
    workers: usize,
}

struct State {
    scheduler: Scheduler<Arc<Picture>>,
    snapshot: DetectSnapshot,
    ended: Vec<Option<Instant>>,
    busy: Duration,
}

impl DetectPool {
    /// `cameras`: id, slices, and how often it wants to be looked at; an id counts once.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        detectors: Vec<Detector>,
        cameras: Vec<(CameraId, Tiling, Duration)>,
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

    /// Never blocks on a run. A waiting picture of the same camera gives way.
    pub fn offer(&self, picture: Arc<Picture>) {
        self.shared.offer(picture);
    }

    pub fn snapshot(&self) -> DetectSnapshot {
        let state = self.shared.lock();
        let mut snapshot = state.snapshot.clone();
        for (camera, ended) in snapshot.cameras.iter_mut().zip(&state.ended) {
            if let (Some(interval), Some(ended)) = (&mut camera.interval_s, ended) {
                *interval = interval.max(ended.elapsed().as_secs_f64());
            }
        }
        let time = self.shared.started.elapsed().as_secs_f64() * self.shared.workers as f64;
        snapshot.load = if time > 0.0 { (state.busy.as_secs_f64() / time).min(1.0) } else { 0.0 };
        snapshot
    }

    /// Waits for the workers, which end after their current picture once the shutdown has been asked for.
    /// Pictures that still wait are counted as abandoned.
    pub fn join(self) -> DetectSnapshot {
        self.shared.work.notify_all();
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a detect worker panicked");
            }
        }
        let mut state = self.shared.lock();
        for (Slot(i), _) in state.scheduler.clear() {
            state.snapshot.cameras[i].abandoned += 1;
        }
        state.snapshot.clone()
    }
}

impl Shared {
    fn new(
        workers: usize,
        cameras: Vec<(CameraId, Tiling, Duration)>,
        sink: DetectionSink,
        shutdown: Shutdown,
    ) -> Self {
        let stats = |camera: &CameraId| CameraDetectStats {
            camera: camera.clone(),
            analysed: 0,
            replaced: 0,
            failed: 0,
            abandoned: 0,
            last_at: None,
            interval_s: None,
        };
        let snapshot = DetectSnapshot {
            cameras: cameras.iter().map(|(id, _, _)| stats(id)).collect(),
            unknown: 0,
            letterbox_ms: 0.0,
            run_ms: 0.0,
            head_ms: 0.0,
            load: 0.0,
        };
        let state = State {
            scheduler: Scheduler::new(cameras.iter().map(|&(_, _, interval)| interval)),
            snapshot,
            ended: vec![None; cameras.len()],
            busy: Duration::ZERO,
        };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            shutdown,
            slots: cameras.iter().enumerate().map(|(i, (id, _, _))| (id.clone(), Slot(i))).collect(),
            tilings: cameras.iter().map(|&(_, tiling, _)| tiling).collect(),
            sink,
            started: monotonic(),
            workers,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, picture: Arc<Picture>) {
        let mut state = self.lock();
        let Some(&slot) = self.slots.get(&picture.camera) else {
            state.snapshot.unknown += 1;
            return;
        };
        if state.scheduler.offer(slot, picture, monotonic()).is_some() {
            state.snapshot.cameras[slot.0].replaced += 1;
        }
        drop(state);
        self.work.notify_one();
    }

    /// A worker's life.
    fn work(&self, mut detector: Detector) {
        while let Some((slot, picture)) = self.next() {
            let start = monotonic();
            let result = detector.detect(&picture, &self.tilings[slot.0]);
            self.record(slot, &detector, start, &result, &picture.camera);
            if let Ok(items) = result {
                (self.sink)(Detections { picture, items });
            }
            // Only now: the next picture of this camera must not overtake this one on its way to the sink.
            self.lock().scheduler.finish(slot);
            self.work.notify_one();
        }
    }

    fn next(&self) -> Option<(Slot, Arc<Picture>)> {
        let mut state = self.lock();
        loop {
            if self.shutdown.is_stopped() {
                return None;
            }
            if let Some(job) = state.scheduler.next(monotonic()) {
                return Some(job);
            }
            state = self.work.wait_timeout(state, STOP_POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn record(
        &self,
        Slot(i): Slot,
        detector: &Detector,
        start: Instant,
        result: &Result<Vec<super::Detection>, DetectError>,
        camera: &CameraId,
    ) {
        let now = monotonic();
        let state = &mut *self.lock();
        state.busy += now - start;
        let stats = &mut state.snapshot.cameras[i];
        if let Err(error) = result {
            stats.failed += 1;
            // At 1, 2, 4, 8, ...: a broken camera must not fill the disk with the same line.
            if stats.failed.is_power_of_two() {
                tracing::error!(%camera, failed = stats.failed, "picture lost: {error}");
            }
            return;
        }
        stats.analysed += 1;
        stats.last_at = Some(wall_now());
        if let Some(before) = state.ended[i].replace(now) {
            let last = (now - before).as_secs_f64();
            stats.interval_s = Some(stats.interval_s.map_or(last, |old| smooth(old, last)));
        }
        let first = state.snapshot.run_ms == 0.0;
        let timing = detector.timing();
        for (average, last) in [
            (&mut state.snapshot.letterbox_ms, timing.letterbox),
            (&mut state.snapshot.run_ms, timing.run),
            (&mut state.snapshot.head_ms, timing.head),
        ] {
            let last = last.as_secs_f64() * 1e3;
            *average = if first { last } else { smooth(*average, last) };
        }
    }
}

/// Follows a change within about ten values.
fn smooth(old: f64, new: f64) -> f64 {
    old + 0.1 * (new - old)
}
