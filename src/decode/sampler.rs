//! Chooses the frames that become pictures. Pure: time comes with the frames, so a replay picks the same
//! ones.

use std::time::Duration;

use crate::base::WallTime;
use crate::config::Sampling;
use crate::ingest::EncodedFrame;

/// A step back this long means that the clock was set. A B-frame steps back less.
const CLOCK_SET_BACK: Duration = Duration::from_secs(5);

/// Picks frames of one camera at least 90 % of the interval apart. Arrival times jitter: with the full
/// interval a camera with a key frame every 2 s would be sampled every 4 s.
#[derive(Clone, Debug)]
pub struct Sampler {
    sampling: Sampling,
    least: Duration,
    last: Option<WallTime>,
}

impl Sampler {
    pub fn new(sampling: Sampling, interval: Duration) -> Self {
        Self { sampling, least: interval - interval / 10, last: None }
    }

    /// Is this frame's picture wanted? Call it once for each frame, in decode order: a yes is remembered.
    /// With [`Sampling::All`] unwanted frames must still be decoded. B-frames arrive after a frame that is
    /// shown later, so they are picked only where the interval is zero.
    pub fn wants(&mut self, frame: &EncodedFrame) -> bool {
        self.wants_at(frame, 1.0)
    }

    /// As [`wants`](Self::wants), with the interval multiplied by `stretch`.
    pub(super) fn wants_at(&mut self, frame: &EncodedFrame, stretch: f64) -> bool {
        let least = self.least.mul_f64(stretch);
        if self.sampling == Sampling::Keyframes && !frame.key {
            return false;
        }
        let at = frame.capture.at;
        let due = self.last.is_none_or(|last| {
            self.least.is_zero() || (at > last && at.since(last) >= least) || last.since(at) > CLOCK_SET_BACK
        });
        if due {
            self.last = Some(at);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::base::{CameraId, Capture, FrameSeq, MediaTime, TimeSource};
    use crate::ingest::Codec;

    /// The picked times of `frames`, in milliseconds. `frames`: time in milliseconds, is a key frame.
    fn picked(sampling: Sampling, interval_ms: u64, frames: &[(i64, bool)]) -> Vec<i64> {
        let mut sampler = Sampler::new(sampling, Duration::from_millis(interval_ms));
        let frame = |&(at_ms, key): &(i64, bool)| EncodedFrame {
            camera: CameraId::from("gate"),
            seq: FrameSeq(0),
            stream: 1,
            capture: Capture {
                at: WallTime(at_ms * 1000),
                source: TimeSource::Arrival,
                offset_ms: None,
                clock: None,
            },
            pts: MediaTime(at_ms * 1000),
            codec: Codec::H264,
            key,
            orientation: Default::default(),
            data: Bytes::new(),
        };
        frames.iter().filter(|f| sampler.wants(&frame(f))).map(|f| f.0).collect()
    }

    #[test]
    fn only_key_frames_and_no_closer_than_the_interval() {
        let frames: Vec<_> = (0..10).map(|i| (i * 500, i % 2 == 0)).collect();
        assert_eq!(picked(Sampling::Keyframes, 2_000, &frames), [0, 2_000, 4_000]);
        assert_eq!(picked(Sampling::Keyframes, 0, &frames), [0, 1_000, 2_000, 3_000, 4_000]);
    }

    #[test]
    fn jittering_arrival_does_not_halve_the_rate() {
        let frames = [(0, true), (1_960, true), (4_010, true), (5_950, true)];
        assert_eq!(picked(Sampling::Keyframes, 2_000, &frames), [0, 1_960, 4_010, 5_950]);
    }

    #[test]
    fn with_all_frames_b_frames_that_come_late_are_not_picked_again() {
        let frames = [(0, true), (300, false), (100, false), (200, false), (600, false), (400, false)];
        assert_eq!(picked(Sampling::All, 200, &frames), [0, 300, 600]);
        assert_eq!(picked(Sampling::All, 0, &frames), [0, 300, 100, 200, 600, 400]);
    }

    #[test]
    fn a_clock_set_back_does_not_blind_the_camera() {
        let frames = [(3_600_000, true), (3_602_000, true), (1_000, true), (3_000, true)];
        assert_eq!(picked(Sampling::Keyframes, 2_000, &frames), [3_600_000, 3_602_000, 1_000, 3_000]);
    }
}
