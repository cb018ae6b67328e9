//! A running node: starts every stage from the outbox up to the cameras, and stops them again.

mod cameras;
mod carried;
mod disk;
mod error;
mod feed;
mod reload;
mod restore;
mod supervise;
mod watchdog;

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime as TokioRuntime;

use carried::CarriedThread;
use disk::DiskThread;

use super::before_keeper::before_keeper;
use super::commands::{self, CommandService};
use super::reload::{Stamps, stamps};
use super::requests::PictureRequests;
use super::roster::Roster;
use super::rules_thread::{RulesStatus, RulesThread, SceneChange, ToRules, Work};
use super::status::{NodeStatus, Stages, config_state};
use crate::base::{CameraId, Shutdown, monotonic};
use crate::config::Config;
use crate::decode::{DecodePool, DecoderChoice};
use crate::detect::{DetectPool, Detections, Detector, ModelManifest, Runtime};
use crate::events::{FolderStore, Recorder, requeue};
use crate::evidence::first_sight::FirstSightService;
use crate::evidence::still_service::StillService;
use crate::evidence::{ClipOutcome, ClipService, evidence_root, remove_unfinished};
use crate::flights::{FlightService, FlightThread};
use crate::monitor::{HttpServer, Service};
use crate::outbox::Outbox;
use crate::publish::{Publisher, PublisherHandle};
use crate::scene;
use crate::scene::FlightLogs;
use crate::scene::PlaceMemoryContext;
use crate::scene::Sites;
use crate::second_look::{Classifier, CropAnswer, Models, SecondLookService};
use crate::wire::Topics;
use cameras::Cameras;
use restore::restore;
use watchdog::{Pulse, Watchdog, io_heartbeat};

pub use error::AppError;
pub use supervise::{RunReport, run};

/// Pictures between the detectors and the rules: enough for one fsync of the outbox.
const RULES_QUEUE: usize = 4;

/// All stages in the order of their start. They stop from last to first.
struct Node {
    config: Arc<Config>,
    /// Stamps of the files that the config names.
    files: Stamps,
    models: Models,
    tokio: TokioRuntime,
    outbox: Arc<Outbox>,
    publisher: PublisherHandle,
    recorder: Arc<Recorder>,
    recorder_stop: Shutdown,
    stills: StillService,
    flight_service: Arc<FlightService>,
    flight_thread: FlightThread,
    clips: Arc<ClipService>,
    clips_stop: Shutdown,
    to_rules: ToRules,
    sites: Arc<Sites>,
    memory: PlaceMemoryContext,
    rules: JoinHandle<()>,
    /// `None`: the config names no model for it.
    second_look: Option<Arc<SecondLookService>>,
    /// `None` only during a restart of the service.
    commands: Option<CommandService>,
    detect: Arc<DetectPool>,
    detect_stop: Shutdown,
    decode: Arc<DecodePool>,
    decode_stop: Shutdown,
    roster: Arc<Roster>,
    cameras: Cameras,
    status: Arc<NodeStatus>,
    rules_status: Arc<RulesStatus>,
    http: Option<HttpServer>,
    http_stop: Shutdown,
    watchdog: Watchdog,
    disk: DiskThread,
    carried: CarriedThread,
}

