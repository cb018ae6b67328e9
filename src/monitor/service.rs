//! Notifies systemd about the process (sd_notify(3)). Without systemd this does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// The connection to the service manager, named by `NOTIFY_SOCKET`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service;

impl Service {
    /// Everything runs. Also sent after a reload, applied or refused.
    pub fn ready(self, status: &str) {
        notify(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// The config is being read again; `ready` ends this state. Type=notify-reload of systemd 253 needs the time.
    pub fn reloading(self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(_) => notify(&[NotifyState::Reloading]),
        }
    }

    pub fn stopping(self) {
        notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    /// One line for `systemctl status`.
    pub fn status(self, status: &str) {
        notify(&[NotifyState::Status(status)]);
    }

    /// The process is alive and working.
    pub fn alive(self) {
        notify(&[NotifyState::Watchdog]);
    }

    /// Longest time between two calls of `alive` (`WatchdogSec=`); `None` without a watchdog.
    pub fn watchdog(self) -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }
}

fn notify(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify the service manager");
    }
}
