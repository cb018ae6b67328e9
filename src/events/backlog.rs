//! Stores batches in the order in which they were made, and waits for a full disk without holding a lock.
//!
//! Takes: batches from the rules, stills, clips, flights and commands. Gives: each to the store, oldest
//! first. When full: every thread waits for its own batch, so the queue holds about one batch a thread. On
//! failure: the oldest batch is tried again every second, and no later one overtakes it: the stored state
//! never knows of a step whose message is missing. Not here: what a batch contains (`recorder`, `journal`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::base::{Shutdown, error_chain, monotonic};
use crate::outbox::{Batch, DiskTrouble, Outbox, OutboxError};

const RETRY: Duration = Duration::from_secs(1);

/// Where batches go: the outbox of a node, or a replay's standard output.
pub(crate) trait Store: Send + Sync {
    /// # Errors
    /// As [`Outbox::append`].
    fn append(&self, batch: &Batch) -> Result<(), OutboxError>;
}

impl Store for Outbox {
    fn append(&self, batch: &Batch) -> Result<(), OutboxError> {
        Outbox::append(self, batch)
    }
}

/// Names a queued batch. Later batches have larger tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

pub(super) struct Backlog {
    store: Arc<dyn Store>,
    queue: Mutex<Queue>,
    /// Locked by the thread that stores, not while it waits.
    storing: Mutex<Outage>,
    failing: Mutex<Option<DiskTrouble>>,
    full_seconds: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Ticket, Batch)>,
    newest: u64,
}

/// The time since the store first refused a batch, until it accepts one.
#[derive(Default)]
struct Outage {
    since: Option<Instant>,
    counted: u64,
}

