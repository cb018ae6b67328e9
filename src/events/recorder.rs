//! Turns each step of a violation's life into durable records: stills, messages and restart state in one transaction.
//!
//! The steps of an event can come from two threads (rules, and clips that are ready later); the pending of the event is
//! read, changed and stored under one lock, so neither overwrites the other's part.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard, RwLock};
use uuid::Uuid;

use super::cross_camera::{SharedEvent, SharedEvents};
use super::feedback::Known;
use super::pending_evidence::PendingEvidence;
use super::stills::Step;
use crate::base::{CameraId, Shutdown, WallTime};
use crate::config::{CameraConfig, Config, ViolationClass};
use crate::decode::Picture;
use crate::evidence::still_service::StillQueue;
use crate::evidence::{
    ClipInfo, ClipRequest, EvidenceError, EvidenceFile, EvidenceKind, EvidenceManifest, Missing, StillWriter,
    event_dir, write_manifest,
};
use crate::monitor::EventCounts;
use crate::outbox::{Appended, Batch, OutMedia, Outbox, OutboxError};
use crate::rules::{RulesState, Transition, Violation};
use crate::scene::Scene;
use crate::wire::Topics;
use crate::wire::{EventFacts, EvidenceState, MissingEvidence, event_message, evidence_message};

/// Where batches go: the outbox of a node, or a replay's standard output.
pub(crate) trait Store: Send + Sync {
    /// # Errors
    /// As [`Outbox::append`].
    fn append(&self, batch: &Batch) -> Result<Appended, OutboxError>;
}

impl Store for Outbox {
    fn append(&self, batch: &Batch) -> Result<Appended, OutboxError> {
        Outbox::append(self, batch)
    }
}

pub(crate) struct Recorder {
    settings: RwLock<Arc<RecorderSettings>>,
    pub(crate) topics: Topics,
    store: Arc<dyn Store>,
    /// The data folder; `None`: no evidence is made (a replay that only lists events).
    pub(crate) media_dir: Option<PathBuf>,
    /// What made the evidence, for its manifest.
    pub(crate) generator: serde_json::Value,
    pending: Mutex<BTreeMap<Uuid, PendingEvidence>>,
    counts: Counts,
    things: Mutex<SharedEvents>,
    /// Where stills are written; not there in a replay, which writes them itself.
    pub(crate) stills: OnceLock<Arc<StillQueue>>,
    shutdown: Shutdown,
}

/// What the recorder takes from the config; replaced as a whole by a reload.
pub(crate) struct RecorderSettings {
    pub(crate) config: Arc<Config>,
    pub(crate) stills: StillWriter,
    /// Classes that the catalogue had before the last reload.
    retired: Vec<ViolationClass>,
}

impl RecorderSettings {
    /// # Errors
    /// The font for annotated stills cannot be read.
    pub fn new(config: Arc<Config>) -> Result<Self, EvidenceError> {
        let stills = StillWriter::new(&config.evidence, config.node.time_zone.clone())?;
        let retired = Vec::new();
        Ok(Self { config, stills, retired })
    }

    /// Knows the classes of an earlier config too: open events of what was taken out are still to be ended.
    #[must_use]
    pub fn with_classes_of(mut self, earlier: &Config) -> Self {
        let gone = earlier.catalogue.iter().filter(|class| self.class(&class.id).is_none());
        self.retired = gone.cloned().collect();
        self
    }

    pub(crate) fn class(&self, id: &str) -> Option<&ViolationClass> {
        self.config.catalogue.iter().chain(&self.retired).find(|class| class.id == id)
    }
}

#[derive(Default)]
struct Counts {
    opened: AtomicU64,
    updated: AtomicU64,
    closed: AtomicU64,
    expired: AtomicU64,
    evidence_missing: AtomicU64,
    outbox_full_seconds: AtomicU64,
    waits_for_disk: AtomicBool,
}

impl Recorder {
    /// # Errors
    /// The font for annotated stills cannot be read.
    pub fn new(
        config: Arc<Config>,
        store: Arc<dyn Store>,
        media_dir: Option<PathBuf>,
        generator: serde_json::Value,
        shutdown: Shutdown,
    ) -> Result<Self, EvidenceError> {
        let topics = Topics::new(&config.mqtt.topic_prefix, &config.node.id);
        let things = Mutex::new(SharedEvents::new(config.map.same_place_m));
        let settings = RwLock::new(Arc::new(RecorderSettings::new(config)?));
        let (pending, counts) = (Mutex::default(), Counts::default());
        Ok(Self {
            settings,
            topics,
            store,
            media_dir,
            generator,
            pending,
            counts,
            things,
            stills: OnceLock::new(),
            shutdown,
        })
    }

