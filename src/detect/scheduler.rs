//! Chooses the next camera: the one that has waited longest, in units of its interval.
//!
//! Pure: time comes with each call. One picture per camera waits, and the newest wins; the pictures of a
//! series all wait. One worker at a time serves a camera, so its pictures leave in order of time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// A camera's number, in the order in which cameras were added; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CameraSlot(pub usize);

/// `P`: a picture.
#[derive(Debug)]
pub struct Scheduler<P> {
    cameras: BTreeMap<CameraSlot, Camera<P>>,
    next: usize,
}

/// What happens to a waiting picture when a newer one of its camera arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// The newer picture replaces it.
    NewestWins,
    /// It stays: it belongs to a series. The decoder limits how many of these wait.
    Keep,
}

#[derive(Debug)]
struct Camera<P> {
    interval: Duration,
    /// Oldest first.
    waiting: VecDeque<(P, Eviction)>,
    /// Start of the uninterrupted wait: a newer picture keeps the camera's place in the queue.
    waiting_since: Option<Instant>,
    served: Option<Instant>,
    busy: bool,
}

impl<P> Scheduler<P> {
    /// `intervals`: one per camera.
    pub fn new(intervals: impl IntoIterator<Item = Duration>) -> Self {
        let mut all = Self { cameras: BTreeMap::new(), next: 0 };
        for interval in intervals {
            all.add(interval);
        }
        all
    }

    /// Adds a camera.
    pub fn add(&mut self, interval: Duration) -> CameraSlot {
        let slot = CameraSlot(self.next);
        self.next += 1;
        let camera = Camera {
            interval: at_least(interval),
            waiting: VecDeque::new(),
            waiting_since: None,
            served: None,
            busy: false,
        };
        self.cameras.insert(slot, camera);
        slot
    }

    /// Changes the camera's interval.
    pub fn set_interval(&mut self, slot: CameraSlot, interval: Duration) {
        if let Some(camera) = self.cameras.get_mut(&slot) {
            camera.interval = at_least(interval);
        }
    }

    /// Removes the camera and returns its waiting pictures.
    pub fn remove(&mut self, slot: CameraSlot) -> Vec<P> {
        let waiting = self.cameras.remove(&slot).map(|camera| camera.waiting).unwrap_or_default();
        waiting.into_iter().map(|(picture, _)| picture).collect()
    }

    /// Queues a picture behind the camera's waiting ones. Returns the picture that it replaces, or the
    /// picture itself if the camera is unknown.
    pub fn offer(&mut self, slot: CameraSlot, picture: P, eviction: Eviction, now: Instant) -> Option<P> {
        let Some(camera) = self.cameras.get_mut(&slot) else { return Some(picture) };
        camera.waiting_since.get_or_insert(now);
        let replaced = camera.waiting.pop_back_if(|(_, eviction)| *eviction == Eviction::NewestWins);
        camera.waiting.push_back((picture, eviction));
        replaced.map(|(picture, _)| picture)
    }

    /// The picture of the most overdue camera, which is then busy until [`finish`](Self::finish). `None`:
    /// nothing to do.
    pub fn next(&mut self, now: Instant) -> Option<(CameraSlot, P)> {
        let free = self.cameras.iter_mut().filter(|(_, c)| !c.waiting.is_empty() && !c.busy);
        // The first of equals wins: max_by keeps the last, hence the reversal.
        let (&slot, camera) = free.rev().max_by(|(_, a), (_, b)| {
            let overdue = a.overdue(now).total_cmp(&b.overdue(now));
            overdue.then_with(|| b.waiting_since.cmp(&a.waiting_since))
        })?;
        camera.busy = true;
        camera.served = Some(now);
        let (picture, _) = camera.waiting.pop_front()?;
        camera.waiting_since = (!camera.waiting.is_empty()).then_some(now);
        Some((slot, picture))
    }

    /// The camera's picture is done: its next one may start.
    pub fn finish(&mut self, slot: CameraSlot) {
        if let Some(camera) = self.cameras.get_mut(&slot) {
            camera.busy = false;
        }
    }

    /// Number of waiting pictures.
    pub fn waiting(&self) -> usize {
        self.cameras.values().map(|camera| camera.waiting.len()).sum()
    }

    /// Whether any picture waits, even of a busy camera.
    pub fn has_work(&self) -> bool {
        self.cameras.values().any(|camera| !camera.waiting.is_empty())
    }

    /// Removes and returns all waiting pictures.
    pub fn clear(&mut self) -> Vec<(CameraSlot, P)> {
        let taken = self.cameras.iter_mut();
        taken.flat_map(|(&slot, c)| c.waiting.drain(..).map(move |(picture, _)| (slot, picture))).collect()
    }
}

fn at_least(interval: Duration) -> Duration {
    interval.max(Duration::from_millis(1))
}

