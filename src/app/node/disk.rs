//! Deletes old evidence to free disk space; evidence that is not delivered yet is kept as long as possible.

use std::cell::RefCell;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::{Shutdown, error_chain, wall_now};
use crate::config::Config;
use crate::events::Recorder;
use crate::evidence::{enforce_age, enforce_quota, event_dir, evidence_root, make_room};
use crate::outbox::Outbox;

/// How often old evidence is looked for, and how often while records wait for room on the disk.
const EVERY: Duration = Duration::from_secs(60);
const WHEN_FULL: Duration = Duration::from_secs(5);

/// The thread that frees disk space: once a minute, every few seconds while records wait for room, and at once
/// when a file of evidence was refused.
pub(super) struct DiskThread {
    thread: JoinHandle<()>,
    stop: Shutdown,
    /// The running config.
    pub config: Arc<Mutex<Arc<Config>>>,
}

impl DiskThread {
    /// # Errors
    /// The thread cannot be started.
    pub fn start(config: Arc<Config>, outbox: Arc<Outbox>, recorder: Arc<Recorder>) -> std::io::Result<Self> {
        let (stop, config) = (Shutdown::new(), Arc::new(Mutex::new(config)));
        let (stopped, newest) = (stop.clone(), Arc::clone(&config));
        let thread = std::thread::Builder::new().name("disk".into()).spawn(move || {
            let is_due =
                |since: Duration| since >= if recorder.journal.waits_for_room() { WHEN_FULL } else { EVERY };
            make_room(&stopped, is_due, || {
                let config = Arc::clone(&newest.lock());
                tidy(&config, &outbox, &recorder);
            });
        })?;
        Ok(Self { thread, stop, config })
    }

    pub fn join(self) {
        self.stop.stop();
        if self.thread.join().is_err() {
            tracing::error!("the disk thread panicked; old evidence is deleted again after a restart");
        }
    }
}

/// It reads the sizes of all evidence. It waits for no other thread's disk.
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