    /// Takes over the things that were open in an earlier run.
    pub fn restore_things(&self, things: Vec<SharedEvent>) {
        self.things.lock().restore(things);
    }

    /// Other settings from the next step on; gives the ones before. The node's id and topics stay as they were.
    pub fn reconfigure(&self, settings: Arc<RecorderSettings>) -> Arc<RecorderSettings> {
        std::mem::replace(&mut *self.settings.write(), settings)
    }

    /// True while a record waits for room on the disk: the rules stand still then, and a restart would not help.
    pub fn waits_for_disk(&self) -> bool {
        self.counts.waits_for_disk.load(Ordering::Relaxed)
    }

    pub(crate) fn settings(&self) -> Arc<RecorderSettings> {
        Arc::clone(&self.settings.read())
    }

    /// Takes over the pending of an earlier run; gives the clips that are still owed.
    pub fn restore(&self, pending: impl IntoIterator<Item = PendingEvidence>) -> Vec<ClipRequest> {
        let mut held = self.lock();
        held.extend(pending.into_iter().map(|pending| (pending.manifest.event, pending)));
        let clips = held.values().filter_map(|pending| pending.clip.clone()).collect();
        self.give_up_stills(&mut held);
        clips
    }

    /// Records what one picture (or the passing of time) changed on a camera. The rules of the `scene` after it are
    /// stored in the same transaction, so a restart goes on from exactly here. Waits while the disk is full.
    /// Gives the clips to be cut.
    pub fn record(
        &self,
        camera: &Arc<CameraConfig>,
        violations: &[Violation],
        picture: Option<&Arc<Picture>>,
        scene: &Scene,
    ) -> Vec<ClipRequest> {
        let state = &scene.state();
        let settings = self.settings();
        let config = &settings.config;
        let mut shots = self.shots(violations, picture);
        let mut held = self.lock();
        let mut batch = Batch { state: vec![state_entry(&camera.id, state)], ..Batch::default() };
        let mut clips = Vec::new();
        for violation in violations {
            let place = scene.placed(|placing| placing?.place(violation, &config.map));
            let permit = scene.placed(|placing| Some(placing?.permit(violation, &config.map)?.id.clone()));
            let permitted = permit
                .filter(|_| violation.permit.is_none())
                .map(|permit| Violation { permit: Some(permit), ..violation.clone() });
            let violation = permitted.as_ref().unwrap_or(violation);
            let Some(class) = settings.class(&violation.class) else {
                tracing::error!(camera = %camera.id, class = violation.class, "the catalogue lacks the class of an event");
                continue;
            };
            let mut evidence = EvidenceState::default();
            if violation.transition == Transition::Opened {
                let known = serde_json::to_vec(&Known::of(violation)).ok();
                batch.state.push((Known::key(violation.id), known));
            }
            if let Some(dir) = self.media_dir.as_ref().map(|dir| event_dir(dir, violation.id)) {
                let pending =
                    held.entry(violation.id).or_insert_with(|| self.new_dossier(config, camera, violation));
                let step = Step { settings: &settings, camera, class, violation, dir };
                shots.take(self, step, pending, &mut batch);
                clips.extend(pending.clip.clone().filter(|_| violation.transition == Transition::Opened));
                evidence = evidence_state(pending);
                store_pending(&mut held, violation.id, &mut batch);
            }
            let (told, stored) = self.things.lock().take(violation, place, &evidence.expected);
            batch.state.extend(stored);
            let Some(told) = told else {
                tracing::info!(camera = %camera.id, event = %violation.id, "another camera's event tells of it");
                continue;
            };
            self.count(told.violation.transition);
            // The thing's own camera, which may be another one than this.
            let own = config.cameras.iter().find(|c| c.id == told.violation.camera).unwrap_or(camera);
            let here = picture.filter(|_| own.id == camera.id);
            let facts = EventFacts {
                node: &config.node,
                camera: own.into(),
                class,
                violation: &told.violation,
                capture: here.map(|picture| picture.capture),
                picture: here.map(|picture| (picture.width, picture.height)),
                place: told.place.as_ref(),
                seen_by: &told.seen_by,
                evidence: &evidence,
            };
            batch.messages.push(event_message(&self.topics, &facts));
            tracing::info!(
                camera = %own.id, event = %told.violation.id, class = violation.class,
                "{}: {}", transition_name(told.violation.transition), told.violation.reason
            );
        }
        self.commit(&batch);
        drop(held);
        shots.hand_over();
        clips
    }

