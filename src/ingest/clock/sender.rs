//! The offset of the camera's clock from the node's, by its reports, and whether capture times follow it.

use std::time::{Duration, Instant};

use super::doubt::Doubt;
use super::reading::STEP_US;
use crate::base::TimeSource;

/// A camera's clock with a larger offset is not followed.
const TRUST_US: i64 = STEP_US;
/// The same for a drone, whose clock is set by satellite and whose pictures arrive late.
const DRONE_TRUST_US: i64 = Duration::from_secs(60).as_micros() as i64;

/// The camera's clock, by sender reports (RFC 3550, 6.4.1) or a drone's telemetry.
#[derive(Debug)]
pub(super) struct SenderClock {
    source: TimeSource,
    offset_us: Option<i64>,
    followed: bool,
    /// The node's clock was set while the two agreed, so this one is believed for now.
    contradicts: bool,
    doubt: Doubt,
}

/// What the camera's clock says of the node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ingest) enum Witness {
    /// Nothing: there are no reports, or it was never right.
    Silent,
    Agrees,
    Contradicts,
}

/// How a report compares with the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The same offset, or the first report.
    Agrees,
    /// Another offset, which the next reports must confirm.
    Doubted,
    Stepped {
        from_us: i64,
    },
}

impl Default for SenderClock {
    fn default() -> Self {
        Self {
            source: TimeSource::Rtcp,
            offset_us: None,
            followed: false,
            contradicts: false,
            doubt: Doubt::default(),
        }
    }
}

impl SenderClock {
    pub fn report(&mut self, offset_us: i64, at: Instant) -> Heard {
        let before = self.offset_us.filter(|b| offset_us.saturating_sub(*b).saturating_abs() > STEP_US);
        let heard = match before {
            None => {
                self.doubt.clear();
                Heard::Agrees
            }
            Some(_) if !self.doubt.confirms(offset_us, at) => return Heard::Doubted,
            Some(from_us) => {
                self.contradicts = false;
                Heard::Stepped { from_us }
            }
        };
        self.offset_us = Some(offset_us);
        self.judge();
        heard
    }

    /// The node's clock moved, so the offset of the camera's clock changes. A camera's clock that was followed is
    /// not left for a node's that was set: two clocks agreed, and one of them did not move.
    pub fn node_moved(&mut self, by_us: i64, is_step: bool) {
        self.contradicts |= is_step && self.followed;
        self.offset_us = self.offset_us.map(|offset| offset.saturating_sub(by_us));
        self.doubt.shift(-by_us);
        self.judge();
    }

    /// A followed clock has a wider limit, so that an offset near the limit does not alternate.
    fn judge(&mut self) {
        let trust = if self.source == TimeSource::Telemetry { DRONE_TRUST_US } else { TRUST_US };
        let limit = if self.followed { trust + trust / 2 } else { trust };
        let near = self.offset_us.is_some_and(|offset| offset.saturating_abs() <= limit);
        self.contradicts &= !near;
        self.followed = near || self.contradicts;
    }

    /// Ends the contradiction in favour of the node's clock.
    pub fn believe_node(&mut self) {
        self.contradicts = false;
        self.judge();
    }

    pub fn witness(&self) -> Witness {
        match (self.contradicts, self.followed) {
            (true, _) => Witness::Contradicts,
            (false, true) => Witness::Agrees,
            (false, false) => Witness::Silent,
        }
    }

    /// Sets the source of the reports.
    pub fn reports_as(&mut self, source: TimeSource) {
        self.source = source;
    }

    pub fn source(&self) -> TimeSource {
        self.source
    }

    /// Camera clock minus node clock, if there was a report.
    pub fn offset_us(&self) -> Option<i64> {
        self.offset_us
    }

    /// The same, if capture times follow the camera's clock.
    pub fn followed_us(&self) -> Option<i64> {
        self.offset_us.filter(|_| self.followed)
    }

    /// The reports have ended.
    pub fn forget(&mut self) {
        *self = Self { source: self.source, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::monotonic;

    #[test]
    fn a_camera_near_the_node_is_followed_until_it_is_clearly_elsewhere() {
        let (mut sender, start) = (SenderClock::default(), monotonic());
        for (offset_ms, followed) in
            [(1_900, true), (2_900, true), (3_100, false), (2_100, false), (1_990, true)]
        {
            assert_eq!(sender.report(offset_ms * 1_000, start), Heard::Agrees);
            assert_eq!(sender.followed_us().is_some(), followed, "{offset_ms} ms");
        }
        sender.node_moved(900_000_000, true);
        assert_eq!((sender.followed_us(), sender.witness()), (Some(-898_010_000), Witness::Contradicts));
        sender.node_moved(-900_000_000, true);
        assert_eq!((sender.followed_us(), sender.witness()), (Some(1_990_000), Witness::Agrees));
        sender.node_moved(900_000_000, true);
        sender.believe_node();
        assert_eq!((sender.followed_us(), sender.witness()), (None, Witness::Silent));
        assert_eq!(sender.offset_us(), Some(-898_010_000));
    }
}
