//! The rules thread: detections in, durable events out. All judgement is pure code, so a run can be replayed.
//!
//! Scenes are added and removed through the queue of the pictures, so no scene changes while a picture is
//! judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::requests::{PictureRequests, Request};
use parking_lot::Mutex;

use crate::base::{CameraId, Heartbeat, monotonic};
use crate::detect::Detections;
use crate::events::Recorder;
use crate::evidence::first_sight::FirstSightService;
use crate::evidence::{ClipRequest, ClipService};
use crate::observation::Visibility;
use crate::rules::Ignored;
use crate::scene::{Scene, Scenes};
use crate::second_look::{CropAnswer, SecondLookService};

/// How often scenes advance their clock.
const TICK: Duration = Duration::from_secs(1);
/// How often the rules' state between events is stored: a restart loses at most this much dwell time.
const CHECKPOINT: Duration = Duration::from_secs(30);

/// The state of the thread, for the health report and the watchdog.
#[derive(Default)]
pub(super) struct RulesStatus {
    pub alive: Heartbeat,
    pub cameras: Mutex<BTreeMap<CameraId, SceneStatus>>,
}

#[derive(Clone, Default)]
pub(super) struct SceneStatus {
    pub open_events: u64,
    pub suppressed: u64,
    /// Things that were there when the camera began, and are not reported for that.
    pub present_at_start: u64,
    /// Of the newest picture; `None` before the first.
    pub visibility: Option<Visibility>,
    /// Places of rejected events.
    pub ignored: Vec<Ignored>,
}

impl RulesStatus {
    fn forget(&self, camera: &CameraId) {
        self.cameras.lock().remove(camera);
    }

    pub fn camera(&self, camera: &CameraId) -> SceneStatus {
        self.cameras.lock().get(camera).cloned().unwrap_or_default()
    }
}

/// An item of the thread's queue.
pub(super) enum Work {
    Detections(Detections),
    Change(SceneChange),
    Request(Request),
    /// What a second look at one of the camera's things shows.
    Answer(CameraId, CropAnswer),
}

/// New scenes, scenes that replace the one of the same camera, and cameras to remove.
#[derive(Default)]
pub(super) struct SceneChange {
    pub put: Vec<Scene>,
    pub remove: Vec<CameraId>,
}

/// Sends work to the thread.
pub(super) type ToRules = SyncSender<Work>;

