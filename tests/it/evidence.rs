//! Evidence from real pictures and real streams, checked with ffprobe and ffmpeg.

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

fn probe(entries: &str, file: &Path) -> String {
    let wanted =
        ["-v", "error", "-select_streams", "v", "-count_packets", "-of", "default=nw=1", "-show_entries"];
    output("ffprobe", &[&wanted[..], &[entries]].concat(), file)
}

/// What ffmpeg complains about when it decodes the whole file: nothing, for a sound one.
fn complaints(file: &Path) -> String {
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&run.stderr).into_owned()
}

/// Pictures that ffmpeg shows, and the hash of their pixels.
fn decoded(file: &Path, arguments: &[&str]) -> Vec<String> {
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(arguments)
        .args(["-f", "framemd5", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8(run.stdout).unwrap();
    text.lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| Some(l.rsplit(',').next()?.trim().to_owned()))
        .collect()
}

/// The first 15 s of the street, encoded otherwise.
fn transcoded(place: &Path, name: &str, codec: &[&str]) -> PathBuf {
    let file = place.join(name);
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-t", "15", "-i"])
        .arg(root().join("testdata/clips/street.mp4"))
        .args(["-an", "-threads", "1"])
        .args(codec)
        .arg(&file)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    file
}

/// Cuts `from` to `to` (ms) and holds the file against what was put in.
fn check_clip(frames: Vec<EncodedFrame>, (from, to): (u64, u64), starts_ms: u64, tag: &str) -> ClipInfo {
    let source = frames.clone();
    let (_place, clip) = cut(&ring_of(frames), after(from), after(to));
    assert_eq!(clip.starts, after(starts_ms), "starts at the key frame before");
    assert!(clip.ends >= after(to - 100) && clip.ends <= after(to + 300), "ends at {}", clip.ends);
    assert_eq!((clip.starts_late, clip.ends_early, clip.lost_frames), (false, false, 0));
    assert_eq!(
        (clip.width, clip.height, clip.time_source, clip.offset_ms),
        (768, 576, TimeSource::Rtcp, Some(14))
    );

    let file = &clip.file.path;
    assert_eq!(complaints(file), "", "decodes without a complaint");
    let told =
        probe("stream=codec_tag_string,start_time,duration,nb_read_packets:format_tags=creation_time", file);
    let seconds = (clip.ends.since(clip.starts) + Duration::from_millis(100)).as_secs_f64();
    for wanted in [
        format!("codec_tag_string={tag}"),
        "start_time=0.000000".to_owned(),
        format!("duration={seconds:.6}"),
        format!("nb_read_packets={}", clip.frames),
        format!("creation_time={}", clip.starts.timestamp().unwrap().strftime("%Y-%m-%dT%H:%M:%S")),
    ] {
        assert!(told.contains(&wanted), "{wanted} is not in {told}");
    }
    assert_eq!(clip.duration_ms, (seconds * 1e3).round() as u64);
    let packets = probe("packet=flags", file);
    assert!(packets.starts_with("flags=K"), "the first frame is a key frame: {packets}");
    assert_eq!(decoded(file, &[]).len() as u64, clip.frames, "every frame is shown");

    // Bit for bit the camera's: the payload of every frame is in the file as it came.
    let muxed = std::fs::read(file).unwrap();
    let last = source.iter().find(|f| f.capture.at == clip.ends).expect("a frame ends it");
    let payload = &last.data[last.data.len() - 40..];
    assert!(muxed.windows(40).any(|w| w == payload), "the last frame's bytes are unchanged");
    assert_eq!(clip.file.bytes, muxed.len() as u64);
    assert!(output("sha256sum", &[], file).starts_with(&clip.file.sha256));
    clip
}

#[test]
fn eight_seconds_of_h264_are_cut_from_the_key_frame_before() {
    let clip = check_clip(street(), (30_500, 38_500), 30_000, "avc1");
    assert_eq!((clip.frames, clip.ends), (86, after(38_500)));
}

#[test]
fn h265_is_cut_as_hvc1() {
    let file = root().join("testdata/clips/street_h265.mp4");
    let clip = check_clip(frames(&file, Codec::H265), (3_500, 8_500), 2_000, "hvc1");
    assert_eq!(clip.frames, 66);
}

#[test]
fn b_frames_keep_their_order_and_the_clip_starts_at_zero() {
    let place = tempfile::tempdir().unwrap();
    let options =
        ["-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-x264-params", "keyint=20:scenecut=0"];
    let file = transcoded(place.path(), "b.mp4", &options);
    let frames = frames(&file, Codec::H264);
    assert!(frames.windows(2).any(|w| w[1].pts < w[0].pts), "has B-frames");
    // This file's first picture is at 0.2 s: ffmpeg wrote no negative decode times.
    let first = frames[0].capture.at.since(START).as_millis() as u64;
    check_clip(frames, (3_500, 11_500), 2_000 + first, "avc1");
}

#[test]
fn an_open_gop_loses_only_the_pictures_that_cannot_be_decoded() {
    let place = tempfile::tempdir().unwrap();
    let x265 = "bframes=3:keyint=20:min-keyint=20:scenecut=0:open-gop=1:log-level=error";
    let options = ["-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params", x265];
    let frames = frames(&transcoded(place.path(), "b.mp4", &options), Codec::H265);
    let first = frames[0].capture.at.since(START).as_millis() as u64;
    check_clip(frames, (3_500, 11_500), 2_000 + first, "hvc1");
}

#[test]
fn the_same_span_gives_the_same_bytes() {
    let ring = ring_of(street());
    let twice = [(); 2].map(|()| cut(&ring, after(10_000), after(12_000)).1.file.sha256);
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn a_span_beyond_the_ring_says_what_is_missing() {
    let ring = ring_of(
        street().into_iter().filter(|f| f.capture.at >= after(20_000) && f.capture.at < after(24_000)),
    );
    let (_place, clip) = cut(&ring, after(15_000), after(30_000));
    assert_eq!((clip.starts, clip.ends), (after(20_000), after(23_900)));
    assert_eq!((clip.starts_late, clip.ends_early, clip.frames), (true, true, 40));
    assert!(ring.clip(after(60_000), after(70_000)).is_none());
}

#[test]
fn frames_that_were_lost_on_the_way_are_counted() {
    let lossy = street().into_iter().filter(|f| !(110..113).contains(&f.seq.0));
    let (_place, clip) = cut(&ring_of(lossy), after(10_000), after(13_000));
    assert_eq!((clip.lost_frames, clip.frames), (3, 28));
}

#[test]
fn two_streams_never_meet_in_one_clip() {
    let reconnected: Vec<_> = street()
        .into_iter()
        .take(200)
        .map(|f| EncodedFrame { stream: u32::from(f.capture.at >= after(10_000)), ..f })
        .collect();
    let (_place, clip) = cut(&ring_of(reconnected.clone()), after(8_500), after(15_000));
    assert_eq!((clip.starts, clip.ends, clip.starts_late), (after(10_000), after(15_000), true));

    let place = tempfile::tempdir().unwrap();
    let span = RingClip { frames: reconnected, starts_late: false, ends_early: false };
    let mixed = ClipCutter::new().unwrap().cut(&span, place.path());
    assert!(matches!(mixed, Err(EvidenceError::MixedStreams(0, 1))), "{mixed:?}");
}

#[test]
fn what_cannot_be_cut_is_an_error_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let check = |cutter: ClipCutter, frames: Vec<EncodedFrame>, dir: &Path, wanted: &str| {
        let span = RingClip { frames, starts_late: false, ends_early: false };
        let told = cutter.cut(&span, dir).expect_err(wanted).to_string();
        assert!(told.contains(wanted), "{told}");
        let left = std::fs::read_dir(dir).map_or(0, Iterator::count);
        assert_eq!(left, 0, "something is left after: {told}");
    };
    let cutter = || ClipCutter::new().unwrap();
    let some: Vec<_> = street().into_iter().take(40).collect();
    let filled = |head: &[u8]| {
        let data = Bytes::from([head, &[0xa5; 500]].concat());
        some.iter().map(|f| EncodedFrame { data: data.clone(), ..f.clone() }).collect::<Vec<_>>()
    };
    let headless = some[1..20].to_vec();
    check(cutter(), Vec::new(), place.path(), "no key frame");
    check(cutter(), headless, place.path(), "no key frame");
    check(cutter(), filled(&[]), place.path(), "no parameter sets");
    check(
        cutter(),
        filled(&[0, 0, 1, 0x67, 0xff, 0, 0, 1, 0x68, 0xff, 0, 0, 1, 0x65]),
        place.path(),
        "cutting failed in",
    );
    check(cutter().with_timeout(Duration::ZERO), some.clone(), place.path(), "not finished after");
    let file = place.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    check(cutter(), some, &file.join("event"), "cannot create the folder");
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

/// A clip service over one camera's ring, and what it told.
struct Served {
    data: TempDir,
    ring: Arc<Ring>,
    outcomes: Arc<Mutex<Vec<ClipOutcome>>>,
    shutdown: Shutdown,
    service: ClipService,
}

impl Served {
    fn start(frames: impl IntoIterator<Item = EncodedFrame>, config: &EvidenceConfig) -> Self {
        let (data, ring, shutdown) = (tempfile::tempdir().unwrap(), ring_of(frames), Shutdown::new());
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let (told, found) = (Arc::clone(&outcomes), Arc::clone(&ring));
        let service = ClipService::start(
            Arc::new(move |camera| (camera.as_str() == "gate").then(|| Arc::clone(&found))),
            config,
            data.path().to_path_buf(),
            Arc::new(move |outcome| told.lock().unwrap().push(outcome)),
            shutdown.clone(),
        );
        Self { data, ring, outcomes, shutdown, service: service.expect("started") }
    }

    fn ask(&self, camera: &str, from: u64, to: u64) -> Result<(), EvidenceError> {
        let (from, to) = (after(from), after(to));
        self.service.schedule(ClipRequest { event: event(), camera: CameraId::from(camera), from, to })
    }

    /// The next outcome; waits for it.
    fn outcome(&self) -> ClipOutcome {
        let deadline = monotonic() + Duration::from_secs(60);
        loop {
            if let Some(outcome) = self.outcomes.lock().unwrap().pop() {
                return outcome;
            }
            assert!(monotonic() < deadline, "no outcome within a minute");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_clip_waits_for_its_last_seconds() {
    let street = street();
    let (before, later) = street.split_at(100);
    let mut late = config();
    late.post_roll = Duration::from_secs(3_600);
    let served = Served::start(before.to_vec(), &late);
    served.ask("gate", 7_000, 12_000).unwrap();
    later[..20].iter().for_each(|f| served.ring.push(f.clone()));
    assert_eq!(served.service.stats().waiting, 1, "11.9 s is not 12 s");
    served.ring.push(later[20].clone());
    let clip = served.outcome().result.expect("cut");
    assert_eq!((clip.starts, clip.ends, clip.ends_early), (after(6_000), after(12_000), false));
    assert_eq!(clip.file.path, event_dir(served.data.path(), event()).join("clip.mp4"));
    assert!(clip.file.path.exists());
    served.shutdown.stop();
    served.service.join();
}

#[test]
fn a_dead_camera_gives_what_it_had_after_the_limit() {
    let served = Served::start(street().into_iter().take(50), &config());
    served.ask("gate", 2_000, 8_000).unwrap();
    let clip = served.outcome().result.expect("cut");
    assert_eq!((clip.starts, clip.ends, clip.ends_early), (after(2_000), after(4_900), true));
    served.shutdown.stop();
    served.service.join();
}

#[test]
fn stopping_cuts_what_waits_and_then_refuses() {
    let mut patient = config();
    patient.post_roll = Duration::from_secs(3_600);
    let served = Served::start(street().into_iter().take(50), &patient);
    for _ in 0..3 {
        served.ask("gate", 2_000, 8_000).unwrap();
    }
    served.shutdown.stop();
    let ends = [(); 3].map(|()| served.outcome().result.expect("cut").ends);
    assert_eq!(ends, [after(4_900); 3]);
    let told = served.ask("gate", 2_000, 8_000).expect_err("stopping").to_string();
    assert!(told.contains("the program is stopping"), "{told}");
    assert_eq!((served.service.stats().cut, served.service.stats().refused), (3, 1));
    served.service.join();
}

#[test]
fn a_clip_that_cannot_be_is_an_outcome_with_its_reason() {
    let served = Served::start(street().into_iter().take(50), &config());
    let why = || served.outcome().result.expect_err("no clip").to_string();
    served.ask("roof", 2_000, 4_000).unwrap();
    assert!(why().contains("camera roof is not running"));
    // As after a restart: the span is older than anything in memory.
    served
        .service
        .schedule(ClipRequest {
            event: event(),
            camera: CameraId::from("gate"),
            from: START - Duration::from_secs(60),
            to: START - Duration::from_secs(50),
        })
        .unwrap();
    let told = why();
    assert!(told.contains("it holds 2026-11-22T04:30:00.000Z to 2026-11-22T04:30:04.900Z"), "{told}");
    assert_eq!((served.service.stats().cut, served.service.stats().failed), (0, 2));
    served.shutdown.stop();
    served.service.join();

    let mut full = config();
    full.min_free_bytes = u64::MAX;
    let served = Served::start(street().into_iter().take(50), &full);
    served.ask("gate", 2_000, 4_000).unwrap();
    let outcome = served.outcome();
    assert!(matches!(outcome.result, Err(EvidenceError::DiskFull { .. })), "{outcome:?}");
    assert!(!evidence_root(served.data.path()).exists(), "nothing is written to a full disk");
    served.shutdown.stop();
    served.service.join();
}

#[test]
fn requests_beyond_the_bound_are_given_back() {
    let mut patient = config();
    patient.post_roll = Duration::from_secs(3_600);
    let served = Served::start(None, &patient);
    let taken = (0..MAX_WAITING + 7).filter(|_| served.ask("gate", 2_000, 8_000).is_ok()).count();
    assert_eq!((taken, served.service.stats().refused), (MAX_WAITING, 7));
    served.shutdown.stop();
    served.service.join();
    assert_eq!(served.outcomes.lock().unwrap().len(), MAX_WAITING, "each that was taken has an outcome");
}

/// The mount, unmounted at the end; `None` where this user may not mount, and then the test says that it is skipped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(test: &str) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let run = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "lintel-test"])
            .arg(place.path())
            .output();
        if run.is_ok_and(|r| r.status.success()) {
            return Some(Self(place));
        }
        eprintln!("SKIPPED {test}: mounting a small tmpfs needs root");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_disk_that_fills_while_cutting_is_an_error_and_leaves_nothing() {
    let Some(disk) = SmallDisk::mount("a_disk_that_fills_while_cutting") else { return };
    let free = free_bytes(disk.0.path()).unwrap();
    let dir = event_dir(disk.0.path(), event());
    let span = ring_of(street()).clip(after(10_000), after(40_000)).unwrap();
    let told = ClipCutter::new().unwrap().cut(&span, &dir).expect_err("no room").to_string();
    assert!(told.to_lowercase().contains("space"), "{told}");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    assert!(
        free - free_bytes(disk.0.path()).unwrap() <= 16_384,
        "all room is given back but that of the folders"
    );

    let mut config = config();
    config.min_free_bytes = 0;
    let writer = StillWriter::new(&config, zone_of_beijing()).unwrap();
    let noise = Picture { rgb: noise(1920, 1080), width: 1920, height: 1080, ..picture() };
    let stills = write(&writer, &dir, &violation(Transition::Opened), &noise);
    assert_eq!((stills.files.len(), stills.missing.len()), (0, 2), "{stills:?}");
    assert!(stills.missing[0].reason.contains("still.jpg.part"), "{stills:?}");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
}

fn zone_of_beijing() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::get("Asia/Shanghai").unwrap()
}

fn picture() -> Picture {
    let image = image::open(root().join("testdata/frames/street_300.jpg")).unwrap().to_rgb8();
    Picture {
        camera: CameraId::from("gate"),
        seq: FrameSeq(300),
        stream: 0,
        capture: Capture { at: after(120), source: TimeSource::Rtcp, offset_ms: Some(14) },
        width: image.width(),
        height: image.height(),
        rgb: Bytes::from(image.into_raw()),
    }
}

/// Pixels that no JPEG makes small.
fn noise(width: usize, height: usize) -> Bytes {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..width * height * 3).map(|_| next()).collect()
}

fn violation(transition: Transition) -> Violation {
    let rect = Rect::new(0.845, 0.07, 0.945, 0.18);
    let object = ViolationObject { class: ClassName::from("car"), track: TrackId(7), score: 0.91, rect };
    Violation {
        id: event(),
        transition,
        revision: 0,
        camera: CameraId::from("gate"),
        rule: "parking".to_owned(),
        class: "motor_vehicle_parking".to_owned(),
        zone: Some(ZoneId::from("kerb")),
        severity: Severity::Medium,
        started: START,
        at: after(120),
        last_seen: after(120),
        confidence: 0.91,
        rect,
        objects: vec![object],
        reason: "A vehicle has stood in the zone for 3 min 20 s; 3 min are allowed.".to_owned(),
    }
}

fn write(writer: &StillWriter, dir: &Path, violation: &Violation, picture: &Picture) -> Stills {
    let class = ViolationClass {
        id: "motor_vehicle_parking".to_owned(),
        zh: "机动车违停".to_owned(),
        en: "Motor vehicle parking".to_owned(),
        group: Group::Street,
        code: "0505".to_owned(),
    };
    let corners =
        [[0.62, 0.25], [0.7, 0.02], [0.99, 0.02], [0.99, 0.3], [0.85, 0.24]].map(Point::from).to_vec();
    let zones = [Zone {
        id: ZoneId::from("kerb"),
        name: "东门禁停区".to_owned(),
        polygon: Polygon::new(corners).unwrap(),
    }];
    writer.write(dir, &StillJob { violation, class: &class, camera_name: "东门", zones: &zones, picture })
}

#[test]
fn stills_are_the_picture_itself_and_one_with_a_caption() {
    let place = tempfile::tempdir().unwrap();
    let writer = StillWriter::new(&config(), zone_of_beijing()).unwrap();
    let stills = write(&writer, place.path(), &violation(Transition::Opened), &picture());
    assert!(stills.missing.is_empty(), "{stills:?}");
    let [still, annotated] = &stills.files[..] else { panic!("two files: {stills:?}") };
    assert_eq!((still.kind, annotated.kind), (EvidenceKind::Still, EvidenceKind::Annotated));
    for file in &stills.files {
        assert_eq!(file.path, place.path().join(file.kind.file_name()));
        assert_eq!(std::fs::metadata(&file.path).unwrap().len(), file.bytes);
        assert!(output("sha256sum", &[], &file.path).starts_with(&file.sha256));
    }
    let (original, shown) = (picture(), image::open(&still.path).unwrap().to_rgb8());
    assert_eq!(shown.dimensions(), (768, 576));
    let off: u64 = shown.iter().zip(original.rgb.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(off < 4 * original.rgb.len() as u64, "JPEG of quality 90 stays near the picture: {off}");

    let drawn = image::open(&annotated.path).unwrap().to_rgb8();
    assert_eq!(drawn.width(), 768);
    assert!(drawn.height() > 576 + 50, "the caption stands under the picture: {}", drawn.height());
    // Far from box and zone nothing is changed; the corner of the box is red.
    let near = |x: u32, y: u32, colour: [u8; 3], by: u8| {
        drawn.get_pixel(x, y).0.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= by)
    };
    assert!(near(100, 500, shown.get_pixel(100, 500).0, 12), "the rest is as it was");
    assert!(near(690, 103, [226, 32, 44], 60), "the box is drawn: {:?}", drawn.get_pixel(690, 103));

    let again = write(&writer, place.path(), &violation(Transition::Opened), &picture());
    assert_eq!(again.files, stills.files, "the same picture gives the same bytes");
}

#[test]
fn a_closed_event_has_a_picture_of_the_place() {
    let place = tempfile::tempdir().unwrap();
    let writer = StillWriter::new(&config(), zone_of_beijing()).unwrap();
    let stills = write(&writer, place.path(), &violation(Transition::Closed), &picture());
    let kinds: Vec<_> = stills.files.iter().map(|f| f.kind).collect();
    assert_eq!((kinds, stills.missing.len()), (vec![EvidenceKind::Closed], 0));
}

#[test]
fn stills_that_cannot_be_written_are_missing_with_a_reason() {
    let place = tempfile::tempdir().unwrap();
    let check = |config: &EvidenceConfig, dir: &Path, picture: &Picture, wanted: &str| {
        let writer = StillWriter::new(config, zone_of_beijing()).unwrap();
        let stills = write(&writer, dir, &violation(Transition::Opened), picture);
        let reasons: Vec<_> = stills.missing.iter().map(|m| m.reason.as_str()).collect();
        assert!(reasons.len() == 2 && reasons.iter().all(|r| r.contains(wanted)), "{reasons:?}");
        assert!(stills.files.is_empty());
    };
    let full = EvidenceConfig { min_free_bytes: u64::MAX, ..config() };
    check(&full, place.path(), &picture(), "evidence.min_free_bytes asks for");
    let torn = Picture { rgb: Bytes::from_static(&[1, 2, 3]), ..picture() };
    check(&config(), place.path(), &torn, "does not hold 768 x 576");
    let file = place.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    check(&config(), &file.join("event"), &picture(), "cannot create the folder");
}

#[test]
fn a_font_that_is_none_is_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let none = place.path().join("none.ttf");
    let bad = place.path().join("bad.ttf");
    std::fs::write(&bad, "not a font").unwrap();
    for font in [none, bad] {
        let named = EvidenceConfig { font: Some(font.clone()), ..config() };
        let told = StillWriter::new(&named, zone_of_beijing()).err().expect("refused").to_string();
        assert!(told.contains(font.to_str().unwrap()) && told.contains("evidence.font"), "{told}");
    }
}

#[test]
fn chinese_names_are_drawn_where_the_font_has_them() {
    const FONT: &str = "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc";
    let has_font = Path::new(FONT).exists();
    if !has_font {
        eprintln!("SKIPPED the half of it: {FONT} is missing, apt-get install fonts-wqy-microhei");
    }
    let (violation, picture, place) =
        (violation(Transition::Opened), picture(), tempfile::tempdir().unwrap());
    for (font, wanted) in [(None, false), (has_font.then(|| PathBuf::from(FONT)), has_font)] {
        let writer = StillWriter::new(&EvidenceConfig { font, ..config() }, zone_of_beijing()).unwrap();
        let class = ViolationClass {
            id: "x".to_owned(),
            zh: "机动车违停".to_owned(),
            en: "Motor vehicle parking".to_owned(),
            group: Group::Street,
            code: String::new(),
        };
        let job = StillJob {
            violation: &violation,
            class: &class,
            camera_name: "东门",
            zones: &[],
            picture: &picture,
        };
        let caption = writer.overlay(&job).caption;
        assert_eq!(caption[0].contains("机动车违停"), wanted, "{caption:?}");
        assert!(caption[0].contains("Suspected: Motor vehicle parking"), "{caption:?}");
        assert!(caption[1].contains("2026-11-22 12:30:00.120 +08:00 (camera clock, +14 ms"), "{caption:?}");
        assert!(caption.iter().any(|l| l.contains(EVENT)), "{caption:?}");
        assert!(writer.write(place.path(), &job).missing.is_empty());
    }
}

#[test]
fn a_manifest_names_each_file_and_what_is_missing() {
    let place = tempfile::tempdir().unwrap();
    let writer = StillWriter::new(&config(), zone_of_beijing()).unwrap();
    let stills = write(&writer, place.path(), &violation(Transition::Opened), &picture());
    let asked =
        ClipRequest { event: event(), camera: CameraId::from("gate"), from: after(3_000), to: after(9_000) };
    let clip =
        ClipCutter::new().unwrap().cut(&ring_of(street()).clip(asked.from, asked.to).unwrap(), place.path());
    let generator =
        serde_json::json!({ "program": "lintel 0.1.0", "model": { "name": "m", "sha256": "00" } });
    let new = || Manifest::new(event(), "edge-1", &asked.camera, generator.clone());

    let whole =
        new().with_picture(&picture().capture).with_files(&stills.files, &[]).with_clip(&asked, &clip);
    let file = write_manifest(place.path(), &whole).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&std::fs::read(&file.path).unwrap()).unwrap();
    assert_eq!(read["clip"]["asked"]["from"], "2026-11-22T04:30:03.000000Z");
    assert_eq!(read["clip"]["had"]["from"], "2026-11-22T04:30:02.000000Z");
    assert_eq!(read["clip"]["frames"], 71);
    assert_eq!(read["picture"]["source"], "rtcp");
    assert_eq!(read["generator"]["model"]["name"], "m");
    assert_eq!(read["missing"], serde_json::json!([]));
    for record in read["files"].as_array().unwrap() {
        let path = place.path().join(record["name"].as_str().unwrap());
        assert!(output("sha256sum", &[], &path).starts_with(record["sha256"].as_str().unwrap()));
    }
    assert_eq!(read["files"].as_array().unwrap().len(), 3);
    assert_eq!(serde_json::from_value::<Manifest>(read).unwrap(), whole, "reads back as it was");

    let lacking = new().with_clip(&asked, &Err(EvidenceError::NoFootage("it is empty".to_owned())));
    let read = serde_json::to_value(&lacking).unwrap();
    assert_eq!(read["missing"][0]["kind"], "clip");
    assert_eq!(read["missing"][0]["reason"], "the ring holds no picture of that time: it is empty");
    assert_eq!(serde_json::from_value::<Manifest>(read).unwrap(), lacking);
}
