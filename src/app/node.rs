//! A running node: every stage from the outbox up to the cameras, and the way down again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime as TokioRuntime;

use super::analysis::{Analysis, AnalysisStatus};
use super::dossier;
use super::recorder::{RULES_PREFIX, Recorder, error_chain};
use super::scene::{self, Scenes};
use super::status::{NodeStatus, Stages};
use crate::base::{CameraId, Shutdown, monotonic};
use crate::config::Config;
use crate::decode::{DecodeError, DecodePool, DecoderChoice};
use crate::detect::{DetectPool, Detections, Detector, Manifest, ModelError, Runtime};
use crate::evidence::{
    ClipOutcome, ClipService, EvidenceError, enforce_quota, event_dir, evidence_root, remove_unfinished,
};
use crate::ingest::{CameraHandle, EncodedFrame, spawn_camera};
use crate::outbox::{Outbox, OutboxError};
use crate::publish::{PublishError, Publisher, PublisherHandle};
use crate::ring::Ring;
use crate::telemetry::{HttpServer, TelemetryError};

/// Pictures between the detectors and the rules: enough to ride out one fsync of the outbox.
const ANALYSIS_QUEUE: usize = 4;
/// How often states are told and the disk's quota is looked at.
const STATUS_EVERY: Duration = Duration::from_secs(5);
const QUOTA_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("cannot create node.data_dir {path}: {source}; check its parent's owner and rights")]
    DataDir { path: String, source: std::io::Error },
    #[error("the tokio runtime does not start: {0}")]
    Runtime(std::io::Error),
    #[error("a thread does not start: {0}")]
    Thread(std::io::Error),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Http(#[from] TelemetryError),
    #[error(transparent)]
    Ingest(#[from] crate::ingest::IngestError),
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub struct RunReport {
    pub events_opened: u64,
    /// Messages and media files that wait for the next start.
    pub undelivered: u64,
    /// The stop took longer than `runtime.stop_deadline`.
    pub late: bool,
}

/// Runs the node until `asked_to_stop`; returns once everything has ended and all that was found is durable.
///
/// # Errors
/// What keeps the node from starting. A camera or broker that is down does not.
pub fn run(config: Config, model: &Manifest, asked_to_stop: &Shutdown) -> Result<RunReport, AppError> {
    let node = Node::start(Arc::new(config), model)?;
    tracing::info!(cameras = node.cameras.len(), "ready");
    let (mut told, mut cleaned) = (monotonic(), monotonic());
    while !asked_to_stop.wait(Duration::from_secs(1)) {
        if told.elapsed() >= STATUS_EVERY {
            told = monotonic();
            node.status.tell(&node.publisher);
        }
        if cleaned.elapsed() >= QUOTA_EVERY {
            cleaned = monotonic();
            node.enforce_quota();
        }
    }
    Ok(node.stop())
}

/// All stages, in the order in which they were started; stopped from last to first.
struct Node {
    config: Arc<Config>,
    tokio: TokioRuntime,
    outbox: Arc<Outbox>,
    publisher: PublisherHandle,
    recorder: Arc<Recorder>,
    recorder_stop: Shutdown,
    clips: Arc<ClipService>,
    clips_stop: Shutdown,
    rules: JoinHandle<()>,
    detect: Arc<DetectPool>,
    detect_stop: Shutdown,
    decode: Arc<DecodePool>,
    decode_stop: Shutdown,
    cameras: Vec<CameraHandle>,
    cameras_stop: Shutdown,
    status: Arc<NodeStatus>,
    http: Option<HttpServer>,
    http_stop: Shutdown,
}

impl Node {
    fn start(config: Arc<Config>, model: &Manifest) -> Result<Self, AppError> {
        let data_dir = &config.node.data_dir;
        std::fs::create_dir_all(data_dir)
            .map_err(|source| AppError::DataDir { path: data_dir.display().to_string(), source })?;
        let choice = DecoderChoice::new(&config.decode)?;
        let detectors = open_detectors(&config, model)?;
        let outbox = Arc::new(Outbox::open(data_dir, &config.outbox)?);
        let removed = remove_unfinished(&evidence_root(data_dir))?;
        if removed > 0 {
            tracing::warn!(files = removed, "removed evidence files that an earlier run left half written");
        }
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("io")
            .enable_all()
            .build()
            .map_err(AppError::Runtime)?;
        let publisher = Publisher::spawn(tokio.handle(), &config.mqtt, &config.node.id, Arc::clone(&outbox))?;

        let recorder_stop = Shutdown::new();
        let store = Arc::clone(&outbox) as Arc<dyn super::recorder::Store>;
        let recorder = Arc::new(Recorder::new(
            Arc::clone(&config),
            store,
            Some(data_dir.clone()),
            generator(model),
            recorder_stop.clone(),
        )?);
        let mut scenes = scene::build(&config, model);
        let owed = restore(&outbox, &recorder, &mut scenes)?;

        let rings = rings(&config);
        let clips_stop = Shutdown::new();
        let clips = {
            let (rings, recorder) = (Arc::clone(&rings), Arc::clone(&recorder));
            let cut = move |outcome: ClipOutcome| recorder.record_clip(&outcome.request, &outcome.result);
            let lookup = Arc::new(move |camera: &CameraId| rings.get(camera).cloned());
            let stop = clips_stop.clone();
            Arc::new(ClipService::start(lookup, &config.evidence, data_dir.clone(), Arc::new(cut), stop)?)
        };
        for request in owed {
            if let Err(error) = clips.schedule(request.clone()) {
                recorder.record_clip(&request, &Err(error));
            }
        }

        let analysis = Arc::new(AnalysisStatus::default());
        let (sender, queue) = sync_channel::<Detections>(ANALYSIS_QUEUE);
        let rules = Analysis {
            scenes,
            recorder: Arc::clone(&recorder),
            clips: Arc::clone(&clips),
            status: Arc::clone(&analysis),
            shown: config.cameras.iter().map(|camera| (camera.id.clone(), monotonic())).collect(),
        };
        let rules = rules.start(queue).map_err(AppError::Thread)?;

        let detect_stop = Shutdown::new();
        let looked_at = config.cameras.iter().map(|c| (c.id.clone(), c.tiling, c.interval)).collect();
        // The receiver outlives the detectors, so a failed send means only that the node is stopping.
        let decide = Arc::new(move |seen: Detections| drop(sender.send(seen)));
        let detect =
            DetectPool::start(detectors, looked_at, decide, detect_stop.clone()).map_err(AppError::Thread)?;
        let detect = Arc::new(detect);

        let decode_stop = Shutdown::new();
        let sampled = config.cameras.iter().map(|c| (c.id.clone(), c.sampling, c.interval)).collect();
        let look = Arc::clone(&detect);
        let sink = Arc::new(move |picture| look.offer(picture));
        let decode = DecodePool::start(choice, config.decode.workers, sampled, sink, decode_stop.clone())?;
        let decode = Arc::new(decode);

        let cameras_stop = Shutdown::new();
        let camera = |camera: &crate::config::CameraConfig| {
            let (ring, decode) = (Arc::clone(&rings[&camera.id]), Arc::clone(&decode));
            let sink = move |frame: EncodedFrame| {
                ring.push(frame.clone());
                decode.offer(frame);
            };
            spawn_camera(tokio.handle(), camera, Arc::new(sink), cameras_stop.clone())
        };
        let cameras: Vec<_> = config.cameras.iter().map(camera).collect();

        let status = Arc::new(NodeStatus::new(Stages {
            config: Arc::clone(&config),
            publish: Arc::clone(&publisher.stats),
            recorder: Arc::clone(&recorder),
            analysis,
            detect: Arc::downgrade(&detect),
            decode: Arc::downgrade(&decode),
            cameras: cameras
                .iter()
                .map(|camera| (camera.camera.clone(), Arc::clone(&camera.stats)))
                .collect(),
            rings,
        }));
        let http_stop = Shutdown::new();
        let http = match config.http.listen {
            Some(address) => {
                let status = Arc::clone(&status);
                let server =
                    HttpServer::start(address, Arc::new(move || status.snapshot()), http_stop.clone())
                        .inspect_err(|_| cameras_stop.stop())?;
                tracing::info!("metrics and health on http://{}", server.address());
                Some(server)
            }
            None => None,
        };
        Ok(Self {
            config,
            tokio,
            outbox,
            publisher,
            recorder,
            recorder_stop,
            clips,
            clips_stop,
            rules,
            detect,
            detect_stop,
            decode,
            decode_stop,
            cameras,
            cameras_stop,
            status,
            http,
            http_stop,
        })
    }

    fn enforce_quota(&self) {
        let evidence = &self.config.evidence;
        let data_dir = &self.config.node.data_dir;
        let done = RefCell::new(Vec::new());
        let delivered = |event| {
            let delivered =
                self.outbox.is_delivered(event).unwrap_or(false) && !self.recorder.owes_clip(event);
            if delivered {
                done.borrow_mut().push(event);
            }
            delivered
        };
        let root = evidence_root(data_dir);
        match enforce_quota(&root, evidence.quota_bytes, evidence.min_free_bytes, delivered) {
            Ok(report) if report.freed_bytes > 0 => tracing::info!(?report, "old evidence deleted"),
            Ok(_) => {}
            Err(error) => tracing::warn!("the evidence quota is not looked at: {}", error_chain(&error)),
        }
        // Whose folder is gone needs no delivered mark any more.
        for event in done.into_inner().into_iter().filter(|event| !event_dir(data_dir, *event).exists()) {
            if let Err(error) = self.outbox.forget(event) {
                tracing::warn!(%event, "{}", error_chain(&error));
            }
        }
    }

    /// From the cameras down, so that each stage still has somewhere to put what it holds.
    fn stop(self) -> RunReport {
        let started = monotonic();
        let deadline = self.config.runtime.stop_deadline;
        tracing::info!("stopping; a second signal ends at once");
        self.status.not_ready();
        self.cameras_stop.stop();
        let cameras = self.cameras;
        self.tokio.block_on(async {
            for camera in cameras {
                let id = camera.camera.clone();
                if tokio::time::timeout(left(started, deadline), camera.join()).await.is_err() {
                    tracing::warn!(camera = %id, "still connected at the deadline: cut off");
                }
            }
        });
        self.decode_stop.stop();
        join_pool(self.decode, "decode", DecodePool::join);
        self.detect_stop.stop();
        // A detector may wait for the rules, and these for a full disk: from now on nobody waits for it.
        self.recorder_stop.stop();
        join_pool(self.detect, "detect", DetectPool::join);
        if self.rules.join().is_err() {
            tracing::error!("the rules thread panicked; its last pictures were not judged");
        }
        self.clips_stop.stop();
        match Arc::try_unwrap(self.clips) {
            Ok(clips) => clips.join(),
            Err(_) => tracing::error!("the clip thread is still in use and was not waited for"),
        }
        self.tokio.block_on(self.publisher.join(left(started, deadline)));
        self.http_stop.stop();
        if let Some(http) = self.http {
            http.join();
        }
        self.tokio.shutdown_timeout(Duration::from_secs(1));
        let waiting = self.outbox.stats();
        let report = RunReport {
            events_opened: self.recorder.counts().opened,
            undelivered: waiting.messages + waiting.media,
            late: started.elapsed() > deadline + Duration::from_secs(2),
        };
        tracing::info!(
            events = report.events_opened,
            undelivered = report.undelivered,
            "stopped in {:.1} s",
            started.elapsed().as_secs_f64()
        );
        report
    }
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

fn open_detectors(config: &Config, model: &Manifest) -> Result<Vec<Detector>, AppError> {
    let runtime = Runtime::load(config.runtime.onnxruntime.as_deref())?;
    tracing::info!(library = %runtime.library().display(), model = model.name, "ONNX Runtime loaded");
    let open = |_| Ok(Detector::open(&runtime, model, config.detect.threads)?);
    (0..config.detect.workers).map(open).collect()
}

fn rings(config: &Config) -> Arc<BTreeMap<CameraId, Arc<Ring>>> {
    Arc::new(config.cameras.iter().map(|c| (c.id.clone(), Arc::new(Ring::new(c.ring)))).collect())
}

/// What made the evidence, for its manifest.
pub(super) fn generator(model: &Manifest) -> serde_json::Value {
    serde_json::json!({
        "program": "lintel",
        "version": env!("CARGO_PKG_VERSION"),
        "model": { "name": model.name, "version": model.version, "sha256": model.sha256 },
    })
}

/// Puts back what an earlier run left: the rules of each camera, and the dossiers of its events.
fn restore(
    outbox: &Outbox,
    recorder: &Recorder,
    scenes: &mut Scenes,
) -> Result<Vec<crate::evidence::ClipRequest>, AppError> {
    for (key, value) in outbox.states(RULES_PREFIX)? {
        let camera = CameraId::from(&key[RULES_PREFIX.len()..]);
        match (scenes.get_mut(&camera), serde_json::from_slice(&value)) {
            (Some(scene), Ok(state)) => scene.restore(state),
            (Some(_), Err(error)) => {
                tracing::error!(%camera, %error, "the stored state of the rules is not readable: they begin anew");
            }
            (None, _) => {
                tracing::warn!(%camera, "the camera has stored rules but is not in the config any more")
            }
        }
    }
    let mut dossiers = Vec::new();
    for (key, value) in outbox.states(dossier::PREFIX)? {
        match serde_json::from_slice(&value) {
            Ok(dossier) => dossiers.push(dossier),
            Err(error) => {
                tracing::error!(key, %error, "a stored dossier is not readable: its event gets no manifest")
            }
        }
    }
    Ok(recorder.restore(dossiers))
}
