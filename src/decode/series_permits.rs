//! How many pictures of a series may wait for the detectors: what holds a decoder back that is faster than they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Condvar;

/// Of one camera. Each picture holds its planes: 3 MB at 1080p, 12 MB at 4K.
const MOST: usize = 3;

/// One camera's places.
pub(super) struct SeriesPermits {
    taken: AtomicUsize,
    wake: Arc<Condvar>,
}

/// A place that a picture of a series holds until its last user has dropped it. Such pictures are analysed one after the
/// other: none gives way to a newer one.
pub struct SeriesPermit {
    room: Arc<SeriesPermits>,
}

impl SeriesPermits {
    /// `wake` is notified when a place becomes free; who waits on it looks now and then all the same.
    pub fn new(wake: &Arc<Condvar>) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), wake: Arc::clone(wake) })
    }

    pub fn is_full(&self) -> bool {
        self.taken.load(Ordering::Acquire) >= MOST
    }

    /// Always succeeds: who asks has looked before, and one picture more is no harm.
    pub fn take(self: &Arc<Self>) -> Arc<SeriesPermit> {
        self.taken.fetch_add(1, Ordering::AcqRel);
        Arc::new(SeriesPermit { room: Arc::clone(self) })
    }
}

impl Drop for SeriesPermit {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(1, Ordering::AcqRel);
        self.room.wake.notify_one();
    }
}
