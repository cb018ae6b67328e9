//! Keeps the pictures that first show something that could become an event.
//!
//! Takes: pictures. Gives: their JPEG, by camera and capture time, once an event opens. When full: the oldest
//! picture of the camera that keeps the most goes; a picture that comes while others wait to be compressed is
//! not kept. Both are counted, and the manifest of an event without its picture says so. On failure: as if it
//! had not been kept. They are in memory only, so a restart loses them.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use turbojpeg::Subsamp;

use super::rgb_image;
use super::stills::jpeg;
use crate::base::{CameraId, WallTime};
use crate::decode::Picture;

/// Bounds of what is kept for all cameras together, and for one.
const MOST_BYTES: usize = 64 << 20;
const MOST_PICTURES: usize = 24;
/// Pictures that wait to be compressed.
const WAITING: usize = 4;

#[derive(Default)]
pub(crate) struct FirstSights {
    kept: Mutex<Kept>,
}

/// Its capture time and JPEG.
type KeptPicture = (WallTime, Arc<[u8]>);

#[derive(Default)]
struct Kept {
    /// Oldest first.
    cameras: BTreeMap<CameraId, VecDeque<KeptPicture>>,
    bytes: usize,
    lost: u64,
}

impl FirstSights {
    /// Compresses and keeps a picture.
    pub fn keep(&self, picture: &Picture, quality: u8) {
        let image = rgb_image(picture).map_err(|error| error.to_string());
        let jpeg =
            image.and_then(|image| jpeg(&image, quality, Subsamp::Sub2x2).map_err(|error| error.to_string()));
        match jpeg {
            Ok(jpeg) => self.kept.lock().add(&picture.camera, picture.capture.at, jpeg.into()),
            Err(error) => {
                tracing::warn!("a picture of something that came is not kept: {error}");
                self.lose();
            }
        }
    }

    /// The JPEG of the camera's picture of this capture time.
    pub fn get(&self, camera: &CameraId, at: WallTime) -> Option<Arc<[u8]>> {
        let kept = self.kept.lock();
        let (_, jpeg) = kept.cameras.get(camera)?.iter().find(|(taken, _)| *taken == at)?;
        Some(Arc::clone(jpeg))
    }

    /// Pictures that were not kept, or not until they were wanted.
    pub fn lost(&self) -> u64 {
        self.kept.lock().lost
    }

    fn lose(&self) {
        self.kept.lock().lost += 1;
    }
}

impl Kept {
    fn add(&mut self, camera: &CameraId, at: WallTime, jpeg: Arc<[u8]>) {
        self.bytes += jpeg.len();
        let own = self.cameras.entry(camera.clone()).or_default();
        own.push_back((at, jpeg));
        let too_many = own.len() > MOST_PICTURES;
        if too_many {
            self.drop_oldest(&camera.clone());
        }
        while self.bytes > MOST_BYTES {
            let Some(most) = self.cameras.iter().max_by_key(|(_, own)| own.len()) else { return };
            let camera = most.0.clone();
            self.drop_oldest(&camera);
        }
    }

    fn drop_oldest(&mut self, camera: &CameraId) {
        let Some(own) = self.cameras.get_mut(camera) else { return };
        if let Some((_, jpeg)) = own.pop_front() {
            self.bytes -= jpeg.len();
            self.lost += 1;
        }
        if own.is_empty() {
            self.cameras.remove(camera);
        }
    }
}

/// Compresses pictures on the thread `first-sight`.
pub(crate) struct FirstSightService {
    sights: Arc<FirstSights>,
    /// With the quality of the JPEG.
    queue: SyncSender<(Arc<Picture>, u8)>,
    thread: JoinHandle<()>,
}

impl FirstSightService {
    /// # Errors
    /// The thread cannot be started.
    pub fn start(sights: Arc<FirstSights>) -> std::io::Result<Self> {
        let (queue, pictures) = sync_channel(WAITING);
        let keeps = Arc::clone(&sights);
        let thread =
            std::thread::Builder::new().name("first-sight".into()).spawn(move || run(&keeps, &pictures))?;
        Ok(Self { sights, queue, thread })
    }

    /// Never blocks.
    pub fn keep(&self, picture: &Arc<Picture>, quality: u8) {
        if self.queue.try_send((Arc::clone(picture), quality)).is_err() {
            self.sights.lose();
        }
    }

    pub fn join(self) {
        drop(self.queue);
        if self.thread.join().is_err() {
            tracing::error!("the thread for first sights panicked");
        }
    }
}

fn run(sights: &FirstSights, pictures: &Receiver<(Arc<Picture>, u8)>) {
    while let Ok((picture, quality)) = pictures.recv() {
        let _camera = picture.camera.span().entered();
        sights.keep(&picture, quality);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(n: usize) -> CameraId {
        CameraId::new(format!("c{n}"))
    }

    #[test]
    fn a_kept_picture_is_found_by_its_time() {
        let sights = FirstSights::default();
        let picture = Picture::grey(|x, _| x as u8);
        sights.keep(&picture, 90);
        let jpeg = sights.get(&picture.camera, picture.capture.at).expect("kept");
        let shown = image::load_from_memory(&jpeg).expect("a JPEG");
        assert_eq!((shown.width(), shown.height()), (320, 180));
        assert_eq!(sights.get(&picture.camera, WallTime(1)), None);
        assert_eq!(sights.get(&camera(9), picture.capture.at), None);
    }

    #[test]
    fn the_oldest_goes_where_most_is_kept() {
        let mut kept = Kept::default();
        let mb: Arc<[u8]> = vec![0; 1 << 20].into();
        for n in 0..10 {
            kept.add(&camera(1), WallTime(n), Arc::clone(&mb));
        }
        for n in 0..30 {
            kept.add(&camera(2), WallTime(n), Arc::clone(&mb));
        }
        assert_eq!((kept.cameras[&camera(2)].len(), kept.lost), (MOST_PICTURES, 6));
        assert_eq!(kept.cameras[&camera(2)][0].0, WallTime(6));
        for n in 3..50 {
            kept.add(&camera(n), WallTime(0), Arc::clone(&mb));
        }
        assert!(kept.bytes <= MOST_BYTES && kept.cameras.len() == 49, "{}", kept.bytes);
        assert!(kept.cameras[&camera(2)].len() < MOST_PICTURES);
    }
}
