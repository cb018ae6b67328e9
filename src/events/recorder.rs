//! Records each step of an event: stills, messages and restart state, in one transaction.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use super::backlog::Store;
use super::cross_camera::{SharedEvent, SharedEvents};
use super::feedback::KnownEvent;
use super::journal::{Journal, evidence_state, media, store_pending};
use super::pending_evidence::PendingEvidence;
use super::stills::{StillBatch, StillStep};
use crate::base::{CameraId, Shutdown, error_chain};
use crate::config::{CameraConfig, Config, MediaSending, ViolationClass};
use crate::decode::Picture;
use crate::evidence::first_sight::FirstSights;
use crate::evidence::still_service::StillQueue;
use crate::evidence::{ClipInfo, ClipRequest, EvidenceError, EvidenceManifest, StillWriter, event_dir};
use crate::outbox::Batch;
use crate::rules::{RulesState, Transition, Violation};
use crate::scene::{Decided, PlacedViolation};
use crate::wire::{EventFacts, EvidenceState, Topics, event_message};

pub(crate) struct Recorder {
    settings: RwLock<Arc<RecorderSettings>>,
    /// Commits batches and keeps pending evidence.
    pub(crate) journal: Journal,
    shared: Mutex<SharedEvents>,
    /// Queue of the still thread; unset in a replay, which writes stills itself.
    pub(crate) stills: OnceLock<Arc<StillQueue>>,
    /// Pictures that first show what may become an event.
    pub(crate) first_sights: Arc<FirstSights>,
}

/// The recorder's part of the config. A reload replaces it as a whole.
pub(crate) struct RecorderSettings {
    pub(crate) config: Arc<Config>,
    pub(crate) stills: Arc<StillWriter>,
    /// Classes that the catalogue had before the last reload.
    retired: Vec<ViolationClass>,
}

impl RecorderSettings {
    /// # Errors
    /// The font for annotated stills cannot be read.
    pub fn new(config: Arc<Config>) -> Result<Self, EvidenceError> {
        let stills = Arc::new(StillWriter::new(&config.evidence, config.node.time_zone.clone())?);
        let retired = Vec::new();
        Ok(Self { config, stills, retired })
    }

