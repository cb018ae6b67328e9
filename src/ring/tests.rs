//! Checks the ring against a model that keeps whole lists and recomputes each answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use crate::base::{CameraId, Capture, FrameSeq, MediaTime, TimeSource, WallTime};
use crate::config::RingConfig;
use crate::ingest::{Codec, EncodedFrame};

use super::Ring;

fn frame(seq: u64, stream: u32, at_ms: i64, key: bool, bytes: usize) -> EncodedFrame {
    EncodedFrame {
        camera: CameraId::from("gate"),
        seq: FrameSeq(seq),
        stream,
        capture: Capture { at: ms(at_ms), source: TimeSource::Arrival, offset_ms: None, clock: None },
        pts: MediaTime(at_ms * 1000),
        codec: Codec::H264,
        key,
        orientation: Default::default(),

        data: Bytes::from(vec![0; bytes]),
    }
}

fn ms(at: i64) -> WallTime {
    WallTime(at * 1000)
}

fn ring(max_bytes: usize, max_ms: u64) -> Arc<Ring> {
    Arc::new(Ring::new(RingConfig {
        max_bytes,
        max_duration: Duration::from_millis(max_ms),
        quiet: Duration::MAX,
    }))
}

/// `count` frames of 10 bytes, 100 ms apart, a key frame every `gop`.
fn fill(ring: &Ring, stream: u32, start_ms: i64, count: u64, gop: u64) {
    for i in 0..count {
        ring.push(frame(i, stream, start_ms + i as i64 * 100, i % gop == 0, 10));
    }
}

fn times(frames: &[EncodedFrame]) -> (i64, i64) {
    (frames[0].capture.at.0 / 1000, frames[frames.len() - 1].capture.at.0 / 1000)
}

#[test]
fn a_quiet_camera_keeps_little_and_one_with_a_clip_to_be_cut_keeps_its_beginning() {
    let ring = Arc::new(Ring::new(RingConfig {
        max_bytes: 100_000,
        max_duration: Duration::from_secs(40),
        quiet: Duration::from_secs(10),
    }));
    let second = |s: i64| fill(&ring, 1, s * 2000, 20, 20);
    (0..20).for_each(second);
    assert_eq!(ring.stats().oldest, Some(ms(28_000)), "10 s before the GOP that is being received, and it");
    ring.hold(ms(31_000));
    (20..28).for_each(second);
    assert_eq!(ring.stats().oldest, Some(ms(30_000)), "the GOP in which the clip begins");
    ring.release(ms(31_000));
    second(28);
    assert_eq!(ring.stats().oldest, Some(ms(46_000)));
    ring.hold(ms(50_000));
    (29..60).for_each(second);
    assert_eq!(ring.stats().seconds, 39.9, "a clip that nobody cuts does not fill the memory");
}

#[test]
fn a_clip_starts_at_the_key_frame_before_and_ends_at_the_last_frame_within() {
    let ring = ring(100_000, 60_000);
    fill(&ring, 1, 0, 100, 20);
    let clip = ring.clip(ms(2_950), ms(5_050)).expect("held");
    assert_eq!(times(&clip.frames), (2_000, 5_000));
    assert!(!clip.starts_late && !clip.ends_early);
    assert_eq!(clip.frames.len(), 31);
}

#[test]
fn a_clip_says_that_it_starts_late_or_ends_early() {
    let ring = ring(100_000, 60_000);
    fill(&ring, 1, 10_000, 40, 20);
    let clip = ring.clip(ms(9_000), ms(20_000)).expect("held");
    assert_eq!(times(&clip.frames), (10_000, 13_900));
    assert!(clip.starts_late && clip.ends_early);
    assert!(ring.clip(ms(0), ms(9_999)).is_none());
    assert!(ring.clip(ms(14_000), ms(15_000)).is_none());
}

#[test]
fn a_clip_never_mixes_two_streams_and_takes_the_longer_part() {
    let ring = ring(100_000, 60_000);
    fill(&ring, 1, 0, 60, 20);
    fill(&ring, 2, 8_000, 40, 20);
    let before = ring.clip(ms(1_000), ms(9_000)).expect("held");
    assert!(before.frames.iter().all(|f| f.stream == 1));
    assert!(before.ends_early && !before.starts_late);
    let after = ring.clip(ms(5_000), ms(10_000)).expect("held");
    assert!(after.frames.iter().all(|f| f.stream == 2));
    assert!(after.starts_late && !after.ends_early);
}

