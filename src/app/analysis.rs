//! The one thread that decides: detections in, durable events out. Pure code around it makes it replayable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::recorder::Recorder;
use super::scene::Scenes;
use crate::base::{CameraId, monotonic, wall_now};
use crate::detect::Detections;
use crate::evidence::{ClipRequest, ClipService};

/// How often scenes are told that time has passed.
const TICK: Duration = Duration::from_secs(1);
/// How often the rules' progress between events is made durable: a restart loses no more dwell than this.
const CHECKPOINT: Duration = Duration::from_secs(30);

/// What the thread tells of itself.
#[derive(Default)]
pub(super) struct AnalysisStatus {
    /// Wall time of the last sign of life, in microseconds.
    alive: AtomicI64,
    pub cameras: Mutex<BTreeMap<CameraId, SceneStatus>>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct SceneStatus {
    pub open_events: u64,
    pub suppressed: u64,
}

impl AnalysisStatus {
    pub fn silent_for(&self) -> Duration {
        wall_now().since(crate::base::WallTime(self.alive.load(Ordering::Relaxed)))
    }

    pub fn camera(&self, camera: &CameraId) -> SceneStatus {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner).get(camera).copied().unwrap_or_default()
    }
}

pub(super) struct Analysis {
    pub scenes: Scenes,
    pub recorder: Arc<Recorder>,
    pub clips: Arc<ClipService>,
    pub status: Arc<AnalysisStatus>,
    /// When each camera's newest picture came; at the beginning, when the node started.
    pub shown: BTreeMap<CameraId, Instant>,
}

impl Analysis {
    /// Runs until every sender of `queue` is gone; then stores the rules' last state.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(self, queue: Receiver<Detections>) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("rules".into()).spawn(move || self.run(&queue))
    }

    fn run(mut self, queue: &Receiver<Detections>) {
        let mut touched = BTreeSet::new();
        let (mut ticked, mut stored) = (monotonic(), monotonic());
        loop {
            self.status.alive.store(wall_now().0, Ordering::Relaxed);
            match queue.recv_timeout(TICK) {
                Ok(seen) => {
                    touched.insert(seen.picture.camera.clone());
                    self.analyse(&seen);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if ticked.elapsed() >= TICK {
                ticked = monotonic();
                self.tick();
            }
            if stored.elapsed() >= CHECKPOINT {
                stored = monotonic();
                self.checkpoint(&std::mem::take(&mut touched));
            }
        }
        self.checkpoint(&touched);
    }

    fn analyse(&mut self, seen: &Detections) {
        let Some(scene) = self.scenes.get_mut(&seen.picture.camera) else { return };
        let violations = scene.analyse(seen);
        self.shown.insert(seen.picture.camera.clone(), monotonic());
        if !violations.is_empty() {
            let clips = self.recorder.record(&scene.config, &violations, Some(&seen.picture), &scene.state());
            self.schedule(clips);
        }
        self.tell(&seen.picture.camera);
    }

    fn tick(&mut self) {
        let mut changed = Vec::new();
        for (camera, scene) in &mut self.scenes {
            let silent = self.shown.get(camera).map_or(Duration::ZERO, Instant::elapsed);
            let violations = scene.tick(silent);
            if !violations.is_empty() {
                self.recorder.record(&scene.config, &violations, None, &scene.state());
                changed.push(camera.clone());
            }
        }
        for camera in changed {
            self.tell(&camera);
        }
    }

    fn schedule(&self, clips: Vec<ClipRequest>) {
        for request in clips {
            if let Err(error) = self.clips.schedule(request.clone()) {
                self.recorder.record_clip(&request, &Err(error));
            }
        }
    }

    fn checkpoint(&self, cameras: &BTreeSet<CameraId>) {
        let states =
            self.scenes.iter().filter(|(id, _)| cameras.contains(*id)).map(|(id, s)| (id, s.state()));
        if !cameras.is_empty() {
            self.recorder.checkpoint(states);
        }
    }

    fn tell(&self, camera: &CameraId) {
        let Some(scene) = self.scenes.get(camera) else { return };
        let status = SceneStatus { open_events: scene.open_events() as u64, suppressed: scene.suppressed() };
        let mut all = self.status.cameras.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(camera).map_or(0, |before| before.suppressed) < status.suppressed {
            tracing::warn!(
                camera = %camera, suppressed = status.suppressed,
                "max_events_per_hour is reached: further events are counted, not sent; look at the scene or its zones"
            );
        }
        all.insert(camera.clone(), status);
    }
}
