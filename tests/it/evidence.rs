//! Evidence from real pictures and real streams, checked with ffprobe and ffmpeg.
#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

mod clips;
mod disk;
mod service;
mod stills;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gstreamer::prelude::*;
use lintel::base::{
    CameraId, Capture, ClassName, FrameSeq, MediaTime, Point, Polygon, Rect, Shutdown, TimeSource, TrackId,
    WallTime, ZoneId, monotonic,
};
use lintel::config::{EvidenceConfig, Group, RingConfig, Severity, ViolationClass, Zone};
use lintel::decode::Picture;
use lintel::evidence::{
    ClipCutter, ClipInfo, ClipOutcome, ClipRequest, ClipService, EvidenceError, EvidenceKind, MAX_WAITING,
    Manifest, StillJob, StillWriter, Stills, event_dir, evidence_root, free_bytes, write_manifest,
};
use lintel::ingest::{Codec, EncodedFrame};
use lintel::ring::{Ring, RingClip};
use lintel::rules::{Transition, Violation, ViolationObject};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::root;

/// 2026-11-22T04:30:00Z, when all the footage here begins.
const START: WallTime = WallTime(1_795_321_800_000_000);

fn after(ms: u64) -> WallTime {
    START + Duration::from_millis(ms)
}

/// All access units of a recording, in decode order.
fn frames(path: &Path, codec: Codec) -> Vec<EncodedFrame> {
    gstreamer::init().unwrap();
    let (parse, media) = match codec {
        Codec::H264 => ("h264parse", "video/x-h264"),
        Codec::H265 => ("h265parse", "video/x-h265"),
    };
    let line = format!(
        "filesrc location={} ! qtdemux ! {parse} config-interval=-1 ! {media},stream-format=byte-stream,alignment=au \
         ! appsink name=out sync=false",
        path.display()
    );
    let pipeline = gstreamer::parse::launch(&line).unwrap().downcast::<gstreamer::Pipeline>().unwrap();
    let out = pipeline.by_name("out").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let mut found = Vec::new();
    while let Ok(sample) = out.pull_sample() {
        let buffer = sample.buffer().unwrap();
        let pts = buffer.pts().unwrap().useconds();
        found.push(EncodedFrame {
            camera: CameraId::from("gate"),
            seq: FrameSeq(found.len() as u64),
            stream: 0,
            capture: Capture {
                at: START + Duration::from_micros(pts),
                source: TimeSource::Rtcp,
                offset_ms: Some(14),
            },
            pts: MediaTime(pts as i64),
            codec,
            key: !buffer.flags().contains(gstreamer::BufferFlags::DELTA_UNIT),
            data: Bytes::copy_from_slice(&buffer.map_readable().unwrap()),
        });
    }
    pipeline.set_state(gstreamer::State::Null).unwrap();
    assert!(!found.is_empty(), "{} has frames", path.display());
    found
}

fn street() -> Vec<EncodedFrame> {
    frames(&root().join("testdata/clips/street.mp4"), Codec::H264)
}

fn ring_of(frames: impl IntoIterator<Item = EncodedFrame>) -> Arc<Ring> {
    let ring = Ring::new(RingConfig { max_bytes: 64 << 20, max_duration: Duration::from_secs(120) });
    frames.into_iter().for_each(|f| ring.push(f));
    Arc::new(ring)
}

fn cut(ring: &Ring, from: WallTime, to: WallTime) -> (TempDir, ClipInfo) {
    let place = tempfile::tempdir().unwrap();
    let span = ring.clip(from, to).expect("the ring has it");
    let clip = ClipCutter::new().unwrap().cut(&span, place.path()).expect("cut");
    let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["clip.mp4"], "nothing unfinished is left");
    (place, clip)
}

fn output(program: &str, arguments: &[&str], file: &Path) -> String {
    let run = Command::new(program).args(arguments).arg(file).output();
    let run = run.unwrap_or_else(|e| panic!("{program}: {e}; apt-get install ffmpeg"));
    String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr)
}

fn config() -> EvidenceConfig {
    EvidenceConfig {
        pre_roll: Duration::from_secs(5),
        post_roll: Duration::ZERO,
        jpeg_quality: 90,
        min_free_bytes: 1 << 20,
        quota_bytes: 1 << 30,
        font: None,
    }
}

const EVENT: &str = "019aa9d4-1c40-7abc-8def-0123456789ab";

fn event() -> Uuid {
    EVENT.parse().unwrap()
}
