//! A synthetic camera: frame sizes show when something moves, thumbnails whether the pictures confirm it.

use bytes::Bytes;

use super::*;
use crate::base::{CameraId, Capture, FrameSeq, MediaTime, TimeSource};
use crate::decode::Picture;
use crate::ingest::Codec;

const FPS: u64 = 25;

fn config() -> Config {
    Config {
        active_interval: Duration::from_secs(1),
        fps: 5,
        burst: Duration::from_secs(8),
        full_look: Duration::ZERO,
        rest: Duration::from_secs(20),
    }
}

fn frame(i: u64, gop: u64, moving: bool) -> EncodedFrame {
    let at = (i * 1_000_000 / FPS) as i64;
    let key = i.is_multiple_of(gop);
    let size = if key {
        60_000
    } else if moving {
        9_000
    } else {
        2_000 + (i * 7919 % 300) as usize
    };
    EncodedFrame {
        camera: CameraId::from("gate"),
        seq: FrameSeq(i),
        stream: 1,
        capture: Capture { at: WallTime(at), source: TimeSource::Footage, offset_ms: None, clock: None },
        pts: MediaTime(at),
        codec: Codec::H264,
        key,
        orientation: Default::default(),

        data: Bytes::from(vec![0; size]),
    }
}

fn thumbnail(grey: u8) -> Thumbnail {
    let picture = Picture::grey(|x, _| if x < 60 { grey } else { 90 });
    Thumbnail::of(&picture).expect("large enough")
}

/// What was decoded. Times in seconds.
#[derive(Default)]
struct Done {
    /// Single key frames.
    samples: Vec<f64>,
    /// Pictures wanted of the frames decoded in order.
    wanted: Vec<f64>,
    /// First and last frame of each run of frames decoded in order.
    runs: Vec<(f64, f64)>,
    decoded: usize,
}

fn second(i: u64) -> f64 {
    i as f64 / FPS as f64
}

/// `moving`: seconds; `agree`: do the pictures differ while it moves?
fn run(
    sampler: &mut AdaptiveSampler,
    seconds: std::ops::Range<u64>,
    gop: u64,
    moving: std::ops::Range<f64>,
    agree: bool,
) -> Done {
    let mut done = Done::default();
    let mut open = false;
    for i in seconds.start * FPS..seconds.end * FPS {
        let moves = moving.contains(&second(i));
        match sampler.push(&frame(i, gop, moves), Throttle::NONE) {
            Step::Skip => continue,
            Step::KeyFrame => {
                done.samples.push(second(i));
                sampler.push_thumbnail(thumbnail(if moves && agree { 200 } else { 90 }));
            }
            Step::Frames { frames, last } => {
                assert!(frames.windows(2).all(|w| w[0].frame.seq.0 + 1 == w[1].frame.seq.0), "no gaps");
                let (first, end) = (second(frames[0].frame.seq.0), second(i));
                match done.runs.last_mut().filter(|_| open) {
                    Some(run) => run.1 = end,
                    None => done.runs.push((first, end)),
                }
                open = !last;
                done.decoded += frames.len();
                for next in frames.iter().filter(|next| next.wanted) {
                    done.wanted.push(second(next.frame.seq.0));
                    let moves = moving.contains(&second(next.frame.seq.0));
                    sampler.push_thumbnail(thumbnail(if moves && agree { 200 } else { 90 }));
                }
            }
        }
    }
    done
}

fn sampler(interval_s: u64) -> AdaptiveSampler {
    AdaptiveSampler::new(config(), Duration::from_secs(interval_s))
}

const NEVER: std::ops::Range<f64> = 0.0..0.0;

#[test]
fn a_quiet_scene_is_sampled_and_nothing_else_is_decoded() {
    let done = run(&mut sampler(4), 0..60, 50, NEVER, true);
    assert_eq!(done.samples, (0..15).map(|n| f64::from(n) * 4.0).collect::<Vec<_>>());
    assert_eq!(done.decoded, 0);
}

