//! Lasting change on the committed week of a generated mast camera: what is opened and closed, with which
//! evidence, also over a kill -9 of the program, and what bad pictures make of it.

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
fn config(dir: &Path) -> PathBuf {
    let text = std::fs::read_to_string(data("week.toml")).expect("config");
    let model = root().join("models/lintel-nano").display().to_string();
    let own = dir.join("data").display().to_string();
    let text = text.replace("../../models/lintel-nano", &model).replace("week-data", &own);
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
fn the_week_opens_what_was_planted_shows_it_and_closes_what_left() {
    let dir = TempDir::new().expect("temp dir");
    let out = dir.path().join("out");
    let output = replay(&config(dir.path()), &data("week.mp4"), &out);
    let events = lines(&output);
    let truth = truth();
    let changes: Vec<&Value> = truth["changes"].as_array().expect("changes").iter().collect();
    let opened = of_kind(&events, "opened");
    assert_eq!(names(&opened), expected(&changes), "{events:#?}");
    let gone: Vec<&Value> = changes.iter().filter(|c| !c["to"].is_null()).copied().collect();
    assert_eq!(gone.len(), 1, "one leaves");
    let closed = of_kind(&events, "closed");
    assert_eq!(names(&closed), expected(&gone), "{closed:#?}");
    let (left, reports) = (text(&gone[0]["to"]), text(&closed[0]["data"]["at"]));
    assert!(
        micros(&reports) > micros(&left) && micros(&reports) < micros(&left) + 16 * HOUR,
        "{left}, {reports}"
    );
    assert!(of_kind(&events, "expired").is_empty());

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
        let manifest = std::fs::read(folder.join("manifest.json")).expect("manifest");
        let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        assert_eq!(manifest["missing"].as_array().map(Vec::len), Some(0), "{manifest:#}");
        let files: Vec<&Value> =
            manifest["files"].as_array().expect("files").iter().map(|f| &f["kind"]).collect();
        for kind in ["still", "annotated", "before", "after", "clip"] {
            assert!(files.iter().any(|f| *f == kind), "no {kind} in {files:?}");
        }
        // A time-lapse: half an hour from one picture to the next, from a key picture up to the event.
        let clip = folder.join("clip.mp4").display().to_string();
        let seconds =
            command("ffprobe", &["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", &clip]);
        let seconds: f64 = seconds.trim().parse().expect("seconds");
        let frames = manifest["clip"]["frames"].as_f64().expect("frames");
        assert!((seconds - frames * 1800.0).abs() < 1.0, "{frames} frames, {seconds} s");
    }
}

/// A part of the week as a video of its own, cut at a key picture.
fn part(dir: &Path, name: &str, range: [&str; 2]) -> PathBuf {
    let path = dir.join(name);
    let (week, out) = (data("week.mp4"), path.clone());
    let args = ["-v", "error", "-y", range[0], range[1], "-i", week.to_str().expect("UTF-8"), "-c", "copy"];
    command("ffmpeg", &[&args[..], &[out.to_str().expect("UTF-8")]].concat());
    path
}

