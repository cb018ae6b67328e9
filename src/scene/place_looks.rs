//! Looks for lasting change on a thread of its own, so that no rule waits for it.
//!
//! Takes: pictures to inspect. Gives: what each inspection found, to its place, for the camera's next picture.
//! When full: four pictures wait. A newer picture of a waiting camera takes the place of the older one;
//! another camera is refused and looks again with its next picture. On failure: if the thread panics, every
//! look is refused and this is logged once. Not here: when a look is due (`place_memory`), what it does
//! (`place`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::place::{KeepBefore, Look};
use crate::base::monotonic;
use crate::change::Workbench;

/// Pictures that wait at most, over all cameras. A 4K picture with its RGB takes 37 MB.
const MOST_WAITING: usize = 4;

/// Shared by the place memories of a node's cameras.
pub(super) struct PlaceLooks {
    how: How,
}

enum How {
    Thread { queue: Arc<Queue>, thread: Mutex<Option<JoinHandle<()>>> },
    AtOnce { bench: Box<Mutex<Workbench>>, keep: KeepBefore },
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Look>,
    /// When the look that is in work was taken; stays where it panicked.
    running: Option<Instant>,
    closed: bool,
}

impl PlaceLooks {
    /// # Errors
    /// The system gives no thread.
    pub fn start(keep: KeepBefore) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let looks = Arc::clone(&queue);
        let run = move || {
            let mut bench = Workbench::default();
            while let Some(look) = looks.next() {
                let _camera = look.place.camera.span().entered();
                look.place.inspect(&look, &mut bench, &keep);
            }
        };
        let thread = std::thread::Builder::new().name("looks".into()).spawn(run)?;
        Ok(Self { how: How::Thread { queue, thread: Mutex::new(Some(thread)) } })
    }

    /// Each look is done in the calling thread, before it returns.
    pub fn at_once(keep: KeepBefore) -> Self {
        Self { how: How::AtOnce { bench: Box::default(), keep } }
    }

    /// False: there is no room.
    pub fn put(&self, look: Look) -> bool {
        match &self.how {
            How::AtOnce { bench, keep } => {
                look.place.inspect(&look, &mut bench.lock(), keep);
                true
            }
            How::Thread { queue, thread } => {
                if thread.lock().as_ref().is_some_and(JoinHandle::is_finished) {
                    self.join();
                }
                queue.put(look)
            }
        }
    }

    /// How long one look has been in work. It grows without end where that look panicked.
    pub fn stalled_for(&self) -> Duration {
        let How::Thread { queue, .. } = &self.how else { return Duration::ZERO };
        queue.state.lock().running.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Ends the thread after the look that it is at. What waits is not looked at.
    pub fn join(&self) {
        let How::Thread { queue, thread } = &self.how else { return };
        queue.state.lock().closed = true;
        queue.more.notify_one();
        let thread = thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(
                "the thread that looks for lasting changes panicked; restart the node to look again"
            );
        }
    }
}

impl Drop for PlaceLooks {
    fn drop(&mut self) {
        self.join();
    }
}

