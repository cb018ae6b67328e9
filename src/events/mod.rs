//! What makes a decision durable: messages, evidence that is owed and restart state, in one outbox transaction a step.
//!
//! Takes: the steps that scenes and flights decided, finished stills and clips. Gives: [`Batch`](crate::outbox::Batch)es.
//! When full: waits for the outbox; the rules wait with it. On failure: what evidence is missing is named in the
//! manifest and counted; the event itself is never lost. Not here: deciding, writing pictures, sending.

pub(crate) mod cross_camera;
pub(crate) mod feedback;
mod flights;
pub(crate) mod pending_evidence;
mod journal;
mod recorder;
mod stills;
mod tamper;

pub use feedback::{FeedbackRecord, KnownObject, feedback_dir};
pub(crate) use journal::{Store, evidence_state, media, store_pending};
pub(crate) use recorder::{RULES_PREFIX, Recorder, RecorderSettings};
pub(crate) use tamper::{TAMPER_PREFIX, Tampering};