impl Backlog {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            queue: Mutex::default(),
            storing: Mutex::default(),
            failing: Mutex::default(),
            full_seconds: AtomicU64::new(0),
        }
    }

    /// Why batches cannot be stored, from the first that could not to the next that could.
    pub fn trouble(&self) -> Option<DiskTrouble> {
        *self.failing.lock()
    }

    /// Whole seconds in which batches could not be stored.
    pub fn full_seconds(&self) -> u64 {
        self.full_seconds.load(Ordering::Relaxed)
    }

    /// Queues a batch behind all earlier ones. It takes microseconds, so it may be called under a lock.
    pub fn push(&self, batch: Batch) -> Ticket {
        let mut queue = self.queue.lock();
        queue.newest += 1;
        let ticket = Ticket(queue.newest);
        queue.waiting.push_back((ticket, batch));
        ticket
    }

    /// Stores the batch and all before it, as far as the store accepts them now. Returns whether the batch is
    /// stored.
    pub fn store(&self, ticket: Ticket) -> bool {
        let mut outage = self.storing.lock();
        loop {
            let Some((next, batch)) = self.pop_until(ticket) else { return true };
            match self.store.append(&batch) {
                Ok(()) => self.stored(&mut outage),
                Err(error) => {
                    self.queue.lock().waiting.push_front((next, batch));
                    self.failed(&mut outage, &error);
                    return false;
                }
            }
        }
    }

    /// As [`store`](Self::store), and tries again every second until one of the two asks to stop. The batch
    /// stays queued then: a later call stores it first.
    pub fn wait(&self, ticket: Ticket, node: &Shutdown, caller: &Shutdown) -> bool {
        while !self.store(ticket) {
            if caller.wait(RETRY) || node.is_stopped() {
                return false;
            }
        }
        true
    }

    /// Takes a batch back that could not be stored. Returns false if it was stored in the meantime.
    pub fn withdraw(&self, ticket: Ticket) -> bool {
        // A thread that just stores it must finish first.
        let _storing = self.storing.lock();
        let mut queue = self.queue.lock();
        let before = queue.waiting.len();
        queue.waiting.retain(|(other, _)| *other != ticket);
        queue.waiting.len() < before
    }

    /// Tries once more to store everything that waits. Returns the number of batches that still wait.
    pub fn flush(&self) -> usize {
        let newest = Ticket(self.queue.lock().newest);
        self.store(newest);
        self.queue.lock().waiting.len()
    }

    /// The oldest batch, unless it is newer than `ticket`.
    fn pop_until(&self, ticket: Ticket) -> Option<(Ticket, Batch)> {
        self.queue.lock().waiting.pop_front_if(|(next, _)| *next <= ticket)
    }

    fn stored(&self, outage: &mut Outage) {
        if let Some(since) = std::mem::take(outage).since {
            tracing::info!("records are stored again, after {} s", since.elapsed().as_secs());
        }
        *self.failing.lock() = None;
    }

    fn failed(&self, outage: &mut Outage, error: &OutboxError) {
        if outage.since.is_none() {
            tracing::error!("cannot store a record, retrying every second: {}", error_chain(error));
        }
        *self.failing.lock() = Some(error.disk());
        let seconds = outage.since.get_or_insert_with(monotonic).elapsed().as_secs();
        self.full_seconds.fetch_add(seconds - outage.counted, Ordering::Relaxed);
        outage.counted = seconds;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// A store on a disk that is full until it has room.
    #[derive(Default)]
    struct Disk {
        room: AtomicBool,
        keys: Mutex<Vec<String>>,
    }

    impl Disk {
        fn keys(&self) -> Vec<String> {
            self.keys.lock().clone()
        }
    }

    impl Store for Disk {
        fn append(&self, batch: &Batch) -> Result<(), OutboxError> {
            if !self.room.load(Ordering::SeqCst) {
                return Err(OutboxError::Full { path: "outbox.db".into() });
            }
            self.keys.lock().extend(batch.state.iter().map(|(key, _)| key.clone()));
            Ok(())
        }
    }

    fn batch(key: &str) -> Batch {
        Batch { state: vec![(key.to_owned(), None)], ..Batch::default() }
    }

    fn full() -> (Arc<Disk>, Backlog) {
        let disk = Arc::new(Disk::default());
        (Arc::clone(&disk), Backlog::new(disk))
    }

    fn stopped() -> Shutdown {
        let stop = Shutdown::new();
        stop.stop();
        stop
    }

    #[test]
    fn a_batch_that_could_not_be_stored_is_stored_before_every_later_one() {
        let (disk, backlog) = full();
        let opened = backlog.push(batch("opened"));
        assert!(!backlog.wait(opened, &stopped(), &stopped()), "the node stops");
        assert_eq!(backlog.trouble(), Some(DiskTrouble::Full));
        disk.room.store(true, Ordering::SeqCst);
        let checkpoint = backlog.push(batch("checkpoint"));
        assert!(backlog.store(checkpoint));
        assert_eq!(disk.keys(), ["opened", "checkpoint"]);
        assert_eq!(backlog.trouble(), None);
        assert!(backlog.store(opened), "it was stored with the later one");
    }

    #[test]
    fn several_threads_wait_at_a_time_and_store_in_their_order() {
        let (disk, backlog) = full();
        let go_on = Shutdown::new();
        let tickets: Vec<Ticket> = (0..4).map(|i| backlog.push(batch(&format!("{i}")))).collect();
        std::thread::scope(|scope| {
            let wait = |ticket: &Ticket| {
                let (ticket, backlog, go_on) = (*ticket, &backlog, &go_on);
                scope.spawn(move || backlog.wait(ticket, go_on, go_on))
            };
            let waiting: Vec<_> = tickets.iter().rev().map(wait).collect();
            while backlog.trouble().is_none() {
                std::thread::yield_now();
            }
            disk.room.store(true, Ordering::SeqCst);
            assert!(waiting.into_iter().all(|thread| thread.join().expect("no panic")));
        });
        assert_eq!(disk.keys(), ["0", "1", "2", "3"]);
    }

    #[test]
    fn a_withdrawn_batch_is_never_stored_and_a_stored_one_cannot_be_withdrawn() {
        let (disk, backlog) = full();
        let (first, second) = (backlog.push(batch("first")), backlog.push(batch("second")));
        assert!(!backlog.store(second));
        assert!(backlog.withdraw(first));
        assert_eq!(backlog.flush(), 1, "still full");
        disk.room.store(true, Ordering::SeqCst);
        assert_eq!(backlog.flush(), 0);
        assert!(!backlog.withdraw(second));
        assert_eq!(disk.keys(), ["second"]);
    }
}
