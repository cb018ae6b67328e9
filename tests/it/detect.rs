//! Real networks against the independent reference, wrong model folders, the pool, the command.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use lintel::base::{CameraId, Capture, FrameSeq, Shutdown, TimeSource, WallTime, error_chain, monotonic};
use lintel::config::{Provider, Tiling};
use lintel::decode::{Picture, Pixels};
use lintel::detect::{DetectPool, Detection, Detections, Detector, ModelManifest, Runtime, TileScheduler};
use parking_lot::Mutex;
use serde::Deserialize;

use crate::support::{onnxruntime, program, root, shared};

const WHOLE: Tiling = Tiling { columns: 1, rows: 1, overlap: 0.0, per_picture: 0 };
const HEADS: [&str; 7] = ["yolox", "yolov5", "yolov8", "detr", "detr_sized", "detr_fused", "end_to_end"];

#[derive(Deserialize)]
struct Coco {
    images: Vec<Image>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Found {
    image_id: u64,
    category_id: u64,
    bbox: [f32; 4],
    score: f32,
}

fn tiny(head: &str) -> PathBuf {
    root().join("testdata/models").join(head)
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).expect("readable");
    serde_json::from_str(&text).expect("JSON of the expected shape")
}

fn picture(camera: &str, path: &Path) -> Picture {
    let rgb = image::open(path).expect("a picture").into_rgb8();
    Picture {
        camera: CameraId::from(camera),
        seq: FrameSeq(0),
        stream: 0,
        capture: Capture { at: WallTime(0), source: TimeSource::Footage, offset_ms: None, clock: None },
        width: rgb.width(),
        height: rgb.height(),
        pixels: Pixels::Rgb(rgb.into_raw().into()),
        series: None,
    }
}

fn runtime() -> Runtime {
    Runtime::load(Some(&onnxruntime())).expect("ONNX Runtime")
}

fn detector(folder: &Path) -> Detector {
    Detector::open(&runtime(), &ModelManifest::load(folder).expect("manifest"), None, Provider::Cpu)
        .expect("model")
}

/// In pixels of the picture: x, y, width, height.
fn bbox(d: &Detection, p: &Picture) -> [f32; 4] {
    let (w, h) = (p.width as f32, p.height as f32);
    [d.rect.x0 * w, d.rect.y0 * h, d.rect.width() * w, d.rect.height() * h]
}

/// Each box of either side that is clear of the floor has its twin: same class, 1 px, 0.01.
fn assert_agree(name: &str, ours: &[Found], reference: &[Found]) {
    let twin = |a: &Found, b: &Found| {
        let near = a.bbox.iter().zip(&b.bbox).all(|(a, b)| (a - b).abs() <= 1.0);
        a.image_id == b.image_id
            && a.category_id == b.category_id
            && near
            && (a.score - b.score).abs() <= 0.01
    };
    for (one, other, side) in [(ours, reference, "ours"), (reference, ours, "the reference's")] {
        let clear = one.iter().filter(|f| f.score >= 0.11);
        for found in clear {
            assert!(other.iter().any(|o| twin(found, o)), "{name}: {side} {found:?} has no twin");
        }
    }
    assert!(reference.iter().any(|f| f.score >= 0.11), "{name}: nothing to compare");
}

fn run_on_frames(folder: &Path) -> Vec<Found> {
    let coco: Coco = read(&root().join("testdata/frames/frames.json"));
    let mut detector = detector(folder);
    let mut all = Vec::new();
    for image in &coco.images {
        let picture = picture("frames", &root().join("testdata/frames").join(&image.file_name));
        for d in detector.detect(&picture, &WHOLE).expect("a run") {
            let category = coco.categories.iter().find(|c| c.name == d.class.as_str()).expect("known class");
            all.push(Found {
                image_id: image.id,
                category_id: category.id,
                bbox: bbox(&d, &picture),
                score: d.score,
            });
        }
    }
    all
}

#[test]
fn every_head_agrees_with_the_reference() {
    for head in HEADS {
        let expected: Vec<Found> = read(&tiny(head).join("expected.json"));
        assert_agree(head, &run_on_frames(&tiny(head)), &expected);
    }
}

/// Detectors that ship, each with what the reference makes of the frames.
#[test]
fn every_shipped_detector_agrees_with_the_reference() {
    let folders = std::fs::read_dir(root().join("models")).expect("models/").flatten().map(|e| e.path());
    let is_detector = |folder: &PathBuf| {
        let manifest = std::fs::read_to_string(folder.join("model.toml"));
        manifest.is_ok_and(|text| !text.contains("kind = \"classifier\""))
    };
    let shipped: Vec<PathBuf> = folders.filter(is_detector).collect();
    assert!(!shipped.is_empty(), "no model ships");
    for folder in shipped {
        let expected: Vec<Found> = read(&folder.join("expected.json"));
        assert_agree(&folder.display().to_string(), &run_on_frames(&folder), &expected);
    }
}

