//! Writes stills on a thread of its own, so that a picture with events does not delay the next picture.
//!
//! Takes: tasks with the picture of a recorded event, in the order of the events. Gives: files, and their
//! outcomes to a sink, several events at a time. When full: the rules wait for [`PATIENCE`]. Then the event
//! continues without its still; the manifest says so, and a counter counts it. On failure: the manifest names
//! the missing files, also after a restart that lost the picture. Not here: drawing a still (`stills`),
//! recording it (`events`).

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use uuid::Uuid;

use super::{CropJob, EvidenceKind, StillJob, StillWriter, Stills, before};
use crate::base::{Heartbeat, WallTime, monotonic};
use crate::config::{CameraConfig, ViolationClass};
use crate::decode::Picture;
use crate::rules::{Transition, Violation};

/// Bounds of the queue: 20 pictures of 1080p or 5 of 4K. A picture counts once, however many events it shows.
const MOST_TASKS: usize = 64;
const MOST_BYTES: usize = 64 << 20;
/// How long the rules wait for room. A still needs about 30 ms at 1080p, so only a hanging disk exceeds this.
const PATIENCE: Duration = Duration::from_millis(500);
/// Events whose stills are stored in one transaction.
const TOGETHER: usize = 8;
/// Two stills of one event lie at least so far apart.
const APART: Duration = Duration::from_secs(10);
/// Longest time between two heartbeats.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// Input for the stills of one step of an event.
pub(crate) struct StillTask {
    pub stills: Arc<StillWriter>,
    pub dir: PathBuf,
    pub class: ViolationClass,
    pub camera: Arc<CameraConfig>,
    pub violation: Violation,
    pub picture: Arc<Picture>,
    /// The folder with earlier pictures of the place.
    pub kept: Option<PathBuf>,
    /// The JPEG of its first sight, if it was kept.
    pub first: Option<Arc<[u8]>>,
}

/// The result of a task.
pub(crate) struct StillOutcome {
    pub event: Uuid,
    pub kinds: &'static [EvidenceKind],
    pub at: WallTime,
    pub stills: Stills,
}

impl StillTask {
    pub fn write(self) -> StillOutcome {
        let Self { stills: writer, dir, class, camera, violation, picture, kept, first } = self;
        let _camera = camera.id.span().entered();
        let job = StillJob {
            violation: &violation,
            class: &class,
            camera_name: &camera.name,
            zones: &camera.zones,
            picture: &picture,
        };
        let mut stills = Stills::default();
        if kinds(&violation).contains(&EvidenceKind::First) {
            writer.write_first(&dir, first.as_deref(), &mut stills);
        }
        let own = writer.write(&dir, &job);
        stills.files.extend(own.files);
        stills.missing.extend(own.missing);
        if let (Transition::Opened, Some(change)) = (violation.transition, &violation.change) {
            // A crop from before the change, and one from now.
            let region = &change.region;
            let light = before::is_infrared(&picture);
            let earlier = kept.and_then(|kept| before::before(&kept, region.first_seen, light));
            let earlier = earlier.map(|(_, path)| path);
            let (outline, rect) = (&region.outline, region.rect);
            let job = CropJob { before: earlier.as_deref(), now: &picture, outline, rect };
            let crops = writer.write_crops(&dir, &job);
            stills.files.extend(crops.files);
            stills.missing.extend(crops.missing);
        }
        StillOutcome { event: violation.id, kinds: kinds(&violation), at: violation.at, stills }
    }

    fn bytes(&self) -> usize {
        bytes(&self.picture)
    }
}

/// Size of the picture's planes (4:2:0) in bytes.
fn bytes(picture: &Picture) -> usize {
    picture.width as usize * picture.height as usize * 3 / 2
}

/// The kinds of stills for a step.
pub(crate) fn kinds(violation: &Violation) -> &'static [EvidenceKind] {
    match violation.transition {
        Transition::Opened if has_first(violation) => {
            &[EvidenceKind::First, EvidenceKind::Still, EvidenceKind::Annotated]
        }
        Transition::Opened => &[EvidenceKind::Still, EvidenceKind::Annotated],
        Transition::Closed => &[EvidenceKind::Closed],
        // It is not known whether the object is gone, so no picture can show it.
        Transition::Updated | Transition::Expired => &[],
    }
}

/// Is there a still of its first sight beside that of its opening? Only if they lie apart.
fn has_first(violation: &Violation) -> bool {
    violation.shown.is_some_and(|shown| violation.at.since(shown) >= APART)
}

/// Tasks for the still thread.
#[derive(Default)]
pub(crate) struct StillQueue {
    state: Mutex<QueueState>,
    more: Condvar,
    room: Condvar,
    pub alive: Heartbeat,
}

#[derive(Default)]
struct QueueState {
    tasks: VecDeque<StillTask>,
    bytes: usize,
    closed: bool,
}

impl QueueState {
    fn has_room(&self, tasks: usize, bytes: usize) -> bool {
        self.tasks.is_empty() || (self.tasks.len() + tasks <= MOST_TASKS && self.bytes + bytes <= MOST_BYTES)
    }

    fn pop(&mut self) -> Option<StillTask> {
        let task = self.tasks.pop_front()?;
        if !self.tasks.front().is_some_and(|next| Arc::ptr_eq(&next.picture, &task.picture)) {
            self.bytes -= task.bytes();
        }
        Some(task)
    }
}