    /// Records a clip, or why there is none.
    pub fn record_clip(&self, request: &ClipRequest, result: &Result<ClipInfo, EvidenceError>) {
        let mut held = self.lock();
        let Some(pending) = held.get_mut(&request.event) else {
            tracing::warn!(event = %request.event, "a clip of an event that is not known any more");
            return;
        };
        let mut batch = Batch::default();
        pending.clip = None;
        pending.manifest = pending.manifest.clone().with_clip(request, result);
        match result {
            Ok(clip) => {
                batch.media.push(media(request.event, &clip.file));
                let took = clip.ends.since(clip.starts);
                tracing::info!(camera = %request.camera, event = %request.event, "clip of {:.1} s", took.as_secs_f64());
            }
            Err(error) => {
                self.missing(1);
                let chain = error_chain(error);
                tracing::error!(camera = %request.camera, event = %request.event, "no clip: {chain}");
            }
        }
        let at = result.as_ref().map_or(request.to, |clip| clip.ends);
        self.add_manifest(pending, at, &mut batch);
        store_pending(&mut held, request.event, &mut batch);
        self.commit(&batch);
    }

    /// Stores the rules of cameras between events, so that a restart keeps dwell that has run so far.
    pub fn checkpoint<'a>(&self, states: impl Iterator<Item = (&'a CameraId, RulesState)>) {
        let state = states.map(|(camera, state)| state_entry(camera, &state)).collect();
        self.commit(&Batch { state, ..Batch::default() });
    }

    /// Is a clip of this event still to be cut? Then its folder must stay.
    pub fn owes_clip(&self, event: Uuid) -> bool {
        self.lock().get(&event).is_some_and(|pending| pending.clip.is_some())
    }

    /// Can anything still be added to the event's evidence? Then it does not go by age.
    pub fn is_under_way(&self, event: Uuid) -> bool {
        self.lock().contains_key(&event)
    }

    pub fn counts(&self) -> EventCounts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        EventCounts {
            opened: get(&self.counts.opened),
            updated: get(&self.counts.updated),
            closed: get(&self.counts.closed),
            expired: get(&self.counts.expired),
            evidence_missing: get(&self.counts.evidence_missing),
            outbox_full_seconds: get(&self.counts.outbox_full_seconds),
        }
    }

    fn new_dossier(&self, config: &Config, camera: &CameraConfig, violation: &Violation) -> PendingEvidence {
        let manifest =
            EvidenceManifest::new(violation.id, &config.node.id, &camera.id, self.generator.clone())
                .of_severity(violation.severity);
        let evidence = &config.evidence;
        let clip = (violation.transition == Transition::Opened).then(|| ClipRequest {
            event: violation.id,
            camera: camera.id.clone(),
            from: violation.at - evidence.pre_roll,
            to: violation.at + evidence.post_roll,
        });
        PendingEvidence { manifest, clip, owed: Vec::new(), ended: false }
    }

    /// The manifest as a file, and as a message that lists all media of the event, also what was sent before.
    pub(crate) fn add_manifest(&self, pending: &PendingEvidence, at: WallTime, batch: &mut Batch) {
        let Some(dir) = &self.media_dir else { return };
        let manifest = &pending.manifest;
        let dir = event_dir(dir, manifest.event);
        let mut all: Vec<OutMedia> = manifest
            .files
            .iter()
            .map(|file| OutMedia {
                event: manifest.event,
                kind: kind_name(file.kind),
                path: dir.join(&file.name),
                media_type: file.media_type.clone(),
                bytes: file.bytes,
                sha256: file.sha256.clone(),
            })
            .collect();
        match write_manifest(&dir, manifest) {
            Ok(file) => {
                all.push(media(manifest.event, &file));
                batch.media.push(media(manifest.event, &file));
            }
            Err(error) => {
                self.missing(1);
                tracing::error!(event = %manifest.event, "no manifest file: {}", error_chain(&error));
            }
        }
        let content = serde_json::to_value(manifest).unwrap_or_default();
        batch.messages.push(evidence_message(
            &self.topics,
            &manifest.node,
            &manifest.camera,
            manifest.event,
            at,
            content,
            &all,
        ));
    }

    /// Tries until the outbox takes the batch; gives up only when the node stops, and then the rules' stored state is
    /// older than this step too, so the next start makes the step again under the same id.
    ///
    /// True if it was taken.
    pub(crate) fn commit(&self, batch: &Batch) -> bool {
        let mut told = false;
        loop {
            match self.store.append(batch) {
                Ok(appended) => {
                    self.counts.waits_for_disk.store(false, Ordering::Relaxed);
                    self.missing(appended.refused.len());
                    for media in &appended.refused {
                        tracing::error!(event = %media.event, kind = media.kind, "outbox.max_mb is reached: not sent");
                    }
                    return true;
                }
                Err(error) => {
                    self.counts.waits_for_disk.store(true, Ordering::Relaxed);
                    if !told {
                        tracing::error!(
                            "waiting with a record until the outbox takes it: {}",
                            error_chain(&error)
                        );
                        told = true;
                    }
                }
            }
            if self.shutdown.wait(Duration::from_secs(1)) {
                tracing::error!(
                    "stopped while the outbox took nothing: the step is made again at the next start"
                );
                return false;
            }
            self.counts.outbox_full_seconds.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count(&self, transition: Transition) {
        let count = match transition {
            Transition::Opened => &self.counts.opened,
            Transition::Updated => &self.counts.updated,
            Transition::Closed => &self.counts.closed,
            Transition::Expired => &self.counts.expired,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn missing(&self, parts: usize) {
        self.counts.evidence_missing.fetch_add(parts as u64, Ordering::Relaxed);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, BTreeMap<Uuid, PendingEvidence>> {
        self.pending.lock()
    }
}

/// What an event's message says of its evidence: what will come, and what cannot.
pub(crate) fn evidence_state(pending: &PendingEvidence) -> EvidenceState {
    let mut expected: Vec<String> = pending.manifest.files.iter().map(|file| kind_name(file.kind)).collect();
    expected.extend(pending.owed.iter().map(|&kind| kind_name(kind)));
    if pending.clip.is_some() {
        expected.push(kind_name(EvidenceKind::Clip));
    }
    expected.push(kind_name(EvidenceKind::Manifest));
    let missing =
        |missing: &Missing| MissingEvidence { kind: kind_name(missing.kind), reason: missing.reason.clone() };
    EvidenceState { expected, missing: pending.manifest.missing.iter().map(missing).collect() }
}

/// In front of every camera's rules in the outbox's state.
pub(crate) const RULES_PREFIX: &str = "rules/";

/// Puts the event's pending into the batch; one that nothing can be added to any more is dropped.
pub(crate) fn store_pending(held: &mut BTreeMap<Uuid, PendingEvidence>, event: Uuid, batch: &mut Batch) {
    let Some(pending) = held.get(&event) else { return };
    let complete = pending.complete();
    let value = if complete { None } else { serde_json::to_vec(pending).ok() };
    batch.state.push((PendingEvidence::key(event), value));
    if complete {
        held.remove(&event);
    }
}

fn state_entry(camera: &CameraId, state: &RulesState) -> (String, Option<Vec<u8>>) {
    (format!("{RULES_PREFIX}{camera}"), serde_json::to_vec(state).ok())
}

pub(crate) fn media(event: Uuid, file: &EvidenceFile) -> OutMedia {
    OutMedia {
        event,
        kind: kind_name(file.kind),
        path: file.path.clone(),
        media_type: file.media_type.clone(),
        bytes: file.bytes,
        sha256: file.sha256.clone(),
    }
}

/// As the kind stands in messages: `still`, `annotated`, `clip`, `closed`, `manifest`.
fn kind_name(kind: EvidenceKind) -> String {
    kind.file_name().split('.').next().unwrap_or_default().to_owned()
}

fn transition_name(transition: Transition) -> &'static str {
    match transition {
        Transition::Opened => "opened",
        Transition::Updated => "updated",
        Transition::Closed => "closed",
        Transition::Expired => "expired",
    }
}

/// The error with its causes on one line.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
