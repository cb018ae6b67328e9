//! A `lintel run` and a `lintel receive` of a test, each in a process of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::mqtt::{Mosquitto, Pki, command, free_port, wait_for};
use crate::support::{onnxruntime, program, root};

/// Two vehicles stand at its upper right all the time.
pub fn street() -> PathBuf {
    root().join("testdata/clips/street.mp4")
}

pub struct Node {
    dir: TempDir,
    port: u16,
    config: String,
    child: Option<Child>,
    environment: Vec<(&'static str, String)>,
}

impl Node {
    /// One camera `gate`; a vehicle that stands for 3 s is an event.
    pub fn new(camera: &str, broker: &Mosquitto, pki: Option<&Pki>) -> Self {
        let dir = TempDir::new().expect("temp dir");
        let port = free_port();
        let data = dir.path().join("data");
        let tls = pki.map_or_else(String::new, |pki| {
            let at = |name: &str| pki.path(name).display().to_string();
            let (ca, cert, key) = (at("ca.pem"), at("client.pem"), at("client.key"));
            format!(
                "tls = {{ ca_file = \"{ca}\", client_cert_file = \"{cert}\", client_key_file = \"{key}\" }}\n"
            )
        });
        let config = format!(
            r#"
[node]
id = "test"
data_dir = "{data}"
time_zone = "UTC"
[detect]
model = "{model}"
[evidence]
pre_roll = "2s"
post_roll = "2s"
min_free_mb = 1
[mqtt]
url = "{broker}"
keep_alive = "5s"
confirm = "broker"
{tls}
[http]
listen = "127.0.0.1:{port}"
[camera_defaults]
rtsp = {{ backoff_first = "200ms", backoff_max = "1s", stall_timeout = "5s" }}
[[camera]]
id = "gate"
url = "{camera}"
interval = "1s"
#LOGIN
[[camera.zone]]
id = "road"
polygon = [[0.82, 0.07], [1.0, 0.05], [1.0, 0.19], [0.84, 0.19]]
[[camera.rule]]
class = "motor_vehicle_parking"
zones = ["road"]
dwell = "3s"
hysteresis = [2, 3]
present_at_start = "tell"
"#,
            data = data.display(),
            model = root().join("models/lintel-nano").display(),
            broker = broker.url(),
        );
        Self { dir, port, config, child: None, environment: Vec::new() }
    }

    pub fn camera_login(&mut self, user: &str, password: &str) {
        let file = self.dir.path().join("camera-password");
        std::fs::write(&file, password).expect("password file");
        let login = format!("rtsp.username = \"{user}\"\nrtsp.password_file = \"{}\"", file.display());
        self.config = self.config.replace("#LOGIN", &login);
    }

    /// Puts the data folder somewhere else.
    pub fn data_dir(&mut self, dir: &Path) {
        let old = self.dir.path().join("data").display().to_string();
        self.config = self.config.replace(&old, &dir.display().to_string());
    }

    /// Writes a file beside the config.
    pub fn file(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).expect("write");
    }

    /// `node.data_dir`.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn listen_on(&mut self, address: &str) {
        let own = format!("127.0.0.1:{}", self.port);
        self.replace(&own, address);
    }

    /// Changes a value of the config.
    pub fn replace(&mut self, from: &str, to: &str) {
        assert!(self.config.contains(from), "{from} is not in the config");
        self.config = self.config.replace(from, to);
    }

    /// A variable of the program's environment.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    /// Where the config and what it names may lie.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Puts the changed config where the running node finds it.
    pub fn write_config(&self) {
        std::fs::write(self.dir.path().join("lintel.toml"), &self.config).expect("config");
    }

    /// Changes the config of the running node and waits for what becomes of it.
    pub fn reload(&mut self) -> Value {
        self.write_config();
        self.reload_as_it_is()
    }

    /// SIGHUP alone.
    pub fn reload_as_it_is(&self) -> Value {
        let before = self.health()["config"]["last_reload"]["at"].clone();
        self.signal("HUP");
        wait_for("the reload", || self.health()["config"]["last_reload"]["at"] != before);
        self.health()["config"]["last_reload"].clone()
    }

    pub fn start(&mut self) {
        let config = self.dir.path().join("lintel.toml");
        self.write_config();
        let log = File::options().create(true).append(true).open(self.dir.path().join("log")).expect("log");
        let child = Command::new(program("lintel"))
            .env("ORT_DYLIB_PATH", onnxruntime())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .args(["run", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("lintel run"));
    }

    /// All that every start of this node has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connect to http.listen");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        answer.split_once("\r\n\r\n").expect("a head and a body").1.to_owned()
    }

    /// `/health`; null while nothing listens yet.
    pub fn health(&self) -> Value {
        if TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            return Value::Null;
        }
        serde_json::from_str(&self.get("/health")).expect("health is JSON")
    }

    pub fn wait_until_streaming(&self) {
        wait_for("the camera to stream", || {
            self.health()["cameras"]["gate"]["ingest"]["state"] == "streaming"
        });
    }

    pub fn analysed(&self) -> u64 {
        self.health()["cameras"]["gate"]["detect"]["analysed"].as_u64().unwrap_or(0)
    }

    /// Of its process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("running").id()
    }

    pub fn signal(&self, name: &str) {
        command("kill", &[&format!("-{name}"), &self.id().to_string()]);
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.child.take().expect("running").wait().expect("wait")
    }

    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// As a power cut would, but for the disk's own cache.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
            eprintln!("log of the node:\n{}", self.log());
        }
    }
}

