//! One bound on the footage of all rings of a node.
//!
//! Each ring has bounds of its own. Their sum is larger than the memory of most boxes, and long GOPs can fill
//! it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde::Serialize;

use super::buffer::Ring;
use crate::config::RingConfig;

/// The rings of all cameras, and their common bound. Shared by `Arc`.
pub struct RingPool {
    max_bytes: AtomicUsize,
    /// Bytes of footage in all rings. The rings count them.
    used: Arc<AtomicUsize>,
    /// Also locked by the thread that drops footage, for microseconds a GOP.
    rings: Mutex<Vec<Weak<Ring>>>,
    dropped_bytes: AtomicU64,
    warned: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RingPoolStats {
    /// Footage in all rings.
    pub bytes: usize,
    pub max_bytes: usize,
    /// Footage dropped since the start because all rings together were over `max_bytes`.
    pub dropped_bytes: u64,
}

impl RingPool {
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes: AtomicUsize::new(max_bytes),
            used: Arc::default(),
            rings: Mutex::default(),
            dropped_bytes: AtomicU64::new(0),
            warned: AtomicBool::new(false),
        }
    }

    /// Changes the bound from the next frame on.
    pub fn resize(&self, max_bytes: usize) {
        self.max_bytes.store(max_bytes, Ordering::Relaxed);
        self.warned.store(false, Ordering::Relaxed);
    }

    /// A new ring within the bound.
    pub fn ring(&self, config: RingConfig) -> Arc<Ring> {
        let ring = Arc::new(Ring::counted(config, Arc::clone(&self.used)));
        let mut rings = self.rings.lock();
        rings.retain(|ring| ring.strong_count() > 0);
        rings.push(Arc::downgrade(&ring));
        ring
    }

    /// Drops footage until all rings together are within the bound. Call it after each frame. The ring that
    /// uses the most loses its oldest GOP first. A GOP that is being received goes only if no ring has an
    /// older one; its camera has no footage then up to its next key frame.
    pub fn enforce(&self) {
        let max_bytes = self.max_bytes.load(Ordering::Relaxed);
        if self.used.load(Ordering::Relaxed) <= max_bytes {
            return;
        }
        // Another thread drops footage already.
        let Some(rings) = self.rings.try_lock() else { return };
        let rings: Vec<Arc<Ring>> = rings.iter().filter_map(Weak::upgrade).collect();
        while self.used.load(Ordering::Relaxed) > max_bytes {
            let size = |ring: &&Arc<Ring>| {
                let (gops, bytes) = ring.size();
                (gops > 1, bytes)
            };
            let Some(bytes) = rings.iter().max_by_key(size).and_then(|ring| ring.drop_oldest()) else {
                break;
            };
            self.dropped_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            if !self.warned.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    budget_mb = max_bytes >> 20,
                    cameras = rings.len(),
                    "all cameras together need more memory for footage than budget.ring_mb: the oldest footage of \
                     those that use the most is dropped, so clips may start late; raise budget.ring_mb, or set \
                     shorter key frame intervals or lower bit rates in the cameras"
                );
            }
        }
    }

    pub fn stats(&self) -> RingPoolStats {
        RingPoolStats {
            bytes: self.used.load(Ordering::Relaxed),
            max_bytes: self.max_bytes.load(Ordering::Relaxed),
            dropped_bytes: self.dropped_bytes.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::base::{CameraId, Capture, FrameSeq, MediaTime, TimeSource, WallTime};
    use crate::ingest::{Codec, EncodedFrame};

    fn ring(pool: &RingPool) -> Arc<Ring> {
        let max_duration = Duration::from_secs(3600);
        pool.ring(RingConfig { max_bytes: 1 << 20, max_duration, quiet: max_duration })
    }

    /// One frame a second, of this many bytes, and a key frame every `gop`.
    fn push(pool: &RingPool, ring: &Ring, seconds: std::ops::Range<u64>, gop: u64, bytes: usize) {
        for second in seconds {
            ring.push(EncodedFrame {
                camera: CameraId::from("gate"),
                seq: FrameSeq(second),
                stream: 1,
                capture: Capture {
                    at: WallTime(second as i64 * 1_000_000),
                    source: TimeSource::Arrival,
                    offset_ms: None,
                    clock: None,
                },
                pts: MediaTime(second as i64 * 1_000_000),
                codec: Codec::H264,
                key: second % gop == 0,
                orientation: Default::default(),
                data: Bytes::from(vec![0; bytes]),
            });
            pool.enforce();
        }
    }

    fn held(ring: &Ring) -> (usize, usize) {
        let stats = ring.stats();
        (stats.gops, stats.bytes)
    }

    #[test]
    fn the_ring_that_uses_the_most_loses_its_oldest_footage() {
        let pool = RingPool::new(1000);
        let (small, large) = (ring(&pool), ring(&pool));
        push(&pool, &small, 0..10, 5, 10);
        push(&pool, &large, 0..40, 5, 40);
        assert_eq!(held(&small), (2, 100), "nothing of a small ring goes");
        assert_eq!(held(&large), (4, 800));
        assert_eq!(large.stats().oldest, Some(WallTime(20_000_000)));
        assert_eq!(pool.stats(), RingPoolStats { bytes: 900, max_bytes: 1000, dropped_bytes: 800 });
        assert_eq!(large.stats().evicted_bytes, 800);
    }

    #[test]
    fn the_bound_holds_even_if_a_single_gop_is_larger() {
        let pool = RingPool::new(300);
        let (short, endless) = (ring(&pool), ring(&pool));
        push(&pool, &short, 0..10, 5, 10);
        push(&pool, &endless, 0..60, 1000, 10);
        assert!(pool.stats().bytes <= 300, "{:?}", pool.stats());
        assert_eq!(held(&short).0, 1, "older GOPs go before one that is being received");
        assert_eq!(held(&endless), (0, 0));
        assert!(endless.stats().headless_frames > 0, "the camera waits for its next key frame");
        push(&pool, &endless, 1000..1010, 1000, 10);
        assert_eq!(held(&endless), (1, 100));
    }

    #[test]
    fn a_ring_that_is_gone_or_a_larger_bound_gives_room() {
        let pool = RingPool::new(1000);
        let (first, second) = (ring(&pool), ring(&pool));
        push(&pool, &first, 0..90, 5, 10);
        drop(first);
        assert_eq!(pool.stats().bytes, 0);
        push(&pool, &second, 0..120, 5, 10);
        assert_eq!(pool.stats().bytes, 1000);
        pool.resize(2000);
        push(&pool, &second, 120..200, 5, 10);
        assert_eq!((pool.stats().bytes, pool.stats().dropped_bytes), (1800, 200));
        pool.resize(500);
        pool.enforce();
        assert_eq!(pool.stats().bytes, 500);
    }
}
