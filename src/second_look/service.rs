//! A thread that answers the questions of all cameras, within its budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use super::budget::Budget;
use super::{Classifier, CropAnswer, CropQuestion};
use crate::base::{CameraId, Shutdown, monotonic};

/// Questions that wait: 0.6 MB each.
const WAITING: usize = 32;
/// What may be spent at once after a quiet time.
const SAVED: Duration = Duration::from_secs(1);

/// Receives the answers. Called from the thread, and may block it.
pub type AnswerSink = Box<dyn Fn(&CameraId, CropAnswer) + Send>;

/// The thread `second-look`.
pub struct SecondLookService {
    /// `None`: it has stopped.
    questions: Mutex<Option<SyncSender<(CameraId, CropQuestion)>>>,
    counts: Arc<Counts>,
    thread: Mutex<Option<JoinHandle<()>>>,
    stop: Shutdown,
}

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    busy_us: AtomicU64,
    /// Since when one question is in work.
    running: Mutex<Option<Instant>>,
}

/// Since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SecondLookStats {
    pub answered: u64,
    /// Not taken, because too many waited.
    pub refused: u64,
    pub failed: u64,
    pub busy_s: f64,
}

impl SecondLookService {
    /// `share`: of one core.
    ///
    /// # Errors
    /// The system cannot create a thread.
    pub fn start(classifier: Classifier, share: f64, sink: AnswerSink) -> std::io::Result<Self> {
        let (questions, queue) = sync_channel(WAITING);
        let counts = Arc::new(Counts::default());
        let (shared, stop) = (Arc::clone(&counts), Shutdown::new());
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("second-look".into())
            .spawn(move || run(classifier, share, &sink, &queue, &shared, &stopped))?;
        Ok(Self { questions: Mutex::new(Some(questions)), counts, thread: Mutex::new(Some(thread)), stop })
    }

    /// Queues the question. Never blocks; a question that finds no room is dropped.
    pub fn ask(&self, camera: &CameraId, question: CropQuestion) {
        let questions = self.questions.lock();
        let taken = questions.as_ref().is_some_and(|to| to.try_send((camera.clone(), question)).is_ok());
        if !taken {
            self.counts.refused.fetch_add(1, Relaxed);
        }
    }

    pub fn stats(&self) -> SecondLookStats {
        let Counts { answered, refused, failed, busy_us, .. } = &*self.counts;
        SecondLookStats {
            answered: answered.load(Relaxed),
            refused: refused.load(Relaxed),
            failed: failed.load(Relaxed),
            busy_s: busy_us.load(Relaxed) as f64 / 1e6,
        }
    }

    /// How long one question has been in work.
    pub fn stalled_for(&self) -> Duration {
        self.counts.running.lock().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Ends the thread and waits for it. Questions that wait are dropped, and later ones refused.
    pub fn stop(&self) {
        self.stop.stop();
        drop(self.questions.lock().take());
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread for second looks panicked");
        }
    }
}

fn run(
    mut classifier: Classifier,
    share: f64,
    sink: &AnswerSink,
    queue: &Receiver<(CameraId, CropQuestion)>,
    counts: &Counts,
    stop: &Shutdown,
) {
    let mut budget = Budget::new(share, SAVED, monotonic());
    while let Ok((camera, question)) = queue.recv() {
        let wait = budget.wait(monotonic());
        if !wait.is_zero() {
            stop.wait(wait);
        }
        if stop.is_stopped() {
            return;
        }
        let _camera = camera.span().entered();
        let began = monotonic();
        *counts.running.lock() = Some(began);
        let answer = classifier.answer(&question);
        let took = began.elapsed();
        *counts.running.lock() = None;
        budget.spend(took);
        counts.busy_us.fetch_add(took.as_micros() as u64, Relaxed);
        match answer {
            Ok(answer) => {
                counts.answered.fetch_add(1, Relaxed);
                sink(&camera, answer);
            }
            Err(error) => {
                let failed = counts.failed.fetch_add(1, Relaxed) + 1;
                // Log only the 1st, 2nd, 4th, 8th and so on.
                if failed.is_power_of_two() {
                    tracing::error!(failed, "a second look failed: {error}");
                }
            }
        }
    }
}
