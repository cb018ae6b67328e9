//! Newest wins, jumps to key frames, turns: exact counts, without threads.

use bytes::Bytes;

use super::*;
use crate::base::{Capture, FrameSeq, MediaTime, TimeSource};
use crate::ingest::Codec;

fn frame(camera: &str, seq: u64, key: bool) -> EncodedFrame {
    let at = seq as i64 * 100_000;
    EncodedFrame {
        camera: CameraId::from(camera),
        seq: FrameSeq(seq),
        stream: 1,
        capture: Capture { at: WallTime(at), source: TimeSource::Arrival, offset_ms: None },
        pts: MediaTime(at),
        codec: Codec::H264,
        key,
        data: Bytes::new(),
    }
}

fn slots(sampling: Sampling, interval_ms: u64, cameras: &[&str]) -> Slots {
    let interval = Duration::from_millis(interval_ms);
    Slots::new(cameras.iter().map(|&id| (CameraId::from(id), sampling, interval)).collect(), &Arc::default())
}

/// The camera's place and the numbers of the frames in hand.
fn take(slots: &mut Slots) -> Option<(usize, Vec<u64>)> {
    slots.take().map(|job| match job.work {
        Work::Key(frame) => (job.place, vec![frame.seq.0]),
        Work::Few { frames, .. } => (job.place, frames.iter().map(|f| f.frame.seq.0).collect()),
    })
}

#[test]
fn the_newest_key_frame_replaces_the_one_that_waits() {
    let mut slots = slots(Sampling::Keyframes, 2_000, &["gate"]);
    for seq in 0..100 {
        slots.offer(frame("gate", seq, seq % 10 == 0));
    }
    assert_eq!(take(&mut slots), Some((0, vec![80])));
    assert_eq!(take(&mut slots), None);
    let stats = slots.stats(&CameraId::from("gate")).expect("known");
    // Wanted: 0, 20, 40, 60, 80. Passed over: the key frames between them.
    assert_eq!((stats.replaced, stats.passed_over, stats.skipped), (4, 5, 0));
}

#[test]
fn a_camera_is_in_one_worker_at_a_time_and_the_one_that_waited_longest_is_next() {
    let mut slots = slots(Sampling::Keyframes, 0, &["a", "b", "c"]);
    for camera in ["a", "b", "c", "a"] {
        slots.offer(frame(camera, 1, true));
    }
    assert_eq!(take(&mut slots), Some((0, vec![1])));
    assert_eq!(slots.offer(frame("a", 2, true)), Some(false));
    assert_eq!(take(&mut slots), Some((1, vec![1])));
    slots.done(0, Outcome::default());
    assert_eq!(take(&mut slots), Some((2, vec![1])));
    assert_eq!(take(&mut slots), Some((0, vec![2])));
    assert_eq!(slots.offer(frame("nobody", 1, true)), None);
}

#[test]
fn every_frame_is_taken_in_turns() {
    let mut slots = slots(Sampling::All, 0, &["a", "b"]);
    for seq in 0..6 {
        slots.offer(frame("a", seq, seq == 0));
        slots.offer(frame("b", seq, seq == 0));
    }
    assert_eq!(take(&mut slots), Some((0, vec![0, 1, 2, 3])));
    assert_eq!(slots.done(0, Outcome::default()), (None, true));
    assert_eq!(take(&mut slots), Some((1, vec![0, 1, 2, 3])));
    assert_eq!(take(&mut slots), Some((0, vec![4, 5])));
}

#[test]
fn an_overflow_jumps_to_the_next_key_frame_and_counts_what_it_skips() {
    let mut slots = slots(Sampling::All, 0, &["a"]);
    let overflow = FEW as u64 + 5;
    for seq in 0..overflow {
        slots.offer(frame("a", seq, seq == 0));
    }
    assert_eq!(slots.stats(&CameraId::from("a")).expect("known").skipped, overflow);
    assert_eq!(take(&mut slots), None);
    assert_eq!(slots.offer(frame("a", overflow, true)), Some(true));
    slots.offer(frame("a", overflow + 1, false));
    assert_eq!(take(&mut slots), Some((0, vec![overflow, overflow + 1])));
    assert_eq!(slots.stats(&CameraId::from("a")).expect("known").skipped, overflow);
}