#[test]
fn with_b_frames_a_clip_keeps_what_its_last_picture_refers_to() {
    let ring = ring(100_000, 60_000);
    for (i, at) in [0, 400, 100, 200, 800, 500].into_iter().enumerate() {
        ring.push(frame(i as u64, 1, at, i == 0, 10));
    }
    let clip = ring.clip(ms(0), ms(250)).expect("held");
    let shown: Vec<_> = clip.frames.iter().map(|f| f.capture.at.0 / 1000).collect();
    assert_eq!(shown, [0, 400, 100, 200]);
    assert!(!clip.ends_early);
    assert_eq!(ring.newest(), Some(ms(800)));
}

#[test]
fn the_clock_of_a_camera_may_jump_back_and_the_clip_is_of_one_side() {
    let ring = ring(100_000, 60_000);
    fill(&ring, 1, 3_600_000, 40, 20);
    fill(&ring, 1, 0, 40, 20);
    let clip = ring.clip(ms(0), ms(10_000)).expect("held");
    assert_eq!(times(&clip.frames), (0, 3_900));
    assert_eq!(ring.newest(), Some(ms(3_900)));
}

#[test]
fn the_last_whole_gop_stays_however_small_the_ring() {
    let ring = ring(300, 1);
    fill(&ring, 1, 0, 60, 20);
    let stats = ring.stats();
    assert_eq!((stats.gops, stats.frames, stats.bytes), (2, 40, 400));
    assert_eq!((stats.evicted_frames, stats.evicted_bytes), (20, 200));
    assert_eq!(stats.oldest, Some(ms(2_000)));
}

#[test]
fn a_gop_without_end_is_given_up_at_the_hard_limit_and_the_next_key_frame_starts_anew() {
    let ring = ring(100, 60_000);
    ring.push(frame(0, 1, 0, true, 10));
    (1..60).for_each(|i| drop(ring.push(frame(i, 1, i as i64, false, 10))));
    let stats = ring.stats();
    assert_eq!((stats.frames, stats.endless_gops, stats.evicted_frames), (0, 1, 41));
    assert_eq!(stats.headless_frames, 19);
    assert_eq!(ring.newest(), None);
    ring.push(frame(60, 1, 60, true, 10));
    assert_eq!(ring.clip(ms(50), ms(60)).expect("held").frames.len(), 1);
}

#[test]
fn frames_of_a_new_stream_wait_for_its_key_frame() {
    let ring = ring(1_000, 60_000);
    fill(&ring, 1, 0, 5, 5);
    ring.push(frame(5, 2, 500, false, 10));
    assert_eq!((ring.stats().frames, ring.stats().headless_frames), (5, 1));
}

/// The same rules, over whole lists.
#[derive(Default)]
struct Model {
    gops: Vec<Vec<EncodedFrame>>,
    numbered: u64,
    headless: u64,
    evicted: u64,
    endless: u64,
}

impl Model {
    fn push(&mut self, frame: EncodedFrame, max_bytes: usize, max_ms: u64) {
        let same_stream = self.gops.last().is_some_and(|gop| gop[0].stream == frame.stream);
        if frame.key {
            self.gops.push(vec![frame]);
        } else if same_stream {
            self.gops.last_mut().expect("same stream as one").push(frame);
        } else {
            self.headless += 1;
            return;
        }
        self.numbered += 1;
        while self.gops.len() > 2 && (self.bytes() > max_bytes || self.span_us() > max_ms * 1000) {
            self.evicted += self.gops.remove(0).len() as u64;
        }
        while self.bytes() > max_bytes * 4 {
            self.evicted += self.gops.remove(0).len() as u64;
            self.endless += u64::from(self.gops.is_empty());
        }
    }

    fn bytes(&self) -> usize {
        self.gops.iter().flatten().map(|f| f.data.len()).sum()
    }

