//! Writes the cameras' place memories on a thread of its own, so that no picture waits for the disk.
//!
//! Takes: the bytes of a memory and its file. Gives: the file, replaced as a whole. When full: a newer memory
//! takes the place of an older one of the same file that still waits. On failure: the
//! error is logged with the camera; the old file stays, and the next memory is written at its own time. Not
//! here: what a memory contains and when it is due (`place_memory`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use crate::base::{CameraId, replace_file};

/// One camera's memory, to be written to `path`.
pub(super) struct PlaceFile {
    pub path: PathBuf,
    pub content: Vec<u8>,
}

/// Shared by the place memories of a node's cameras.
pub(super) struct PlaceWriter {
    queue: Arc<Queue>,
    /// `None` once it was joined.
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    /// By path.
    waiting: BTreeMap<PathBuf, (CameraId, Vec<u8>)>,
    closed: bool,
}

impl PlaceWriter {
    /// # Errors
    /// The system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let files = Arc::clone(&queue);
        let run = move || {
            while let Some((camera, file)) = files.next() {
                write(&camera, &file);
            }
        };
        let thread = std::thread::Builder::new().name("places".into()).spawn(run)?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    /// Writes the file soon. After [`join`](Self::join) the calling thread writes it.
    pub fn put(&self, camera: &CameraId, file: PlaceFile) {
        let mut state = self.queue.state.lock();
        if state.closed {
            drop(state);
            return write(camera, &file);
        }
        state.waiting.insert(file.path, (camera.clone(), file.content));
        drop(state);
        self.queue.more.notify_one();
    }

    /// Writes what waits, and ends the thread.
    pub fn join(&self) {
        self.queue.state.lock().closed = true;
        self.queue.more.notify_one();
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes place memories panicked; some are as old as their file");
        }
    }
}

impl Drop for PlaceWriter {
    fn drop(&mut self) {
        self.join();
    }
}

impl Queue {
    /// Waits for a file; `None` once the queue is closed and empty.
    fn next(&self) -> Option<(CameraId, PlaceFile)> {
        let mut state = self.state.lock();
        loop {
            if let Some((path, (camera, content))) = state.waiting.pop_first() {
                return Some((camera, PlaceFile { path, content }));
            }
            if state.closed {
                return None;
            }
            self.more.wait(&mut state);
        }
    }
}

fn write(camera: &CameraId, file: &PlaceFile) {
    let folder = file.path.parent().unwrap_or(Path::new("."));
    if let Err(error) = fs::create_dir_all(folder).and_then(|()| replace_file(&file.path, &file.content)) {
        let _camera = camera.span().entered();
        tracing::error!(
            file = %file.path.display(),
            "cannot write the camera's memory of its place: {error}; check the disk"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_waits_is_written_before_the_thread_ends_and_the_newest_wins() {
        let place = tempfile::tempdir().expect("a folder");
        let path = |camera: usize| place.path().join(format!("{camera}/place.bin"));
        let writer = PlaceWriter::start().expect("a thread");
        let put = |camera: usize, content: u8| {
            let file = PlaceFile { path: path(camera), content: vec![content; 100_000] };
            writer.put(&CameraId::new(format!("camera-{camera}")), file);
        };
        (1..=3).for_each(|content| (0..20).for_each(|camera| put(camera, content)));
        writer.join();
        put(20, 3);
        let read = |camera: usize| fs::read(path(camera)).expect("written");
        assert!((0..=20).all(|camera| read(camera) == vec![3; 100_000]));
    }

    #[test]
    fn a_file_that_cannot_be_written_keeps_no_other_from_the_disk() {
        let place = tempfile::tempdir().expect("a folder");
        fs::write(place.path().join("a"), b"no folder").expect("written");
        let writer = PlaceWriter::start().expect("a thread");
        for camera in ["a", "b"] {
            let path = place.path().join(camera).join("place.bin");
            writer.put(&CameraId::new(camera), PlaceFile { path, content: b"new".to_vec() });
        }
        drop(writer);
        assert_eq!(fs::read(place.path().join("b/place.bin")).expect("written"), b"new");
    }
}