impl Node {
    fn start(config: Arc<Config>, models: &Models, service: Service) -> Result<Self, AppError> {
        let data_dir = &config.node.data_dir;
        std::fs::create_dir_all(data_dir)
            .map_err(|cause| AppError::DataDir { path: data_dir.display().to_string(), cause })?;
        let choice = DecoderChoice::new(&config.decode)?;
        let sites = Arc::new(Sites::load(&config)?);
        let detectors = open_detectors(&config, &models.detector)?;
        let classifier = open_classifier(&config, models)?;
        let outbox = Arc::new(Outbox::open(data_dir, &config.outbox)?);
        fill_from_folders(&config, &outbox)?;
        let removed = remove_unfinished(&evidence_root(data_dir))?;
        if removed > 0 {
            tracing::warn!(files = removed, "removed unfinished evidence files of an earlier run");
        }
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("io")
            .enable_all()
            .build()
            .map_err(AppError::Runtime)?;
        let publisher = Publisher::spawn(tokio.handle(), &config.mqtt, &config.node.id, Arc::clone(&outbox))?;

        let recorder_stop = Shutdown::new();
        let store = FolderStore { outbox: Arc::clone(&outbox), data_dir: data_dir.clone() };
        let store = Arc::new(store) as Arc<dyn crate::events::Store>;
        let recorder = Arc::new(Recorder::new(
            Arc::clone(&config),
            store,
            Some(data_dir.clone()),
            generator(models),
            recorder_stop.clone(),
        )?);
        let flights = FlightLogs::default();
        let memory =
            PlaceMemoryContext::of_node(data_dir.clone(), before_keeper()).map_err(AppError::Thread)?;
        let mut scenes = scene::build_all(&config, models, &sites, &flights, &memory);
        scenes.values_mut().for_each(scene::Scene::recall);
        let left_over = restore(&outbox, &recorder, &mut scenes, &sites, |id| {
            scene::departed(&config, id, models, &flights, &memory)
        })?;

        let done = Arc::clone(&recorder);
        let stills = StillService::start(Arc::new(move |outcomes| done.journal.record_stills(outcomes)))
            .map_err(AppError::Thread)?;
        recorder.leave_stills_to(stills.queue());
        let (flight_service, flight_thread) = FlightService::start(
            Arc::clone(&recorder),
            Arc::clone(&outbox),
            Arc::clone(&sites),
            models.detector.clone(),
            data_dir.clone(),
        )
        .map_err(AppError::Thread)?;

        let roster = Arc::new(Roster::new(config.budget.ring_bytes));
        for camera in &config.cameras {
            roster.enter(camera);
        }
        let clips_stop = Shutdown::new();
        let clips = {
            let (rings, recorder) = (Arc::clone(&roster), Arc::clone(&recorder));
            let cut = move |outcome: ClipOutcome| recorder.record_clip(&outcome.request, &outcome.result);
            let lookup = Arc::new(move |camera: &CameraId| rings.ring(camera));
            let stop = clips_stop.clone();
            Arc::new(ClipService::start(lookup, &config.evidence, data_dir.clone(), Arc::new(cut), stop)?)
        };
        for request in left_over.clips {
            if let Err(error) = clips.schedule(request.clone()) {
                recorder.refuse_clip(&request, error);
            }
        }

        let rules_status = Arc::new(RulesStatus::default());
        let (to_rules, queue) = sync_channel::<Work>(RULES_QUEUE);
        let second_look = match classifier {
            Some(classifier) => {
                let answers = to_rules.clone();
                // The rules wait for nothing from this thread, so it may wait for them.
                let answer = Box::new(move |camera: &CameraId, answer: CropAnswer| {
                    drop(answers.send(Work::Answer(camera.clone(), answer)));
                });
                let share = config.second_look.cores;
                let service =
                    SecondLookService::start(classifier, share, answer).map_err(AppError::Thread)?;
                Some(Arc::new(service))
            }
            None => None,
        };
        let rules = RulesThread {
            scenes,
            recorder: Arc::clone(&recorder),
            clips: Arc::clone(&clips),
            status: Arc::clone(&rules_status),
            last_picture: config.cameras.iter().map(|camera| (camera.id.clone(), monotonic())).collect(),
            picture_requests: PictureRequests::default(),
            second_look: second_look.clone(),
            first_sights: FirstSightService::start(Arc::clone(&recorder.first_sights))
                .map_err(AppError::Thread)?,
        };
        let rules = rules.start(queue).map_err(AppError::Thread)?;
        let topics = Topics::new(&config.mqtt.topic_prefix, &config.node.id);
        left_over.departed.iter().for_each(|id| publisher.clear_state(&topics.camera_state(id)));
        // The thread has just begun, so its queue is empty.
        drop(to_rules.send(Work::Change(SceneChange { put: Vec::new(), remove: left_over.departed })));

        let parts = commands::Parts {
            config: Arc::clone(&config),
            outbox: Arc::clone(&outbox),
            recorder: Arc::clone(&recorder),
            clips: Arc::clone(&clips),
            to_rules: to_rules.clone(),
            rules: Arc::clone(&rules_status),
            sites: Arc::clone(&sites),
            flight_service: Arc::clone(&flight_service),
        };
        let commands = Some(CommandService::start(tokio.handle(), parts).map_err(AppError::Thread)?);

        let detect_stop = Shutdown::new();
        // The receiver outlives the detectors, so a failed send means only that the node is stopping.
        let sender = to_rules.clone();
        let decide = Arc::new(move |seen: Detections| drop(sender.send(Work::Detections(seen))));
        let detect = DetectPool::start(detectors, Vec::new(), decide, detect_stop.clone())
            .map_err(AppError::Thread)?;
        let detect = Arc::new(detect);

        let decode_stop = Shutdown::new();
        let detectors = Arc::clone(&detect);
        let sink = Arc::new(move |picture| detectors.offer(picture));
        let decode = DecodePool::start(choice, config.decode.workers, Vec::new(), sink, decode_stop.clone())?;
        let detectors = Arc::downgrade(&detect);
        decode.decode_while(Arc::new(move || detectors.upgrade().is_none_or(|pool| pool.wants_more())));
        let decode = Arc::new(decode);

        let status = Arc::new(NodeStatus::new(Stages {
            config: Arc::clone(&config),
            publish: Arc::clone(&publisher.stats),
            recorder: Arc::clone(&recorder),
            rules: Arc::clone(&rules_status),
            detect: Arc::downgrade(&detect),
            second_look: second_look.clone(),
            decode: Arc::downgrade(&decode),
            roster: Arc::clone(&roster),
            flight_service: Arc::clone(&flight_service),
        }));
        let http_stop = Shutdown::new();
        let http = match config.http.listen {
            Some(address) => {
                let status = Arc::clone(&status);
                let server =
                    HttpServer::start(address, Arc::new(move || status.snapshot()), http_stop.clone())?;
                tracing::info!("metrics and health on http://{}", server.address());
                Some(server)
            }
            None => None,
        };

        let mut cameras = Cameras::new(
            tokio.handle().clone(),
            Arc::clone(&roster),
            Arc::clone(&decode),
            Arc::clone(&detect),
            flights,
        );
        for camera in &config.cameras {
            cameras.add(camera);
        }
        status.ready();
        publisher.publish_config(config_state(status.config()));
        let watchdog_stop = Shutdown::new();
        let pulse = Pulse {
            io: io_heartbeat(tokio.handle(), watchdog_stop.clone()),
            rules: Arc::clone(&rules_status),
            memory: memory.clone(),
            recorder: Arc::clone(&recorder),
            decode: Arc::downgrade(&decode),
            detect: Arc::downgrade(&detect),
            second_look: second_look.clone(),
            clips: Arc::downgrade(&clips),
            publisher: publisher.pulse(),
        };
        let watchdog = Watchdog::start(service, pulse, watchdog_stop).map_err(AppError::Thread)?;
        let disk = DiskThread::start(Arc::clone(&config), Arc::clone(&outbox), Arc::clone(&recorder))
            .map_err(AppError::Thread)?;
        let carried =
            CarriedThread::start(data_dir.clone(), Arc::clone(&outbox)).map_err(AppError::Thread)?;
        let files = stamps(&config);
        Ok(Self {
            config,
            files,
            models: models.clone(),
            tokio,
            outbox,
            publisher,
            recorder,
            recorder_stop,
            stills,
            flight_service,
            flight_thread,
            clips,
            clips_stop,
            to_rules,
            sites,
            memory,
            rules,
            second_look,
            commands,
            detect,
            detect_stop,
            decode,
            decode_stop,
            roster,
            cameras,
            status,
            rules_status,
            http,
            http_stop,
            watchdog,
            disk,
            carried,
        })
    }