/// Queues the change. The thread applies it before any picture that comes later.
///
/// # Errors
/// The queue was full for `limit`: the thread hangs, or waits for a full disk. Nothing was changed.
pub(super) fn change(to: &ToRules, change: SceneChange, limit: Duration) -> Result<(), RulesBusy> {
    let began = monotonic();
    let mut work = Work::Change(change);
    loop {
        match to.try_send(work) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(back)) if began.elapsed() < limit => work = back,
            Err(_) => return Err(RulesBusy { seconds: began.elapsed().as_secs() }),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the rules have accepted nothing for {seconds} s; is the disk full?")]
pub(super) struct RulesBusy {
    seconds: u64,
}

pub(super) struct RulesThread {
    pub scenes: Scenes,
    pub recorder: Arc<Recorder>,
    pub clips: Arc<ClipService>,
    pub status: Arc<RulesStatus>,
    /// When each camera's newest picture came; until the first one, when the camera was added.
    pub last_picture: BTreeMap<CameraId, Instant>,
    pub picture_requests: PictureRequests,
    pub second_look: Option<Arc<SecondLookService>>,
    pub first_sights: FirstSightService,
}

impl RulesThread {
    /// Runs until every sender of `queue` is gone, then stores the rules' last state.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(self, queue: Receiver<Work>) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("rules".into()).spawn(move || self.run(&queue))
    }

    fn run(mut self, queue: &Receiver<Work>) {
        let mut touched = BTreeSet::new();
        let (mut ticked, mut stored) = (monotonic(), monotonic());
        loop {
            self.status.alive.beat();
            match queue.recv_timeout(TICK) {
                Ok(Work::Detections(seen)) => {
                    touched.insert(seen.picture.camera.clone());
                    self.analyse(&seen);
                }
                Ok(Work::Change(change)) => self.change(change),
                Ok(Work::Request(request)) => self.handle(request),
                Ok(Work::Answer(camera, answer)) => {
                    if let Some(scene) = self.scenes.get_mut(&camera) {
                        scene.answer(&answer);
                    }
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
        self.scenes.values().for_each(Scene::remember);
        self.first_sights.join();
    }

    fn analyse(&mut self, seen: &Detections) {
        let picture = &seen.picture;
        let _camera = picture.camera.span().entered();
        let Some(scene) = self.scenes.get_mut(&picture.camera) else { return };
        let settings = self.recorder.settings();
        let analysed = scene.analyse(&settings.config, seen);
        self.picture_requests.answer(scene, picture);
        if let Some(service) = &self.second_look {
            analysed.questions.into_iter().for_each(|question| service.ask(&picture.camera, question));
        }
        if analysed.shows_first {
            self.first_sights.keep(picture, settings.config.evidence.jpeg_quality);
        }
        if let Some(report) = analysed.tamper {
            self.recorder.record_tamper(&scene.config, report);
        }
        self.last_picture.insert(picture.camera.clone(), monotonic());
        if let Some(decided) = &analysed.decided {
            let hold = |clips: &[ClipRequest]| self.clips.hold(clips);
            let clips = self.recorder.record_holding(&scene.config, decided, Some(picture), hold);
            self.schedule(clips);
        } else if scene.is_far_from_checkpoint(picture.capture.at) {
            // Footage played faster than real time: the node's clock has hardly moved.
            self.recorder.checkpoint(std::iter::once((&picture.camera, scene.state())));
        }
        self.publish_status(&picture.camera);
    }

    fn change(&mut self, change: SceneChange) {
        for mut scene in change.put {
            let camera = scene.config.id.clone();
            let _camera = camera.span().entered();
            match self.scenes.remove(&camera) {
                Some(old) => scene.take_over(old),
                None => drop(self.last_picture.insert(camera.clone(), monotonic())),
            }
            self.scenes.insert(camera.clone(), scene);
            self.publish_status(&camera);
        }
        for camera in change.remove {
            let _camera = camera.span().entered();
            let Some(mut scene) = self.scenes.remove(&camera) else { continue };
            let expired = scene.retire(&self.recorder.settings().config.map);
            self.recorder.record(&scene.config, &expired, None);
            self.recorder.forget_rules(&camera);
            self.last_picture.remove(&camera);
            self.status.forget(&camera);
        }
        self.picture_requests.retain_scenes(&self.scenes);
    }

    fn handle(&mut self, request: Request) {
        match request {
            Request::Pictures { camera, pictures, about, answer } => {
                self.picture_requests.add(camera, pictures, about, answer, &self.scenes);
            }
            Request::Rules { camera, event, change, decision, answer } => {
                let _camera = camera.span().entered();
                let Some(scene) = self.scenes.get_mut(&camera) else { return };
                let mut decided = scene.apply(event, change, &self.recorder.settings().config.map);
                decided.decision = Some(decision);
                // Store the state even without a step: it must survive a restart before it is acknowledged.
                self.recorder.record(&scene.config, &decided, None);
                // The requester may have given up.
                let _gone = answer.try_send(());
                self.publish_status(&camera);
            }
        }
    }

    fn tick(&mut self) {
        let settings = self.recorder.settings();
        let mut changed = Vec::new();
        for (camera, scene) in &mut self.scenes {
            let _camera = camera.span().entered();
            let silent = self.last_picture.get(camera).map_or(Duration::ZERO, Instant::elapsed);
            if let Some(decided) = scene.tick(silent, &settings.config.map) {
                self.recorder.record(&scene.config, &decided, None);
                changed.push(camera.clone());
            }
        }
        for camera in changed {
            self.publish_status(&camera);
        }
    }

    fn schedule(&self, clips: Vec<ClipRequest>) {
        for request in &clips {
            if let Err(error) = self.clips.schedule(request.clone()) {
                self.recorder.refuse_clip(request, error);
            }
        }
        self.clips.release(&clips);
    }

    fn checkpoint(&self, cameras: &BTreeSet<CameraId>) {
        let states =
            self.scenes.iter().filter(|(id, _)| cameras.contains(*id)).map(|(id, s)| (id, s.state()));
        if !cameras.is_empty() {
            self.recorder.checkpoint(states);
        }
    }

    fn publish_status(&self, camera: &CameraId) {
        let Some(scene) = self.scenes.get(camera) else { return };
        let status = SceneStatus {
            open_events: scene.open_events() as u64,
            suppressed: scene.suppressed(),
            present_at_start: scene.present_at_start(),
            visibility: scene.visibility(),
            ignored: scene.ignored().to_vec(),
        };
        let mut all = self.status.cameras.lock();
        if all.get(camera).map_or(0, |before| before.suppressed) < status.suppressed {
            tracing::warn!(
                suppressed = status.suppressed,
                "max_events_per_hour is reached: further events are counted, not sent; check the scene or its zones"
            );
        }
        all.insert(camera.clone(), status);
    }
}
