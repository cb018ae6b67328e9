//! Deletes old evidence to free disk space; evidence that is not delivered yet is kept as long as possible.

use std::cell::RefCell;

use crate::base::error_chain;
use crate::base::wall_now;
use crate::config::Config;
use crate::events::Recorder;
use crate::evidence::{enforce_age, enforce_quota, event_dir, evidence_root};
use crate::outbox::Outbox;

/// Called once a minute, and every few seconds while records wait for room: it reads the sizes of all
/// evidence. It waits for no other thread's disk.
pub(super) fn tidy(config: &Config, outbox: &Outbox, recorder: &Recorder) {
    let evidence = &config.evidence;
    let data_dir = &config.node.data_dir;
    let done = RefCell::new(Vec::new());
    let delivered = |event| {
        let delivered = outbox.is_delivered(event).unwrap_or(false) && !recorder.journal.owes_clip(event);
        if delivered {
            done.borrow_mut().push(event);
        }
        delivered
    };
    let root = evidence_root(data_dir);
    let may_go = |event| !recorder.journal.is_under_way(event) && delivered(event);
    match enforce_age(&root, &evidence.keep, wall_now(), may_go) {
        Ok(report) if report.freed_bytes > 0 => {
            tracing::info!(?report, "deleted evidence past its retention time")
        }
        Ok(_) => {}
        Err(error) => tracing::warn!("cannot delete evidence by age: {}", error_chain(&error)),
    }
    match enforce_quota(&root, evidence.quota_bytes, evidence.min_free_bytes, delivered) {
        Ok(report) if report.freed_bytes > 0 => tracing::info!(?report, "deleted old evidence to free space"),
        Ok(_) => {}
        Err(error) => tracing::warn!("cannot enforce the evidence quota: {}", error_chain(&error)),
    }
    // An event without a folder needs no delivered mark any more.
    for event in done.into_inner().into_iter().filter(|event| !event_dir(data_dir, *event).exists()) {
        if let Err(error) = outbox.forget(event) {
            tracing::warn!(%event, "{}", error_chain(&error));
        }
    }
}