/// Seconds from the beginning of the week to its first key picture after `from`.
fn key_picture(from: f64) -> f64 {
    let week = data("week.mp4").display().to_string();
    let wanted = ["-skip_frame", "nokey", "-show_entries", "frame=pts_time", "-of", "csv=p=0"];
    let times =
        command("ffprobe", &[&["-v", "error", "-select_streams", "v"], &wanted[..], &[&week]].concat());
    let mut times = times.lines().filter_map(|l| l.trim_end_matches(',').parse::<f64>().ok());
    times.find(|t| *t >= from).expect("a key picture")
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

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn micros(time: &str) -> i64 {
    WallTime::from(time.parse::<jiff::Timestamp>().expect("a time")).0
}

const HOUR: i64 = 3_600_000_000;

#[test]
fn a_kill_in_the_middle_of_the_week_changes_no_event() {
    let dir = TempDir::new().expect("temp dir");
    let start = micros(&text(&truth()["start"]));
    // Both are videos from a key picture on, and the second begins where the first ends.
    let cut = key_picture(88.0 * 3600.0);
    let seconds = cut.to_string();
    let (middle, end) = (start + (cut * 1e6) as i64, start + 144 * HOUR);
    let halves = [
        (part(dir.path(), "a.mp4", ["-t", &seconds]), start, middle),
        (part(dir.path(), "b.mp4", ["-ss", &seconds]), middle, end),
    ];
    let port = free_port();
    for (i, (video, start, end)) in halves.iter().enumerate() {
        // Four pictures a second: slow enough for each to be looked at.
        let source =
            format!("file = \"{}\"\nspeed = 7200\nstart = \"{}\"", video.display(), WallTime(*start));
        let path = config(dir.path());
        let played = std::fs::read_to_string(&path).expect("config");
        let played = played.replace("url = \"rtsp://127.0.0.1:8554/mast\"", &source);
        std::fs::write(&path, format!("[http]\nlisten = \"127.0.0.1:{port}\"\n{played}")).expect("config");
        let mut node = Node::start(&path, &dir.path().join("log"));
        // By steps: how long all of it takes depends on the machine.
        let mut next = *start;
        while next < end - 2 * HOUR {
            next = (next + 12 * HOUR).min(end - 2 * HOUR);
            wait_for("the next half day", || newest_kept(dir.path()) >= next);
        }
        if i == 0 {
            node.0.kill().expect("killed");
            node.0.wait().expect("ended");
        } else {
            command("kill", &["-TERM", &node.0.id().to_string()]);
            assert!(node.0.wait().expect("ended").success());
        }
    }
    let events = stored_events(&dir.path().join("data"));
    // As without a kill: what the week's own test expects.
    let truth = truth();
    let changes: Vec<&Value> = truth["changes"].as_array().expect("changes").iter().collect();
    let gone: Vec<&Value> = changes.iter().filter(|c| !c["to"].is_null()).copied().collect();
    for (kind, wanted) in [("opened", changes), ("closed", gone), ("expired", Vec::new())] {
        let log = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        assert_eq!(names(&of_kind(&events, kind)), expected(&wanted), "{kind}: {}", log());
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

/// The week up to some hour, changed by ffmpeg's filter.
fn spoilt(dir: &Path, hours: u32, filter: &str) -> PathBuf {
    let path = dir.join("spoilt.mp4");
    let (week, out) = (data("week.mp4").display().to_string(), path.display().to_string());
    let until = (hours * 3600).to_string();
    let coder = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "24", "-bf", "0", "-g", "48"];
    let began = format!("creation_time={}", text(&truth()["start"]));
    let keep = ["-fps_mode", "passthrough", "-enc_time_base", "-1", "-metadata", &began];
    let args = ["-v", "error", "-y", "-i", &week, "-t", &until, "-vf", filter];
    command("ffmpeg", &[&args[..], &coder[..], &keep[..], &[&out]].concat());
    path
}

#[test]
fn a_pushed_camera_has_moved_and_is_well_again_and_nothing_changed() {
    let dir = TempDir::new().expect("temp dir");
    // On the third day everything is off by 50 pixels, for twelve hours; nothing was planted by then.
    let pushed = spoilt(dir.path(), 52, "crop=w=590:h=348:x='if(between(t,129600,172799),50,0)':y=6");
    let config = config(dir.path());
    let early = std::fs::read_to_string(&config).expect("config");
    let early = early.replace("sampling = \"all\"", "sampling = \"all\"\nchange = { learn = \"24h\" }");
    std::fs::write(&config, early.replace("dwell = \"24h\"", "dwell = \"2h\"")).expect("config");
    let events = lines(&replay(&config, &pushed, &dir.path().join("moved")));
    let reports: Vec<&Value> = events.iter().map(|e| &e["data"]).filter(|d| d["kind"].is_string()).collect();
    let kinds: Vec<&str> = reports.iter().filter_map(|d| d["kind"].as_str()).collect();
    assert_eq!(kinds, ["moved", "well"], "{events:#?}");
    assert_eq!(reports[0]["incident"], reports[1]["incident"]);
    let shift: [f64; 2] = serde_json::from_value(reports[0]["shift_px"].clone()).expect("a shift");
    assert!((shift[0] + 50.0).abs() < 2.0 && shift[1].abs() < 2.0, "{shift:?}");
    // Three looks are wanted.
    let began = micros(&text(&truth()["start"])) + 36 * HOUR;
    let at = |d: &Value| (micros(&text(&d["at"])) - began) / HOUR;
    assert_eq!((at(reports[0]), at(reports[1])), (1, 12), "{reports:#?}");
    assert_eq!(names(&of_kind(&events, "opened")), [], "a move is no change");
}

/// Turned to another place for twelve hours: the camera is reported as lost, and nothing counts as a change.
#[test]
fn a_camera_that_shows_another_place_is_lost_and_well_again() {
    let dir = TempDir::new().expect("temp dir");
    let away = "split[a][b];[b]vflip,hflip,negate[c];[a][c]overlay=enable='between(t,129600,172799)'";
    let turned = spoilt(dir.path(), 52, away);
    let config = config(dir.path());
    let early = std::fs::read_to_string(&config).expect("config");
    let early = early.replace("sampling = \"all\"", "sampling = \"all\"\nchange = { learn = \"24h\" }");
    std::fs::write(&config, early.replace("dwell = \"24h\"", "dwell = \"2h\"")).expect("config");
    let events = lines(&replay(&config, &turned, &dir.path().join("lost")));
    let reports: Vec<&Value> = events.iter().map(|e| &e["data"]).filter(|d| d["kind"].is_string()).collect();
    let kinds: Vec<&str> = reports.iter().filter_map(|d| d["kind"].as_str()).collect();
    assert_eq!(kinds, ["lost", "well"], "{events:#?}");
    assert_eq!(reports[0]["incident"], reports[1]["incident"]);
    let began = micros(&text(&truth()["start"])) + 36 * HOUR;
    let at = |d: &Value| (micros(&text(&d["at"])) - began) / HOUR;
    assert_eq!((at(reports[0]), at(reports[1])), (1, 12), "{reports:#?}");
    assert_eq!(names(&of_kind(&events, "opened")), [], "another place is no change of this one");
}

#[test]
fn a_reference_from_the_night_and_smeared_pictures_make_no_change_of_a_day() {
    let dir = TempDir::new().expect("temp dir");
    let config = config(dir.path());
    let night = std::fs::read_to_string(&config).expect("config");
    let night = night.replace("sampling = \"all\"", "sampling = \"all\"\nchange = { learn = \"6h\" }");
    std::fs::write(&config, night).expect("config");
    // Infrared until dawn; every tenth picture is a smear in its lower half. What is planted comes later.
    let smeared = spoilt(
        dir.path(),
        52,
        "drawbox=x=0:y=170:w=640:h=190:color=green:t=fill:enable='eq(mod(floor(t/1800)\\,10)\\,4)'",
    );
    let events = lines(&replay(&config, &smeared, &dir.path().join("night")));
    assert!(events.is_empty(), "{events:#?}");
}
