//! Keeps the backdrops of a fixed camera over restarts, in `<data_dir>/change/<camera>/backdrop.bin`.
//!
//! Takes: the camera's observer. Gives: its backdrops of an earlier run. On failure: the error is logged, and
//! the camera learns how its place looks again; what stands there then counts as present at its start.

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use super::place_context::PlaceMemoryContext;
use super::place_files::{PlaceFiles, memory_folder};
use super::place_writer::PlaceFile;
use crate::base::{CameraId, WallTime};
use crate::observation::{Backdrop, Observer};

/// A restart forgets what was learned since the last save.
const SAVE_EVERY: Duration = Duration::from_secs(600);

pub(super) struct BackdropFile {
    camera: CameraId,
    files: PlaceFiles,
    saved: Option<WallTime>,
}

impl BackdropFile {
    /// `None`: no files are kept.
    pub fn new(camera: &CameraId, memory: &PlaceMemoryContext) -> Option<Self> {
        let files = memory.files.clone()?;
        Some(Self { camera: camera.clone(), files, saved: None })
    }

    /// Gives the observer what an earlier run saved.
    pub fn load(&self, observer: &mut Observer) {
        let path = self.path();
        let read = match fs::read(&path) {
            Ok(bytes) => read(&bytes).ok_or_else(|| "it is damaged".to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(backdrops) => observer.put_backdrops(backdrops),
            Err(error) => tracing::error!(
                file = %path.display(),
                "cannot read how the camera's place looks: {error}; what stands there now counts as present at the start"
            ),
        }
    }

    /// Saves now and then.
    pub fn save_if_due(&mut self, observer: &Observer, at: WallTime) {
        let saved = *self.saved.get_or_insert(at);
        if at < saved || at.since(saved) >= SAVE_EVERY {
            self.saved = Some(at);
            self.save(observer);
        }
    }

    pub fn save(&self, observer: &Observer) {
        let backdrops = observer.backdrops();
        if backdrops.iter().all(Option::is_none) {
            return;
        }
        self.files.writer.put(&self.camera, PlaceFile { path: self.path(), content: write(backdrops) });
    }

    fn path(&self) -> std::path::PathBuf {
        memory_folder(&self.files.data_dir, &self.camera).join("backdrop.bin")
    }
}

/// Each backdrop behind its length, which is 0 where there is none.
fn write(backdrops: &[Option<Backdrop>; 2]) -> Vec<u8> {
    let parts =
        backdrops.iter().map(|backdrop| backdrop.as_ref().map(Backdrop::to_bytes).unwrap_or_default());
    parts.flat_map(|part| (part.len() as u32).to_le_bytes().into_iter().chain(part)).collect()
}

fn read(bytes: &[u8]) -> Option<[Option<Backdrop>; 2]> {
    let mut rest = bytes;
    let mut next = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (part, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rest = after;
        Some(if part.is_empty() { None } else { Some(Backdrop::from_bytes(part)?) })
    };
    Some([next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Picture;
    use crate::observation::GrayCopy;

    #[test]
    fn backdrops_survive_a_restart_and_damaged_files_do_not_pass() {
        let copy = GrayCopy::of(&Picture::grey(|x, y| (x * 3 + y * 5) as u8)).expect("pixels");
        let kept = [Some(Backdrop::new(&copy)), None];
        let bytes = write(&kept);
        assert_eq!(read(&bytes), Some(kept));
        for cut in [0, 3, 100, bytes.len() - 5] {
            assert_eq!(read(&bytes[..cut]), None, "{cut}");
        }
        let mut other = bytes;
        other[4] = b'X';
        assert_eq!(read(&other), None);
    }
}
