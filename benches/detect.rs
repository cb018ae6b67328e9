//! What one 1080p picture costs on one thread with the shipped model: letterbox, network, and head with
//! suppression.
//!
//! Needs ONNX Runtime: scripts/fetch-onnxruntime.sh.

use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use lintel::base::{CameraId, Capture, FrameSeq, TimeSource, WallTime};
use lintel::config::{Provider, Tiling};
use lintel::decode::{Picture, Pixels};
use lintel::detect::{Detector, ModelManifest, Runtime, Timing};

/// A street, enlarged: noise would give the heads nothing to do.
fn picture(root: &Path) -> Picture {
    let frame = image::open(root.join("testdata/frames/street_300.jpg")).expect("frame");
    let rgb = frame.resize_exact(1920, 1080, image::imageops::FilterType::Triangle).into_rgb8();
    Picture {
        camera: CameraId::from("bench"),
        seq: FrameSeq(0),
        stream: 0,
        capture: Capture { at: WallTime(0), source: TimeSource::Footage, offset_ms: None, clock: None },
        width: rgb.width(),
        height: rgb.height(),
        pixels: Pixels::Rgb(rgb.into_raw().into()),
        series: None,
    }
}

/// One of the times that a detector takes.
type Part = fn(&Timing) -> Duration;

fn parts(c: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = root.join(".cache/onnxruntime/libonnxruntime.so");
    let runtime = Runtime::load(Some(&library)).expect("scripts/fetch-onnxruntime.sh was run");
    let manifest = ModelManifest::load(&root.join("models/lintel-nano")).expect("the shipped model");
    let mut detector =
        Detector::open(&runtime, &manifest, Some(1), Provider::Cpu).expect("the shipped model");
    let picture = picture(root);
    let whole = Tiling { columns: 1, rows: 1, overlap: 0.0, per_picture: 0 };
    let mut group = c.benchmark_group("detect_1080p");
    let parts: [(&str, Part); 3] =
        [("letterbox", |t| t.letterbox), ("network", |t| t.run), ("head", |t| t.head)];
    for (name, part) in parts {
        group.bench_function(name, |b| {
            b.iter_custom(|runs| {
                let mut spent = Duration::ZERO;
                for _ in 0..runs {
                    detector.detect(&picture, &whole).expect("a run");
                    spent += part(&detector.timing().expect("a run"));
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parts);
criterion_main!(benches);
