//! Real networks against the independent reference, wrong model folders, the pool, the command.

use std::path::{Path, PathBuf};

use lintel::base::{CameraId, Capture, FrameSeq, TimeSource, WallTime};
use lintel::config::Tiling;
use lintel::decode::Picture;
use lintel::detect::{Detection, Detector, Manifest, Runtime};
use serde::Deserialize;

use crate::support::{onnxruntime, root};

const WHOLE: Tiling = Tiling { columns: 1, rows: 1, overlap: 0.0 };
const HEADS: [&str; 5] = ["yolox", "yolov5", "yolov8", "detr", "detr_sized"];

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
        capture: Capture { at: WallTime(0), source: TimeSource::Footage, offset_ms: None },
        width: rgb.width(),
        height: rgb.height(),
        rgb: rgb.into_raw().into(),
    }
}

fn runtime() -> Runtime {
    Runtime::load(Some(&onnxruntime())).expect("ONNX Runtime")
}

fn detector(folder: &Path) -> Detector {
    Detector::open(&runtime(), &Manifest::load(folder).expect("manifest"), None).expect("model")
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
