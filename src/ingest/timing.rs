//! Times of a live stream: the camera's clock from sender reports, repair of presentation times, overdue key
//! frames. Pure: the caller reads the clocks.

use std::time::{Duration, Instant};

use crate::base::{Capture, MediaTime, TimeSource, WallTime};

/// A camera's clock that is further off than this is not used: its frames carry their arrival time. The
/// offset shows why.
pub(crate) const CLOCK_TRUST: Duration = Duration::from_secs(60);

/// Seconds from 1900 (NTP) to 1970 (RFC 5905, figure 4).
const NTP_TO_UNIX: i64 = 2_208_988_800;

/// An NTP timestamp (32.32 fixed point) as wall time. Era 0 only (1900 to 2036), because RTCP has no era.
pub(crate) fn ntp_to_wall(ntp: u64) -> WallTime {
    let seconds = (ntp >> 32) as i64 - NTP_TO_UNIX;
    let micros = (((ntp & 0xffff_ffff) * 1_000_000) >> 32) as i64;
    WallTime(seconds * 1_000_000 + micros)
}

/// The camera's clock, by its last sender report (RFC 3550, 6.4.1) or a drone's telemetry.
#[derive(Debug)]
pub(crate) struct SenderClock {
    report: Option<Report>,
    source: TimeSource,
}

impl Default for SenderClock {
    fn default() -> Self {
        Self { report: None, source: TimeSource::Rtcp }
    }
}

#[derive(Clone, Copy, Debug)]
struct Report {
    raw_pts: MediaTime,
    camera: WallTime,
    offset_us: i64,
}

impl SenderClock {
    /// `camera`: the camera's clock at `raw_pts`. `arrived`: the node's clock when the report arrived.
    pub fn report(&mut self, raw_pts: MediaTime, camera: WallTime, arrived: WallTime) {
        let offset_us = camera.0.saturating_sub(arrived.0);
        self.report = Some(Report { raw_pts, camera, offset_us });
    }

    /// Sets the source of the reports.
    pub fn source(&mut self, source: TimeSource) {
        self.source = source;
    }

    pub fn forget(&mut self) {
        self.report = None;
    }

    /// Whether the camera's clock is too far off to be used.
    pub fn is_implausible(&self) -> bool {
        self.report.is_some_and(|r| r.offset_us.unsigned_abs() > CLOCK_TRUST.as_micros() as u64)
    }

    pub fn capture(&self, raw_pts: MediaTime, arrived: WallTime) -> Capture {
        match self.report {
            None => Capture { at: arrived, source: TimeSource::Arrival, offset_ms: None },
            Some(r) if self.is_implausible() => {
                Capture { at: arrived, source: TimeSource::Arrival, offset_ms: Some(r.offset_us / 1000) }
            }
            Some(r) => Capture {
                at: WallTime(r.camera.0.saturating_add(raw_pts.0.saturating_sub(r.raw_pts.0))),
                source: self.source,
                offset_ms: Some(r.offset_us / 1000),
            },
        }
    }
}

/// Repairs RTP timestamps of cheap cameras that stand still or jump.
#[derive(Debug, Default)]
pub(crate) struct PtsRepair {
    last: Option<(MediaTime, Instant)>,
    shift: i64,
}

/// A longer step forward, which the frame's arrival does not explain, is a set clock and not a loss.
const FORWARD: Duration = Duration::from_secs(10);
/// A longer step back is not a reordering of B-frames.
const BACK: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepairedPts {
    AsSent(MediaTime),
    /// The camera's time of this frame is unusable.
    StoodStill(MediaTime),
    /// The stream's clock was set: earlier sender reports are no longer valid.
    Jumped(MediaTime),
}

impl RepairedPts {
    pub fn pts(self) -> MediaTime {
        match self {
            Self::AsSent(pts) | Self::StoodStill(pts) | Self::Jumped(pts) => pts,
        }
    }
}

impl PtsRepair {
    pub fn place(&mut self, raw: MediaTime, arrived: Instant) -> RepairedPts {
        let before = self.last.replace((raw, arrived));
        let Some((last_raw, last_arrived)) = before else { return RepairedPts::AsSent(raw) };
        let step = raw.0.saturating_sub(last_raw.0);
        let elapsed = i64::try_from(arrived.saturating_duration_since(last_arrived).as_micros()).unwrap_or(0);
        let shifted = |shift: i64| MediaTime(raw.0.saturating_add(shift));
        if step == 0 {
            self.shift = self.shift.saturating_add(elapsed.max(1));
            RepairedPts::StoodStill(shifted(self.shift))
        } else if step < -(BACK.as_micros() as i64)
            || step.saturating_sub(elapsed.max(0)) > FORWARD.as_micros() as i64
        {
            self.shift = self.shift.saturating_sub(step).saturating_add(elapsed.max(1));
            RepairedPts::Jumped(shifted(self.shift))
        } else {
            RepairedPts::AsSent(shifted(self.shift))
        }
    }
}

