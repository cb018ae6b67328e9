//! Permits for the pictures of one camera's series that may be in flight. They hold the decoder back where
//! the detectors are slower than it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Condvar;

/// Pictures of one camera. Each holds its planes: 3 MB at 1080p, 12 MB at 4K.
const MAX_IN_FLIGHT: usize = 3;

/// One camera's permits.
pub(super) struct SeriesPermits {
    in_flight: AtomicUsize,
    wake: Arc<Condvar>,
}

/// Held by a picture of a series until its last user drops it. Such pictures are analysed one after the
/// other: a newer picture never replaces one.
pub struct SeriesPermit {
    permits: Arc<SeriesPermits>,
}

impl SeriesPermits {
    /// Returning a permit notifies `wake`. Its waiters must also poll: the notification does not take their
    /// lock.
    pub fn new(wake: &Arc<Condvar>) -> Arc<Self> {
        Arc::new(Self { in_flight: AtomicUsize::new(0), wake: Arc::clone(wake) })
    }

    pub fn is_exhausted(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) >= MAX_IN_FLIGHT
    }

    /// Always succeeds. Callers check [`is_exhausted`](Self::is_exhausted) first; one picture over the limit
    /// does no harm.
    pub fn acquire(self: &Arc<Self>) -> Arc<SeriesPermit> {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        Arc::new(SeriesPermit { permits: Arc::clone(self) })
    }
}

impl Drop for SeriesPermit {
    fn drop(&mut self) {
        self.permits.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.permits.wake.notify_one();
    }
}
