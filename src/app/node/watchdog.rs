//! The systemd watchdog: sends a sign of life while the data path moves. When it stops, systemd restarts the
//! node.
//!
//! A stage is stuck if it has work and has not moved for [`LIMIT`]: key frames that no decoder accepts,
//! pictures that no detector accepts, a rules or still thread that neither works nor waits for the disk, a
//! look for change or a second look that does not end, idle network threads. A camera or broker that is down leaves its stage without work, so nothing is stuck. A
//! full disk blocks everything and is reported elsewhere: a restart would not free space. A disk that is read-only
//! or fails is no excuse: a restart may mount it again, and tells the operator if not.

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::app::rules_thread::RulesStatus;
use crate::base::{Heartbeat, Shutdown};
use crate::decode::DecodePool;
use crate::detect::DetectPool;
use crate::events::Recorder;
use crate::evidence::ClipService;
use crate::monitor::Service;
use crate::scene::PlaceMemoryContext;
use crate::second_look::SecondLookService;

/// Longer than any picture takes on any machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The heartbeats and stages that show whether the data path moves.
pub(super) struct Pulse {
    pub io: Arc<Heartbeat>,
    pub rules: Arc<RulesStatus>,
    pub memory: PlaceMemoryContext,
    pub recorder: Arc<Recorder>,
    pub decode: Weak<DecodePool>,
    pub detect: Weak<DetectPool>,
    pub second_look: Option<Arc<SecondLookService>>,
    pub clips: Weak<ClipService>,
    pub publisher: AbortHandle,
}

impl Pulse {
    /// The stage that is stuck, if any.
    pub fn stuck(&self) -> Option<&'static str> {
        if self.io.silent_for() > LIMIT {
            return Some("the network threads");
        }
        // Neither ends before the node stops, unless it panics.
        if self.publisher.is_finished() {
            return Some("the publisher");
        }
        if self.clips.upgrade().is_some_and(|clips| clips.is_over()) {
            return Some("clips");
        }
        let waits_for_room = self.recorder.journal.waits_for_room();
        if !waits_for_room && self.rules.alive.silent_for() > LIMIT {
            return Some("rules");
        }
        if !waits_for_room && self.recorder.stills.get().is_some_and(|queue| queue.alive.silent_for() > LIMIT)
        {
            return Some("stills");
        }
        if self.memory.stalled_for() > LIMIT {
            return Some("looks for change");
        }
        if self.second_look.as_ref().is_some_and(|service| service.stalled_for() > LIMIT) {
            return Some("second-look");
        }
        // A detector hands over to the rules, so it stops when they do.
        if !waits_for_room && self.detect.upgrade().is_some_and(|pool| pool.stalled_for() > LIMIT) {
            return Some("detect");
        }
        self.decode.upgrade().is_some_and(|pool| pool.stalled_for() > LIMIT).then_some("decode")
    }
}

/// A heartbeat of the threads that serve all connections, until `stop`.
pub(super) fn io_heartbeat(tokio: &Handle, stop: Shutdown) -> Arc<Heartbeat> {
    let heartbeat = Arc::new(Heartbeat::default());
    let beat = Arc::clone(&heartbeat);
    tokio.spawn(async move {
        loop {
            beat.beat();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    });
    heartbeat
}

/// The thread that notifies systemd. It is separate, so that a slow reload or a full disk does not trigger a
/// restart.
pub(super) struct Watchdog {
    thread: Option<JoinHandle<()>>,
    stop: Shutdown,
}

impl Watchdog {
    /// Does nothing if systemd does not watch this service.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(service: Service, pulse: Pulse, stop: Shutdown) -> std::io::Result<Self> {
        let Some(limit) = service.watchdog() else { return Ok(Self { thread: None, stop }) };
        let stopped = stop.clone();
        // Twice within the limit is enough (sd_watchdog_enabled(3)); three times for a busy machine.
        let watch = move || watch(limit / 3, &stopped, || pulse.stuck(), || service.alive());
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(watch)?;
        Ok(Self { thread: Some(thread), stop })
    }

    pub fn join(self) {
        self.stop.stop();
        if self.thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the watchdog thread panicked");
        }
    }
}

fn watch(every: Duration, stop: &Shutdown, stuck: impl Fn() -> Option<&'static str>, alive: impl Fn()) {
    let mut reported = None;
    loop {
        match stuck() {
            None => {
                alive();
                reported = None;
            }
            Some(stage) if reported != Some(stage) => {
                tracing::error!(
                    "{stage} has work and does not move: the watchdog stops its signal, and systemd will restart lintel"
                );
                reported = Some(stage);
            }
            Some(_) => {}
        }
        if stop.wait(every) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_stuck_stage_silences_the_watchdog_until_it_moves_again() {
        let (fed, stuck) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, look) = (Arc::clone(&fed), Arc::clone(&stuck));
        let looks = Arc::new(AtomicU32::new(0));
        let looked = Arc::clone(&looks);
        let stop = Shutdown::new();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let stage = || {
                looked.fetch_add(1, Ordering::SeqCst);
                look.load(Ordering::SeqCst).then_some("decode")
            };
            let alive = || {
                count.fetch_add(1, Ordering::SeqCst);
            };
            watch(Duration::from_millis(2), &stopped, stage, alive);
        });
        let wait_for = |what: &dyn Fn() -> bool| {
            let began = crate::base::monotonic();
            while !what() {
                assert!(began.elapsed() < Duration::from_secs(60));
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        wait_for(&|| fed.load(Ordering::SeqCst) > 3);
        stuck.store(true, Ordering::SeqCst);
        let then = looks.load(Ordering::SeqCst);
        wait_for(&|| looks.load(Ordering::SeqCst) > then + 1);
        let silent = fed.load(Ordering::SeqCst);
        wait_for(&|| looks.load(Ordering::SeqCst) > then + 10);
        assert_eq!(fed.load(Ordering::SeqCst), silent);
        stuck.store(false, Ordering::SeqCst);
        wait_for(&|| fed.load(Ordering::SeqCst) > silent);
        stop.stop();
        thread.join().expect("the watchdog ends");
    }
}