impl StillQueue {
    /// Waits for room for the stills of this many events. Returns false after [`PATIENCE`], or if the queue
    /// is closed. The room stays free as long as only the calling thread pushes.
    pub fn wait_for_room(&self, tasks: usize, picture: &Picture) -> bool {
        let mut state = self.lock();
        let began = monotonic();
        while !state.closed && !state.has_room(tasks, bytes(picture)) {
            let left = PATIENCE.saturating_sub(began.elapsed());
            if left.is_zero() {
                return false;
            }
            self.room.wait_for(&mut state, left);
        }
        !state.closed
    }

    pub fn push(&self, task: StillTask) {
        let mut state = self.lock();
        if !state.tasks.back().is_some_and(|last| Arc::ptr_eq(&last.picture, &task.picture)) {
            state.bytes += task.bytes();
        }
        state.tasks.push_back(task);
        // Not under the lock, which a woken thread that hangs would keep.
        drop(state);
        self.more.notify_one();
    }

    /// Closes the queue. Tasks in it are still written.
    fn close(&self) {
        self.lock().closed = true;
        self.more.notify_all();
        self.room.notify_all();
    }

    /// Waits for a task; `None` once the queue is closed and empty.
    fn next(&self) -> Option<StillTask> {
        let mut state = self.lock();
        loop {
            self.alive.beat();
            if let Some(task) = state.pop() {
                self.room.notify_one();
                return Some(task);
            }
            if state.closed {
                return None;
            }
            self.more.wait_for(&mut state, BEAT_EVERY);
        }
    }

    fn next_if_there(&self) -> Option<StillTask> {
        let task = self.lock().pop();
        self.room.notify_one();
        task
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock()
    }
}

/// Writes stills on the thread `stills`, and passes the outcomes to its sink.
pub(crate) struct StillService {
    queue: Arc<StillQueue>,
    thread: JoinHandle<()>,
}

impl StillService {
    /// `sink` gets the outcomes in the order of the tasks, several at a time.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(sink: Arc<dyn Fn(Vec<StillOutcome>) + Send + Sync>) -> std::io::Result<Self> {
        let queue = Arc::new(StillQueue::default());
        let tasks = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("stills".into()).spawn(move || run(&tasks, &*sink))?;
        Ok(Self { queue, thread })
    }

    /// The queue for new tasks.
    pub fn queue(&self) -> Arc<StillQueue> {
        Arc::clone(&self.queue)
    }

    /// Writes the remaining tasks, then ends.
    pub fn join(self) {
        self.queue.close();
        if self.thread.join().is_err() {
            tracing::error!("the still thread panicked; events in its queue have no stills");
        }
    }
}

fn run(queue: &StillQueue, sink: &dyn Fn(Vec<StillOutcome>)) {
    while let Some(first) = queue.next() {
        let mut done = vec![first.write()];
        while done.len() < TOGETHER
            && let Some(next) = queue.next_if_there()
        {
            queue.alive.beat();
            done.push(next.write());
        }
        sink(done);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn tasks(picture: &Arc<Picture>, count: usize) -> Vec<StillTask> {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/demo/lintel.toml");
        let config = Arc::new(crate::config::load(&demo).unwrap_or_else(|errors| panic!("{errors}")).config);
        let stills = Arc::new(StillWriter::new(&config.evidence, config.node.time_zone.clone()).unwrap());
        let task = || StillTask {
            stills: Arc::clone(&stills),
            dir: "unused".into(),
            class: config.catalogue[0].clone(),
            camera: Arc::new(config.cameras[0].clone()),
            violation: Violation::step_of(Uuid::now_v7(), "gate", Transition::Opened, 0),
            picture: Arc::clone(picture),
            kept: None,
            first: None,
        };
        (0..count).map(|_| task()).collect()
    }

    #[test]
    fn a_full_queue_refuses_and_accepts_again_after_a_task_is_done() {
        let (queue, picture) = (StillQueue::default(), Arc::new(Picture::grey(|_, _| 90)));
        assert!(queue.wait_for_room(MOST_TASKS, &picture));
        tasks(&picture, MOST_TASKS).into_iter().for_each(|task| queue.push(task));
        assert_eq!(
            queue.lock().bytes,
            bytes(&picture),
            "a picture counts once, however many events it shows"
        );
        assert!(!queue.wait_for_room(1, &picture));
        assert!(queue.next().is_some());
        assert!(queue.wait_for_room(1, &picture));
        assert!(!queue.wait_for_room(2, &picture));
    }

    #[test]
    fn pictures_are_bounded_by_their_bytes_but_a_single_one_always_has_room() {
        let large = |side: u32| Picture { width: side, height: side, ..Picture::grey(|_, _| 90) };
        let (queue, fits) = (StillQueue::default(), Arc::new(large(4096)));
        assert!(queue.wait_for_room(1, &large(16_384)));
        for _ in 0..2 {
            let next = Arc::new(Picture::clone(&fits));
            assert!(queue.wait_for_room(1, &next));
            tasks(&next, 1).into_iter().for_each(|task| queue.push(task));
        }
        assert!(!queue.wait_for_room(1, &fits), "three of 24 MB are more than 64");
    }

    #[test]
    fn a_closed_queue_refuses_new_tasks_and_hands_out_the_rest() {
        let (queue, picture) = (StillQueue::default(), Arc::new(Picture::grey(|_, _| 90)));
        tasks(&picture, 2).into_iter().for_each(|task| queue.push(task));
        queue.close();
        assert!(!queue.wait_for_room(1, &picture));
        assert!(queue.next().is_some() && queue.next().is_some() && queue.next().is_none());
        assert_eq!(queue.lock().bytes, 0);
    }
}