impl Queue {
    fn put(&self, look: Look) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        let older = state.waiting.iter().position(|other| Arc::ptr_eq(&other.place, &look.place));
        match older {
            Some(older) => state.waiting[older] = look,
            None if state.waiting.len() < MOST_WAITING => state.waiting.push_back(look),
            None => return false,
        }
        drop(state);
        self.more.notify_one();
        true
    }

    /// Waits for a look; `None` once the queue is closed.
    fn next(&self) -> Option<Look> {
        let mut state = self.state.lock();
        state.running = None;
        loop {
            if state.closed {
                return None;
            }
            if let Some(look) = state.waiting.pop_front() {
                state.running = Some(monotonic());
                return Some(look);
            }
            self.more.wait(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;
    use crate::base::{CameraId, WallTime};
    use crate::change::Settings;
    use crate::decode::Picture;
    use crate::scene::place::Place;
    use crate::scene::place_files::PlaceFiles;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn place(camera: usize, data_dir: Option<&std::path::Path>) -> Arc<Place> {
        let settings = Settings { learn: Duration::ZERO, min_share: 0.0005 };
        let files = |dir: &std::path::Path| PlaceFiles::in_folder(dir.to_path_buf()).expect("a thread");
        let files = data_dir.map(files);
        Arc::new(Place::new(CameraId::new(format!("c{camera}")), settings, files))
    }

    fn look(place: &Arc<Place>, second: i64) -> Look {
        let mut picture = Picture::grey(|x, y| (x / 7 * 37 % 90 + y / 5 * 53 % 90 + 40) as u8);
        picture.capture.at = WallTime(second * 1_000_000);
        Look { place: Arc::clone(place), picture: Arc::new(picture), hour: 12.0, moving: Vec::new() }
    }

    /// Looks that say when they keep a picture, and go on when they are told to.
    fn held() -> (PlaceLooks, Receiver<i64>, SyncSender<()>) {
        let (told, keeping) = sync_channel(100);
        let (go, wait) = sync_channel(100);
        let wait = Mutex::new(wait);
        let keep: KeepBefore = Arc::new(move |picture, _| {
            told.send(picture.capture.at.0 / 1_000_000).expect("the test waits");
            wait.lock().recv_timeout(PATIENCE).expect("the test goes on");
        });
        (PlaceLooks::start(keep).expect("a thread"), keeping, go)
    }

    #[test]
    fn nobody_waits_for_a_look_a_newer_picture_wins_and_no_more_than_four_wait() {
        let folder = tempfile::tempdir().expect("a folder");
        let (looks, keeping, go) = held();
        let slow = place(0, Some(folder.path()));
        // Two pictures teach it its place; the second is steady, is kept, and holds the thread.
        assert!(looks.put(look(&slow, 0)));
        let began = monotonic();
        while slow.take().is_none() {
            assert!(began.elapsed() < PATIENCE, "the first look never ends");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(looks.put(look(&slow, 4000)));
        assert_eq!(keeping.recv_timeout(PATIENCE), Ok(4000));
        assert!(looks.stalled_for() > Duration::ZERO, "the watchdog sees a look that does not end");
        let others: Vec<_> = (1..=5).map(|camera| place(camera, None)).collect();
        let taken: Vec<bool> = others.iter().map(|place| looks.put(look(place, 1))).collect();
        assert_eq!(taken, [true, true, true, true, false], "the fifth looks again later");
        assert!(looks.put(look(&others[0], 2)), "a newer picture of a waiting camera");
        assert!(others.iter().all(|place| place.take().is_none()));
        go.send(()).expect("it waits");
        let began = monotonic();
        let mut found = vec![0; 5];
        while found[..4] != [1, 1, 1, 1] {
            assert!(began.elapsed() < PATIENCE, "{found:?}");
            others.iter().zip(&mut found).for_each(|(place, n)| *n += usize::from(place.take().is_some()));
            std::thread::sleep(Duration::from_millis(1));
        }
        looks.join();
        assert_eq!(looks.stalled_for(), Duration::ZERO);
        assert_eq!(found, [1, 1, 1, 1, 0], "one look each");
        assert!(!looks.put(look(&others[4], 3)), "after the end");
    }

    #[test]
    fn looks_at_134_cameras_with_4k_keep_no_more_than_four_pictures() {
        const CAMERAS: usize = 134;
        let looks = PlaceLooks::start(Arc::new(|_, _| ())).expect("a thread");
        let mut picture = Picture::grey(|_, _| 0);
        (picture.width, picture.height) = (3840, 2160);
        let pixels = (0..3840 * 2160u32).flat_map(|i| [(i / 53 * 37 % 90) as u8 + 40; 3]);
        picture.pixels = crate::decode::Pixels::Rgb(pixels.collect::<Vec<u8>>().into());
        let picture = Arc::new(picture);
        let places: Vec<_> = (0..CAMERAS).map(|camera| place(camera, None)).collect();
        let mut handing = Duration::ZERO;
        let (mut taken, mut found, mut rounds) = (0, 0, 0u32);
        let began = monotonic();
        // As the rules do it for each picture, until some looks have been done.
        while found < 2 {
            assert!(began.elapsed() < 3 * PATIENCE, "{found} looks");
            for place in &places {
                let (place, picture) = (Arc::clone(place), Arc::clone(&picture));
                let began = monotonic();
                found += usize::from(place.take().is_some());
                taken += u32::from(looks.put(Look { place, picture, hour: 12.0, moving: Vec::new() }));
                handing += began.elapsed();
            }
            rounds += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
        let each = handing / (rounds * CAMERAS as u32);
        let look = began.elapsed() / found as u32;
        println!("{each:?} a picture for the rules, {look:?} a look, {taken} taken in {rounds} rounds");
        let pictures = Arc::strong_count(&picture) - 1;
        assert!(pictures <= MOST_WAITING + 1, "{pictures} kept: those that wait and the one in work");
        assert!(taken < rounds * CAMERAS as u32, "most look again with a later picture");
    }

    #[test]
    fn a_replay_has_what_a_look_found_at_once() {
        let looks = PlaceLooks::at_once(Arc::new(|_, _| ()));
        let place = place(0, None);
        assert!(looks.put(look(&place, 0)));
        assert!(place.take().is_some());
        assert!(place.take().is_none(), "once");
    }
}
