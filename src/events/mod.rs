//! Makes decisions durable: one outbox transaction per step, with messages, pending evidence and restart
//! state.
//!
//! Takes: steps decided by scenes and flights, finished stills and clips.
//! Gives: [`Batch`](crate::outbox::Batch)es, committed to the outbox. When full: waits for the outbox, and
//! the rules wait with it. On failure: the manifest names the missing evidence, and a counter counts it. The
//! event itself is never lost. Not here: deciding, writing pictures, sending.

pub(crate) mod cross_camera;
pub(crate) mod feedback;
mod flights;
pub(crate) mod pending_evidence;
mod backlog;
mod copies;
mod journal;
mod recorder;
mod stills;
mod tamper;

pub(crate) use backlog::Store;
pub(crate) use copies::{FolderStore, event_again, requeue};
pub use feedback::{FeedbackRecord, KnownObject, feedback_dir};
pub(crate) use flights::FlightEventStep;
pub(crate) use journal::{evidence_state, media, store_pending};
pub(crate) use recorder::{RULES_PREFIX, Recorder, RecorderSettings};
pub(crate) use tamper::{TAMPER_PREFIX, TamperState};
