//! Newest wins, jumps to key frames, fair turns: exact counts, without threads.

use bytes::Bytes;

use super::*;
use crate::base::{Capture, FrameSeq, MediaTime, TimeSource, WallTime};
use crate::ingest::Codec;

fn frame(camera: &str, seq: u64, key: bool) -> EncodedFrame {
    let at = seq as i64 * 100_000;
    EncodedFrame {
        camera: CameraId::from(camera),
        seq: FrameSeq(seq),
        stream: 1,
        capture: Capture { at: WallTime(at), source: TimeSource::Arrival, offset_ms: None, clock: None },
        pts: MediaTime(at),
        codec: Codec::H264,
        key,
        orientation: Default::default(),

        data: Bytes::new(),
    }
}

fn queues(sampling: Sampling, interval_ms: u64, cameras: &[&str]) -> CameraQueues {
    let interval = Duration::from_millis(interval_ms);
    CameraQueues::new(
        cameras.iter().map(|&id| (CameraId::from(id), sampling, interval)).collect(),
        &Arc::default(),
    )
}

/// The camera's id and the numbers of the frames in hand.
fn take(queues: &mut CameraQueues) -> Option<(usize, Vec<u64>)> {
    queues.take().map(|job| match job.task {
        Task::KeyFrame(frame) => (job.queue, vec![frame.seq.0]),
        Task::Frames { frames, .. } => (job.queue, frames.iter().map(|f| f.frame.seq.0).collect()),
    })
}

#[test]
fn the_newest_key_frame_replaces_the_one_that_waits() {
    let mut queues = queues(Sampling::Keyframes, 2_000, &["gate"]);
    for seq in 0..100 {
        queues.offer(frame("gate", seq, seq % 10 == 0));
    }
    assert_eq!(take(&mut queues), Some((0, vec![80])));
    assert_eq!(take(&mut queues), None);
    let stats = queues.stats(&CameraId::from("gate")).expect("known");
    // Wanted: 0, 20, 40, 60, 80. Passed over: the key frames between them.
    assert_eq!((stats.replaced, stats.passed_over, stats.skipped), (4, 5, 0));
}

#[test]
fn a_camera_is_in_one_worker_at_a_time_and_the_one_that_waited_longest_is_next() {
    let mut queues = queues(Sampling::Keyframes, 0, &["a", "b", "c"]);
    for camera in ["a", "b", "c", "a"] {
        queues.offer(frame(camera, 1, true));
    }
    assert_eq!(take(&mut queues), Some((0, vec![1])));
    assert_eq!(queues.offer(frame("a", 2, true)), Some(false));
    assert_eq!(take(&mut queues), Some((1, vec![1])));
    queues.finish(0, Outcome::default());
    assert_eq!(take(&mut queues), Some((2, vec![1])));
    assert_eq!(take(&mut queues), Some((0, vec![2])));
    assert_eq!(queues.offer(frame("nobody", 1, true)), None);
}

#[test]
fn every_frame_is_taken_in_turns() {
    let mut queues = queues(Sampling::All, 0, &["a", "b"]);
    for seq in 0..6 {
        queues.offer(frame("a", seq, seq == 0));
        queues.offer(frame("b", seq, seq == 0));
    }
    assert_eq!(take(&mut queues), Some((0, vec![0, 1, 2, 3])));
    assert_eq!(queues.finish(0, Outcome::default()), (None, true));
    assert_eq!(take(&mut queues), Some((1, vec![0, 1, 2, 3])));
    assert_eq!(take(&mut queues), Some((0, vec![4, 5])));
}

#[test]
fn an_overflow_jumps_to_the_next_key_frame_and_counts_what_it_skips() {
    let mut queues = queues(Sampling::All, 0, &["a"]);
    let overflow = MAX_QUEUED_FRAMES as u64 + 5;
    for seq in 0..overflow {
        queues.offer(frame("a", seq, seq == 0));
    }
    assert_eq!(queues.stats(&CameraId::from("a")).expect("known").skipped, overflow);
    assert_eq!(take(&mut queues), None);
    assert_eq!(queues.offer(frame("a", overflow, true)), Some(true));
    queues.offer(frame("a", overflow + 1, false));
    assert_eq!(take(&mut queues), Some((0, vec![overflow, overflow + 1])));
    assert_eq!(queues.stats(&CameraId::from("a")).expect("known").skipped, overflow);
}