    fn follows(&self, i: usize) -> bool {
        let [a, b] = [&self.gops[i][0], &self.gops[i + 1][0]];
        a.stream == b.stream && a.capture.at < b.capture.at
    }

    fn span_us(&self) -> u64 {
        let span = |i: usize| {
            let start = self.gops[i][0].capture.at;
            let mut end = self.gops[i].iter().map(|f| f.capture.at).max().expect("never empty");
            if i + 1 < self.gops.len() && self.follows(i) {
                end = end.max(self.gops[i + 1][0].capture.at);
            }
            (end.0 - start.0) as u64
        };
        (0..self.gops.len()).map(span).sum()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push { key: bool, new_stream: bool, ahead_ms: i64, bytes: usize },
    Clip { from_ms: i64, length_ms: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (prop::bool::weighted(0.2), prop::bool::weighted(0.03), -30_i64..200, 1_usize..60)
            .prop_map(|(key, new_stream, ahead_ms, bytes)| Step::Push { key, new_stream, ahead_ms, bytes }),
        1 => (-2_000_i64..500, 0_i64..1_500).prop_map(|(from_ms, length_ms)| Step::Clip { from_ms, length_ms }),
    ]
}

fn check_clip(ring: &Ring, model: &Model, from: WallTime, to: WallTime) {
    let Some(clip) = ring.clip(from, to) else {
        // A picture shown before its own key frame (a clock set back) cannot be had alone.
        let within = |gop: &Vec<EncodedFrame>| {
            let start = gop[0].capture.at.max(from);
            gop.iter().any(|f| f.capture.at >= start && f.capture.at <= to)
        };
        let held = model.gops.iter().any(within);
        assert!(!held, "frames between {from} and {to} are held but not given");
        return;
    };
    let (first, last) = (&clip.frames[0], &clip.frames[clip.frames.len() - 1]);
    assert!(first.key && clip.frames.iter().all(|f| f.stream == first.stream));
    assert!(clip.frames.windows(2).all(|w| w[0].seq < w[1].seq), "decode order");
    let keys: Vec<_> = clip.frames.iter().filter(|f| f.key).map(|f| f.capture.at).collect();
    assert!(keys.windows(2).all(|w| w[0] < w[1]), "times rise");
    assert!(last.capture.at <= to);
    assert_eq!(clip.starts_late, first.capture.at > from);
    // No later key frame would have done.
    assert!(keys.iter().skip(1).all(|&at| at > from));
    let held: Vec<_> = model.gops.iter().flatten().map(|f| f.seq).collect();
    let start = held.iter().position(|&seq| seq == first.seq).expect("held by the model too");
    let given: Vec<_> = clip.frames.iter().map(|f| f.seq).collect();
    assert_eq!(given, held[start..start + given.len()], "without gaps");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_ring_agrees_with_the_model(
        steps in prop::collection::vec(step(), 1..300),
        max_bytes in 50_usize..1_500,
        max_ms in 100_u64..4_000,
    ) {
        let ring = ring(max_bytes, max_ms);
        let mut model = Model::default();
        let (mut seq, mut stream, mut now) = (0, 1, 100_000);
        for step in steps {
            match step {
                Step::Push { key, new_stream, ahead_ms, bytes } => {
                    stream += u32::from(new_stream);
                    now += ahead_ms;
                    let f = frame(seq, stream, now, key, bytes);
                    seq += 1;
                    ring.push(f.clone());
                    model.push(f, max_bytes, max_ms);
                }
                Step::Clip { from_ms, length_ms } => {
                    check_clip(&ring, &model, ms(now + from_ms), ms(now + from_ms + length_ms));
                }
            }
            let stats = ring.stats();
            prop_assert_eq!(stats.gops, model.gops.len());
            prop_assert_eq!(stats.bytes, model.bytes());
            prop_assert_eq!((stats.seconds * 1e6).round() as u64, model.span_us());
            prop_assert_eq!(stats.frames as u64 + stats.evicted_frames, model.numbered);
            prop_assert_eq!(stats.evicted_frames, model.evicted);
            prop_assert_eq!((stats.headless_frames, stats.endless_gops), (model.headless, model.endless));
            prop_assert!(stats.bytes <= max_bytes * 4);
        }
    }
}
