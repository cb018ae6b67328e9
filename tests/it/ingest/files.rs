//! Recordings: pulled for replay, paced as a camera.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lintel::base::{TimeSource, WallTime};
use lintel::config::{FileConfig, Pace, SourceConfig};
use lintel::ingest::{Codec, EncodedFrame, IngestError, SourceState, footage_start, open_file, probe};

use super::{Camera, PATIENCE, clip, clip_h265, ffmpeg};

const START: WallTime = WallTime(1_700_000_000_000_000);

fn text(path: &Path) -> &str {
    path.to_str().expect("path")
}

fn remuxed(dir: &Path, name: &str) -> PathBuf {
    let to = dir.join(name);
    ffmpeg(&["-i", text(&clip()), "-c", "copy", text(&to)]);
    to
}

fn read(path: &Path) -> Vec<EncodedFrame> {
    open_file(path, "gate".into(), START).expect("open").map(|f| f.expect("frame")).collect()
}

#[test]
fn mp4_mkv_and_ts_give_the_same_frames() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let original = read(&clip());
    assert_eq!(original.len(), 795, "79.5 s at 10 a second");
    assert_eq!(original.iter().filter(|f| f.key).count(), 40, "one in 20");
    assert_eq!(original[0].pts.0, 0);
    assert_eq!(original[794].pts.0, 79_400_000);
    for (i, frame) in original.iter().enumerate() {
        assert_eq!((frame.seq.0, frame.stream, frame.codec), (i as u64, 1, Codec::H264));
        assert_eq!(frame.capture.source, TimeSource::Footage);
        assert_eq!(frame.capture.at.0, START.0 + frame.pts.0);
    }
    for name in ["clip.mkv", "clip.ts"] {
        let other = read(&remuxed(dir.path(), name));
        assert_eq!(other.len(), original.len(), "{name}");
        for (a, b) in original.iter().zip(&other) {
            assert_eq!((a.seq, a.key), (b.seq, b.key), "{name}");
            assert!((a.pts.0 - b.pts.0).abs() <= 1_000, "{name}: {:?} {:?}", a.pts, b.pts);
        }
    }
}

#[test]
fn reading_twice_gives_the_same_bytes() {
    let (first, second) = (read(&clip_h265()), read(&clip_h265()));
    assert_eq!(first.len(), 100);
    assert!(first[0].key && first.iter().all(|f| f.codec == Codec::H265));
    let shape = |frames: &[EncodedFrame]| -> Vec<_> {
        frames.iter().map(|f| (f.seq, f.pts, f.capture.at, f.key, f.data.clone())).collect()
    };
    assert_eq!(shape(&first), shape(&second));
}

#[test]
fn audio_beside_the_video_is_passed_over() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let both = dir.path().join("both.mp4");
    ffmpeg(&[
        "-i",
        text(&clip()),
        "-f",
        "lavfi",
        "-i",
        "sine=d=10",
        "-t",
        "10",
        "-c:v",
        "copy",
        "-c:a",
        "aac",
        text(&both),
    ]);
    assert_eq!(read(&both).len(), 100);
}

#[test]
fn a_cut_off_recording_gives_what_is_whole() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let whole = std::fs::read(remuxed(dir.path(), "clip.ts")).expect("read");
    let half = dir.path().join("half.ts");
    std::fs::write(&half, &whole[..whole.len() / 2]).expect("write");
    let frames: Vec<_> =
        open_file(&half, "gate".into(), START).expect("open").filter_map(Result::ok).collect();
    assert!((200..600).contains(&frames.len()), "{} of 795", frames.len());
}

#[test]
fn what_is_no_recording_is_refused_with_its_name() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let open = |path: &Path| match open_file(path, "gate".into(), START) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    };
    let missing = open(&dir.path().join("missing.mp4"));
    assert!(matches!(missing, IngestError::File { .. }) && missing.to_string().contains("missing.mp4"));

    let garbage = dir.path().join("garbage.mp4");
    std::fs::write(&garbage, (0..200_000u32).map(|i| ((i * 7919) >> 3) as u8).collect::<Vec<_>>())
        .expect("write");
    assert!(open(&garbage).to_string().contains("garbage.mp4"));

    let cut = dir.path().join("cut.mp4");
    let bytes = std::fs::read(clip()).expect("read");
    std::fs::write(&cut, &bytes[..bytes.len() / 3]).expect("write");
    match open_file(&cut, "gate".into(), START) {
        Ok(reader) => assert!(reader.filter_map(Result::ok).count() < 795),
        Err(error) => assert!(error.to_string().contains("cut.mp4")),
    }

    let motion_jpeg = dir.path().join("mjpeg.mkv");
    ffmpeg(&["-i", text(&clip()), "-t", "1", "-c:v", "mjpeg", text(&motion_jpeg)]);
    let unsupported = open(&motion_jpeg);
    assert!(matches!(unsupported, IngestError::UnsupportedFile { .. }), "{unsupported}");
    assert!(unsupported.to_string().contains("image/jpeg"), "{unsupported}");
}

#[test]
fn the_start_is_the_containers_creation_time() {
    let dir = tempfile::tempdir().expect("temporary folder");
    for name in ["dated.mp4", "dated.mkv"] {
        let dated = dir.path().join(name);
        ffmpeg(&[
            "-i",
            text(&clip()),
            "-t",
            "1",
            "-c",
            "copy",
            "-metadata",
            "creation_time=2026-03-04T05:06:07Z",
            text(&dated),
        ]);
        let start = footage_start(&dated).map(|t| t.to_string());
        assert_eq!(start.as_deref(), Some("2026-03-04T05:06:07.000Z"), "{name}");
    }
    assert_eq!(footage_start(&dir.path().join("missing.mp4")), None);
}

#[tokio::test]
async fn a_repeated_file_goes_on_without_end_and_stops_at_once() {
    let file = FileConfig { path: clip_h265(), pace: Pace::Speed(20.0), repeat: true, start: None };
    let camera = Camera::start(SourceConfig::File(file));
    camera.until("three rounds", |s| s.connections >= 3 && s.frames > 210).await;
    let frames = camera.stop().await;
    assert!(frames.iter().enumerate().all(|(i, f)| f.seq.0 == i as u64));
    let second = frames.iter().position(|f| f.stream == 2).expect("second round");
    assert_eq!(second, 100);
    let seam = frames[second].capture.at.since(frames[second - 1].capture.at);
    assert_eq!(seam, Duration::from_millis(100), "time goes on over the seam");
}

#[tokio::test]
async fn a_file_as_fast_as_possible_ends_by_itself() {
    let file = FileConfig { path: clip(), pace: Pace::AsFastAsPossible, repeat: false, start: None };
    let camera = Camera::start(SourceConfig::File(file));
    let stats = camera.until("the end", |s| s.state == SourceState::Ended).await;
    assert_eq!((stats.frames, stats.fps), (795, 0.0));
    tokio::time::timeout(PATIENCE, camera.handle.join()).await.expect("ended by itself");
}

#[tokio::test]
async fn probe_reads_a_file() {
    let file = FileConfig { path: clip(), pace: Pace::AsFastAsPossible, repeat: false, start: None };
    let report = probe(&SourceConfig::File(file), PATIENCE).await.expect("report");
    assert_eq!((report.width, report.height, report.fps), (768, 576, 10.0));
    assert_eq!((report.gop_frames, report.key_interval_ms), (Some(20), Some(2000)));
    assert_eq!((report.time_source, report.advice), (Some(TimeSource::Footage), vec![]));
}
