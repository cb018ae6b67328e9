//! Recordings as phones, recorders and cutters leave them: turned, with pixels that are not square, begun before
//! their first picture, without a key frame, never closed.

use std::path::{Path, PathBuf};
use std::process::Command;

use lintel::base::WallTime;
use lintel::config::DecodeConfig;
use lintel::decode::{DecoderChoice, Picture, StreamDecoder};
use lintel::ingest::{EncodedFrame, IngestError, open_file};

use crate::support::{onnxruntime, program, root, shared};

fn clip() -> PathBuf {
    root().join("testdata/clips/street.mp4")
}

fn ffmpeg(args: &str) {
    let run = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(args.split(' ')).output();
    let run = run.expect("ffmpeg is installed (make setup)");
    assert!(run.status.success(), "ffmpeg {args}: {}", String::from_utf8_lossy(&run.stderr));
}

/// Of the first seconds of the street; `how` are ffmpeg's options.
fn made(dir: &Path, name: &str, before: &str, how: &str) -> PathBuf {
    let to = dir.join(name);
    ffmpeg(&format!("{before}-i {} {how} {}", clip().display(), to.display()));
    to
}

fn frames(path: &Path) -> Vec<EncodedFrame> {
    let reader = open_file(path, "gate".into(), WallTime(0)).expect("a recording");
    reader.map(|frame| frame.expect("a frame")).collect()
}

fn pictures(path: &Path) -> Vec<Picture> {
    let config = DecodeConfig { workers: 1, h264_decoder: None, h265_decoder: None };
    let choice = DecoderChoice::new(&config).expect("a decoder");
    let frames = frames(path);
    let mut decoder = StreamDecoder::new(&choice, frames[0].codec);
    let mut pictures: Vec<Picture> =
        frames.iter().flat_map(|frame| decoder.push_if(frame, true).expect("decoded")).collect();
    pictures.extend(decoder.finish());
    pictures
}

/// Mean difference of two pictures of one size.
fn apart(a: &Picture, b: &Picture) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let sum: u64 = a.rgb().iter().zip(b.rgb().iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.rgb().len() as f64
}

#[test]
fn a_recording_that_lies_on_its_side_is_set_upright() {
    let dir = tempfile::tempdir().expect("a folder");
    // Turned in its pixels, and the other way by the container; ffmpeg 5 counts against the clock.
    for (filter, rotate) in [("transpose=cclock", "270"), ("transpose=clock", "90"), ("hflip,vflip", "180")] {
        let stored = made(dir.path(), "stored.mp4", "-t 1 ", &format!("-vf {filter} -an"));
        let turned = dir.path().join("turned.mp4");
        let tag =
            format!("-i {} -c copy -metadata:s:v:0 rotate={rotate} {}", stored.display(), turned.display());
        ffmpeg(&tag);
        let upright = pictures(&made(dir.path(), "upright.mp4", "-t 1 ", "-an"));
        let seen = pictures(&turned);
        assert_eq!((seen[0].width, seen[0].height), (768, 576), "{filter}");
        assert!(apart(&seen[0], &upright[0]) < 6.0, "{filter}: {}", apart(&seen[0], &upright[0]));
    }
}

#[test]
fn pixels_that_are_not_square_are_made_square() {
    let dir = tempfile::tempdir().expect("a folder");
    let squeezed = "-t 1 -vf scale=384:576,setsar=2/1 -an";
    let seen = pictures(&made(dir.path(), "squeezed.mp4", "", squeezed));
    assert_eq!((seen[0].width, seen[0].height), (768, 576));
    let square = pictures(&made(dir.path(), "square.mp4", "", "-t 1 -an"));
    assert!(apart(&seen[0], &square[0]) < 12.0, "{}", apart(&seen[0], &square[0]));
}

#[test]
fn a_recording_cut_behind_a_key_frame_loses_no_picture() {
    let dir = tempfile::tempdir().expect("a folder");
    let cut = made(dir.path(), "cut.mp4", "-ss 1.05 -t 3 ", "-c copy");
    let count = Command::new("ffprobe")
        .args(
            "-v error -select_streams v -count_packets -show_entries stream=nb_read_packets -of csv=p=0"
                .split(' '),
        )
        .arg(&cut)
        .output()
        .expect("ffprobe");
    let packets: usize = String::from_utf8_lossy(&count.stdout).trim().parse().expect("a number");
    let frames = frames(&cut);
    assert_eq!(frames.len(), packets);
    assert!(frames[0].key && frames.len() >= 30, "{}", frames.len());
}

