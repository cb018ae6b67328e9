//! Evidence from real pictures and real streams, checked with ffprobe and ffmpeg.
#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

mod clips;
mod disk;
mod service;
mod stills;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lintel::base::{
    CameraId, Capture, ClassName, FrameSeq, Point, Polygon, Rect, Shutdown, TimeSource, TrackId, WallTime,
    ZoneId, error_chain, monotonic,
};
use lintel::config::{EvidenceConfig, Group, KeepConfig, RingConfig, Severity, ViolationClass, Zone};
use lintel::decode::{Picture, Pixels};
use lintel::evidence::{
    ClipCutter, ClipInfo, ClipOutcome, ClipRequest, ClipService, EvidenceError, EvidenceKind,
    EvidenceManifest, MAX_WAITING, StillJob, StillWriter, Stills, event_dir, evidence_root, free_bytes,
    write_manifest,
};
use lintel::ingest::{EncodedFrame, open_file};
use lintel::ring::{Ring, RingClip};
use lintel::rules::{Transition, Violation, ViolationObject};
use parking_lot::Mutex;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::root;

/// 2026-11-22T04:30:00Z, when all the footage here begins.
const START: WallTime = WallTime(1_795_321_800_000_000);

fn after(ms: u64) -> WallTime {
    START + Duration::from_millis(ms)
}

/// All access units of a recording, in decode order.
fn frames(path: &Path) -> Vec<EncodedFrame> {
    let reader = open_file(path, CameraId::from("gate"), START).unwrap();
    reader.collect::<Result<_, _>>().unwrap()
}

fn street() -> Vec<EncodedFrame> {
    frames(&root().join("testdata/clips/street.mp4"))
}

fn ring_of(frames: impl IntoIterator<Item = EncodedFrame>) -> Arc<Ring> {
    let ring = Ring::new(RingConfig {
        max_bytes: 64 << 20,
        max_duration: Duration::from_secs(120),
        quiet: Duration::MAX,
    });
    frames.into_iter().for_each(|f| drop(ring.push(f)));
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
        keep: KeepConfig::default(),
        font: None,
    }
}

const EVENT: &str = "019aa9d4-1c40-7abc-8def-0123456789ab";

fn event() -> Uuid {
    EVENT.parse().unwrap()
}
