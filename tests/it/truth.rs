//! Only what is true is told: the real program on a street that is covered, darkened, turned, cut up or
//! repeated.
//!
//! The films are composed from the committed street, where a white van and a blue car stand the whole time.

mod gaps;
mod outside;
mod second_look;
mod start;
mod tiles;
mod unseen;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{onnxruntime, root};

/// The street: 768 x 576 pixels, 10 pictures a second, 79 s.
const STREET: &str = "testdata/clips/street.mp4";
/// Around the van and the car: left, top, right, bottom.
const ROAD: [f64; 4] = [0.82, 0.04, 1.0, 0.22];
/// Key frames only, because each picture takes long without optimisation.
const KEYFRAMES: &str = "sampling = \"keyframes\"";
const TELL: &str = "dwell = \"20s\"\npresent_at_start = \"tell\"";

/// One camera, and a folder for what it sees.
struct Camera {
    dir: TempDir,
    /// Sections of the node.
    node: String,
    profile: &'static str,
    /// Lines of its section.
    settings: String,
    zones: Vec<[f64; 4]>,
    /// Lines of its rule.
    rule: String,
}

impl Camera {
    /// At the street, with its road as the zone.
    fn at_the_street(rule: &str) -> Self {
        let dir = TempDir::new().expect("temp dir");
        let (profile, settings) = ("street", KEYFRAMES.to_owned());
        let node = String::new();
        Self { dir, node, profile, settings, zones: vec![ROAD], rule: rule.to_owned() }
    }

    /// Composes a film by the arguments of ffmpeg.
    fn film(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let path = self.dir.path().join(name);
        let encoder = "-an -c:v libx264 -preset ultrafast -bf 0 -pix_fmt yuv420p -fps_mode passthrough";
        let made = Command::new("ffmpeg")
            .current_dir(root())
            .args(["-v", "error", "-y", "-threads", "1"])
            .args(arguments)
            .args(encoder.split(' '))
            .arg(&path)
            .output()
            .expect("ffmpeg");
        assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
        path
    }

    /// The street for so many seconds, again from its begin after its end, at two pictures a second.
    fn street(&self, seconds: u32, filter: &str) -> PathBuf {
        let (length, filter) = (seconds.to_string(), format!("fps=2,setsar=1,{filter}"));
        let from = ["-stream_loop", "-1", "-t", &length, "-i", STREET, "-vf", &filter, "-g", "4"];
        self.film("street.mp4", &from)
    }

    /// One picture of the street for so many seconds, at one picture a second.
    fn still(&self, seconds: u32, filter: &str) -> PathBuf {
        let loops = (seconds - 1).to_string();
        let filter = format!("trim=end_frame=1,loop={loops}:1:0,setpts=N/TB,fps=1,setsar=1,{filter}");
        self.film("still.mp4", &["-ss", "5", "-i", STREET, "-vf", &filter, "-g", "2"])
    }

    fn config(&self) -> PathBuf {
        let (model, data) = (root().join("models/lintel-nano"), self.dir.path().join("data"));
        let Self { node, profile, settings, rule, .. } = self;
        let mut text = format!(
            "[node]\nid = \"t\"\ndata_dir = \"{}\"\n[mqtt]\nurl = \"mqtt://127.0.0.1:18830\"\n\
             [detect]\nmodel = \"{}\"\nthreads = 1\n{node}\
             [[camera]]\nid = \"c\"\nname = \"c\"\nurl = \"rtsp://127.0.0.1/x\"\nprofile = \"{profile}\"\n{settings}\n",
            data.display(),
            model.display()
        );
        for (i, [x0, y0, x1, y1]) in self.zones.iter().enumerate() {
            text += &format!(
                "[[camera.zone]]\nid = \"z{i}\"\nname = \"z{i}\"\n\
                 polygon = [[{x0}, {y0}], [{x1}, {y0}], [{x1}, {y1}], [{x0}, {y1}]]\n"
            );
        }
        text += &format!("[[camera.rule]]\nclass = \"motor_vehicle_parking\"\n{rule}\n");
        if !self.zones.is_empty() {
            let names: Vec<_> = (0..self.zones.len()).map(|i| format!("\"z{i}\"")).collect();
            text += &format!("zones = [{}]\n", names.join(", "));
        }
        let path = self.dir.path().join("lintel.toml");
        std::fs::write(&path, text).expect("config");
        path
    }

    /// What the program tells about a film.
    fn replay(&self, film: &Path) -> Told {
        let output = Command::new(env!("CARGO_BIN_EXE_lintel"))
            .env("ORT_DYLIB_PATH", onnxruntime())
            .current_dir(root())
            .args(["replay", "--speed", "max", "--config"])
            .arg(self.config())
            .args(["--camera", &format!("c={}", film.display())])
            .output()
            .expect("lintel replay");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        Told(text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect())
    }
}

/// The messages of one replay.
struct Told(Vec<Value>);

impl Told {
    /// The events that did this.
    fn events(&self, transition: &str) -> Vec<&Value> {
        let kind = format!("cn.lintel.violation.{transition}");
        self.0.iter().filter(|message| message["type"] == kind).collect()
    }

    /// What happened to the camera, and after how many seconds.
    fn tampers(&self) -> Vec<(&str, f64)> {
        let of = |message: &'_ Value| message["type"] == "cn.lintel.camera.tamper";
        let told = self.0.iter().filter(|message| of(message));
        told.map(|message| (message["data"]["kind"].as_str().expect("a kind"), seconds(&message["time"])))
            .collect()
    }

    /// For a failed test: when, what and why.
    fn summary(&self) -> String {
        let line = |m: &Value| format!("{} {} {}", m["time"], m["type"], m["data"]["reason"]);
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The van and the car opened one event each, and nothing else happened to them.
    #[track_caller]
    fn assert_two_stand(&self) {
        let counts = ["opened", "closed", "expired"].map(|transition| self.events(transition).len());
        assert_eq!(counts, [2, 0, 0], "opened, closed, expired\n{}", self.summary());
    }

    #[track_caller]
    fn assert_nothing(&self) {
        assert_eq!(self.events("opened").len(), 0, "{}", self.summary());
    }
}

/// Does all of it at once.
fn at_once<T: Copy + Sync, R: Send>(of: &[T], work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = of.iter().map(|item| scope.spawn(move || work(*item))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// Seconds since the film's begin, which is at 2000-01-01 00:00:00 UTC.
#[track_caller]
fn seconds(time: &Value) -> f64 {
    let time: jiff::Timestamp = time.as_str().expect("a time").parse().expect("RFC 3339");
    time.as_microsecond() as f64 / 1e6 - 946_684_800.0
}