/// The whole way on other people's JPEGs: the program against models/training/reference.py.
#[test]
fn the_program_agrees_with_the_reference_on_real_pictures() {
    let name = "the_program_agrees_with_the_reference_on_real_pictures";
    let Some(shared) = shared(name) else { return };
    let python = std::env::var_os("LINTEL_PYTHON").unwrap_or_else(|| "python3".into());
    let imports = Command::new(&python).args(["-c", "import onnxruntime, numpy, PIL"]).output();
    if !imports.is_ok_and(|o| o.status.success()) {
        crate::support::skipped(name, "no Python with onnxruntime, numpy and pillow; set LINTEL_PYTHON");
        return;
    }
    let model = root().join("models/lintel-nano");
    let mut coco: serde_json::Value = read(&shared.join("data/annotations_dev.json"));
    let all = coco["images"].as_array().expect("images").clone();
    coco["images"] = all.into_iter().step_by(8).collect();
    let dir = tempfile::tempdir().expect("folder");
    let list = dir.path().join("list.json");
    std::fs::write(&list, coco.to_string()).expect("list");
    let (ours, theirs) = (dir.path().join("ours.json"), dir.path().join("theirs.json"));
    let data = shared.join("data");
    let common = |c: &mut Command, out: &Path| {
        c.arg("--model")
            .arg(&model)
            .arg("--coco")
            .arg(&list)
            .arg("--images")
            .arg(&data)
            .arg("--out")
            .arg(out);
        let done = c.output().expect("runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    common(&mut lintel(), &ours);
    common(Command::new(&python).arg(root().join("models/training/reference.py")), &theirs);
    let (ours, theirs): (Vec<Found>, Vec<Found>) = (read(&ours), read(&theirs));
    assert_agree("dev pictures", &ours, &theirs);
}

/// A copy of the tiny yolox model whose manifest was changed.
fn changed(change: impl Fn(&Path, String) -> String) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("folder");
    std::fs::copy(tiny("yolox").join("model.onnx"), dir.path().join("model.onnx")).expect("copy");
    let text = std::fs::read_to_string(tiny("yolox").join("model.toml")).expect("manifest");
    let text = change(dir.path(), text);
    std::fs::write(dir.path().join("model.toml"), text).expect("manifest");
    dir
}

fn refusal(folder: &Path) -> String {
    match ModelManifest::load(folder).and_then(|m| Detector::open(&runtime(), &m, None, Provider::Cpu)) {
        Ok(_) => panic!("a wrong model was taken"),
        Err(error) => error_chain(&error),
    }
}

#[test]
fn a_provider_that_the_library_lacks_is_refused_with_those_that_it_has() {
    let manifest = ModelManifest::load(&tiny("yolox")).expect("manifest");
    assert!(runtime().providers().contains(&Provider::Cpu));
    let has = runtime().providers();
    let lacking = *Provider::value_variants().iter().find(|p| !has.contains(p)).expect("nobody has all");
    let text = match Detector::open(&runtime(), &manifest, None, lacking) {
        Ok(_) => panic!("it runs on what it lacks"),
        Err(error) => error.to_string(),
    };
    for part in [lacking.to_string().as_str(), "\"cpu\"", "libonnxruntime", "detect.provider"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_wrong_model_folder_is_refused_by_place_key_and_what_to_do() {
    let class = "\n[[classes]]\nname = \"bus\"\nthreshold = 0.25\n";
    let cases: [(&str, &str, &[&str]); 16] = [
        ("file = \"model.onnx\"", "file = \"other.onnx\"", &["file", "other.onnx", "put the model file"]),
        ("file = \"model.onnx\"", "file = \"../model.onnx\"", &["file", "is not the name of a file"]),
        ("sha256 = \"4", "sha256 = \"5", &["sha256", "the manifest says 5", "fetch the model again"]),
        ("sha256 = \"4", "sha256 = \"", &["sha256", "64 hexadecimal digits"]),
        ("kind = \"yolox\"", "kind = \"ssd\"", &["unknown variant `ssd`", "`detr`", "kind = \"ssd\""]),
        (
            "kind = \"yolox\"",
            "kind = \"yolov8\"",
            &["head.kind = \"yolov8\"", "[1, 7, points]", "looks like"],
        ),
        ("width = 160", "width = 192", &["input.width", "[1, 3, 96, 192]", "write the network's own size"]),
        ("name = \"truck\"", "name = \"car\"", &["classes[2].name", "listed twice"]),
        ("kind = \"person\"", "kind = \"persons\"", &["unknown variant `persons`", "`vehicle`", "line "]),
        ("threshold = 0.25", "threshold = 25", &["classes[0].threshold", "not in 0 to 1"]),
        ("[head]", "[heads]", &["unknown field `heads`", "line "]),
        ("nms_iou = 0.5", "nms_iou = 0.0", &["head.nms_iou", "above 0"]),
        (
            "threshold = 0.25",
            "threshold = 0.25\nconfidence = { slope = -1.0, shift = 0.0 }",
            &["classes[0].confidence", "above 0"],
        ),
        (
            "threshold = 0.25",
            "threshold = 0.25\nmeasured = { training_boxes = 3, test_boxes = 9 }",
            &["classes[0].measured.shown_on", "test_boxes"],
        ),
        ("threshold = 0.25", "threshold = 0.25\nnms_iou = 1.5", &["classes[0].nms_iou", "at most 1"]),
        (
            "threads = 1\n",
            &format!("threads = 1\n{class}"),
            &["4 classes", "list its 3 classes in [[classes]]"],
        ),
    ];
    for (from, to, says) in cases {
        let dir = changed(|_, text| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let text = refusal(dir.path());
        assert!(text.contains("model.toml"), "{text}");
        for part in says {
            assert!(text.contains(part), "{to}: `{part}` is not in: {text}");
        }
    }
}

#[test]
fn a_folder_without_manifest_and_a_file_that_is_no_network_are_refused() {
    let empty = tempfile::tempdir().expect("folder");
    let text = refusal(empty.path());
    assert!(text.contains("model.toml") && text.contains("give the folder of a model"), "{text}");
    let garbage = changed(|dir, text| {
        std::fs::write(dir.join("model.onnx"), b"not a network").expect("write");
        let hash = text.split('"').find(|s| s.len() == 64).expect("hash").to_owned();
        text.replace(&hash, "e15d5bbc3bf69a4be51da5be71b1bd2e4ea3c0db19e6b4d4e2b6ea07ec5f1a2c")
    });
    let text = refusal(garbage.path());
    // The refusal names the true hash; with it the file itself is looked at.
    let actual = text.split_whitespace().map(|w| w.trim_end_matches(';')).rfind(|w| w.len() == 64);
    let actual = actual.unwrap_or_else(|| panic!("no hash in {text}")).to_owned();
    let path = garbage.path().join("model.toml");
    let manifest = std::fs::read_to_string(&path).expect("manifest");
    let wrong = manifest.split('"').find(|s| s.len() == 64).expect("hash").to_owned();
    std::fs::write(&path, manifest.replace(&wrong, &actual)).expect("manifest");
    let text = refusal(garbage.path());
    assert!(text.contains("model.onnx") && text.contains("refuses the model"), "{text}");
}

#[test]
fn a_missing_or_broken_runtime_is_an_error_that_says_where_it_looked() {
    runtime();
    let text = Runtime::load(Some(Path::new("/nowhere/libonnxruntime.so"))).expect_err("missing").to_string();
    assert!(text.contains("/nowhere/libonnxruntime.so") && text.contains("fetch-onnxruntime.sh"), "{text}");
    let taken = Runtime::load(Some(&root().join("Cargo.toml"))).expect_err("another one").to_string();
    assert!(taken.contains("already loaded"), "{taken}");
    let picture = root().join("testdata/frames/street_000.jpg");
    let out = lintel()
        .env("ORT_DYLIB_PATH", root().join("Cargo.toml"))
        .arg(picture)
        .arg("--model")
        .arg(tiny("yolox"))
        .args(["--out", "-"])
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot be loaded") && text.contains("Cargo.toml"), "{text}");
}

#[test]
fn slices_see_small_things_once_and_keep_them_inside_the_picture() {
    let picture = picture("gate", &root().join("testdata/frames/street_000.jpg"));
    let mut detector = detector(&tiny("yolov8"));
    let found = detector
        .detect(&picture, &Tiling { columns: 2, rows: 2, overlap: 0.2, per_picture: 0 })
        .expect("a run");
    assert!(!found.is_empty());
    assert!(found.windows(2).all(|w| w[0].score >= w[1].score));
    for (i, d) in found.iter().enumerate() {
        assert_eq!(d.rect, d.rect.clamped(), "{d:?}");
        for other in &found[..i] {
            assert!(d.class != other.class || d.rect.iou(&other.rect) <= 0.5 + 1e-3, "{d:?} {other:?}");
        }
    }
    let broken = Picture { pixels: Pixels::Rgb(picture.rgb().slice(..100)), ..picture.clone() };
    let text = detector.detect(&broken, &WHOLE).expect_err("too few bytes").to_string();
    assert!(text.contains("768x576") && text.contains("has 100"), "{text}");
    assert_eq!(detector.detect(&picture, &WHOLE).expect("lives on").len(), detector_alone(&picture));
}

fn detector_alone(picture: &Picture) -> usize {
    detector(&tiny("yolov8")).detect(picture, &WHOLE).expect("a run").len()
}

#[test]
fn a_worker_that_hangs_is_reported_though_the_others_go_on() {
    let good = picture("a", &root().join("testdata/frames/street_000.jpg"));
    let cameras = ["a", "b"].map(|id| {
        (CameraId::from(id), TileScheduler::new(WHOLE, &[], Duration::ZERO), Duration::from_secs(1))
    });
    let (hang, hold) = std::sync::mpsc::sync_channel::<()>(1);
    let hold = Mutex::new(hold);
    let sink = Arc::new(move |seen: Detections| {
        if seen.picture.camera == CameraId::from("a") {
            assert!(hold.lock().recv().is_err(), "until the sender is gone");
        }
    });
    let shutdown = Shutdown::new();
    let detectors = vec![detector(&tiny("yolox")), detector(&tiny("yolox"))];
    let pool = DetectPool::start(detectors, cameras.to_vec(), sink, shutdown.clone()).expect("threads");
    assert_eq!(pool.stalled_for(), Duration::ZERO);
    pool.offer(Arc::new(good.clone()));
    let analysed = |camera: usize| pool.snapshot().cameras[camera].analysed;
    crate::support::mqtt::wait_for("the one that hangs", || analysed(0) == 1);
    for n in 1..=3 {
        pool.offer(Arc::new(Picture { camera: "b".into(), ..good.clone() }));
        crate::support::mqtt::wait_for("the other camera", || analysed(1) == n);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(pool.stalled_for() >= Duration::from_millis(150));
    drop(hang);
    crate::support::mqtt::wait_for("it goes on", || pool.stalled_for() == Duration::ZERO);
    shutdown.stop();
    pool.join();
}

#[test]
fn the_pool_serves_every_camera_survives_a_bad_picture_and_ends() {
    let good = picture("a", &root().join("testdata/frames/street_000.jpg"));
    let cameras = ["a", "b", "c"].map(|id| {
        (CameraId::from(id), TileScheduler::new(WHOLE, &[], Duration::ZERO), Duration::from_secs(1))
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let seen = seen.clone();
        Arc::new(move |d: Detections| {
            seen.lock().push((d.picture.camera.clone(), d.picture.seq, d.items.len()));
        })
    };
    let shutdown = Shutdown::new();
    let detectors = vec![detector(&tiny("yolox")), detector(&tiny("yolox"))];
    let pool = DetectPool::start(detectors, cameras.to_vec(), sink, shutdown.clone()).expect("threads");
    let offer = |camera: &str, seq: u64, bytes: usize| {
        let pixels = Pixels::Rgb(good.rgb().slice(..bytes));
        pool.offer(Arc::new(Picture { camera: camera.into(), seq: FrameSeq(seq), pixels, ..good.clone() }));
    };
    let all = good.rgb().len();
    offer("nobody", 0, all);
    for seq in 0..4 {
        offer("a", seq, all);
        offer("b", seq, 3);
        offer("c", seq, all);
    }
    let deadline = monotonic() + Duration::from_secs(60);
    let snapshot = loop {
        let snapshot = pool.snapshot();
        if snapshot.cameras.iter().all(|c| c.analysed + c.replaced + c.failed == 4) {
            break snapshot;
        }
        assert!(monotonic() < deadline, "{snapshot:?}");
        std::thread::sleep(Duration::from_millis(10));
    };
    let [a, b, c] = snapshot.cameras.as_slice() else { panic!("three cameras") };
    assert!(a.analysed > 0 && c.analysed > 0 && a.last_at.is_some());
    assert!((b.analysed, b.failed > 0) == (0, true), "{b:?}");
    assert_eq!(snapshot.unknown, 1);
    shutdown.stop();
    offer("a", 9, all);
    let end = pool.join();
    let ends: u64 = end.cameras[0].analysed + end.cameras[0].replaced + end.cameras[0].abandoned;
    assert_eq!(ends, 5, "every picture is accounted for: {end:?}");
    let seen = seen.lock();
    for camera in ["a", "c"] {
        let order: Vec<FrameSeq> =
            seen.iter().filter(|s| s.0 == CameraId::from(camera)).map(|s| s.1).collect();
        assert!(order.is_sorted() && order.last() >= Some(&FrameSeq(3)), "{order:?}");
    }
    assert!(seen.iter().all(|s| s.2 > 0 && s.0 != CameraId::from("b")));
}

fn lintel() -> Command {
    let mut command = Command::new(program("lintel"));
    command.arg("detect").env("ORT_DYLIB_PATH", onnxruntime());
    command
}

#[test]
fn the_command_names_bad_pictures_goes_on_and_fails_at_the_end() {
    let dir = tempfile::tempdir().expect("folder");
    let bad = dir.path().join("bad.jpg");
    std::fs::write(&bad, b"\xff\xd8\xff\xe0 no picture").expect("write");
    let (out, seen) = (dir.path().join("out.jsonl"), dir.path().join("seen"));
    let done = lintel()
        .args([&root().join("testdata/frames"), &bad, &dir.path().join("gone.png")])
        .arg("--model")
        .arg(tiny("yolox"))
        .args(["--format", "jsonl", "--min-score", "0.15", "--out"])
        .arg(&out)
        .arg("--annotate")
        .arg(&seen)
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{text}");
    assert!(text.contains("bad.jpg") && text.contains("gone.png: not there"), "{text}");
    assert!(text.contains("in 3 pictures") && text.contains("2 of 5 inputs"), "{text}");
    let lines = std::fs::read_to_string(&out).expect("results");
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(lines.len(), 3);
    for line in &lines {
        assert_eq!((&line["width"], &line["height"]), (&768.into(), &576.into()));
        let found = line["detections"].as_array().expect("detections");
        assert!(!found.is_empty() && found.iter().all(|d| d["score"].as_f64() >= Some(0.15)), "{line}");
    }
    let drawn = image::open(seen.join("street_000.jpg")).expect("annotated picture").into_rgb8();
    let plain = image::open(root().join("testdata/frames/street_000.jpg")).expect("frame").into_rgb8();
    assert_eq!(drawn.dimensions(), plain.dimensions());
    let far = drawn.iter().zip(plain.iter()).filter(|(a, b)| a.abs_diff(**b) > 60).count();
    assert!(far > 200, "boxes are drawn: {far} values differ");
}

#[test]
fn the_command_takes_ids_from_a_coco_file_and_agrees_with_the_reference() {
    let dir = tempfile::tempdir().expect("folder");
    let out = dir.path().join("out.json");
    let frames = root().join("testdata/frames");
    let done = lintel()
        .arg("--coco")
        .arg(frames.join("frames.json"))
        .arg("--images")
        .arg(&frames)
        .arg("--model")
        .arg(tiny("yolov5"))
        .arg("--out")
        .arg(&out)
        .output()
        .expect("runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (ours, expected): (Vec<Found>, Vec<Found>) =
        (read(&out), read(&tiny("yolov5").join("expected.json")));
    assert_agree("yolov5", &ours, &expected);
}

#[test]
fn the_command_samples_videos_and_keeps_what_was_done_when_interrupted() {
    let dir = tempfile::tempdir().expect("folder");
    let out = dir.path().join("out.jsonl");
    let video = |every: &str, out: &Path| {
        let mut command = lintel();
        command.arg(root().join("testdata/clips/street.mp4")).args(["--every", every, "--format", "jsonl"]);
        command.arg("--model").arg(tiny("yolox")).arg("--out").arg(out);
        command
    };
    let done = video("20", &out).output().expect("runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(times(&out), [0.0, 20.0, 40.0, 60.0]);

    let interrupted = dir.path().join("interrupted.jsonl");
    let mut child = video("0", &interrupted).stderr(Stdio::piped()).spawn().expect("runs");
    let deadline = monotonic() + Duration::from_secs(60);
    while std::fs::metadata(&interrupted).map_or(0, |m| m.len()) == 0 {
        assert!(monotonic() < deadline, "nothing is written while it runs");
        std::thread::sleep(Duration::from_millis(10));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    let status = child.wait().expect("ends");
    assert_eq!(status.code(), Some(130));
    let done = times(&interrupted);
    assert!(!done.is_empty() && done.len() < 795, "{} pictures", done.len());
}

fn times(path: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(path).expect("results");
    let line = |l: &str| serde_json::from_str::<serde_json::Value>(l).expect("a whole line");
    text.lines().map(|l| line(l)["time_s"].as_f64().expect("time")).collect()
}
