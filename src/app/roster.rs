//! Which cameras the node has now. Asked by the clips, the status and whoever else needs one by its name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::base::{CameraId, monotonic};
use crate::config::CameraConfig;
use crate::ingest::IngestStats;
use crate::ring::Ring;

/// Shared by `Arc`; every call takes the lock for microseconds only.
#[derive(Default)]
pub(super) struct Roster {
    entries: RwLock<BTreeMap<CameraId, Entry>>,
}

struct Entry {
    name: String,
    interval: Duration,
    ring: Arc<Ring>,
    /// Of the source that gives frames now; `None` before the first one is started.
    ingest: Option<Arc<IngestStats>>,
    /// Since when the camera is gone: its ring stays for clips that are still to be cut.
    gone: Option<Instant>,
}

/// One camera as the roster has it.
pub(super) struct Member {
    pub name: String,
    /// How often it is to be looked at.
    pub interval: Duration,
    pub ring: Arc<Ring>,
    pub ingest: Arc<IngestStats>,
}

impl Roster {
    /// Enters the camera, or gives it its new name and ring size; what its ring holds stays.
    pub fn enter(&self, camera: &CameraConfig) -> Arc<Ring> {
        let mut entries = self.write();
        let entry = entries.entry(camera.id.clone()).or_insert_with(|| Entry {
            name: String::new(),
            interval: camera.interval,
            ring: Arc::new(Ring::new(camera.ring)),
            ingest: None,
            gone: None,
        });
        entry.name.clone_from(&camera.name);
        entry.interval = camera.interval;
        entry.gone = None;
        entry.ring.resize(camera.ring);
        Arc::clone(&entry.ring)
    }

    /// The figures of the source that gives the camera's frames.
    pub fn streams(&self, camera: &CameraId, ingest: Arc<IngestStats>) {
        if let Some(entry) = self.write().get_mut(camera) {
            entry.ingest = Some(ingest);
        }
    }

    /// The camera is gone; its ring stays until [`Roster::forget`].
    pub fn leave(&self, camera: &CameraId) {
        if let Some(entry) = self.write().get_mut(camera) {
            entry.ingest = None;
            entry.gone = Some(monotonic());
        }
    }

    /// Gives back the memory of cameras that went longer than `after` ago.
    pub fn forget(&self, after: Duration) {
        self.write().retain(|_, entry| entry.gone.is_none_or(|gone| gone.elapsed() < after));
    }

    /// Also of a camera that has just gone.
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