    /// Also keeps the classes of an earlier config, so that open events of removed classes can still end.
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
        let shared = Mutex::new(SharedEvents::new(config.map.same_place_m));
        let settings = RwLock::new(Arc::new(RecorderSettings::new(config)?));
        let journal = Journal::new(topics, store, media_dir, generator, shutdown);
        Ok(Self { settings, journal, shared, stills: OnceLock::new(), first_sights: Arc::default() })
    }

    /// Restores the shared events that were open in an earlier run.
    pub fn restore_shared(&self, events: Vec<SharedEvent>) {
        self.shared.lock().restore(events);
    }

    /// Applies other settings from the next step on, and returns the old ones. Node id and topics do not
    /// change.
    pub fn reconfigure(&self, settings: Arc<RecorderSettings>) -> Arc<RecorderSettings> {
        std::mem::replace(&mut *self.settings.write(), settings)
    }

    pub(crate) fn settings(&self) -> Arc<RecorderSettings> {
        Arc::clone(&self.settings.read())
    }

    /// Restores the pending evidence of an earlier run, and returns the clips still to be cut.
    pub fn restore(&self, pending: impl IntoIterator<Item = PendingEvidence>) -> Vec<ClipRequest> {
        let mut held = self.journal.lock();
        held.extend(pending.into_iter().map(|pending| (pending.manifest.event, pending)));
        let clips = held.values().filter_map(|pending| pending.clip.clone()).collect();
        self.journal.give_up_stills(held);
        clips
    }

    /// Records the steps that one picture, or the passing of time, caused on a camera. The state of its rules
    /// is in the same transaction, so that a restart continues from exactly here. Waits while the disk is
    /// full. Returns the clips to cut.
    pub fn record(
        &self,
        camera: &Arc<CameraConfig>,
        decided: &Decided,
        picture: Option<&Arc<Picture>>,
    ) -> Vec<ClipRequest> {
        self.record_holding(camera, decided, picture, |_| {})
    }

    /// As [`record`](Self::record). Calls `hold` with the clips to cut before it waits for the disk, so that
    /// their footage stays.
    pub fn record_holding(
        &self,
        camera: &Arc<CameraConfig>,
        decided: &Decided,
        picture: Option<&Arc<Picture>>,
        hold: impl FnOnce(&[ClipRequest]),
    ) -> Vec<ClipRequest> {
        let settings = self.settings();
        let config = &settings.config;
        let mut stills = self.still_batch(&decided.steps, picture);
        let mut held = self.journal.lock();
        let mut batch = Batch { state: vec![state_entry(&camera.id, &decided.state)], ..Batch::default() };
        let mut clips = Vec::new();
        for PlacedViolation { violation, place } in &decided.steps {
            let Some(class) = settings.class(&violation.class) else {
                tracing::error!(class = violation.class, "the catalogue lacks the class of an event");
                continue;
            };
            let mut evidence = EvidenceState::default();
            if violation.transition == Transition::Opened {
                let known = serde_json::to_vec(&KnownEvent::of(violation)).ok();
                batch.state.push((KnownEvent::key(violation.id), known));
            }
            if let Some(dir) = self.journal.media_dir.as_ref().map(|dir| event_dir(dir, violation.id)) {
                let pending =
                    held.entry(violation.id).or_insert_with(|| self.new_pending(config, camera, violation));
                let step = StillStep {
                    stills: &settings.stills,
                    camera,
                    class,
                    violation,
                    dir,
                    first_sights: &self.first_sights,
                };
                stills.push(&self.journal, step, pending, &mut batch);
                clips.extend(pending.clip.clone().filter(|_| violation.transition == Transition::Opened));
                evidence = evidence_state(pending);
                store_pending(&mut held, violation.id, &mut batch);
            }
            let (merged, stored) = self.shared.lock().merge(violation, place.clone(), &evidence.expected);
            batch.state.extend(stored);
            let Some(merged) = merged else {
                tracing::info!(event = %violation.id, "reported with another camera's event");
                continue;
            };
            self.journal.count(merged.violation.transition);
            // The shared event's own camera, which may be another one than this.
            let own = config.cameras.iter().find(|c| c.id == merged.violation.camera).unwrap_or(camera);
            let here = picture.filter(|_| own.id == camera.id);
            let facts = EventFacts {
                node: &config.node,
                camera: own.into(),
                class,
                violation: &merged.violation,
                capture: here.map(|picture| picture.capture),
                picture: here.map(|picture| (picture.width, picture.height)),
                place: merged.place.as_ref(),
                seen_by: &merged.seen_by,
                evidence: &evidence,
                decision: decided.decision.as_ref(),
            };
            batch.messages.push(event_message(&self.journal.topics, &facts));
            tracing::info!(
                event_camera = (own.id != camera.id).then(|| tracing::field::display(&own.id)), event = %merged.violation.id, class = violation.class,
                "{}: {}", transition_name(merged.violation.transition), merged.violation.reason
            );
        }
        hold(&clips);
        self.journal.commit(held, batch);
        stills.submit();
        clips
    }

    /// Forgets the state of a camera's rules, because it is not in the config any more.
    pub fn forget_rules(&self, camera: &CameraId) {
        let state = vec![(format!("{RULES_PREFIX}{camera}"), None)];
        self.journal.queue(self.journal.lock(), Batch { state, ..Batch::default() });
    }

    /// Sends stills to this queue from now on. Call it once, before the first event.
    pub fn leave_stills_to(&self, queue: Arc<StillQueue>) {
        if self.stills.set(queue).is_err() {
            tracing::error!("a second still queue is ignored: please report this bug");
        }
    }

    fn still_batch<'a>(
        &'a self,
        steps: &[PlacedViolation],
        picture: Option<&'a Arc<Picture>>,
    ) -> StillBatch<'a> {
        let queue = self.stills.get().filter(|_| self.journal.media_dir.is_some()).map(Arc::as_ref);
        StillBatch::new(queue, steps, picture)
    }

    /// Records a clip, or why there is none. Waits while the disk is full.
    pub fn record_clip(&self, request: &ClipRequest, result: &Result<ClipInfo, EvidenceError>) {
        let mut held = self.journal.lock();
        if let Some(batch) = self.clip_batch(&mut held, request, result) {
            self.journal.commit(held, batch);
        }
    }

    /// Records why a clip will not be cut. Does not wait while the disk is full.
    pub fn refuse_clip(&self, request: &ClipRequest, why: EvidenceError) {
        let mut held = self.journal.lock();
        if let Some(batch) = self.clip_batch(&mut held, request, &Err(why)) {
            self.journal.queue(held, batch);
        }
    }

    /// `None`: the event is not known.
    fn clip_batch(
        &self,
        held: &mut BTreeMap<Uuid, PendingEvidence>,
        request: &ClipRequest,
        result: &Result<ClipInfo, EvidenceError>,
    ) -> Option<Batch> {
        let Some(pending) = held.get_mut(&request.event) else {
            tracing::warn!(event = %request.event, "a clip of an event that is not known any more");
            return None;
        };
        let mut batch = Batch::default();
        pending.clip = None;
        pending.manifest = pending.manifest.clone().with_clip(request, result);
        match result {
            Ok(clip) => {
                if !pending.clip_on_request {
                    batch.media.push(media(request.event, &clip.file));
                }
                let took = clip.ends.since(clip.starts);
                tracing::info!(event = %request.event, "clip of {:.1} s", took.as_secs_f64());
            }
            Err(error) => {
                self.journal.missing(1);
                let chain = error_chain(error);
                tracing::error!(event = %request.event, "no clip: {chain}");
            }
        }
        let at = result.as_ref().map_or(request.to, |clip| clip.ends);
        self.journal.add_manifest(pending, at, &mut batch);
        store_pending(held, request.event, &mut batch);
        Some(batch)
    }

    /// Stores the state of the rules between events, so that a restart keeps the dwell so far.
    pub fn checkpoint<'a>(&self, states: impl Iterator<Item = (&'a CameraId, RulesState)>) {
        let state = states.map(|(camera, state)| state_entry(camera, &state)).collect();
        self.journal.commit(self.journal.lock(), Batch { state, ..Batch::default() });
    }

    fn new_pending(&self, config: &Config, camera: &CameraConfig, violation: &Violation) -> PendingEvidence {
        let manifest =
            EvidenceManifest::new(violation.id, &config.node.id, &camera.id, self.journal.generator.clone())
                .of_severity(violation.severity);
        let evidence = &config.evidence;
        let clip = (violation.transition == Transition::Opened).then(|| ClipRequest {
            event: violation.id,
            camera: camera.id.clone(),
            from: violation.at - evidence.pre_roll,
            to: violation.at + evidence.post_roll,
        });
        let clip_on_request = config.mqtt.media == MediaSending::OnRequest;
        PendingEvidence { manifest, clip, owed: Vec::new(), clip_on_request, ended: false }
    }
}

/// Prefix of the key of a camera's rules in the outbox's state.
pub(crate) const RULES_PREFIX: &str = "rules/";

fn state_entry(camera: &CameraId, state: &RulesState) -> (String, Option<Vec<u8>>) {
    (format!("{RULES_PREFIX}{camera}"), serde_json::to_vec(state).ok())
}

fn transition_name(transition: Transition) -> &'static str {
    match transition {
        Transition::Opened => "opened",
        Transition::Updated => "updated",
        Transition::Closed => "closed",
        Transition::Expired => "expired",
    }
}
