//! The ways of `transport = "auto"`: which RTSP client serves a camera. Pure: the caller connects.
//!
//! The built-in client comes first, because it is five times cheaper. What ends its connection by what the
//! camera says, or soon, goes to the next way. The way that lasted longer stays.

use std::time::{Duration, Instant};

use super::IngestError;
use super::error::Reason;
use crate::config::Transport;

/// A connection that lasted this long shows that its client can speak to the camera.
const LASTS: Duration = Duration::from_secs(600);
/// After this, a lost connection is built by the first way again: cameras get new firmware.
const AGAIN: Duration = Duration::from_secs(6 * 3600);

#[derive(Debug)]
pub(super) struct Ways {
    auto: bool,
    now: Transport,
    since: Instant,
    /// How long the last connection of the other way lasted.
    other: Option<Duration>,
}

impl Ways {
    pub fn new(configured: Transport, now: Instant) -> Self {
        let auto = configured == Transport::Auto;
        Self { auto, now: if auto { Transport::Tcp } else { configured }, since: now, other: None }
    }

    /// The way of the next connection; never `Auto`.
    pub fn next(&mut self, now: Instant) -> Transport {
        if self.auto && self.now != Transport::Tcp && now.saturating_duration_since(self.since) >= AGAIN {
            (self.now, self.since, self.other) = (Transport::Tcp, now, None);
        }
        self.now
    }

    /// The connection failed after streaming for `lasted`. Gives the other way if the next one goes by it.
    pub fn failed(&mut self, error: &IngestError, lasted: Duration, now: Instant) -> Option<Transport> {
        if !self.auto || !may_be_the_client(error, lasted) {
            return None;
        }
        let other = match (self.now, error) {
            (Transport::Tcp, IngestError::UdpOnly { .. }) => Transport::Udp,
            (Transport::Tcp, _) => Transport::GstreamerTcp,
            _ => Transport::Tcp,
        };
        if self.other.is_some_and(|before| before <= lasted) {
            return None;
        }
        self.other = Some(lasted);
        (self.now, self.since) = (other, now);
        Some(other)
    }
}

/// Could another client do better? Not if nothing answers, or the path is wrong.
fn may_be_the_client(error: &IngestError, lasted: Duration) -> bool {
    match error.reason() {
        Reason::Protocol => !matches!(error, IngestError::NotFound { .. } | IngestError::Busy { .. }),
        Reason::Auth => matches!(error, IngestError::WrongPassword { .. }),
        Reason::Ended | Reason::Stalled => lasted < LASTS,
        Reason::Refused | Reason::Timeout | Reason::Unsupported => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::monotonic;

    fn protocol() -> IngestError {
        IngestError::Protocol { address: "gate:554".into(), what: "bad answer".into() }
    }

    fn ended() -> IngestError {
        IngestError::Ended { address: "gate:554".into() }
    }

    #[test]
    fn what_the_built_in_client_cannot_speak_goes_to_gstreamer_at_the_next_connection() {
        let now = monotonic();
        for (error, lasted) in [(protocol(), 0), (ended(), 59)] {
            let mut ways = Ways::new(Transport::Auto, now);
            assert_eq!(ways.next(now), Transport::Tcp);
            let lasted = Duration::from_secs(lasted);
            assert_eq!(ways.failed(&error, lasted, now), Some(Transport::GstreamerTcp));
            assert_eq!(ways.next(now), Transport::GstreamerTcp);
            assert_eq!(ways.next(now + AGAIN), Transport::Tcp, "tried again at times");
        }
    }

    #[test]
    fn a_camera_that_serves_udp_only_is_asked_for_it() {
        let now = monotonic();
        let mut ways = Ways::new(Transport::Auto, now);
        let error = IngestError::UdpOnly { address: "gate:554".into() };
        assert_eq!(ways.failed(&error, Duration::ZERO, now), Some(Transport::Udp));
    }

    #[test]
    fn the_way_that_lasts_longer_stays() {
        let now = monotonic();
        let mut ways = Ways::new(Transport::Auto, now);
        let second = Duration::from_secs(1);
        assert_eq!(ways.failed(&ended(), 60 * second, now), Some(Transport::GstreamerTcp));
        assert_eq!(ways.failed(&ended(), 9 * second, now), Some(Transport::Tcp));
        assert_eq!(ways.failed(&ended(), 50 * second, now), None, "longer than the other");
        assert_eq!(ways.failed(&ended(), 5 * second, now), Some(Transport::GstreamerTcp));
    }

    #[test]
    fn a_camera_that_is_away_or_wrongly_addressed_keeps_its_way() {
        let now = monotonic();
        let address = || "gate:554".to_owned();
        let mut ways = Ways::new(Transport::Auto, now);
        for error in [
            IngestError::Refused { address: address(), what: String::new() },
            IngestError::NotFound { address: address() },
            IngestError::Timeout { address: address(), after: LASTS },
            IngestError::PasswordMissing { address: address() },
            IngestError::Busy { address: address(), status: 453 },
        ] {
            assert_eq!(ways.failed(&error, Duration::ZERO, now), None, "{error}");
        }
        assert_eq!(ways.failed(&ended(), LASTS, now), None, "it was restarted");
        let mut fixed = Ways::new(Transport::Udp, now);
        assert_eq!(fixed.failed(&protocol(), Duration::ZERO, now), None, "the config says so");
        assert_eq!(fixed.next(now + AGAIN), Transport::Udp);
    }
}
