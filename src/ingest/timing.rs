//! Times of a live stream: NTP time, repair of presentation times, overdue key frames. Pure: the caller reads
//! the clocks.

use std::time::{Duration, Instant};

use crate::base::{MediaTime, WallTime};

/// Seconds from 1900 (NTP) to 1970 (RFC 5905, figure 4).
const NTP_TO_UNIX: i64 = 2_208_988_800;

/// An NTP timestamp (32.32 fixed point) as wall time. Era 0 only (1900 to 2036), because RTCP has no era.
pub(crate) fn ntp_to_wall(ntp: u64) -> WallTime {
    let seconds = (ntp >> 32) as i64 - NTP_TO_UNIX;
    let micros = (((ntp & 0xffff_ffff) * 1_000_000) >> 32) as i64;
    WallTime(seconds * 1_000_000 + micros)
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
    /// The position of `raw` among the repaired times.
    pub fn shifted(&self, raw: MediaTime) -> MediaTime {
        MediaTime(raw.0.saturating_add(self.shift))
    }

    pub fn place(&mut self, raw: MediaTime, arrived: Instant) -> RepairedPts {
        let before = self.last.replace((raw, arrived));
        let Some((last_raw, last_arrived)) = before else { return RepairedPts::AsSent(raw) };
        let step = raw.0.saturating_sub(last_raw.0);
        let elapsed = i64::try_from(arrived.saturating_duration_since(last_arrived).as_micros()).unwrap_or(0);
        if step == 0 {
            self.shift = self.shift.saturating_add(elapsed.max(1));
            RepairedPts::StoodStill(self.shifted(raw))
        } else if step < -(BACK.as_micros() as i64)
            || step.saturating_sub(elapsed.max(0)) > FORWARD.as_micros() as i64
        {
            self.shift = self.shift.saturating_sub(step).saturating_add(elapsed.max(1));
            RepairedPts::Jumped(self.shifted(raw))
        } else {
            RepairedPts::AsSent(self.shifted(raw))
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

    #[test]
    fn the_unix_epoch_in_ntp() {
        assert_eq!(ntp_to_wall(2_208_988_800 << 32), WallTime(0));
        assert_eq!(ntp_to_wall((2_208_988_801 << 32) | 0x8000_0000), WallTime(1_500_000));
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
