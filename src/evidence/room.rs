//! Room on the disk, asked for by whoever may not write a file and made by the one thread that deletes old
//! evidence.
//!
//! One for the process: it has one data folder and one such thread. Without the thread (a replay, a test) a
//! writer is told at once.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::base::{Shutdown, monotonic};

/// How long a writer waits for room. Deleting takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who asks so soon after the last deletion is told at once: there was nothing left to delete.
const REST: Duration = Duration::from_secs(2);
/// How often the thread looks for the stop.
const TURN: Duration = Duration::from_millis(200);

pub(super) static ROOM: Room = Room { state: Mutex::new(State::new()), changed: Condvar::new() };

pub(super) struct Room {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// A thread makes room.
    served: bool,
    asked: bool,
    /// Counts deletions.
    made: u64,
    last: Option<Instant>,
}

impl State {
    const fn new() -> Self {
        Self { served: false, asked: false, made: 0, last: None }
    }
}

impl Room {
    /// Asks for room and waits until old evidence was deleted, if there was any.
    pub fn ask(&self) {
        let mut state = self.state.lock();
        if !state.served || state.last.is_some_and(|last| last.elapsed() < REST) {
            return;
        }
        let before = state.made;
        state.asked = true;
        self.changed.notify_all();
        let until = monotonic() + PATIENCE;
        while state.made == before && state.served {
            if self.changed.wait_until(&mut state, until).timed_out() {
                return;
            }
        }
    }
}

/// Calls `make` at once, whenever a writer asks for room, and when `is_due` says so of the time since the last
/// call. Ends with `stop`.
pub fn make_room(stop: &Shutdown, is_due: impl Fn(Duration) -> bool, mut make: impl FnMut()) {
    let mut last: Option<Instant> = None;
    ROOM.state.lock().served = true;
    while !stop.is_stopped() {
        let due = last.is_none_or(|last| is_due(last.elapsed()));
        {
            let mut state = ROOM.state.lock();
            if !state.asked && !due {
                ROOM.changed.wait_for(&mut state, TURN);
                continue;
            }
            state.asked = false;
        }
        make();
        last = Some(monotonic());
        let mut state = ROOM.state.lock();
        state.made += 1;
        state.last = last;
        ROOM.changed.notify_all();
    }
    ROOM.state.lock().served = false;
    ROOM.changed.notify_all();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;

    #[test]
    fn who_is_refused_gets_room_at_once_and_not_after_a_minute() {
        let began = monotonic();
        ROOM.ask();
        assert!(began.elapsed() < REST, "nobody makes room: the writer is told at once");
        let (stop, made) = (Shutdown::new(), Arc::new(AtomicU32::new(0)));
        let (stopped, count) = (stop.clone(), Arc::clone(&made));
        let free = Arc::new(AtomicBool::new(false));
        let freed = Arc::clone(&free);
        let thread = std::thread::spawn(move || {
            make_room(
                &stopped,
                |_| false,
                || {
                    // The first is the start's own.
                    freed.store(count.fetch_add(1, Ordering::SeqCst) > 0, Ordering::SeqCst);
                },
            );
        });
        while made.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        std::thread::sleep(REST);
        let began = monotonic();
        ROOM.ask();
        assert!(free.load(Ordering::SeqCst) && began.elapsed() < PATIENCE);
        // Nothing is left to delete: the next writers do not wait, and the disk is not searched for each.
        for _ in 0..100 {
            ROOM.ask();
        }
        assert_eq!(made.load(Ordering::SeqCst), 2);
        stop.stop();
        thread.join().expect("ends");
    }
}
