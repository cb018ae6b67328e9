//! Records a flight: the steps of all its events and the area's new state, in one transaction.

use super::feedback::KnownEvent;
use super::journal::{evidence_state, media, store_pending};
use super::pending_evidence::PendingEvidence;
use super::recorder::Recorder;
use crate::base::{Capture, TimeSource};
use crate::config::FlightArea;
use crate::evidence::{EvidenceManifest, Stills};
use crate::geo::EventPlace;
use crate::outbox::Batch;
use crate::rules::{Decision, Transition, Violation};
use crate::wire::{EventFacts, event_message};

/// One step of a flight's event, ready to be recorded.
pub(crate) struct FlightEventStep {
    pub violation: Violation,
    pub place: Option<EventPlace>,
    pub stills: Stills,
    /// Size of the later picture in pixels.
    pub size: Option<(u32, u32)>,
    /// The person's decision that made it.
    pub decision: Option<Decision>,
}

impl Recorder {
    /// Commits the steps of a flight together with the area's new state. Waits while the disk is full.
    ///
    /// Returns false if the node stopped first; then nothing was stored.
    pub(crate) fn record_flight(
        &self,
        area: &FlightArea,
        steps: Vec<FlightEventStep>,
        state: (String, Option<Vec<u8>>),
    ) -> bool {
        let settings = self.settings();
        let config = &settings.config;
        let mut held = self.journal.lock();
        let mut batch = Batch { state: vec![state], ..Batch::default() };
        for FlightEventStep { violation, place, stills, size, decision } in &steps {
            let Some(class) = settings.class(&violation.class) else {
                tracing::error!(area = %area.id, class = violation.class, "the catalogue lacks the class of an event");
                continue;
            };
            let capture =
                Capture { at: violation.at, source: TimeSource::Footage, offset_ms: None, clock: None };
            let transition = violation.transition;
            if transition == Transition::Opened {
                batch.state.push((
                    KnownEvent::key(violation.id),
                    serde_json::to_vec(&KnownEvent::of(violation)).ok(),
                ));
            }
            let manifest = || {
                EvidenceManifest::new(
                    violation.id,
                    &config.node.id,
                    &area.id.to_camera(),
                    self.journal.generator.clone(),
                )
                .of_severity(violation.severity)
                .with_picture(&capture)
            };
            let pending = held.entry(violation.id).or_insert_with(|| PendingEvidence {
                manifest: manifest(),
                clip: None,
                owed: Vec::new(),
                clip_on_request: false,
                ended: false,
            });
            pending.ended = matches!(transition, Transition::Closed | Transition::Expired);
            if transition != Transition::Updated {
                self.journal.missing(stills.missing.len());
                pending.manifest = pending.manifest.clone().with_files(&stills.files, &stills.missing);
                batch.media.extend(stills.files.iter().map(|file| media(violation.id, file)));
            }
            let evidence = evidence_state(pending);
            let facts = EventFacts {
                node: &config.node,
                camera: area.into(),
                class,
                violation,
                capture: (transition != Transition::Expired).then_some(capture),
                picture: *size,
                place: place.as_ref(),
                seen_by: &[],
                evidence: &evidence,
                decision: decision.as_ref(),
            };
            batch.messages.push(event_message(&self.journal.topics, &facts));
            if transition != Transition::Updated {
                self.journal.add_manifest(pending, violation.at, &mut batch);
            }
            store_pending(&mut held, violation.id, &mut batch);
        }
        let done = self.journal.commit_or_nothing(held, batch);
        for FlightEventStep { violation, .. } in steps.iter().filter(|_| done) {
            self.journal.count(violation.transition);
            tracing::info!(area = %area.id, event = %violation.id, class = violation.class, "{:?}: {}", violation.transition, violation.reason);
        }
        done
    }
}