    /// Stops the stages from the cameras down, so that each one can still pass on what it holds.
    fn stop(mut self) -> RunReport {
        let started = monotonic();
        let deadline = self.config.runtime.stop_deadline;
        tracing::info!("stopping; a second signal ends at once");
        self.status.not_ready();
        // First of all: any of the threads below may wait for a full disk.
        self.recorder_stop.stop();
        // It reads from the pools, which are stopped next.
        self.watchdog.join();
        // It finishes its current pair of pictures while the other stages stop.
        self.flight_thread.stop();
        if let Some(commands) = self.commands.take() {
            commands.stop(&self.tokio);
        }
        self.tokio.block_on(self.cameras.stop(started + deadline));
        // Else their retained states would say for ever that they stream.
        self.status.publish_cameras(&self.publisher);
        self.decode_stop.stop();
        join_pool(self.decode, "decode", DecodePool::join);
        self.detect_stop.stop();
        join_pool(self.detect, "detect", DetectPool::join);
        drop(self.to_rules);
        // It holds a sender of the rules' queue.
        if let Some(service) = &self.second_look {
            service.stop();
        }
        if self.rules.join().is_err() {
            tracing::error!("the rules thread panicked; its last pictures were not judged");
        }
        self.memory.finish();
        self.flight_thread.join();
        self.stills.join();
        self.clips_stop.stop();
        match Arc::try_unwrap(self.clips) {
            Ok(clips) => clips.join(),
            Err(_) => tracing::error!("the clip thread is still in use and was not waited for"),
        }
        self.disk.join();
        self.carried.join();
        let unstored = store_rest(&self.config, &self.outbox, &self.recorder);
        self.tokio.block_on(self.publisher.join(left(started, deadline)));
        self.http_stop.stop();
        if let Some(http) = self.http {
            http.join();
        }
        self.tokio.shutdown_timeout(Duration::from_secs(1));
        let waiting = self.outbox.stats();
        let report = RunReport {
            events_opened: self.recorder.journal.counts().opened,
            undelivered: waiting.messages + waiting.media,
            unstored,
            late: started.elapsed() > deadline + Duration::from_secs(2),
        };
        tracing::info!(
            events = report.events_opened,
            undelivered = report.undelivered,
            unstored = report.unstored,
            "stopped in {:.1} s",
            started.elapsed().as_secs_f64()
        );
        report
    }
}

