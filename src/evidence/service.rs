//! The clip thread: waits for the seconds after an event, then cuts its clip.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;

use super::disk::ensure_free;
use super::files::event_dir;
use super::{ClipCutter, ClipInfo, ClipRequest, EvidenceError};
use crate::base::{CameraId, Shutdown, WallTime, monotonic};
use crate::config::EvidenceConfig;
use crate::ring::Ring;

/// Most clips that may wait. Each is a few hundred bytes; the number bounds the work after a burst.
pub const MAX_WAITING: usize = 512;

/// Interval at which the rings are checked for a clip's last seconds.
const POLL: Duration = Duration::from_millis(200);

/// How long a camera may be silent beyond the post-roll before its clip is cut without the rest.
const GRACE: Duration = Duration::from_secs(15);

/// The result of a request. A failure is an outcome too: the event continues with a manifest that says why.
#[derive(Debug)]
pub struct ClipOutcome {
    pub request: ClipRequest,
    pub result: Result<ClipInfo, EvidenceError>,
}

/// Finds a camera's ring; `None` if the camera was removed.
pub type RingLookup = Arc<dyn Fn(&CameraId) -> Option<Arc<Ring>> + Send + Sync>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClipStats {
    pub waiting: usize,
    pub cut: u64,
    pub failed: u64,
    /// Requests refused because `MAX_WAITING` were waiting or the service was stopping.
    pub refused: u64,
    /// Duration of the newest cut in milliseconds.
    pub last_cut_ms: u64,
}

/// Accepts clip requests, and passes outcomes to its sink in the order in which clips can be cut. When its
/// `Shutdown` stops, it cuts all waiting clips from what the rings have, since the rings end with the
/// process. Then it ends.
pub struct ClipService {
    queue: Arc<Mutex<Queue>>,
    rings: RingLookup,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<WaitingClip>,
    stopping: bool,
    stats: ClipStats,
    settings: ClipSettings,
}

#[derive(Clone, Copy, Default)]
struct ClipSettings {
    wait_limit: Duration,
    min_free_bytes: u64,
}

impl ClipSettings {
    fn new(config: &EvidenceConfig) -> Self {
        Self { wait_limit: config.post_roll + GRACE, min_free_bytes: config.min_free_bytes }
    }
}

#[derive(Clone)]
struct WaitingClip {
    request: ClipRequest,
    deadline: Instant,
}

impl ClipService {
    /// # Errors
    /// GStreamer lacks an element, or the thread does not start.
    pub fn start(
        rings: RingLookup,
        config: &EvidenceConfig,
        data_dir: PathBuf,
        sink: Arc<dyn Fn(ClipOutcome) + Send + Sync>,
        shutdown: Shutdown,
    ) -> Result<Self, EvidenceError> {
        let queue = Queue { settings: ClipSettings::new(config), ..Queue::default() };
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

    /// Applies other settings to clips requested or cut from now on.
    pub fn reconfigure(&self, config: &EvidenceConfig) {
        lock(&self.queue).settings = ClipSettings::new(config);
    }

    /// Requests a clip; never blocks. The clip is cut once the camera's ring has all of it, or 15 s after the
    /// post-roll from what the ring has.
    ///
    /// # Errors
    /// `MAX_WAITING` requests wait already, or the service is stopping. The event continues without a clip.
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
        queue.waiting.push(WaitingClip { request, deadline });
        Ok(())
    }

    /// Keeps the footage of clips in their rings that are scheduled only later. Each call needs one of
    /// [`release`](Self::release).
    pub fn hold(&self, requests: &[ClipRequest]) {
        self.rings_of(requests, Ring::hold);
    }

    /// Ends a [`hold`](Self::hold). The footage of scheduled clips stays until they are cut.
    pub fn release(&self, requests: &[ClipRequest]) {
        self.rings_of(requests, Ring::release);
    }

    fn rings_of(&self, requests: &[ClipRequest], change: impl Fn(&Ring, WallTime)) {
        for request in requests {
            if let Some(ring) = (self.rings)(&request.camera) {
                change(&ring, request.from);
            }
        }
    }

    /// Whether the thread has ended.
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    pub fn stats(&self) -> ClipStats {
        let queue = lock(&self.queue);
        ClipStats { waiting: queue.waiting.len(), ..queue.stats }
    }

    /// Waits until the thread has ended after its `Shutdown` stopped.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the clip thread panicked; waiting clips have no outcome");
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
            for request in self.pop_due(stopping) {
                let _camera = request.camera.span().entered();
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

    /// Removes and returns the requests that are complete or have waited long enough; at the stop, all of
    /// them. The rings are checked without the queue's lock, because finding a ring may need a lock whose
    /// holder schedules clips.
    fn pop_due(&self, stopping: bool) -> Vec<ClipRequest> {
        let waiting = {
            let mut queue = lock(&self.queue);
            queue.stopping |= stopping;
            queue.waiting.clone()
        };
        let now = monotonic();
        let is_due = |w: &WaitingClip| {
            let ring = (self.rings)(&w.request.camera);
            let complete = ring.is_none_or(|r| r.newest().is_some_and(|t| t >= w.request.to));
            stopping || complete || now >= w.deadline
        };
        // Other threads only push at the end, so the indices stay valid.
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