#[test]
fn quick_motion_is_decoded_from_the_start_of_its_gop_on() {
    // From 31.0 to 34.0 something moves; the GOP before it began at 30.0.
    let mut sampler = sampler(4);
    let done = run(&mut sampler, 0..60, 50, 31.0..34.0, true);
    let [(first, last)] = done.runs[..] else { panic!("one series, not {:?}", done.runs) };
    assert_eq!(first, 30.0, "from the key frame before it on");
    assert!((35.0..=38.5).contains(&last), "until it was calm for a while: {last}");
    let during: Vec<_> = done.wanted.iter().filter(|at| (31.0..34.0).contains(*at)).collect();
    assert!((14..=16).contains(&during.len()), "five pictures a second: {during:?}");
    assert!(done.wanted.windows(2).all(|w| w[1] > w[0]), "in order of time");
    let counts = sampler.counts();
    assert_eq!((counts.series, counts.idle_series), (1, 0));
}

#[test]
fn motion_without_end_gets_a_bounded_share() {
    let done = run(&mut sampler(4), 0..90, 50, 30.0..90.0, true);
    let longest = done.runs.iter().map(|(first, last)| last - first).fold(0.0, f64::max);
    assert!(longest <= 8.0 + 2.1, "burst and the GOP before it: {:?}", done.runs);
    assert!(done.runs.windows(2).all(|w| w[1].0 - w[0].1 >= 17.9), "rests between: {:?}", done.runs);
    assert!(done.decoded as f64 <= 0.4 * 60.0 * FPS as f64, "{} frames", done.decoded);
    let active: Vec<_> = done.samples.iter().filter(|at| (45.0..50.0).contains(*at)).collect();
    assert!(active.len() >= 2, "and key frames more often: {:?}", done.samples);
}

#[test]
fn motion_that_pictures_do_not_show_is_a_false_alarm_and_becomes_usual() {
    let mut sampler = sampler(4);
    let done = run(&mut sampler, 0..120, 50, 30.0..120.0, false);
    let counts = sampler.counts();
    assert_eq!((counts.series, counts.idle_series), (1, 1), "{:?}", done.runs);
    assert!(done.runs[0].1 - done.runs[0].0 <= 5.5, "{:?}", done.runs);
}

#[test]
fn long_gops_are_followed_for_one_picture_each_interval() {
    let mut sampler = sampler(4);
    let done = run(&mut sampler, 0..60, 500, NEVER, true);
    assert_eq!(sampler.long_gop(), Some(Duration::from_secs(20)));
    let mut pictures: Vec<f64> = done.samples.iter().chain(&done.wanted).copied().collect();
    pictures.sort_by(f64::total_cmp);
    // Before the first long GOP is known it takes six seconds to notice.
    assert!(pictures.windows(2).all(|w| w[1] - w[0] <= 6.05), "{pictures:?}");
    assert!(pictures.windows(2).skip(2).all(|w| w[1] - w[0] <= 4.05), "{pictures:?}");
    assert!(done.decoded <= 60 * FPS as usize, "no frame twice");
}

#[test]
fn a_throttled_camera_starts_no_series() {
    let mut sampler = sampler(4);
    for i in 0..60 * FPS {
        let step =
            sampler.push(&frame(i, 50, second(i) > 30.0), Throttle { series: false, ..Throttle::NONE });
        assert!(!matches!(step, Step::Frames { .. }));
    }
    assert_eq!(sampler.counts().series, 0);
}

#[test]
fn a_clock_set_back_and_lost_frames_do_not_blind_the_camera() {
    let mut sampler = sampler(4);
    run(&mut sampler, 100..140, 50, 130.0..140.0, true);
    sampler.frames_dropped();
    let done = run(&mut sampler, 0..20, 50, NEVER, true);
    assert!(done.samples.len() >= 4, "{:?}", done.samples);
}

#[test]
fn stretched_intervals_make_samples_rarer() {
    let mut sampler = sampler(4);
    let slow = Throttle { stretch: 3.0, series: true };
    let samples = (0..120 * FPS)
        .filter(|&i| matches!(sampler.push(&frame(i, 50, false), slow), Step::KeyFrame))
        .count();
    assert_eq!(samples, 10);
}