#[test]
fn only_the_first_failure_and_the_recovery_are_worth_a_line() {
    let mut slots = slots(Sampling::Keyframes, 0, &["a"]);
    let failed = || Outcome { failures: vec!["bad".into()], ..Outcome::default() };
    let well = || Outcome { pictures: 1, ..Outcome::default() };
    let a = CameraId::from("a");
    assert_eq!(slots.done(0, failed()).0, Some(Turn::Failing(a.clone(), "bad".into())));
    assert_eq!(slots.done(0, failed()).0, None);
    assert_eq!(slots.stats(&a).expect("known").last_error.as_deref(), Some("bad"));
    assert_eq!(slots.done(0, well()).0, Some(Turn::Well(a.clone(), 2)));
    assert_eq!(slots.done(0, well()).0, None);
    let stats = slots.stats(&a).expect("known");
    assert_eq!((stats.failed, stats.pictures, stats.last_error), (2, 2, None));
}

#[test]
fn cameras_come_and_go_and_change_while_a_worker_has_one_in_hand() {
    let mut slots = slots(Sampling::Keyframes, 0, &["a", "b"]);
    let (a, b) = (CameraId::from("a"), CameraId::from("b"));
    slots.offer(frame("a", 1, true));
    slots.offer(frame("b", 1, true));
    let (in_hand, _) = take(&mut slots).expect("a is ready");
    slots.offer(frame("a", 2, true));
    slots.done(in_hand, Outcome { pictures: 1, ..Outcome::default() });
    let (in_hand, _) = take(&mut slots).expect("b is ready");

    assert!(slots.remove(&b).is_some());
    assert_eq!(slots.done(in_hand, Outcome::default()), (None, false));
    assert_eq!((slots.stats(&b), slots.offer(frame("b", 2, true))), (None, None));

    slots.put(a.clone(), Sampling::All, Duration::ZERO);
    let stats = slots.stats(&a).expect("known");
    assert_eq!((stats.pictures, stats.replaced), (1, 1), "figures go on, what waited is counted");
    slots.put("c".into(), Sampling::Keyframes, Duration::ZERO);
    slots.offer(frame("c", 1, true));
    assert_eq!(take(&mut slots).map(|taken| taken.1), Some(vec![1]));
    slots.offer(frame("a", 5, true));
    slots.offer(frame("a", 6, false));
    assert_eq!(take(&mut slots).map(|taken| taken.1), Some(vec![5, 6]));
}

#[test]
fn a_series_that_nobody_has_decoded_in_time_gives_way_to_the_next_look() {
    let adaptive = crate::config::Adaptive {
        active_interval: Duration::from_secs(1),
        fps: 5,
        burst: Duration::from_secs(3),
        rest: Duration::from_secs(20),
        full_look: Duration::ZERO,
    };
    let mut slots = slots(Sampling::Adaptive(adaptive), 4_000, &["gate"]);
    let camera = CameraId::from("gate");
    let offer = |slots: &mut Slots, seq: u64, moving: bool| {
        let size = if seq.is_multiple_of(10) { 20_000 } else { 1_000 * if moving { 8 } else { 1 } };
        slots
            .offer(EncodedFrame { data: vec![0; size].into(), ..frame("gate", seq, seq.is_multiple_of(10)) });
    };
    for seq in 0..100 {
        offer(&mut slots, seq, false);
        while let Some(job) = slots.take() {
            assert!(slots.done(job.place, Outcome::default()).0.is_none());
        }
    }
    for seq in 100..200 {
        offer(&mut slots, seq, seq < 130);
        if seq == 140 {
            assert_eq!(slots.stats(&camera).expect("known").series, 1, "it waits for its decoder");
        }
    }
    let (_, frames) = take(&mut slots).expect("a look");
    assert!(frames.len() == 1 && frames[0] >= 150, "{frames:?}");
    let stats = slots.stats(&camera).expect("known");
    assert!(stats.skipped >= 30, "{stats:?}");
}
