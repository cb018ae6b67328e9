//! The state of the node, for `/health`, `/metrics` and the retained topics at the broker.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::health::HealthWatch;
use super::roster::{Member, Roster};
use super::rules_thread::RulesStatus;
use parking_lot::Mutex;

use crate::base::{CameraId, kernel_clock, monotonic, wall_now};
use crate::config::Config;
use crate::decode::DecodePool;
use crate::detect::DetectPool;
use crate::events::Recorder;
use crate::flights::FlightService;
use crate::ingest::{IngestSnapshot, SourceState};
use crate::monitor::{CameraSnapshot, ConfigStatus, LoadSnapshot, NodeSnapshot, ReloadOutcome, ReloadReport};
use crate::observation::Visibility;
use crate::publish::{PublishStats, PublisherHandle};
use crate::second_look::SecondLookService;
use crate::wire::{CameraState, ConfigState, ReloadState, Topics};

/// The rules thread beats every second; after this silence it counts as hanging.
const HANGS_AFTER: Duration = Duration::from_secs(30);
/// An unchanged camera is published again after this time, with its newest figures.
const REPEAT: Duration = Duration::from_secs(60);

/// The stages whose figures are read.
pub(super) struct Stages {
    pub config: Arc<Config>,
    pub publish: Arc<PublishStats>,
    pub recorder: Arc<Recorder>,
    pub rules: Arc<RulesStatus>,
    /// Weak: whoever started the pools joins them.
    pub detect: Weak<DetectPool>,
    pub second_look: Option<Arc<SecondLookService>>,
    pub decode: Weak<DecodePool>,
    pub roster: Arc<Roster>,
    pub flight_service: Arc<FlightService>,
}

/// What was last published of a camera, and when.
struct Published {
    state: SourceState,
    visibility: Option<Visibility>,
    at: Instant,
}

pub(super) struct NodeStatus {
    stages: Stages,
    topics: Topics,
    started: Instant,
    ready: AtomicBool,
    published: Mutex<BTreeMap<CameraId, Published>>,
    config: Mutex<ConfigStatus>,
    health: Mutex<HealthWatch>,
    load: Mutex<LoadSnapshot>,
}

impl NodeStatus {
    pub fn new(stages: Stages) -> Self {
        let topics = Topics::new(&stages.config.mqtt.topic_prefix, &stages.config.node.id);
        let config = ConfigStatus { since: wall_now().to_string(), ..ConfigStatus::default() };
        Self {
            stages,
            topics,
            started: monotonic(),
            ready: AtomicBool::new(false),
            published: Mutex::default(),
            health: Mutex::default(),
            load: Mutex::new(LoadSnapshot { cores: 0.0, budget: 0.0, stretch: 1.0 }),
            config: Mutex::new(config),
        }
    }

    /// Records the outcome of a reload.
    pub fn reloaded(&self, report: ReloadReport) {
        let mut config = self.config.lock();
        match report.outcome {
            ReloadOutcome::Applied => {
                config.applied += 1;
                config.since.clone_from(&report.at);
            }
            ReloadOutcome::Unchanged => {}
            ReloadOutcome::Refused | ReloadOutcome::RolledBack => config.refused += 1,
        }
        config.last_reload = Some(report);
    }

    pub fn config(&self) -> ConfigStatus {
        self.config.lock().clone()
    }

    /// Marks the node as ready: all stages run.
    pub fn ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    pub fn not_ready(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }

