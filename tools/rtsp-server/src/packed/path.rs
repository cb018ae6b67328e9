//! One path: a camera with a clock of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::packets::Packets;

pub struct Path {
    pub packets: Arc<Packets>,
    phase: Duration,
    started: Instant,
    pub stalled: AtomicBool,
    /// A change of this number ends all older connections.
    generation: AtomicU64,
    down_until: Mutex<Option<Instant>>,
    pub counts: Counts,
}

/// Access units since the start.
#[derive(Default)]
pub struct Counts {
    pub sent: AtomicU64,
    /// The client did not read.
    pub dropped: AtomicU64,
    pub clients: AtomicU64,
    /// PLAY requests.
    pub plays: AtomicU64,
}

impl Path {
    pub fn new(packets: Arc<Packets>, phase: Duration) -> Self {
        Self {
            packets,
            phase,
            started: Instant::now(),
            stalled: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            down_until: Mutex::new(None),
            counts: Counts::default(),
        }
    }

    /// Media time now: it goes on over the rounds.
    pub fn now(&self) -> Duration {
        self.started.elapsed() + self.phase
    }

    /// When the media time is, or was, `at`.
    pub fn instant(&self, at: Duration) -> Instant {
        self.started + at.saturating_sub(self.phase)
    }

    /// Closes all connections and refuses clients for a while, as a restarting camera does.
    pub fn down(&self, time: Duration) {
        *self.down_until.lock() = Some(Instant::now() + time);
        self.close();
    }

    /// Ends all connections that play it.
    pub fn close(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    pub fn is_down(&self) -> bool {
        let until = *self.down_until.lock();
        until.is_some_and(|until| Instant::now() < until)
    }

    pub fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }
}
