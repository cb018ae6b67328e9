//! Where the memories of a node's places lie on the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::place_writer::PlaceWriter;
use crate::base::CameraId;

#[derive(Clone)]
pub(super) struct PlaceFiles {
    pub data_dir: PathBuf,
    pub writer: Arc<PlaceWriter>,
}

impl PlaceFiles {
    /// # Errors
    /// The thread that writes the files cannot be started.
    pub fn in_folder(data_dir: PathBuf) -> std::io::Result<Self> {
        Ok(Self { data_dir, writer: Arc::new(PlaceWriter::start()?) })
    }
}

/// The folder with a camera's place memory and earlier pictures.
pub(crate) fn memory_folder(data_dir: &Path, camera: &CameraId) -> PathBuf {
    data_dir.join("change").join(camera.as_str())
}
