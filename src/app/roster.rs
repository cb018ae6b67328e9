//! The cameras that the node has now. The clips, the status and others look up a camera here by its id.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::base::{CameraId, monotonic};
use crate::config::CameraConfig;
use crate::ingest::IngestStats;
use crate::ring::{Ring, RingPool};

/// Shared by `Arc`; every call takes the lock for microseconds only.
pub(super) struct Roster {
    entries: RwLock<BTreeMap<CameraId, Entry>>,
    /// The common bound of all rings.
    pub rings: Arc<RingPool>,
}

struct Entry {
    name: String,
    interval: Duration,
    ring: Arc<Ring>,
    /// Figures of the current source; `None` before the first one starts.
    ingest: Option<Arc<IngestStats>>,
    /// When the camera was removed. Its ring stays for clips that must still be cut.
    gone: Option<Instant>,
}

/// One camera of the roster.
pub(super) struct Member {
    pub name: String,
    /// The configured interval between its pictures.
    pub interval: Duration,
    pub ring: Arc<Ring>,
    pub ingest: Arc<IngestStats>,
}

impl Roster {
    /// `ring_bytes`: the most footage that all rings together hold.
    pub fn new(ring_bytes: usize) -> Self {
        Self { entries: RwLock::default(), rings: Arc::new(RingPool::new(ring_bytes)) }
    }

    /// Adds the camera, or updates its name and ring size. The content of the ring stays.
    pub fn enter(&self, camera: &CameraConfig) -> Arc<Ring> {
        let mut entries = self.write();
        let entry = entries.entry(camera.id.clone()).or_insert_with(|| Entry {
            name: String::new(),
            interval: camera.interval,
            ring: self.rings.ring(camera.ring),
            ingest: None,
            gone: None,
        });
        entry.name.clone_from(&camera.name);
        entry.interval = camera.interval;
        entry.gone = None;
        entry.ring.resize(camera.ring);
        Arc::clone(&entry.ring)
    }

    /// Sets the figures of the camera's current source.
    pub fn streams(&self, camera: &CameraId, ingest: Arc<IngestStats>) {
        if let Some(entry) = self.write().get_mut(camera) {
            entry.ingest = Some(ingest);
        }
    }

    /// Removes the camera; its ring stays until [`Roster::forget`].
    pub fn leave(&self, camera: &CameraId) {
        if let Some(entry) = self.write().get_mut(camera) {
            entry.ingest = None;
            entry.gone = Some(monotonic());
        }
    }

    /// Frees the rings of cameras that were removed longer than `after` ago.
    pub fn forget(&self, after: Duration) {
        self.write().retain(|_, entry| entry.gone.is_none_or(|gone| gone.elapsed() < after));
    }

    /// The ring of a camera, also of one that was just removed.
    pub fn ring(&self, camera: &CameraId) -> Option<Arc<Ring>> {
        self.read().get(camera).map(|entry| Arc::clone(&entry.ring))
    }

    /// All cameras that run, by id.
    pub fn members(&self) -> BTreeMap<CameraId, Member> {
        let member = |entry: &Entry| {
            let ingest = Arc::clone(entry.ingest.as_ref()?);
            Some(Member {
                name: entry.name.clone(),
                interval: entry.interval,
                ring: Arc::clone(&entry.ring),
                ingest,
            })
        };
        self.read().iter().filter_map(|(id, entry)| Some((id.clone(), member(entry)?))).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<CameraId, Entry>> {
        self.entries.read()
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<CameraId, Entry>> {
        self.entries.write()
    }
}
