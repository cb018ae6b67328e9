//! Decoding of real clips, picture by picture against ffmpeg.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use lintel::base::{CameraId, Capture, FrameSeq, MediaTime, Shutdown, TimeSource, WallTime, monotonic};
use lintel::config::{DecodeConfig, Sampling};
use lintel::decode::{
    DecodeError, DecodePool, DecodeStats, DecoderChoice, KeyframeDecoder, Picture, StreamDecoder,
};
use lintel::ingest::{Codec, EncodedFrame};
use parking_lot::Mutex;

use crate::support::root;

mod adaptive;

fn choice() -> DecoderChoice {
    let config = DecodeConfig { workers: 1, h264_decoder: None, h265_decoder: None };
    DecoderChoice::new(&config).expect("a decoder")
}

fn clip(name: &str) -> PathBuf {
    root().join("testdata/clips").join(name)
}

/// Every access unit of an MP4 as a camera `id` would send it.
fn frames(path: &Path, id: &str, codec: Codec) -> Vec<EncodedFrame> {
    gst::init().expect("GStreamer");
    let short = if codec == Codec::H264 { "h264" } else { "h265" };
    let line = format!(
        "filesrc location={} ! qtdemux ! {short}parse config-interval=-1 ! \
         video/x-{short},stream-format=byte-stream,alignment=au ! appsink name=out sync=false",
        path.display()
    );
    let pipeline = gst::parse::launch(&line).expect(&line).downcast::<gst::Pipeline>().expect("a pipeline");
    let sink = pipeline.by_name("out").expect("out").downcast::<AppSink>().expect("appsink");
    pipeline.set_state(gst::State::Playing).expect("plays");
    let mut frames: Vec<EncodedFrame> = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let buffer = sample.buffer().expect("a buffer");
        let pts = buffer.pts().expect("a time").useconds() as i64;
        let first = frames.first().map_or(pts, |f| f.pts.0);
        frames.push(EncodedFrame {
            camera: CameraId::from(id),
            seq: FrameSeq(frames.len() as u64),
            stream: 1,
            capture: Capture {
                at: WallTime(pts - first),
                source: TimeSource::Footage,
                offset_ms: None,
                clock: None,
            },
            pts: MediaTime(pts),
            codec,
            key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            orientation: Default::default(),
            data: Bytes::copy_from_slice(&buffer.map_readable().expect("readable")),
        });
    }
    pipeline.set_state(gst::State::Null).expect("ends");
    assert!(!frames.is_empty(), "{} has no {short}", path.display());
    frames
}

fn keys(frames: &[EncodedFrame]) -> Vec<EncodedFrame> {
    frames.iter().filter(|f| f.key).cloned().collect()
}

fn ffmpeg(args: &[&str]) -> Vec<u8> {
    let run = Command::new("ffmpeg").args(["-nostdin", "-v", "error"]).args(args).output();
    let run = run.expect("ffmpeg is installed (make setup)");
    assert!(run.status.success(), "ffmpeg {args:?}: {}", String::from_utf8_lossy(&run.stderr));
    run.stdout
}

/// The street again, otherwise encoded.
fn encoded(dir: &Path, name: &str, args: &str) -> PathBuf {
    let (from, to) = (clip("street.mp4"), dir.join(name));
    let mut all = vec!["-i", from.to_str().expect("UTF-8")];
    all.extend(args.split_whitespace());
    all.push(to.to_str().expect("UTF-8"));
    ffmpeg(&all);
    to
}

/// ffmpeg's pictures in the order in which they are shown; `only` are options such as `-skip_frame nokey`.
fn reference(path: &Path, only: &str, size: (u32, u32), count: usize) -> Vec<Vec<u8>> {
    let mut args: Vec<&str> = only.split_whitespace().collect();
    let count = count.to_string();
    args.extend(["-i", path.to_str().expect("UTF-8"), "-vsync", "passthrough", "-frames:v", &count]);
    args.extend(["-sws_flags", "accurate_rnd+full_chroma_int", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]);
    let bytes = ffmpeg(&args);
    let picture = (size.0 * size.1 * 3) as usize;
    assert_eq!(bytes.len() % picture, 0, "whole pictures");
    bytes.chunks(picture).map(<[u8]>::to_vec).collect()
}

/// Mean difference over a seventh of the bytes, which meets every channel.
fn apart(picture: &Picture, expected: &[u8]) -> f64 {
    assert_eq!(picture.rgb().len(), expected.len(), "{picture:?} is packed");
    let rgb = picture.rgb();
    let pairs = rgb.iter().step_by(7).zip(expected.iter().step_by(7));
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 * 7.0 / expected.len() as f64
}