/// Detects that a stream has stopped sending key frames.
#[derive(Debug)]
pub(crate) struct KeyFrameMonitor {
    last_key: Instant,
    longest: Duration,
    missing: bool,
}

/// Key frames are never overdue before this. Smart codecs stretch their interval to 10 s and more.
const KEY_PATIENCE: Duration = Duration::from_secs(10);

impl KeyFrameMonitor {
    pub fn new(now: Instant) -> Self {
        Self { last_key: now, longest: Duration::ZERO, missing: false }
    }

    /// Returns the time since the last key frame, once for each period without key frames: longer than four
    /// usual intervals and 10 s.
    pub fn frame(&mut self, key: bool, now: Instant) -> Option<Duration> {
        let since = now.saturating_duration_since(self.last_key);
        if key {
            if !std::mem::take(&mut self.missing) {
                self.longest = self.longest.max(since);
            }
            self.last_key = now;
            return None;
        }
        let overdue = since > KEY_PATIENCE.max(self.longest * 4);
        (overdue && !std::mem::replace(&mut self.missing, true)).then_some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::monotonic;

    const NOON: WallTime = WallTime(1_700_000_000_000_000);

    #[test]
    fn the_unix_epoch_in_ntp() {
        assert_eq!(ntp_to_wall(2_208_988_800 << 32), WallTime(0));
        assert_eq!(ntp_to_wall((2_208_988_801 << 32) | 0x8000_0000), WallTime(1_500_000));
    }

    #[test]
    fn a_frame_takes_its_time_from_the_last_sender_report() {
        let mut clock = SenderClock::default();
        assert_eq!(clock.capture(MediaTime(5), NOON).source, TimeSource::Arrival);
        clock.report(MediaTime(1_000_000), NOON, NOON + Duration::from_millis(30));
        let capture = clock.capture(MediaTime(1_400_000), NOON + Duration::from_secs(9));
        assert_eq!(capture.at, NOON + Duration::from_millis(400));
        assert_eq!((capture.source, capture.offset_ms), (TimeSource::Rtcp, Some(-30)));
    }

    #[test]
    fn a_clock_eight_hours_off_is_shown_but_not_used() {
        let mut clock = SenderClock::default();
        clock.report(MediaTime(0), NOON + Duration::from_secs(8 * 3600), NOON);
        let capture = clock.capture(MediaTime(40_000), NOON);
        assert_eq!(capture, Capture { at: NOON, source: TimeSource::Arrival, offset_ms: Some(28_800_000) });
        assert!(clock.is_implausible());
    }

    #[test]
    fn standing_timestamps_are_replaced_by_arrival() {
        let (mut repair, start) = (PtsRepair::default(), monotonic());
        let step = Duration::from_millis(40);
        let times: Vec<_> =
            (0..4).map(|i| repair.place(MediaTime(7_000), start + step * i).pts().0).collect();
        assert_eq!(times, [7_000, 47_000, 87_000, 127_000]);
    }

    #[test]
    fn a_jump_of_the_stream_clock_is_taken_out_and_b_frames_are_left_alone() {
        let (mut repair, start) = (PtsRepair::default(), monotonic());
        let at = |ms: u64| start + Duration::from_millis(ms);
        repair.place(MediaTime(0), at(0));
        assert_eq!(repair.place(MediaTime(120_000), at(40)), RepairedPts::AsSent(MediaTime(120_000)));
        assert_eq!(repair.place(MediaTime(40_000), at(80)), RepairedPts::AsSent(MediaTime(40_000)));
        assert_eq!(repair.place(MediaTime(90_000_000_000), at(120)), RepairedPts::Jumped(MediaTime(80_000)));
        assert_eq!(repair.place(MediaTime(90_000_040_000), at(160)), RepairedPts::AsSent(MediaTime(120_000)));
    }

    #[test]
    fn frames_that_were_held_up_on_the_way_keep_their_times() {
        let (mut repair, start) = (PtsRepair::default(), monotonic());
        repair.place(MediaTime(0), start);
        let late = start + Duration::from_secs(15);
        assert_eq!(repair.place(MediaTime(40_000), late), RepairedPts::AsSent(MediaTime(40_000)));
        assert_eq!(repair.place(MediaTime(80_000), late), RepairedPts::AsSent(MediaTime(80_000)));
    }

    #[test]
    fn missing_key_frames_are_reported_once_a_gap() {
        let start = monotonic();
        let at = |s: u64| start + Duration::from_secs(s);
        let mut monitor = KeyFrameMonitor::new(start);
        monitor.frame(true, at(0));
        monitor.frame(true, at(4));
        assert_eq!(monitor.frame(false, at(19)), None, "four intervals of 4 s are not over");
        assert_eq!(monitor.frame(false, at(21)), Some(Duration::from_secs(17)));
        assert_eq!(monitor.frame(false, at(60)), None, "reported once");
        monitor.frame(true, at(61));
        assert_eq!(monitor.frame(false, at(62)), None);
    }
}
