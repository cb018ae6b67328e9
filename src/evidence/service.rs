//! The thread that waits for the seconds after an event and then cuts its clip.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;

use super::disk::ensure_free;
use super::files::event_dir;
use super::{ClipCutter, ClipInfo, ClipRequest, EvidenceError};
use crate::base::{CameraId, Shutdown, monotonic};
use crate::config::EvidenceConfig;
use crate::ring::Ring;

/// Clips that wait for their last seconds. One is a few hundred bytes; the number bounds the work after a burst.
pub const MAX_WAITING: usize = 512;

/// How often the rings are asked whether a clip's last seconds are there.
const POLL: Duration = Duration::from_millis(200);

/// How much longer than the post-roll a camera may stay silent before its clip is cut from what there is.
const GRACE: Duration = Duration::from_secs(15);

/// What came of a request. A failed one still is an outcome: the event goes on with a manifest that says why.
#[derive(Debug)]
pub struct ClipOutcome {
    pub request: ClipRequest,
    pub result: Result<ClipInfo, EvidenceError>,
}

/// Finds a camera's ring; `None` for a camera that is no longer there.
pub type RingLookup = Arc<dyn Fn(&CameraId) -> Option<Arc<Ring>> + Send + Sync>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClipStats {
    pub waiting: usize,
    pub cut: u64,
    pub failed: u64,
    /// Requests turned away because `MAX_WAITING` were waiting or the service was stopping.
    pub refused: u64,
    /// What the newest cut took, in milliseconds.
    pub last_cut_ms: u64,
}

/// Takes clip requests; gives outcomes to its sink, in the order in which they can be cut. When its `Shutdown` stops
/// it cuts all that wait from what the rings have, since the rings end with the process, and then ends.
pub struct ClipService {
    queue: Arc<Mutex<Queue>>,
    rings: RingLookup,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    stopping: bool,
    stats: ClipStats,
    settings: Settings,
}

#[derive(Clone, Copy, Default)]
struct Settings {
    wait_limit: Duration,
    min_free_bytes: u64,
}

impl Settings {
    fn new(config: &EvidenceConfig) -> Self {
        Self { wait_limit: config.post_roll + GRACE, min_free_bytes: config.min_free_bytes }
    }
}

#[derive(Clone)]
struct Waiting {
    request: ClipRequest,
    deadline: Instant,
}

impl ClipService {
    /// # Errors
    /// GStreamer lacks an element, or no thread can be started.
    pub fn start(
        rings: RingLookup,
        config: &EvidenceConfig,
        data_dir: PathBuf,
        sink: Arc<dyn Fn(ClipOutcome) + Send + Sync>,
        shutdown: Shutdown,
    ) -> Result<Self, EvidenceError> {
        let queue = Queue { settings: Settings::new(config), ..Queue::default() };
        let queue = Arc::new(Mutex::new(queue));
        let worker = Worker {
            queue: Arc::clone(&queue),
            rings: Arc::clone(&rings),
            cutter: ClipCutter::new()?,
            data_dir,
        };
        let thread = thread::Builder::new()
            .name("lintel-clips".to_owned())
            .spawn(move || worker.run(&*sink, &shutdown))
            .map_err(EvidenceError::Thread)?;
        Ok(Self { queue, rings, thread })
    }

    /// Other settings for clips that are asked for or cut from now on.
    pub fn reconfigure(&self, config: &EvidenceConfig) {
        lock(&self.queue).settings = Settings::new(config);
    }

    /// Never blocks. The clip is cut once the camera's ring has all of it, or after the post-roll and 15 s more from
    /// what there is.
    ///
    /// # Errors
    /// `MAX_WAITING` wait already, or the service is stopping: the event goes on without a clip.
    pub fn schedule(&self, request: ClipRequest) -> Result<(), EvidenceError> {
        let mut queue = lock(&self.queue);
        if queue.stopping || queue.waiting.len() >= MAX_WAITING {
            queue.stats.refused += 1;
            return Err(EvidenceError::Refused { waiting: queue.waiting.len(), stopping: queue.stopping });
        }
        let deadline = monotonic() + queue.settings.wait_limit;
        if let Some(ring) = (self.rings)(&request.camera) {
            ring.hold(request.from);
        }
        queue.waiting.push(Waiting { request, deadline });
        Ok(())
    }

    pub fn stats(&self) -> ClipStats {
        let queue = lock(&self.queue);
        ClipStats { waiting: queue.waiting.len(), ..queue.stats }
    }

    /// Waits until the thread has ended, which it does once its `Shutdown` stops.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the clip thread panicked; clips that waited have no outcome");
        }
    }
}

struct Worker {
    queue: Arc<Mutex<Queue>>,
    rings: RingLookup,
    cutter: ClipCutter,
    data_dir: PathBuf,
}

impl Worker {
    fn run(&self, sink: &dyn Fn(ClipOutcome), shutdown: &Shutdown) {
        loop {
            let stopping = shutdown.wait(POLL);
            for request in self.take_due(stopping) {
                let result = self.serve(&request);
                if let Some(ring) = (self.rings)(&request.camera) {
                    ring.release(request.from);
                }
                sink(ClipOutcome { request, result });
            }
            if stopping {
                return;
            }
        }
    }

    /// Requests whose clip is complete, or has waited long enough; all of them at the stop. The rings are asked
    /// without the lock: finding one may take a lock under which somebody schedules.
    fn take_due(&self, stopping: bool) -> Vec<ClipRequest> {
        let waiting = {
            let mut queue = lock(&self.queue);
            queue.stopping |= stopping;
            queue.waiting.clone()
        };
        let now = monotonic();
        let is_due = |w: &Waiting| {
            let ring = (self.rings)(&w.request.camera);
            let complete = ring.is_none_or(|r| r.newest().is_some_and(|t| t >= w.request.to));
            stopping || complete || now >= w.deadline
        };
        // Others only add at the end, so the places still hold.
        let mut due = waiting.iter().map(is_due).collect::<Vec<_>>().into_iter();
        let mut queue = lock(&self.queue);
        queue.waiting.extract_if(.., |_| due.next().unwrap_or(false)).map(|w| w.request).collect()
    }

    fn serve(&self, request: &ClipRequest) -> Result<ClipInfo, EvidenceError> {
        let started = monotonic();
        let result = self.cut(request);
        let mut queue = lock(&self.queue);
        match result {
            Ok(_) => queue.stats.cut += 1,
            Err(_) => queue.stats.failed += 1,
        }
        queue.stats.last_cut_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        result
    }

    fn cut(&self, request: &ClipRequest) -> Result<ClipInfo, EvidenceError> {
        let none = |why: String| EvidenceError::NoFootage(why);
        let ring = (self.rings)(&request.camera)
            .ok_or_else(|| none(format!("camera {} is not running", request.camera)))?;
        let span = ring.clip(request.from, request.to).ok_or_else(|| {
            let stats = ring.stats();
            let held = match (stats.oldest, stats.newest) {
                (Some(oldest), Some(newest)) => format!("it holds {oldest} to {newest}"),
                _ => "it is empty: the camera gave no picture since the start".to_owned(),
            };
            none(format!("asked for {} to {}, {held}", request.from, request.to))
        })?;
        let dir = event_dir(&self.data_dir, request.event);
        let min_free_bytes = lock(&self.queue).settings.min_free_bytes;
        ensure_free(&dir, min_free_bytes)?;
        self.cutter.cut(&span, &dir)
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock()
}