#[test]
fn a_stream_without_idr_begins_at_its_recovery_points() {
    let Some(cases) = shared("a_stream_without_idr_begins_at_its_recovery_points") else { return };
    let path = cases.join("cases/video/03-no-idr/noidr.ts");
    let seen = pictures(&path);
    assert!(frames(&path).iter().filter(|frame| frame.key).count() >= 2);
    // As many as ffmpeg decodes.
    assert!(seen.len() >= 58, "{}", seen.len());
}

#[test]
fn key_frames_of_h265_that_are_cra_are_key_frames() {
    let Some(cases) = shared("key_frames_of_h265_that_are_cra_are_key_frames") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("cra.mp4");
    ffmpeg(&format!(
        "-i {} -c copy {}",
        cases.join("cases/video/02-h265-cra/cra.h265").display(),
        path.display()
    ));
    let frames = frames(&path);
    let keys: Vec<usize> = (0..frames.len()).filter(|&i| frames[i].key).collect();
    assert_eq!(keys, [0, 20, 40], "of {}", frames.len());
}

/// What `lintel detect` says, and its lines.
fn detect(input: &Path) -> (Option<i32>, String, Vec<serde_json::Value>) {
    let run = Command::new(program("lintel"))
        .env("ORT_DYLIB_PATH", onnxruntime())
        .arg("detect")
        .arg(input)
        .args(["--format", "jsonl", "--out", "-", "--model"])
        .arg(root().join("testdata/models/yolox"))
        .output()
        .expect("lintel runs");
    let lines = String::from_utf8_lossy(&run.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    (run.status.code(), String::from_utf8_lossy(&run.stderr).into_owned(), lines)
}

#[test]
fn a_recording_without_one_readable_picture_is_an_error_that_says_why() {
    let dir = tempfile::tempdir().expect("a folder");
    let without = made(dir.path(), "nokey.ts", "-t 2 ", "-c copy -bsf:v noise=drop='key'");
    let read = |path: &Path| -> Result<Vec<EncodedFrame>, IngestError> {
        open_file(path, "gate".into(), WallTime(0))?.collect()
    };
    let error = read(&without).expect_err("nothing to decode").to_string();
    assert!(error.contains("nokey.ts") && error.contains("parameter sets"), "{error}");
    let (code, said, _) = detect(&without);
    assert!(code == Some(1) && said.contains("nokey.ts"), "{code:?} {said}");
}

#[test]
fn a_recording_that_was_never_closed_is_named_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let whole = std::fs::read(made(dir.path(), "whole.mp4", "-t 2 ", "-c copy")).expect("read");
    let cut = dir.path().join("cut.mp4");
    std::fs::write(&cut, &whole[..whole.len() / 2]).expect("written");
    let error = open_file(&cut, "gate".into(), WallTime(0)).err().expect("refused").to_string();
    assert!(error.contains("cut.mp4 was never closed") && error.contains("moov"), "{error}");
}

#[test]
fn a_photograph_that_lies_on_its_side_is_set_upright() {
    let dir = tempfile::tempdir().expect("a folder");
    let picture = made(dir.path(), "upright.jpg", "", "-frames:v 1 -q:v 2");
    let lying = made(dir.path(), "lying.jpg", "", "-frames:v 1 -q:v 2 -vf transpose=cclock");
    // Exif with one entry: orientation 6, "turn clockwise".
    let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let bytes = std::fs::read(&lying).expect("read");
    let length = u16::try_from(exif.len() + 2).expect("short").to_be_bytes();
    let tagged = [&bytes[..2], &[0xff, 0xe1], &length, exif, &bytes[2..]].concat();
    std::fs::write(&lying, tagged).expect("written");
    for path in [&picture, &lying] {
        let (code, said, lines) = detect(path);
        assert_eq!(
            (code, &lines[0]["width"], &lines[0]["height"]),
            (Some(0), &768.into(), &576.into()),
            "{said}"
        );
    }
}
