//! Counters of the publisher.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::base::wall_now;
use crate::outbox::{Outbox, OutboxStats};

#[derive(Debug)]
pub struct PublishStats {
    outbox: Arc<Outbox>,
    pub(super) connected: AtomicBool,
    pub(super) connections: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) resent: AtomicU64,
    pub(super) acked: AtomicU64,
    pub(super) refused: AtomicU64,
    /// The broker does not let this node read what platforms confirm.
    pub(super) confirm_denied: AtomicBool,
    /// The log says that nobody has subscribed.
    pub(super) told_nobody: AtomicBool,
    /// The log says that the broker takes no packets as large as a message.
    pub(super) too_large: AtomicBool,
    /// Refusals of the broker that the log has.
    pub(super) refusals: Mutex<BTreeSet<String>>,
    pub(super) reason: Mutex<Option<String>>,
}

/// Figures since the start of the program. Only `lag_seconds` and `outbox` are current values.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct PublishSnapshot {
    pub connected: bool,
    pub reconnects: u64,
    /// Records sent to the broker, including repeats, without states.
    pub sent: u64,
    /// Records sent again because their acknowledgement did not come before the connection broke.
    pub resent: u64,
    pub acked: u64,
    /// Records that the broker answered with a refusal; they stay in the outbox.
    pub refused: u64,
    /// Age of the oldest record in the outbox; 0 when it is empty.
    pub lag_seconds: f64,
    /// The broker does not let this node read what platforms confirm.
    pub confirm_denied: bool,
    /// Why there is no connection, or what the broker refuses.
    pub last_error: Option<String>,
    pub outbox: OutboxStats,
}

impl PublishStats {
    pub(super) fn new(outbox: Arc<Outbox>) -> Self {
        Self {
            outbox,
            connected: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            resent: AtomicU64::new(0),
            acked: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            confirm_denied: AtomicBool::new(false),
            told_nobody: AtomicBool::new(false),
            too_large: AtomicBool::new(false),
            refusals: Mutex::default(),
            reason: Mutex::new(None),
        }
    }

    /// Also reads the figures of the outbox, under its lock.
    pub fn snapshot(&self) -> PublishSnapshot {
        let outbox = self.outbox.stats();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PublishSnapshot {
            connected: self.connected.load(Ordering::Relaxed),
            reconnects: count(&self.connections).saturating_sub(1),
            sent: count(&self.sent),
            resent: count(&self.resent),
            acked: count(&self.acked),
            refused: count(&self.refused),
            lag_seconds: outbox.oldest.map_or(0.0, |oldest| wall_now().since(oldest).as_secs_f64()),
            confirm_denied: self.confirm_denied.load(Ordering::Relaxed),
            last_error: self.reason.lock().clone(),
            outbox,
        }
    }
}
