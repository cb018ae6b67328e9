//! Lasting change on the committed week of a generated mast camera: what is opened and closed, with which pictures, also
//! over a kill -9, and what bad input makes of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use lintel::base::{Point, Polygon, WallTime};
use lintel::config::OutboxConfig;
use lintel::outbox::{Next, Outbox};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::mqtt::{command, free_port, wait_for};
use crate::support::{onnxruntime, program, root};

fn data(name: &str) -> PathBuf {
    root().join("testdata/change").join(name)
}

fn truth() -> Value {
    serde_json::from_slice(&std::fs::read(data("week.json")).expect("truth")).expect("JSON")
}

/// The config of the scene with this project's model, its data where the test wants it.
fn config(dir: &Path, more: &str) -> PathBuf {
    let text = std::fs::read_to_string(data("week.toml")).expect("config");
    let model = root().join("models/lintel-nano").display().to_string();
    let own = dir.join("data").display().to_string();
    let text = text.replace("MODEL", &model).replace("week-data", &own);
    let source = "url = \"rtsp://127.0.0.1:8554/mast\"";
    let text = if more.is_empty() { text } else { text.replace(source, more) };
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
fn the_week_opens_what_was_planted_shows_it_before_and_after_and_closes_what_left() {
    let dir = TempDir::new().expect("temp dir");
    let out = dir.path().join("out");
    let config = config(dir.path(), "");
    let output = replay(&config, &data("week.mp4"), &out);
    let events = lines(&output);
    let truth = truth();
    let changes: Vec<&Value> = truth["changes"].as_array().expect("changes").iter().collect();
    let opened = of_kind(&events, "opened");
    assert_eq!(names(&opened), expected(&changes), "{events:#?}");
    let gone: Vec<&Value> = changes.iter().filter(|c| !c["to"].is_null()).copied().collect();
    assert_eq!(gone.len(), 1, "one leaves");
    let closed = of_kind(&events, "closed");
    assert_eq!(names(&closed), expected(&gone));
    assert!(closed[0]["data"]["at"].as_str() > gone[0]["to"].as_str(), "{}", closed[0]);

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
    let again = replay(&config, &data("week.mp4"), &dir.path().join("again"));
    assert_eq!(output.stdout, again.stdout, "two replays differ");
}

/// A part of the week as a video of its own, cut at a key picture.
fn part(dir: &Path, name: &str, range: [&str; 2]) -> PathBuf {
    let path = dir.join(name);
    let (week, out) = (data("week.mp4"), path.clone());
    let args = ["-v", "error", "-y", range[0], range[1], "-i", week.to_str().expect("UTF-8"), "-c", "copy"];
    command("ffmpeg", &[&args[..], &[out.to_str().expect("UTF-8")]].concat());
    path
}

struct Node(Child);

impl Node {
    fn start(config: &Path, log: &Path) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(log).expect("log");
        let config = config.to_str().expect("UTF-8");
        let child = lintel(&["run", "--config", config])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Self(child.expect("lintel run"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Capture time of the newest picture that was kept for later comparison.
fn newest_kept(dir: &Path) -> i64 {
    let Ok(entries) = std::fs::read_dir(dir.join("data/change/mast")) else { return 0 };
    let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
    names.filter_map(|n| n.split_once('-')?.0.parse().ok()).max().unwrap_or(0)
}

fn micros(time: &str) -> i64 {
    WallTime::from(time.parse::<jiff::Timestamp>().expect("a time")).0
}

const HOUR: i64 = 3_600_000_000;

#[test]
fn a_kill_in_the_middle_of_the_week_changes_no_event() {
    let dir = TempDir::new().expect("temp dir");
    let truth = truth();
    let start = micros(truth["start"].as_str().expect("start"));
    let cut = start + 96 * HOUR;
    let at = |t: i64| WallTime(t).to_string();
    // Four days, then two: the cut is at a key picture.
    let halves = [
        (part(dir.path(), "a.mp4", ["-t", "345600"]), at(start), cut),
        (part(dir.path(), "b.mp4", ["-ss", "345600"]), at(cut), start + 144 * HOUR),
    ];
    let port = free_port();
    for (i, (video, start, end)) in halves.iter().enumerate() {
        // Five pictures a second: slow enough for each to be looked at.
        let source = format!("file = \"{}\"\nspeed = 9000\nstart = \"{start}\"", video.display());
        let config = config(dir.path(), &source);
        let text = std::fs::read_to_string(&config).expect("config");
        std::fs::write(&config, format!("[http]\nlisten = \"127.0.0.1:{port}\"\n{text}")).expect("config");
        let mut node = Node::start(&config, &dir.path().join("log"));
        wait_for("the end of the footage", || newest_kept(dir.path()) >= end - 2 * HOUR);
        if i == 0 {
            node.0.kill().expect("killed");
            node.0.wait().expect("ended");
        } else {
            command("kill", &["-TERM", &node.0.id().to_string()]);
            assert!(node.0.wait().expect("ended").success());
        }
    }
    let events = stored_events(&dir.path().join("data"));
    let whole = lines(&replay(&config(dir.path(), ""), &data("week.mp4"), &dir.path().join("out")));
    for kind in ["opened", "closed"] {
        let log = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        assert_eq!(names(&of_kind(&events, kind)), names(&of_kind(&whole, kind)), "{kind}: {}", log());
    }
}

/// What waits in the outbox: no broker has ever taken anything. A step that was made again has the same id.
fn stored_events(data_dir: &Path) -> Vec<Value> {
    let outbox = Outbox::open(data_dir, &OutboxConfig { max_bytes: u64::MAX }).expect("outbox");
    let mut events = BTreeMap::new();
    while let Some(next) = outbox.next(false, 0).expect("outbox") {
        let Next::Message { message, id } = next else { break };
        if message.topic.ends_with("/event") {
            let event: Value = serde_json::from_slice(&message.payload).expect("JSON");
            events.insert(event["id"].to_string(), event);
        }
        outbox.ack(&[id]).expect("acknowledged");
    }
    events.into_values().collect()
}

/// The week, changed by ffmpeg's filter.
fn spoilt(dir: &Path, filter: &str) -> PathBuf {
    let path = dir.join("spoilt.mp4");
    let (week, out) = (data("week.mp4"), path.display().to_string());
    let week = week.display().to_string();
    let coder = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-bf", "0", "-g", "48"];
    let keep = ["-fps_mode", "passthrough", "-enc_time_base", "-1", "-map_metadata", "0"];
    let args = ["-v", "error", "-y", "-i", &week, "-t", "345600", "-vf", filter];
    command("ffmpeg", &[&args[..], &coder[..], &keep[..], &[&out]].concat());
    path
}

#[test]
fn a_pushed_camera_has_moved_and_a_smear_is_nothing() {
    let dir = TempDir::new().expect("temp dir");
    let config = config(dir.path(), "");
    // From the third day on everything is off by 50 pixels of the 1080p camera that this stands for.
    let pushed = spoilt(dir.path(), "crop=w=620:h=348:x='if(gte(t,165600),17,0)':y=6");
    let output = replay(&config, &pushed, &dir.path().join("moved"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the camera was moved by"), "{said}");
    assert_eq!(names(&of_kind(&lines(&output), "opened")), [], "a move is no change");
    // Every tenth picture is a smear in its lower half.
    let smeared = spoilt(
        dir.path(),
        "drawbox=x=0:y=170:w=640:h=190:color=green:t=fill:enable='eq(mod(floor(t/3600)\\,10)\\,4)'",
    );
    let output = replay(&config, &smeared, &dir.path().join("smeared"));
    let opened = lines(&output);
    let planted = truth()["changes"].as_array().expect("changes").len();
    let opened = of_kind(&opened, "opened").len();
    assert!((1..=planted).contains(&opened), "{opened} of {planted}");
}
