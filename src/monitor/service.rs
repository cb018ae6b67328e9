//! Messages to systemd about the process (sd_notify(3)). Without systemd nothing is sent and nothing fails.

use std::time::Duration;

use sd_notify::NotifyState;

/// The connection to the service manager that `NOTIFY_SOCKET` names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service;

impl Service {
    /// Everything runs. Call it after a reload too, applied or refused.
    pub fn ready(self, status: &str) {
        notify(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// The config is being read again, until `ready`. Type=notify-reload of systemd 253 requires the time.
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

    /// The process is alive and works.
    pub fn alive(self) {
        notify(&[NotifyState::Watchdog]);
    }

    /// The longest allowed time between two calls of `alive` (`WatchdogSec=`). `None`: there is no watchdog.
    pub fn watchdog(self) -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }
}

fn notify(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify the service manager");
    }
}