/// Puts back what the folders of events have and the outbox does not know.
fn fill_from_folders(config: &Config, outbox: &Outbox) -> Result<(), AppError> {
    let topics = Topics::new(&config.mqtt.topic_prefix, &config.node.id);
    let found = requeue(outbox, &config.node.data_dir, &topics, &config.node.id)?;
    if found.events > 0 {
        outbox.note_damage();
        tracing::error!(
            events = found.events,
            messages = found.messages,
            files = found.files,
            "the outbox knew nothing of these: it was damaged, emptied or deleted. They are queued again from their \
             folders; open events begin anew. Check the disk"
        );
    }
    Ok(())
}

/// Stores the records for which there was no room. Returns the number of those that are lost with the
/// process: the next start continues from the state before them, and repeats the steps of events with the
/// same ids.
fn store_rest(config: &Config, outbox: &Outbox, recorder: &Recorder) -> u64 {
    if recorder.journal.flush() > 0 {
        disk::tidy(config, outbox, recorder);
    }
    let unstored = recorder.journal.flush();
    if unstored > 0 {
        tracing::error!(
            records = unstored,
            "stopped before these could be stored: the disk is full; the next start repeats what they say of events"
        );
    }
    unstored as u64
}

fn left(started: Instant, deadline: Duration) -> Duration {
    deadline.saturating_sub(started.elapsed()).max(Duration::from_millis(200))
}

fn join_pool<P, R>(pool: Arc<P>, name: &str, join: impl FnOnce(P) -> R) {
    match Arc::try_unwrap(pool) {
        Ok(pool) => drop(join(pool)),
        Err(_) => tracing::error!("the {name} threads are still in use and were not waited for"),
    }
}

fn open_detectors(config: &Config, model: &ModelManifest) -> Result<Vec<Detector>, AppError> {
    let runtime = Runtime::load(config.runtime.onnxruntime.as_deref())?;
    tracing::info!(library = %runtime.library().display(), model = model.name, "ONNX Runtime loaded");
    let open = |_| Ok(Detector::open(&runtime, model, config.detect.threads, config.detect.provider)?);
    (0..config.detect.workers).map(open).collect()
}

pub(super) fn open_classifier(config: &Config, models: &Models) -> Result<Option<Classifier>, AppError> {
    let Some(manifest) = &models.second_look else { return Ok(None) };
    let runtime = Runtime::load(config.runtime.onnxruntime.as_deref())?;
    Ok(Some(Classifier::open(&runtime, Arc::clone(manifest), config.detect.provider)?))
}

/// The program and models that made the evidence, for its manifest.
pub(super) fn generator(models: &Models) -> serde_json::Value {
    let Models { detector, second_look } = models;
    let mut generator = serde_json::json!({
        "program": "lintel",
        "version": env!("CARGO_PKG_VERSION"),
        "model": { "name": detector.name, "version": detector.version, "sha256": detector.sha256 },
    });
    if let Some(model) = second_look {
        generator["second_look"] =
            serde_json::json!({ "name": model.name, "version": model.version, "sha256": model.sha256 });
    }
    generator
}
