//! Motion, read off the sizes of encoded frames: nothing is decoded for it. Pure.
//!
//! An encoder spends few bits on what stands still. So the mean size of the delta frames of a third of a second, as a
//! logarithm, is compared with where it usually lies for this camera: a running quantile, and the usual distance from it.
//! Key frames are left out, whole groups of B- and P-frames fall into a window, and a second measure relates the delta
//! frames to the key frame before them: a bit-rate control that answers motion with coarser pictures changes both alike.

use std::time::Duration;

use crate::base::WallTime;
use crate::ingest::EncodedFrame;

/// A window ends after this much footage and at least so many delta frames.
const WINDOW: Duration = Duration::from_millis(320);
const LEAST_FRAMES: u32 = 3;
/// Longer than this without frames is a gap: what was begun is thrown away.
const GAP: Duration = Duration::from_secs(2);
/// Windows that pass before anything is said: about four seconds.
const WARM_UP: u32 = 12;
/// Below this growth of the delta frames nothing is said, however steady the camera is: 42 %.
const LEAST_RISE: f32 = 0.35;
/// Usual distances above the usual level.
const DISTANCES: f32 = 4.0;

/// Of one camera.
#[derive(Clone, Debug, Default)]
pub struct SizeSignal {
    frames: u32,
    bytes: u64,
    began: Option<WallTime>,
    /// Bytes of the newest key frame.
    key: f32,
    size: Usual,
    share: Usual,
    active: bool,
}

impl SizeSignal {
    /// Takes every frame in decode order; true while the sizes say that something moves.
    pub fn push(&mut self, frame: &EncodedFrame) -> bool {
        let at = frame.capture.at;
        let began = *self.began.get_or_insert(at);
        if at.since(began) > GAP || began.since(at) > GAP {
            (self.frames, self.bytes, self.began) = (0, 0, Some(at));
            self.active = false;
        }
        if frame.key {
            self.key = frame.data.len() as f32;
            return self.active;
        }
        self.frames += 1;
        self.bytes += frame.data.len() as u64;
        if self.frames >= LEAST_FRAMES && at.since(began) >= WINDOW {
            // A picture without any change takes some ten bytes: below a hundred nothing is worth telling apart.
            let mean = self.bytes as f32 / self.frames as f32 + 100.0;
            let size = self.size.step(mean.ln());
            let share = self.key > 0.0 && self.share.step((mean / self.key).ln());
            self.active = size || share;
            (self.frames, self.bytes, self.began) = (0, 0, Some(at));
        }
        self.active
    }

    /// What is seen now was looked at and is nothing: rain, noise at dusk. It becomes the usual.
    pub fn dismiss(&mut self) {
        self.size.accept();
        self.share.accept();
        self.active = false;
    }
}

/// Where a value usually lies, and how far from there.
#[derive(Clone, Copy, Debug, Default)]
struct Usual {
    seen: u32,
    level: f32,
    distance: f32,
    last: f32,
}

impl Usual {
    /// True if the value is far above the usual.
    fn step(&mut self, value: f32) -> bool {
        self.last = value;
        self.seen = self.seen.saturating_add(1);
        if self.seen == 1 {
            (self.level, self.distance) = (value, 0.1);
            return false;
        }
        let above = value - self.level;
        let far = above > LEAST_RISE.max(DISTANCES * self.distance);
        // Quick at first; later a new level is usual after about a minute, a lower one after some twenty seconds.
        let rate = (2.0 / self.seen as f32).max(0.02);
        self.level += if above > 0.0 { 0.4 * rate.min(above) } else { -rate.min(-above) };
        if !far {
            self.distance += (rate * (above.abs() - self.distance)).clamp(-0.02, 0.02);
        }
        far && self.seen > WARM_UP
    }

    fn accept(&mut self) {
        self.level = self.level.max(self.last);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::base::{CameraId, Capture, FrameSeq, MediaTime, TimeSource};
    use crate::ingest::Codec;

    /// Shares of frames called active in seconds 10 to 60 (quiet), 60 to 70 (moving) and 80 to 120, at 25 fps.
    fn shares(size: impl Fn(u64, bool) -> usize) -> [f64; 3] {
        let mut signal = SizeSignal::default();
        let mut active = [0u32; 3];
        for i in 0..3000u64 {
            let moving = (1500..1750).contains(&i);
            let at = i as i64 * 40_000;
            let frame = EncodedFrame {
                camera: CameraId::from("gate"),
                seq: FrameSeq(i),
                stream: 1,
                capture: Capture { at: WallTime(at), source: TimeSource::Arrival, offset_ms: None },
                pts: MediaTime(at),
                codec: Codec::H264,
                key: i % 50 == 0,
                data: Bytes::from(vec![0; size(i, moving)]),
            };
            let says = u32::from(signal.push(&frame));
            match i {
                250..1500 => active[0] += says,
                1500..1750 => active[1] += says,
                2000.. => active[2] += says,
                _ => {}
            }
        }
        [f64::from(active[0]) / 1250.0, f64::from(active[1]) / 250.0, f64::from(active[2]) / 1000.0]
    }

    /// Noise without chance: 0.8 to 1.2.
    fn tremble(i: u64) -> f64 {
        0.8 + (i.wrapping_mul(2_654_435_761) % 1000) as f64 / 2500.0
    }

    #[track_caller]
    fn check(size: impl Fn(u64, bool) -> usize) {
        let [before, during, after] = shares(size);
        assert!(before < 0.03 && during > 0.8 && after < 0.03, "{before} {during} {after}");
    }

    #[test]
    fn larger_delta_frames_are_motion_whatever_the_pattern() {
        let p = |i: u64, moving: bool| (if moving { 9000.0 } else { 3000.0 } * tremble(i)) as usize;
        check(|i, moving| if i % 50 == 0 { 90_000 } else { p(i, moving) });
        // Two B-frames after each P.
        check(|i, moving| match (i % 50, i % 3) {
            (0, _) => 90_000,
            (_, 0) => p(i, moving) * 2,
            _ => p(i, moving) / 2,
        });
        // Nearly nothing while it is still, as smart codecs do.
        check(|i, moving| {
            if i % 50 == 0 {
                60_000
            } else if moving {
                1500
            } else {
                40
            }
        });
    }

    #[test]
    fn a_rate_control_that_answers_with_coarser_pictures_does_not_hide_it() {
        // The bit rate stays: what motion costs is taken from the key frames.
        check(|i, moving| match (i % 50 == 0, moving) {
            (true, false) => 100_000,
            (true, true) => 45_000,
            (false, _) => (4000.0 * tremble(i) * if moving { 1.25 } else { 1.0 }) as usize,
        });
    }

    #[test]
    fn what_was_dismissed_is_usual_afterwards() {
        let mut usual = Usual::default();
        assert!((0..200).all(|i| !usual.step(8.0 + tremble(i) as f32 / 20.0)));
        assert!(usual.step(9.0));
        usual.accept();
        assert!(!usual.step(9.1));
        assert!(usual.step(9.9));
    }
}
