//! The shipped network for second looks, and folders of networks that are wrong.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lintel::base::{CameraId, Capture, FrameSeq, Rect, TimeSource, TrackId, WallTime};
use lintel::config::Provider;
use lintel::decode::{Picture, Pixels};
use lintel::detect::Runtime;
use lintel::second_look::{Classifier, CropCutter, CropQuestion, SecondLookManifest};
use serde::Deserialize;
use tempfile::TempDir;

use crate::support::{onnxruntime, root};

fn picture(path: &Path) -> Picture {
    let rgb = image::open(path).expect("a picture").into_rgb8();
    Picture {
        camera: CameraId::from("gate"),
        seq: FrameSeq(0),
        stream: 0,
        capture: Capture { at: WallTime(0), source: TimeSource::Footage, offset_ms: None, clock: None },
        width: rgb.width(),
        height: rgb.height(),
        pixels: Pixels::Rgb(rgb.into_raw().into()),
        series: None,
    }
}

fn open(folder: &Path) -> Result<(Classifier, CropCutter), String> {
    let runtime = Runtime::load(Some(&onnxruntime())).expect("ONNX Runtime");
    let manifest = Arc::new(SecondLookManifest::load(folder).map_err(|error| error.to_string())?);
    let classifier = Classifier::open(&runtime, Arc::clone(&manifest), Provider::Cpu);
    Ok((classifier.map_err(|error| error.to_string())?, CropCutter::new(manifest)))
}

/// What models/training/look says about boxes of committed pictures.
#[derive(Deserialize)]
struct Reference {
    pictures: PathBuf,
    tolerance: f32,
    crops: Vec<ReferenceCrop>,
}

#[derive(Deserialize)]
struct ReferenceCrop {
    file: String,
    /// Left, top, right, bottom in pixels.
    #[serde(rename = "box")]
    rect: [f32; 4],
    class: String,
    probabilities: std::collections::BTreeMap<String, f32>,
}

#[test]
fn the_shipped_network_answers_as_in_training() {
    let folder = root().join("models/lintel-look");
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("a reference");
    let reference: Reference = serde_json::from_str(&text).expect("JSON");
    let (mut classifier, cutter) = open(&folder).expect("the shipped network");
    // Two decoders of JPEG differ by a level or two, which moves an undecided crop by 0.03.
    let tolerance = reference.tolerance + 0.02;
    assert!(reference.crops.len() >= 5, "enough to compare");
    for crop in &reference.crops {
        let picture = picture(&root().join(&reference.pictures).join(&crop.file));
        let (w, h) = (picture.width as f32, picture.height as f32);
        let [x0, y0, x1, y1] = crop.rect;
        let rect = Rect::new(x0 / w, y0 / h, x1 / w, y1 / h);
        let input = cutter.cut(&picture, &rect).expect("inside the picture");
        let question = CropQuestion { track: TrackId(1), rect, at: WallTime(0), input };
        let answer = classifier.answer(&question).expect("an answer").probabilities;
        let (likeliest, most) = cutter.manifest().likeliest(&answer).expect("classes");
        // Two classes may be as likely.
        let close = most - crop.probabilities[&crop.class] <= tolerance;
        assert!(likeliest.as_str() == crop.class || close, "{} {:?}: {likeliest}", crop.file, crop.rect);
        for (class, expected) in &crop.probabilities {
            let own =
                cutter.manifest().class_names().position(|name| name.as_str() == class).map(|i| answer[i]);
            let near = own.is_some_and(|own| (own - expected).abs() <= tolerance);
            assert!(near, "{} {:?} {class}: {own:?}, not {expected}", crop.file, crop.rect);
        }
    }
}

/// The error about the tiny network whose manifest has this text in place of that.
#[track_caller]
fn refused(from: &str, to: &str) -> String {
    let dir = TempDir::new().expect("temp dir");
    let tiny = root().join("testdata/models/look");
    std::fs::copy(tiny.join("model.onnx"), dir.path().join("model.onnx")).expect("copied");
    let manifest = std::fs::read_to_string(tiny.join("model.toml")).expect("a manifest");
    assert!(manifest.contains(from), "{from}");
    std::fs::write(dir.path().join("model.toml"), manifest.replace(from, to)).expect("written");
    open(dir.path()).err().expect("refused")
}

#[test]
fn a_folder_that_is_wrong_says_what_and_where() {
    for (from, to, parts) in [
        ("confirm = 0.7", "confirm = 0.1", &["classes[0].confirm", "deny (0.3)"][..]),
        ("context = 0.0", "context = 9.0", &["head.context", "9 is not in 0 to 2"]),
        ("kind = \"classifier\"", "kind = \"yolov5\"", &["unknown variant `yolov5`", "classifier"]),
        ("name = \"bus\"", "name = \"car\"", &["classes[2].name", "listed twice"]),
        ("width = 32", "width = 64", &["input.width", "write the network's own size"]),
        (
            "\n[[classes]]\nname = \"container\"\n",
            "",
            &["classes", "[1, 4]", "one [[classes]] for each output"],
        ),
    ] {
        let error = refused(from, to);
        assert!(error.contains("model.toml"), "{error}");
        parts.iter().for_each(|part| assert!(error.contains(part), "{part}: {error}"));
    }
}
