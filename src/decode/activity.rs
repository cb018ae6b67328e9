//! Detects motion from the sizes of encoded frames, without decoding them. Pure.
//!
//! An encoder spends few bits on what stands still. The logarithm of the mean delta frame size over a third
//! of a second is compared with this camera's usual level: a running quantile, and the usual distance from
//! it. Key frames are left out, and a window covers whole groups of B- and P-frames. A second measure divides
//! the size by that of the last key frame: a rate control that answers motion with coarser pictures changes
//! both alike.

use std::time::Duration;

use crate::base::WallTime;
use crate::ingest::EncodedFrame;

/// A window spans at least this much footage and this many delta frames.
const WINDOW: Duration = Duration::from_millis(320);
const LEAST_FRAMES: u32 = 3;
/// After a longer pause between frames the current window is discarded.
const GAP: Duration = Duration::from_secs(2);
/// Windows before the first verdict: about four seconds.
const WARM_UP: u32 = 12;
/// Smallest growth of the delta frames, as a logarithm, that counts as motion: 42 %.
const LEAST_RISE: f32 = 0.35;
/// Motion lies this many usual distances above the usual level.
const DISTANCES: f32 = 4.0;

/// The motion signal of one camera.
#[derive(Clone, Debug, Default)]
pub struct SizeSignal {
    frames: u32,
    bytes: u64,
    began: Option<WallTime>,
    /// Size of the newest key frame in bytes.
    key: f32,
    size: Usual,
    share: Usual,
    active: bool,
}

impl SizeSignal {
    /// Adds a frame; true while the sizes show motion. Push every frame, in decode order.
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
            // An unchanged picture takes about ten bytes. The offset hides differences below a hundred bytes.
            let mean = self.bytes as f32 / self.frames as f32 + 100.0;
            let size = self.size.push(mean.ln());
            let share = self.key > 0.0 && self.share.push((mean / self.key).ln());
            self.active = size || share;
            (self.frames, self.bytes, self.began) = (0, 0, Some(at));
        }
        self.active
    }

    /// The pictures showed no motion (rain, noise at dusk): the current level becomes the usual one.
    pub fn dismiss(&mut self) {
        self.size.accept();
        self.share.accept();
        self.active = false;
    }
}

/// A value's usual level and its usual distance from that level.
#[derive(Clone, Copy, Debug, Default)]
struct Usual {
    count: u32,
    level: f32,
    distance: f32,
    last: f32,
}

impl Usual {
    /// Adds a value; true if it lies far above the usual level.
    fn push(&mut self, value: f32) -> bool {
        self.last = value;
        self.count = self.count.saturating_add(1);
        if self.count == 1 {
            (self.level, self.distance) = (value, 0.1);
            return false;
        }
        let above = value - self.level;
        let far = above > LEAST_RISE.max(DISTANCES * self.distance);
        // Adapts fast at first. Later a higher level becomes usual in about a minute, a lower one in about 20
        // s.
        let rate = (2.0 / self.count as f32).max(0.02);
        self.level += if above > 0.0 { 0.4 * rate.min(above) } else { -rate.min(-above) };
        if !far {
            self.distance += (rate * (above.abs() - self.distance)).clamp(-0.02, 0.02);
        }
        far && self.count > WARM_UP
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

    /// Shares of frames called active in seconds 10 to 60 (quiet), 60 to 70 (moving) and 80 to 120, at 25
    /// fps.
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
                capture: Capture {
                    at: WallTime(at),
                    source: TimeSource::Arrival,
                    offset_ms: None,
                    clock: None,
                },
                pts: MediaTime(at),
                codec: Codec::H264,
                key: i % 50 == 0,
                orientation: Default::default(),
                data: Bytes::from(vec![0; size(i, moving)]),
            };
            let is_active = u32::from(signal.push(&frame));
            match i {
                250..1500 => active[0] += is_active,
                1500..1750 => active[1] += is_active,
                2000.. => active[2] += is_active,
                _ => {}
            }
        }
        [f64::from(active[0]) / 1250.0, f64::from(active[1]) / 250.0, f64::from(active[2]) / 1000.0]
    }

    /// Deterministic noise: 0.8 to 1.2.
    fn noise(i: u64) -> f64 {
        0.8 + (i.wrapping_mul(2_654_435_761) % 1000) as f64 / 2500.0
    }

    #[track_caller]
    fn check(size: impl Fn(u64, bool) -> usize) {
        let [before, during, after] = shares(size);
        assert!(before < 0.03 && during > 0.8 && after < 0.03, "{before} {during} {after}");
    }

    #[test]
    fn larger_delta_frames_are_motion_in_every_gop_pattern() {
        let p = |i: u64, moving: bool| (if moving { 9000.0 } else { 3000.0 } * noise(i)) as usize;
        check(|i, moving| if i % 50 == 0 { 90_000 } else { p(i, moving) });
        // Two B-frames after each P.
        check(|i, moving| match (i % 50, i % 3) {
            (0, _) => 90_000,
            (_, 0) => p(i, moving) * 2,
            _ => p(i, moving) / 2,
        });
        // Nearly empty frames while nothing moves, as smart codecs send them.
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
    fn a_rate_control_that_lowers_quality_does_not_hide_motion() {
        // Constant bit rate: the key frames pay for the motion.
        check(|i, moving| match (i % 50 == 0, moving) {
            (true, false) => 100_000,
            (true, true) => 45_000,
            (false, _) => (4000.0 * noise(i) * if moving { 1.25 } else { 1.0 }) as usize,
        });
    }

    #[test]
    fn a_dismissed_level_becomes_the_usual_one() {
        let mut usual = Usual::default();
        assert!((0..200).all(|i| !usual.push(8.0 + noise(i) as f32 / 20.0)));
        assert!(usual.push(9.0));
        usual.accept();
        assert!(!usual.push(9.1));
        assert!(usual.push(9.9));
    }
}