    pub fn snapshot(&self) -> NodeSnapshot {
        let detect = self.stages.detect.upgrade().map(|pool| pool.snapshot());
        let decode = self.stages.decode.upgrade();
        let camera = |(id, member): (CameraId, Member)| {
            let scene = self.stages.rules.camera(&id);
            let snapshot = CameraSnapshot {
                ingest: member.ingest.snapshot(),
                ring: member.ring.stats(),
                decode: decode.as_ref().and_then(|pool| pool.stats(&id)).unwrap_or_default(),
                detect: detect.as_ref().and_then(|d| d.cameras.iter().find(|c| c.camera == id).cloned()),
                open_events: scene.open_events,
                suppressed_events: scene.suppressed,
                present_at_start: scene.present_at_start,
                visibility: scene.visibility,
                ignored: scene.ignored.iter().map(Into::into).collect(),
                promised_s: member.interval.as_secs_f64(),
            };
            (id, snapshot)
        };
        NodeSnapshot {
            node: self.stages.config.node.id.clone(),
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: self.started.elapsed().as_secs(),
            ready: self.ready.load(Ordering::Relaxed),
            pipeline_alive: self.stages.rules.alive.silent_for() < HANGS_AFTER,
            detect_load: detect.as_ref().map_or(0.0, |d| d.load),
            detect_run_ms: detect.as_ref().map_or(0.0, |d| d.run_ms),
            detect_busy_s: detect.as_ref().map_or(0.0, |d| d.busy_s),
            second_look: self.stages.second_look.as_ref().map(|service| service.stats()),
            load: *self.load.lock(),
            clock: kernel_clock(),
            rings: self.stages.roster.rings.stats(),
            publish: self.stages.publish.snapshot(),
            events: self.stages.recorder.journal.counts(),
            first_sights_lost: self.stages.recorder.first_sights.lost(),
            config: self.config(),
            cameras: self.stages.roster.members().into_iter().map(camera).collect(),
            flights: self.stages.flight_service.snapshot(),
        }
    }

    /// Records the figures of the load governor.
    pub fn set_load(&self, load: LoadSnapshot) {
        *self.load.lock() = load;
    }

    /// Publishes the node's health on its retained topic: when it changes, and again while it is degraded.
    pub fn publish_health(&self, publisher: &PublisherHandle) {
        let mut watch = self.health.lock();
        if let Some(health) = watch.update(&self.snapshot(), monotonic(), wall_now()) {
            publisher.publish_state(&self.topics.health(), &health);
        }
    }

    /// Publishes each camera's state on its retained topic: when it changes, else once a minute.
    pub fn publish_cameras(&self, publisher: &PublisherHandle) {
        let mut published = self.published.lock();
        let members = self.stages.roster.members();
        published.retain(|id, _| {
            let there = members.contains_key(id);
            if !there {
                publisher.clear_state(&self.topics.camera_state(id));
            }
            there
        });
        for (id, member) in members {
            let ingest = member.ingest.snapshot();
            let visibility = self.stages.rules.camera(&id).visibility;
            let known = published.get(&id).is_some_and(|last| {
                (last.state, last.visibility) == (ingest.state, visibility) && last.at.elapsed() < REPEAT
            });
            if known {
                continue;
            }
            published.insert(id.clone(), Published { state: ingest.state, visibility, at: monotonic() });
            let state = CameraState {
                view: visibility.map(|seen| seen.name().to_owned()),
                ..camera_state(&self.stages.config.node.id, &id, member.name, &ingest)
            };
            publisher.publish_state(&self.topics.camera_state(&id), &state);
        }
    }
}

fn camera_state(node: &str, camera: &CameraId, name: String, ingest: &IngestSnapshot) -> CameraState {
    let status = match ingest.state {
        SourceState::Connecting => "connecting",
        SourceState::Streaming => "streaming",
        SourceState::BackingOff => "backing_off",
        SourceState::Ended => "ended",
    };
    CameraState {
        node: node.to_owned(),
        camera: camera.to_string(),
        name,
        status: status.to_owned(),
        at: wall_now().to_string(),
        fps: (ingest.fps * 10.0).round() / 10.0,
        last_frame: ingest.last_frame_at.map(|at| at.to_string()),
        view: None,
        client: ingest.gstreamer.then(|| "gstreamer".to_owned()),
        reason: ingest.last_error.clone().filter(|_| ingest.state != SourceState::Streaming),
    }
}

/// The config state as sent over the wire.
pub(super) fn config_state(status: ConfigStatus) -> ConfigState {
    let outcome = |outcome| match outcome {
        ReloadOutcome::Applied => "applied",
        ReloadOutcome::Unchanged => "unchanged",
        ReloadOutcome::Refused => "refused",
        ReloadOutcome::RolledBack => "rolled_back",
    };
    let last_reload = status.last_reload.map(|report| ReloadState {
        at: report.at,
        outcome: outcome(report.outcome).to_owned(),
        changes: report.changes,
        problems: report.problems,
    });
    ConfigState { since: status.since, last_reload }
}
