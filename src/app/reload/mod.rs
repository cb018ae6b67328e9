//! Takes: an operator's changed config files. Gives: a [`Plan`] of the differences to the running config.
//! On failure: reports everything wrong, or in need of a restart, by file, line and key; nothing changes.
//! Not here: carrying the plan out (`app::node`).
//!
//! ```text
//! SIGHUP | a file changed, two polls agree -> load -> check -> plan -> prepare all that can fail -> change
//! ```

mod files;
mod plan;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::monitor::LogControl;

pub(super) use files::{FileWatch, Stamps, stamps};
pub(super) use plan::Plan;

/// What `run` needs to reload its config.
pub struct Live {
    /// The main config file.
    pub path: PathBuf,
    /// All files and folders that the running config was read from.
    pub watched: Vec<PathBuf>,
    pub request: ReloadRequest,
    pub log: LogControl,
}

/// An operator's request to reload. Several requests in a row cause one reload.
#[derive(Clone, Debug, Default)]
pub struct ReloadRequest(Arc<AtomicBool>);

impl ReloadRequest {
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}
