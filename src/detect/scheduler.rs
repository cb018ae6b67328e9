//! Which camera is looked at next: the one that has waited longest, measured in its own interval.
//!
//! Pure: time comes with each call. One picture a camera waits, the newest wins. A camera is worked on by one
//! worker at a time, so its pictures leave in order of time.

use std::time::{Duration, Instant};

/// A camera's place: its index in the list that the scheduler was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub usize);

/// `P`: what waits, a picture.
#[derive(Debug)]
pub struct Scheduler<P> {
    cameras: Vec<Camera<P>>,
}

#[derive(Debug)]
struct Camera<P> {
    interval: Duration,
    waiting: Option<P>,
    /// Since when without a break something waits; a newer picture does not lose the place in the queue.
    waiting_since: Option<Instant>,
    served: Option<Instant>,
    busy: bool,
}

impl<P> Scheduler<P> {
    /// How often each camera wants to be looked at.
    pub fn new(intervals: impl IntoIterator<Item = Duration>) -> Self {
        let camera = |interval: Duration| Camera {
            interval: interval.max(Duration::from_millis(1)),
            waiting: None,
            waiting_since: None,
            served: None,
            busy: false,
        };
        Self { cameras: intervals.into_iter().map(camera).collect() }
    }

    /// Puts a picture where the camera's waits; gives back the one that it replaces.
    pub fn offer(&mut self, Slot(i): Slot, picture: P, now: Instant) -> Option<P> {
        let camera = &mut self.cameras[i];
        camera.waiting_since.get_or_insert(now);
        camera.waiting.replace(picture)
    }

    /// The most overdue camera's picture; the camera is busy until [`finish`](Self::finish). `None`: nothing to do.
    pub fn next(&mut self, now: Instant) -> Option<(Slot, P)> {
        let free = self.cameras.iter().enumerate().filter(|(_, c)| c.waiting.is_some() && !c.busy);
        // Of equals the first: max_by keeps the last, hence the reversal.
        let (i, _) = free.rev().max_by(|(_, a), (_, b)| {
            let overdue = a.overdue(now).total_cmp(&b.overdue(now));
            overdue.then_with(|| b.waiting_since.cmp(&a.waiting_since))
        })?;
        let camera = &mut self.cameras[i];
        camera.busy = true;
        camera.served = Some(now);
        camera.waiting_since = None;
        camera.waiting.take().map(|picture| (Slot(i), picture))
    }

    /// The camera's picture was worked on; its next one may be taken.
    pub fn finish(&mut self, Slot(i): Slot) {
        self.cameras[i].busy = false;
    }

    /// Takes everything that waits.
    pub fn clear(&mut self) -> Vec<(Slot, P)> {
        let taken = self.cameras.iter_mut().enumerate();
        taken.filter_map(|(i, c)| c.waiting.take().map(|picture| (Slot(i), picture))).collect()
    }
}

impl<P> Camera<P> {
    /// In intervals since it was served; infinite before the first time.
    fn overdue(&self, now: Instant) -> f64 {
        self.served.map_or(f64::INFINITY, |served| {
            now.saturating_duration_since(served).as_secs_f64() / self.interval.as_secs_f64()
        })
    }
}
