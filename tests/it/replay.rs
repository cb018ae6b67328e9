//! `lintel replay` on the committed street: the real program, the shipped model, real footage.

use std::path::Path;
use std::process::{Command, Output};

use crate::support;

fn replay(camera: &str, more: &[&str]) -> Output {
    Command::new(support::program("lintel"))
        .env("ORT_DYLIB_PATH", support::onnxruntime())
        .current_dir(support::root())
        .args(["replay", "--config", "testdata/demo/lintel.toml", "--speed", "max", "--camera", camera])
        .args(more)
        .output()
        .expect("lintel replay")
}

#[track_caller]
fn lines(output: &Output) -> Vec<serde_json::Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::str::from_utf8(&output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

#[test]
fn the_two_parked_vehicles_are_one_event_each_and_a_second_replay_is_equal() {
    let dir = tempfile::tempdir().expect("temp dir");
    let out = dir.path().to_str().expect("UTF-8");
    let first = replay("gate=testdata/clips/street.mp4", &["--out", out]);
    let events = lines(&first);
    let second = replay("gate=testdata/clips/street.mp4", &["--out", out]);
    assert_eq!(first.stdout, second.stdout, "two replays differ");

    let opened: Vec<_> = events.iter().filter(|e| e["type"] == "cn.lintel.violation.opened").collect();
    assert_eq!(opened.len(), 2, "one event a parked vehicle: {events:#?}");
    for event in opened {
        assert_eq!(event["data"]["class"]["id"], "motor_vehicle_parking");
        assert_eq!(event["data"]["capture"]["source"], "footage");
        let id = event["subject"].as_str().expect("an id");
        let folder = dir.path().join("evidence/2000-01-01").join(id);
        check_evidence(&folder);
    }
}

/// Every file has the hash that the manifest says, and the clip plays.
fn check_evidence(folder: &Path) {
    use sha2::{Digest, Sha256};

    let manifest = std::fs::read(folder.join("manifest.json")).expect("manifest.json");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(manifest["missing"], serde_json::json!([]));
    let files = manifest["files"].as_array().expect("files");
    let names: Vec<_> = files.iter().map(|file| file["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["first.jpg", "still.jpg", "annotated.jpg", "clip.mp4"]);
    for file in files {
        let content = std::fs::read(folder.join(file["name"].as_str().expect("a name"))).expect("file");
        assert_eq!(file["sha256"], format!("{:x}", Sha256::digest(&content)));
    }
    let clip = folder.join("clip.mp4");
    let said =
        Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&clip).args(["-f", "null", "-"]).output();
    let said = said.expect("ffmpeg");
    assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn h265_footage_is_analysed_too() {
    let output = replay("gate=testdata/clips/street_h265.mp4", &[]);
    assert_eq!(lines(&output), Vec::<serde_json::Value>::new(), "10 s are shorter than the dwell");
    let said = String::from_utf8_lossy(&output.stderr);
    let pictures = said
        .split_once("replayed 100 frames, ")
        .and_then(|(_, rest)| rest.split_once(" pictures analysed, 0"));
    let pictures =
        pictures.and_then(|(number, _)| number.parse::<u32>().ok()).unwrap_or_else(|| panic!("{said}"));
    // The key frames, and more while people walk by.
    assert!((5..=60).contains(&pictures), "{said}");
}

#[test]
fn wrong_footage_is_named() {
    let cases = [
        ("gate=testdata/clips/absent.mp4", "absent.mp4"),
        ("gate=README.md", "README.md"),
        ("yard=testdata/clips/street.mp4", "has no such camera; it has: gate"),
    ];
    for (camera, expected) in cases {
        let output = replay(camera, &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expected), "{camera}: {said}");
    }
}