pub struct Receiver {
    dir: TempDir,
    child: Child,
}

/// What the platform has of one event.
pub struct Received {
    pub folder: PathBuf,
    /// event.json.
    pub state: Value,
    /// events.jsonl.
    pub messages: Vec<Value>,
}

impl Receiver {
    pub fn start(broker: &Mosquitto, pki: Option<&Pki>) -> Self {
        let dir = TempDir::new().expect("temp dir");
        let log = File::create(dir.path().join("log")).expect("log");
        let mut receive = Command::new(program("lintel"));
        receive.args(["receive", "--broker", &broker.url(), "--out"]).arg(dir.path().join("out"));
        if let Some(pki) = pki {
            receive.arg("--ca").arg(pki.path("ca.pem"));
            receive.arg("--cert").arg(pki.path("client.pem")).arg("--key").arg(pki.path("client.key"));
        }
        let child = receive.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        Self { dir, child: child.expect("lintel receive") }
    }

    /// All events so far, in order of their ids, that is of time.
    pub fn events(&self) -> Vec<Received> {
        let mut found = BTreeMap::new();
        for day in folders(&self.dir.path().join("out")) {
            for folder in folders(&day) {
                let Ok(state) = std::fs::read(folder.join("event.json")) else { continue };
                let messages = std::fs::read_to_string(folder.join("events.jsonl")).unwrap_or_default();
                // The receiver may be writing the last line just now.
                let whole = messages.split_inclusive('\n').filter(|line| line.ends_with('\n'));
                let messages = whole.map(|line| serde_json::from_str(line).expect("JSON")).collect();
                let state = serde_json::from_slice(&state).expect("JSON");
                found.insert(folder.clone(), Received { folder, state, messages });
            }
        }
        found.into_values().collect()
    }

    /// The folder of an event, or of an answer's evidence.
    pub fn folder(&self, id: &str) -> Option<PathBuf> {
        folders(&self.dir.path().join("out")).into_iter().map(|day| day.join(id)).find(|f| f.exists())
    }

    /// What is retained of a camera of the node `test`; null: nothing.
    pub fn camera_state(&self, camera: &str) -> Value {
        self.retained(&format!("camera-{camera}.json"))
    }

    /// The retained health of the node `test`; null: none.
    pub fn node_health(&self) -> Value {
        self.retained("health.json")
    }

    fn retained(&self, file: &str) -> Value {
        let path = self.dir.path().join("out/nodes/test").join(file);
        std::fs::read(path).ok().and_then(|state| serde_json::from_slice(&state).ok()).unwrap_or_default()
    }

    /// Waits until so many events are there with their manifests.
    pub fn wait_for_evidence(&self, events: usize) {
        wait_for("events with their evidence", || {
            let all = self.events();
            all.len() >= events && all.iter().all(|event| event.folder.join("manifest.json").exists())
        });
        // The manifest is the last thing that is made of an opening, not the last that is sent.
        wait_for("all files of the manifests", || self.events().iter().all(Received::is_whole));
    }
}

impl Received {
    pub fn manifest(&self) -> Value {
        let text = std::fs::read(self.folder.join("manifest.json")).expect("manifest.json");
        serde_json::from_slice(&text).expect("JSON")
    }

    fn is_whole(&self) -> bool {
        let Value::Array(files) = self.manifest()["files"].clone() else { return false };
        files.iter().all(|file| self.folder.join(file["name"].as_str().expect("a name")).exists())
    }

    /// The files are there, and those that the manifest names have its hashes.
    pub fn check_files(&self, names: &[&str]) {
        for name in names {
            assert!(self.folder.join(name).exists(), "{name} is missing in {:?}", self.folder);
        }
        for file in self.manifest()["files"].as_array().expect("files") {
            let content =
                std::fs::read(self.folder.join(file["name"].as_str().expect("a name"))).expect("file");
            assert_eq!(file["sha256"], format!("{:x}", Sha256::digest(&content)), "{file}");
        }
    }

    /// Revisions in the order in which they came.
    pub fn revisions(&self) -> Vec<u64> {
        let events =
            self.messages.iter().filter(|m| m["type"].as_str().is_some_and(|t| t.contains("violation")));
        events.map(|message| message["data"]["revision"].as_u64().expect("a revision")).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!(
                "log of the receiver:\n{}",
                std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
            );
        }
    }
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries.map(|entry| entry.expect("entry").path()).filter(|path| path.is_dir()).collect()
}
