//! What systemd is told of the process (sd_notify(3)). Without systemd nothing is told and nothing fails.

use std::time::Duration;

use sd_notify::NotifyState;

/// The line to the service manager that `NOTIFY_SOCKET` names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service;

impl Service {
    /// Everything runs; after a reload too, whether it was taken or refused.
    pub fn ready(self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// The config is being read again; `ready` ends it. The time is what Type=notify-reload of systemd 253 asks for.
    pub fn reloading(self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    pub fn stopping(self) {
        tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    /// One line for `systemctl status`.
    pub fn status(self, status: &str) {
        tell(&[NotifyState::Status(status)]);
    }

    /// The process is alive and does its work.
    pub fn alive(self) {
        tell(&[NotifyState::Watchdog]);
    }

    /// How often at least it must be told to be alive (`WatchdogSec=`); `None`: nobody watches.
    pub fn watchdog(self) -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }
}

fn tell(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