#[test]
fn only_the_first_failure_and_the_recovery_are_worth_a_line() {
    let mut queues = queues(Sampling::Keyframes, 0, &["a"]);
    let failed = || Outcome { failures: vec!["bad".into()], ..Outcome::default() };
    let well = || Outcome { pictures: 1, ..Outcome::default() };
    let a = CameraId::from("a");
    assert_eq!(queues.finish(0, failed()).0, Some(Notice::Failing("bad".into())));
    assert_eq!(queues.finish(0, failed()).0, None);
    assert_eq!(queues.stats(&a).expect("known").last_error.as_deref(), Some("bad"));
    assert_eq!(queues.finish(0, well()).0, Some(Notice::Recovered(2)));
    assert_eq!(queues.finish(0, well()).0, None);
    let stats = queues.stats(&a).expect("known");
    assert_eq!((stats.failed, stats.pictures, stats.last_error), (2, 2, None));
}

#[test]
fn cameras_come_and_go_and_change_while_a_worker_has_one_in_hand() {
    let mut queues = queues(Sampling::Keyframes, 0, &["a", "b"]);
    let (a, b) = (CameraId::from("a"), CameraId::from("b"));
    queues.offer(frame("a", 1, true));
    queues.offer(frame("b", 1, true));
    let (in_hand, _) = take(&mut queues).expect("a is ready");
    queues.offer(frame("a", 2, true));
    queues.finish(in_hand, Outcome { pictures: 1, ..Outcome::default() });
    let (in_hand, _) = take(&mut queues).expect("b is ready");

    assert!(queues.remove(&b).is_some());
    assert_eq!(queues.finish(in_hand, Outcome::default()), (None, false));
    assert_eq!((queues.stats(&b), queues.offer(frame("b", 2, true))), (None, None));

    queues.put(a.clone(), Sampling::All, Duration::ZERO);
    let stats = queues.stats(&a).expect("known");
    assert_eq!((stats.pictures, stats.replaced), (1, 1), "figures go on, what waited is counted");
    queues.put("c".into(), Sampling::Keyframes, Duration::ZERO);
    queues.offer(frame("c", 1, true));
    assert_eq!(take(&mut queues).map(|taken| taken.1), Some(vec![1]));
    queues.offer(frame("a", 5, true));
    queues.offer(frame("a", 6, false));
    assert_eq!(take(&mut queues).map(|taken| taken.1), Some(vec![5, 6]));
}

#[test]
fn a_series_that_is_not_decoded_in_time_is_dropped_for_the_next_sample() {
    let adaptive = crate::config::Adaptive {
        active_interval: Duration::from_secs(1),
        fps: 5,
        burst: Duration::from_secs(3),
        rest: Duration::from_secs(20),
        full_look: Duration::ZERO,
    };
    let mut queues = queues(Sampling::Adaptive(adaptive), 4_000, &["gate"]);
    let camera = CameraId::from("gate");
    let offer = |queues: &mut CameraQueues, seq: u64, moving: bool| {
        let size = if seq.is_multiple_of(10) { 20_000 } else { 1_000 * if moving { 8 } else { 1 } };
        queues
            .offer(EncodedFrame { data: vec![0; size].into(), ..frame("gate", seq, seq.is_multiple_of(10)) });
    };
    for seq in 0..100 {
        offer(&mut queues, seq, false);
        while let Some(job) = queues.take() {
            assert!(queues.finish(job.queue, Outcome::default()).0.is_none());
        }
    }
    for seq in 100..200 {
        offer(&mut queues, seq, seq < 130);
        if seq == 140 {
            assert_eq!(queues.stats(&camera).expect("known").series, 1, "it waits for its decoder");
        }
    }
    let (_, frames) = take(&mut queues).expect("a sample");
    assert!(frames.len() == 1 && frames[0] >= 150, "{frames:?}");
    let stats = queues.stats(&camera).expect("known");
    assert!(stats.skipped >= 30, "{stats:?}");
}
