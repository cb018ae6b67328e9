//! One word for "stop now", understood by tasks and by threads.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio_util::sync::CancellationToken;

/// Cloneable stop signal. Tasks await `cancelled()`, threads poll `is_stopped()` or sleep with `wait()`.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    sleepers: Arc<(Mutex<()>, Condvar)>,
}

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn stop(&self) {
        let _held = self.sleepers.0.lock();
        self.token.cancel();
        self.sleepers.1.notify_all();
    }

    pub fn is_stopped(&self) -> bool {
        self.token.is_cancelled()
    }

    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Sleeps for `limit` at most; returns true as soon as a stop is requested.
    pub fn wait(&self, limit: Duration) -> bool {
        let mut held = self.sleepers.0.lock();
        self.sleepers.1.wait_while_for(&mut held, |()| !self.is_stopped(), limit);
        self.is_stopped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeping_thread_wakes_on_stop() {
        let shutdown = Shutdown::new();
        let sleeper = {
            let shutdown = shutdown.clone();
            std::thread::spawn(move || shutdown.wait(Duration::from_secs(60)))
        };
        shutdown.stop();
        assert!(sleeper.join().expect("sleeper"));
    }
}