impl<P> Camera<P> {
    /// Intervals since it was served; infinite before the first time.
    fn overdue(&self, now: Instant) -> f64 {
        self.served.map_or(f64::INFINITY, |served| {
            now.saturating_duration_since(served).as_secs_f64() / self.interval.as_secs_f64()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::monotonic;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_newest_picture_wins_and_keeps_the_place_in_the_queue() {
        let start = monotonic();
        let mut scheduler = Scheduler::new([SECOND, SECOND]);
        assert_eq!(scheduler.offer(CameraSlot(1), "old", Eviction::NewestWins, start), None);
        assert_eq!(scheduler.offer(CameraSlot(0), "other", Eviction::NewestWins, start + SECOND), None);
        assert_eq!(
            scheduler.offer(CameraSlot(1), "new", Eviction::NewestWins, start + 2 * SECOND),
            Some("old")
        );
        assert_eq!(scheduler.next(start + 3 * SECOND), Some((CameraSlot(1), "new")));
        assert_eq!(scheduler.next(start + 3 * SECOND), Some((CameraSlot(0), "other")));
    }

    #[test]
    fn the_most_overdue_goes_first_measured_in_its_own_interval() {
        let start = monotonic();
        let mut scheduler = Scheduler::new([2 * SECOND, 10 * SECOND]);
        for (slot, at) in [(CameraSlot(0), 0), (CameraSlot(1), 0)] {
            scheduler.offer(slot, (), Eviction::NewestWins, start + at * SECOND);
            assert_eq!(scheduler.next(start + at * SECOND), Some((slot, ())));
            scheduler.finish(slot);
        }
        scheduler.offer(CameraSlot(1), (), Eviction::NewestWins, start + 4 * SECOND);
        scheduler.offer(CameraSlot(0), (), Eviction::NewestWins, start + 5 * SECOND);
        assert_eq!(
            scheduler.next(start + 5 * SECOND),
            Some((CameraSlot(0), ())),
            "2.5 intervals against half of one"
        );
    }

    #[test]
    fn a_camera_is_worked_on_by_one_worker_at_a_time() {
        let now = monotonic();
        let mut scheduler = Scheduler::new([SECOND]);
        scheduler.offer(CameraSlot(0), 1, Eviction::NewestWins, now);
        assert_eq!(scheduler.next(now), Some((CameraSlot(0), 1)));
        scheduler.offer(CameraSlot(0), 2, Eviction::NewestWins, now);
        assert_eq!(scheduler.next(now), None);
        scheduler.finish(CameraSlot(0));
        assert_eq!(scheduler.next(now), Some((CameraSlot(0), 2)));
    }

    #[test]
    fn cameras_come_and_go_while_one_is_worked_on() {
        let now = monotonic();
        let mut scheduler = Scheduler::new([SECOND]);
        scheduler.offer(CameraSlot(0), 1, Eviction::NewestWins, now);
        assert_eq!(scheduler.next(now), Some((CameraSlot(0), 1)));
        scheduler.offer(CameraSlot(0), 2, Eviction::NewestWins, now);
        assert_eq!(scheduler.remove(CameraSlot(0)), [2]);
        scheduler.finish(CameraSlot(0));
        assert_eq!(
            scheduler.offer(CameraSlot(0), 3, Eviction::NewestWins, now),
            Some(3),
            "an unknown camera"
        );
        let added = scheduler.add(SECOND);
        assert_eq!(added, CameraSlot(1), "slots are not reused");
        scheduler.offer(added, 4, Eviction::NewestWins, now);
        assert_eq!(scheduler.next(now), Some((added, 4)));
    }

    /// Serves one picture every `cost` while each camera offers one at its interval. Returns for each camera
    /// the number of pictures served and its longest wait.
    fn simulate(intervals: &[u64], cost: u64, until: u64) -> Vec<(u64, u64)> {
        let start = monotonic();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut scheduler = Scheduler::new(intervals.iter().map(|&ms| Duration::from_millis(ms)));
        let mut served = vec![(0, 0, 0); intervals.len()];
        for now in 0..until {
            for (i, interval) in intervals.iter().enumerate() {
                if now % interval == 0 {
                    scheduler.offer(CameraSlot(i), (), Eviction::NewestWins, at(now));
                }
            }
            if now % cost == 0
                && let Some((slot, ())) = scheduler.next(at(now))
            {
                let (count, last, longest) = &mut served[slot.0];
                *longest = (now - *last).max(*longest);
                (*count, *last) = (*count + 1, now);
                scheduler.finish(slot);
            }
        }
        served.into_iter().map(|(count, last, longest)| (count, longest.max(until - last))).collect()
    }

    #[test]
    fn an_overloaded_box_gives_every_camera_the_same_share_of_its_wish() {
        // Wanted: 10 pictures a second and 4 times 1; possible: 5 a second.
        let served = simulate(&[100, 1000, 1000, 1000, 1000], 200, 60_000);
        let share = |i: usize, wanted: f64| served[i].0 as f64 / wanted;
        let slow: Vec<f64> = (1..5).map(|i| share(i, 60.0)).collect();
        assert!(slow.iter().all(|s| (0.3..=0.5).contains(s)), "{served:?}");
        assert!((0.3..=0.45).contains(&share(0, 600.0)), "{served:?}");
    }

    proptest! {
        #[test]
        fn none_starves_whatever_the_load(intervals in prop::collection::vec(20u64..2000, 1..30), cost in 5u64..100) {
            let served = simulate(&intervals, cost, 20_000);
            // In units of its interval, no camera waits much longer than one round of all the work.
            let load: f64 = intervals.iter().map(|i| cost as f64 / *i as f64).sum();
            for (i, (count, longest)) in served.iter().enumerate() {
                let fair = intervals[i] as f64 * load.max(1.0) * 2.0 + (cost * intervals.len() as u64 * 2) as f64;
                prop_assert!(*count > 0 && (*longest as f64) <= fair, "camera {i}: {served:?} load {load}");
            }
        }
    }
}