/// GStreamer's fast conversion is up to 4 levels darker than ffmpeg's, so the pictures are near but not
/// equal.
fn assert_near(picture: &Picture, size: (u32, u32), expected: &[u8]) {
    assert_eq!((picture.width, picture.height), size, "{picture:?}");
    let mean = apart(picture, expected);
    assert!(mean < 3.0, "{picture:?} is {mean:.2} away from ffmpeg's");
}

/// Near ffmpeg's picture `i`, and nearer to that than to the one before and the one after.
fn assert_same(picture: &Picture, size: (u32, u32), expected: &[Vec<u8>], i: usize) {
    assert_near(picture, size, &expected[i]);
    let own = apart(picture, &expected[i]);
    for other in [i.wrapping_sub(1), i + 1] {
        let Some(rgb) = expected.get(other) else { continue };
        assert!(apart(picture, rgb) > own, "{picture:?} is ffmpeg's number {other}, not {i}");
    }
}

fn assert_named(picture: &Picture, frame: &EncodedFrame) {
    assert_eq!((&picture.camera, picture.seq), (&frame.camera, frame.seq));
    assert_eq!((picture.stream, picture.capture), (frame.stream, frame.capture));
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = monotonic() + Duration::from_secs(60);
    while !done() {
        assert!(monotonic() < deadline, "not within 60 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn two_cameras_of_other_sizes_get_each_picture_under_its_own_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let b_frames =
        encoded(dir.path(), "b.mp4", "-vf scale=642:362 -c:v libx264 -preset veryfast -bf 3 -g 20");
    let sides = [(clip("street.mp4"), "gate", (768, 576)), (b_frames, "yard", (642, 362))];
    let sides = sides.map(|(path, id, size)| {
        let (keys, expected) =
            (keys(&frames(&path, id, Codec::H264)), reference(&path, "-skip_frame nokey", size, 40));
        assert!(keys.len() >= 40 && expected.len() == 40, "{id}: {} {}", keys.len(), expected.len());
        (keys, expected, size)
    });
    let mut decoder = KeyframeDecoder::new(&choice());
    for i in 0..40 {
        for (keys, expected, size) in &sides {
            let picture = decoder.decode(&keys[i]).expect("a whole key frame");
            assert_named(&picture, &keys[i]);
            assert_same(&picture, *size, expected, i);
        }
    }
}

#[test]
fn codecs_take_turns_in_one_keyframe_decoder() {
    let sides = [("street.mp4", Codec::H264), ("street_h265.mp4", Codec::H265)];
    let sides = sides.map(|(name, codec)| {
        let expected = reference(&clip(name), "-skip_frame nokey", (768, 576), 5);
        (keys(&frames(&clip(name), name, codec)), expected)
    });
    let mut decoder = KeyframeDecoder::new(&choice());
    for i in 0..sides[1].1.len() {
        for (keys, expected) in &sides {
            let picture = decoder.decode(&keys[i]).expect("a whole key frame");
            assert_named(&picture, &keys[i]);
            assert_same(&picture, (768, 576), expected, i);
        }
    }
}

#[test]
fn other_decoders_of_the_box_do_as_well_when_named() {
    let table = [("street.mp4", Codec::H264, "avdec_h264"), ("street_h265.mp4", Codec::H265, "libde265dec")];
    for (name, codec, element) in table {
        let named = Some(element.to_owned());
        let (h264, h265) = if codec == Codec::H264 { (named, None) } else { (None, named) };
        let config = DecodeConfig { workers: 1, h264_decoder: h264, h265_decoder: h265 };
        let choice = match DecoderChoice::new(&config) {
            Ok(choice) => choice,
            Err(DecodeError::Named { .. }) => {
                crate::support::skipped(element, "this box does not have it");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(choice.element(codec), Some(element));
        let keys = keys(&frames(&clip(name), name, codec));
        let expected = reference(&clip(name), "-skip_frame nokey", (768, 576), 3);
        let mut decoder = KeyframeDecoder::new(&choice);
        for (i, frame) in keys.iter().enumerate().take(expected.len()) {
            let picture = decoder.decode(frame).expect("a whole key frame");
            assert_named(&picture, frame);
            assert_same(&picture, (768, 576), &expected, i);
        }
    }
}

#[test]
fn odd_sizes_fields_depths_and_cropping_come_out_as_ffmpeg_shows_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let x264 = "-t 0.5 -c:v libx264 -preset ultrafast";
    let x265 = "-t 0.5 -c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=none";
    let table = [
        ("odd.mp4", format!("-vf scale=321:241 -pix_fmt yuv444p {x264}"), Codec::H264, (321, 241)),
        ("cropped.mp4", format!("-vf scale=1280:1076 {x264}"), Codec::H264, (1280, 1076)),
        ("fields.mp4", format!("-vf setfield=tff {x264} -flags +ilme+ildct"), Codec::H264, (768, 576)),
        ("padded.mp4", format!("-vf scale=322:242 {x265}"), Codec::H265, (322, 242)),
        ("ten_bits.mp4", format!("-pix_fmt yuv420p10le {x265}"), Codec::H265, (768, 576)),
    ];
    let mut decoder = KeyframeDecoder::new(&choice());
    for (name, args, codec, size) in table {
        let path = encoded(dir.path(), name, &args);
        let frame = &frames(&path, name, codec)[0];
        // Above 576 lines GStreamer takes BT.709 for granted, ffmpeg never does: brightness and edges must
        // agree.
        let picture = decoder.decode(frame).expect(name);
        assert_named(&picture, frame);
        let matrix = if size.1 > 576 { "-vf scale=in_color_matrix=bt709" } else { "" };
        assert_near(&picture, size, &reference_with(&path, matrix, size));
    }
}

fn reference_with(path: &Path, filter: &str, size: (u32, u32)) -> Vec<u8> {
    let mut args = vec!["-i", path.to_str().expect("UTF-8"), "-frames:v", "1"];
    args.extend(filter.split_whitespace());
    args.extend(["-sws_flags", "accurate_rnd+full_chroma_int", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]);
    let bytes = ffmpeg(&args);
    assert_eq!(bytes.len(), (size.0 * size.1 * 3) as usize);
    bytes
}

#[test]
fn garbage_is_an_error_and_the_next_camera_is_fine() {
    let good = keys(&frames(&clip("street.mp4"), "gate", Codec::H264));
    let expected = reference(&clip("street.mp4"), "-skip_frame nokey", (768, 576), 6);
    let noise: Vec<u8> = (0..5_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut headless = vec![0, 0, 0, 1, 0x65];
    headless.extend(&noise);
    let bad = [Vec::new(), noise, headless, vec![0, 0, 0, 1], vec![0, 0, 0, 1, 0x67, 0xff, 0xff]];
    let mut decoder = KeyframeDecoder::new(&choice());
    for (i, bytes) in bad.into_iter().enumerate() {
        for codec in [Codec::H264, Codec::H265] {
            let frame = EncodedFrame { data: bytes.clone().into(), codec, ..good[0].clone() };
            let error = decoder.decode(&frame).expect_err("garbage");
            assert!(!error.to_string().is_empty());
        }
        let picture = decoder.decode(&good[i]).expect("a whole key frame");
        assert_named(&picture, &good[i]);
        assert_same(&picture, (768, 576), &expected, i);
    }
    let delta = EncodedFrame { key: false, ..good[0].clone() };
    assert!(matches!(decoder.decode(&delta), Err(DecodeError::NotAKey(0))));
}

#[test]
fn cut_off_key_frames_never_give_a_picture_of_another_frame() {
    let good = keys(&frames(&clip("street.mp4"), "gate", Codec::H264));
    let mut decoder = KeyframeDecoder::new(&choice());
    for (i, frame) in good.iter().enumerate().take(20) {
        let cut = frame.data.len() * i / 20;
        let broken = EncodedFrame { data: frame.data.slice(..cut), ..frame.clone() };
        if let Ok(picture) = decoder.decode(&broken) {
            assert_named(&picture, frame);
            assert_eq!((picture.width, picture.height), (768, 576));
        }
    }
    assert_named(&decoder.decode(&good[0]).expect("whole"), &good[0]);
}

#[test]
fn every_frame_comes_out_in_the_order_shown_also_over_a_change_of_size_and_codec() {
    let dir = tempfile::tempdir().expect("a folder");
    let b_frames =
        encoded(dir.path(), "b.mp4", "-t 4 -vf scale=642:362 -c:v libx264 -preset veryfast -bf 3 -g 20");
    let runs = [
        (b_frames, Codec::H264, (642, 362)),
        (clip("street.mp4"), Codec::H264, (768, 576)),
        (clip("street_h265.mp4"), Codec::H265, (768, 576)),
    ];
    let mut decoder = StreamDecoder::new(&choice(), Codec::H264);
    let (mut pictures, mut sent, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    for (stream, (path, codec, size)) in runs.iter().enumerate() {
        let mut run = frames(path, "gate", *codec);
        run.truncate(40);
        let late = run.iter().filter(|f| f.key).count();
        assert!(late >= 1 && run.len() == 40);
        for frame in &mut run {
            frame.stream = stream as u32;
            pictures.extend(decoder.push(frame).expect("whole frames"));
        }
        // With B-frames decode order is not the order shown.
        run.sort_by_key(|f| f.pts);
        sent.extend(run);
        expected.push((reference(path, "", *size, 40), *size));
    }
    pictures.extend(decoder.finish());
    assert_eq!(pictures.len(), 120);
    for (i, (picture, frame)) in pictures.iter().zip(&sent).enumerate() {
        assert_named(picture, frame);
        let (run, size) = &expected[i / 40];
        assert_same(picture, *size, run, i % 40);
    }
    assert_eq!(decoder.headless(), 0);
}

#[test]
fn a_stream_waits_for_its_key_frame_and_survives_damaged_and_missing_frames() {
    let all = frames(&clip("street.mp4"), "gate", Codec::H264);
    let expected = reference(&clip("street.mp4"), "", (768, 576), 60);
    let mut decoder = StreamDecoder::new(&choice(), Codec::H264);
    let mut pictures = Vec::new();
    for (i, frame) in all.iter().enumerate().take(60).skip(5) {
        let mut frame = frame.clone();
        match i {
            22 => continue,
            24..28 => {
                let mut bytes = frame.data.to_vec();
                bytes.iter_mut().skip(9).step_by(3).for_each(|b| *b ^= 0x5a);
                frame.data = bytes.into();
            }
            _ => {}
        }
        // What a damaged frame gives is the decoder's affair; the next key frame must be whole again.
        pictures.extend(decoder.push(&frame).unwrap_or_default());
    }
    pictures.extend(decoder.finish());
    assert_eq!(decoder.headless(), 15);
    let whole: Vec<_> = pictures.iter().filter(|p| p.seq.0 >= 40).collect();
    assert_eq!(whole.len(), 20);
    for picture in pictures.iter().filter(|p| p.seq.0 < 22 || p.seq.0 >= 40) {
        assert_named(picture, &all[picture.seq.0 as usize]);
        assert_same(picture, (768, 576), &expected, picture.seq.0 as usize);
    }
}

#[test]
fn pictures_that_are_not_wanted_are_decoded_but_not_given() {
    let all = frames(&clip("street.mp4"), "gate", Codec::H264);
    let expected = reference(&clip("street.mp4"), "", (768, 576), 20);
    let mut decoder = StreamDecoder::new(&choice(), Codec::H264);
    let mut pictures = Vec::new();
    for (i, frame) in all.iter().take(20).enumerate() {
        pictures.extend(decoder.push_if(frame, i % 7 == 6).expect("whole frames"));
    }
    pictures.extend(decoder.finish());
    assert_eq!(pictures.iter().map(|p| p.seq.0).collect::<Vec<_>>(), [6, 13]);
    pictures.iter().for_each(|p| assert_same(p, (768, 576), &expected, p.seq.0 as usize));
}

type Seen = Arc<Mutex<Vec<Arc<Picture>>>>;

fn pool(workers: usize, cameras: &[(&str, Sampling)], shutdown: &Shutdown) -> (DecodePool, Seen) {
    let seen = Seen::default();
    let sink = {
        let seen = Arc::clone(&seen);
        Arc::new(move |picture| seen.lock().push(picture))
    };
    let cameras = cameras.iter().map(|&(id, sampling)| (CameraId::from(id), sampling, Duration::ZERO));
    let pool = DecodePool::start(choice(), workers, cameras.collect(), sink, shutdown.clone());
    (pool.expect("threads"), seen)
}

fn rises(seen: &Seen, id: &str) -> usize {
    let seen = seen.lock();
    let of: Vec<_> = seen.iter().filter(|p| p.camera.as_str() == id).map(|p| p.seq).collect();
    assert!(of.windows(2).all(|w| w[0] < w[1]), "{id}'s pictures keep their order");
    of.len()
}

#[test]
fn of_sixteen_cameras_none_starves_and_one_that_sends_garbage_stops_no_other() {
    let names: Vec<String> = (0..16).map(|n| format!("cam{n}")).collect();
    let cameras: Vec<_> = names.iter().map(|name| (name.as_str(), Sampling::Keyframes)).collect();
    let (pool, seen) = pool(2, &cameras, &Shutdown::new());
    let good = keys(&frames(&clip("street.mp4"), "any", Codec::H264));
    let mut offered = 0;
    until("ten pictures of each", || {
        for name in &names {
            let mut frame = good[offered % good.len()].clone();
            frame.camera = CameraId::from(name.as_str());
            frame.seq = FrameSeq(offered as u64);
            if name == "cam7" {
                frame.data = Bytes::from_static(b"\x00\x00\x00\x01\x65 not at all a picture");
            }
            pool.offer(frame);
        }
        offered += 1;
        names.iter().filter(|name| *name != "cam7").all(|name| rises(&seen, name) >= 10)
    });
    for (camera, stats) in pool.join() {
        let of = rises(&seen, camera.as_str()) as u64;
        assert_eq!(stats.pictures, of, "{camera}");
        assert_eq!(stats.pictures + stats.failed + stats.replaced, offered as u64, "{camera}: {stats:?}");
        assert_eq!((stats.failed > 0, stats.last_error.is_some()), (camera.as_str() == "cam7", of == 0));
    }
    let newest = seen.lock().iter().map(|p| p.seq.0).max();
    assert_eq!(newest, Some(offered as u64 - 1), "the newest wins");
}

#[test]
fn a_pool_that_does_not_move_while_frames_wait_is_seen_and_an_idle_one_is_not() {
    let all = keys(&frames(&clip("street.mp4"), "gate", Codec::H264));
    let (open, gate) = std::sync::mpsc::sync_channel::<()>(0);
    let gate = Mutex::new(gate);
    // Whoever takes the pictures hangs until it is let go.
    let sink = Arc::new(move |_| {
        gate.lock().recv().expect_err("nothing is ever sent");
    });
    let cameras = vec![(CameraId::from("gate"), Sampling::Keyframes, Duration::ZERO)];
    let pool = DecodePool::start(choice(), 1, cameras, sink, Shutdown::new()).expect("threads");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(pool.stalled_for(), Duration::ZERO, "a dead camera is no stall");
    until("the pool to hang with a frame in hand and one that waits", || {
        pool.offer(all[0].clone());
        pool.stalled_for() > Duration::from_millis(500)
    });
    drop(open);
    until("the pool to move again", || pool.stalled_for() == Duration::ZERO);
    pool.join();
}

#[test]
fn with_every_frame_decoded_none_is_lost_unless_it_is_counted() {
    let all = frames(&clip("street.mp4"), "gate", Codec::H264);
    let (slow, seen) = pool(1, &[("gate", Sampling::All)], &Shutdown::new());
    for (i, frame) in all.iter().take(100).enumerate() {
        slow.offer(frame.clone());
        until("a few wait at most", || rises(&seen, "gate") + 10 > i);
    }
    assert_eq!(only(slow.join()).pictures, 100);
    assert_eq!(rises(&seen, "gate"), 100);

    let (flooded, seen) = pool(1, &[("gate", Sampling::All)], &Shutdown::new());
    all.iter().for_each(|frame| flooded.offer(frame.clone()));
    let stats = only(flooded.join());
    assert!(stats.skipped > 0, "{stats:?}");
    assert_eq!(stats.failed, 0, "after a jump it goes on at a key frame: {stats:?}");
    assert_eq!(stats.pictures + stats.skipped, all.len() as u64);
    assert_eq!(rises(&seen, "gate") as u64, stats.pictures);
}

fn only(mut stats: Vec<(CameraId, DecodeStats)>) -> DecodeStats {
    assert_eq!(stats.len(), 1);
    stats.remove(0).1
}

#[test]
fn on_shutdown_what_waits_is_dropped_and_counted() {
    let shutdown = Shutdown::new();
    shutdown.stop();
    let (pool, seen) = pool(1, &[("gate", Sampling::Keyframes), ("yard", Sampling::All)], &shutdown);
    let good = keys(&frames(&clip("street.mp4"), "gate", Codec::H264));
    let yard = EncodedFrame { camera: CameraId::from("yard"), ..good[0].clone() };
    let nobody = EncodedFrame { camera: CameraId::from("nobody"), ..good[0].clone() };
    [good[0].clone(), good[1].clone(), yard, nobody].into_iter().for_each(|frame| pool.offer(frame));
    assert_eq!(pool.unknown_frames(), 1);
    assert_eq!(pool.stats(&CameraId::from("gate")).expect("known").replaced, 1);
    let stats = pool.join();
    assert_eq!((stats[0].1.replaced, stats[1].1.skipped), (2, 1));
    assert!(seen.lock().is_empty());
}
