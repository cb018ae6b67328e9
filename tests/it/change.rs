//! Lasting change on the committed week of a generated mast camera: what is opened, and with which pictures.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lintel::base::{Point, Polygon};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{onnxruntime, program, root};

fn data(name: &str) -> PathBuf {
    root().join("testdata/change").join(name)
}

fn truth() -> Value {
    serde_json::from_slice(&std::fs::read(data("week.json")).expect("truth")).expect("JSON")
}

/// The config of the scene with this project's model, its data where the test wants it.
fn config(dir: &Path) -> PathBuf {
    let text = std::fs::read_to_string(data("week.toml")).expect("config");
    let model = root().join("models/lintel-nano").display().to_string();
    let own = dir.join("data").display().to_string();
    let text = text.replace("MODEL", &model).replace("week-data", &own);
    let path = dir.join("lintel.toml");
    std::fs::write(&path, text).expect("config");
    path
}

fn lintel(args: &[&str]) -> Command {
    let mut command = Command::new(program("lintel"));
    command.env("ORT_DYLIB_PATH", onnxruntime()).args(args);
    command
}

fn replay(config: &Path, video: &Path, out: &Path) -> Output {
    let camera = format!("mast={}", video.display());
    let config = config.to_str().expect("UTF-8");
    lintel(&["replay", "--config", config, "--speed", "max", "--camera", &camera, "--out"])
        .arg(out)
        .output()
        .expect("lintel replay")
}

#[track_caller]
fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::str::from_utf8(&output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let kind = format!("cn.lintel.violation.{kind}");
    events.iter().filter(|e| e["type"] == kind).collect()
}

/// Class and zone of each event, sorted.
fn names(events: &[&Value]) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().expect("text").to_owned();
    let mut names: Vec<_> =
        events.iter().map(|e| (text(&e["data"]["class"]["id"]), text(&e["data"]["zone"]["id"]))).collect();
    names.sort();
    names
}

/// The same of the truth's changes.
fn expected(changes: &[&Value]) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().expect("text").to_owned();
    let mut names: Vec<_> = changes.iter().map(|c| (text(&c["class"]), text(&c["zone"]))).collect();
    names.sort();
    names
}

fn polygon(outline: &Value) -> Polygon {
    let corners: Vec<[f32; 2]> = serde_json::from_value(outline.clone()).expect("corners");
    Polygon::new(corners.into_iter().map(Point::from).collect()).expect("an outline")
}

/// The middle of an event's outline lies within what was planted, or that middle within the event's.
#[track_caller]
fn assert_on_it(event: &Value, change: &Value) {
    let planted = change["steps"].as_array().expect("steps").last().expect("a step");
    let (found, planted) = (polygon(&event["data"]["change"]["outline"]), polygon(&planted["outline"]));
    let middle = |p: &Polygon| {
        let n = p.corners().len() as f32;
        let sum = p.corners().iter().fold((0.0, 0.0), |s, c| (s.0 + c.x, s.1 + c.y));
        Point { x: sum.0 / n, y: sum.1 / n }
    };
    let on = planted.contains(middle(&found)) || found.contains(middle(&planted));
    assert!(on, "{:?} is not on {:?}", middle(&found), middle(&planted));
}

#[test]
fn the_week_opens_what_was_planted_and_shows_it_before_and_after() {
    let dir = TempDir::new().expect("temp dir");
    let out = dir.path().join("out");
    let config = config(dir.path());
    let output = replay(&config, &data("week.mp4"), &out);
    let events = lines(&output);
    let truth = truth();
    let changes: Vec<&Value> = truth["changes"].as_array().expect("changes").iter().collect();
    let opened = of_kind(&events, "opened");
    assert_eq!(names(&opened), expected(&changes), "{events:#?}");
    for event in &opened {
        let name = (event["data"]["class"]["id"].clone(), event["data"]["zone"]["id"].clone());
        let of_it = |c: &&&Value| (c["class"].clone(), c["zone"].clone()) == name;
        let planted = changes.iter().find(of_it).expect("planted");
        assert_on_it(event, planted);
        let id = event["subject"].as_str().expect("an id");
        let day = &event["data"]["started"].as_str().expect("a time")[..10];
        let folder = out.join("evidence").join(day).join(id);
        let read =
            |name: &str| image::open(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}")).into_rgb8();
        let (before, after) = (read("before.jpg"), read("after.jpg"));
        assert_eq!(before.dimensions(), after.dimensions());
        assert_ne!(before, after);
        let manifest = std::fs::read_to_string(folder.join("manifest.json")).expect("manifest");
        assert!(manifest.contains("before.jpg") && manifest.contains("after.jpg"), "{manifest}");
    }
}
