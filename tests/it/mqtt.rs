//! Publisher and receiver against a real mosquitto.

mod custody;
mod facts;
mod line;
mod offers;
mod recovery;
mod trouble;
pub mod wire;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lintel::base::Shutdown;
use lintel::config::{MqttConfig, OutboxConfig};
use lintel::outbox::{Batch, OutMedia, OutMessage, Outbox};
use lintel::publish::{Delivery, Publisher, PublisherHandle, Subscriber};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::support::mqtt::{DEADLINE, Mosquitto, command, wait_for};

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime")
}

/// A node: an outbox in a folder, and a publisher on it.
pub struct Node {
    pub dir: TempDir,
    pub outbox: Arc<Outbox>,
    pub publisher: Option<PublisherHandle>,
    pub runtime: Runtime,
}

impl Node {
    pub fn new(config: &MqttConfig) -> Self {
        Self::on(TempDir::new().expect("temp dir"), config)
    }

    pub fn on(dir: TempDir, config: &MqttConfig) -> Self {
        let outbox = Arc::new(open(dir.path()));
        let runtime = runtime();
        let publisher = Publisher::spawn(runtime.handle(), config, "node-1", Arc::clone(&outbox));
        Self { dir, outbox, publisher: Some(publisher.expect("settings")), runtime }
    }

    pub fn stats(&self) -> lintel::publish::PublishSnapshot {
        self.publisher.as_ref().expect("running").stats.snapshot()
    }

    pub fn append(&self, messages: Vec<OutMessage>, media: Vec<OutMedia>) {
        self.outbox.append(&Batch { messages, media, state: Vec::new() }).expect("append");
    }

    pub fn drained(&self) -> bool {
        let stats = self.outbox.stats();
        stats.messages == 0 && stats.media == 0
    }

    pub fn stop(&mut self) {
        if let Some(publisher) = self.publisher.take() {
            self.runtime.block_on(publisher.join(Duration::from_secs(20)));
        }
    }

    /// A file of noise in the node's folder, which no broker could compress or guess.
    pub fn media(&self, event: Uuid, kind: &str, file: &str, bytes: usize) -> OutMedia {
        media(self.dir.path(), event, kind, file, bytes)
    }
}

pub fn open(dir: &Path) -> Outbox {
    Outbox::open(dir, &OutboxConfig { max_bytes: 1 << 30 }).expect("outbox")
}

pub fn media(dir: &Path, event: Uuid, kind: &str, file: &str, bytes: usize) -> OutMedia {
    let folder = dir.join("evidence").join(event.to_string());
    std::fs::create_dir_all(&folder).expect("folder");
    let path = folder.join(file);
    let mut seed = u64::from(u8::try_from(kind.len()).expect("short")) + 1;
    let content: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    })
    .take(bytes)
    .collect();
    std::fs::write(&path, &content).expect("write");
    OutMedia {
        event,
        kind: kind.to_owned(),
        path,
        media_type: "application/octet-stream".to_owned(),
        bytes: bytes as u64,
        sha256: format!("{:x}", Sha256::digest(&content)),
    }
}

/// Collects what goes by, as another client of the broker.
pub struct Observer {
    runtime: Runtime,
    messages: mpsc::Receiver<Delivery>,
    shutdown: Shutdown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retained: bool,
}

impl Observer {
    pub fn new(config: MqttConfig, filters: &[&str]) -> Self {
        // Its own retained message shows that the subscription stands.
        let ready = format!("ready/{}", config.client_id);
        let port = config.port.to_string();
        command("mosquitto_pub", &["-h", "127.0.0.1", "-p", &port, "-t", &ready, "-m", "1", "-r"]);
        let filters = std::iter::once(ready.clone()).chain(filters.iter().map(ToString::to_string)).collect();
        let subscriber = Subscriber::new(config, filters, 16 << 20).expect("settings");
        let (sink, messages) = mpsc::channel(32);
        let (runtime, shutdown) = (runtime(), Shutdown::new());
        runtime.spawn(subscriber.run(sink, shutdown.clone()));
        let mut observer = Self { runtime, messages, shutdown };
        assert_eq!(observer.next().topic, ready);
        observer
    }

    #[track_caller]
    pub fn next(&mut self) -> Seen {
        let delivery = self.runtime.block_on(async {
            tokio::time::timeout(DEADLINE, self.messages.recv()).await.expect("a message").expect("connected")
        });
        delivery.done();
        Seen {
            topic: delivery.topic(),
            payload: delivery.payload().to_vec(),
            retained: delivery.is_retained(),
        }
    }

    /// Skips what does not fit.
    #[track_caller]
    pub fn until(&mut self, fits: impl Fn(&Seen) -> bool) -> Seen {
        loop {
            let seen = self.next();
            if fits(&seen) {
                return seen;
            }
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

/// `lintel receive` as a process of its own.
pub struct Receiver {
    pub out: PathBuf,
    pub child: Child,
}

impl Receiver {
    pub fn start(broker: &Mosquitto, out: &Path, more: &[&str]) -> Self {
        Self::at(&broker.url(), out, more)
    }

    pub fn at(url: &str, out: &Path, more: &[&str]) -> Self {
        std::fs::create_dir_all(out).expect("out");
        let append = |name: &str| {
            std::fs::OpenOptions::new().create(true).append(true).open(out.join(name)).expect("log")
        };
        let child = Command::new(env!("CARGO_BIN_EXE_lintel"))
            .args(["receive", "--broker", url, "--out"])
            .arg(out.join("store"))
            .args(more)
            .stdin(Stdio::null())
            .stdout(append("stdout"))
            .stderr(append("stderr"))
            .spawn()
            .expect("lintel receive");
        Self { out: out.to_owned(), child }
    }

    pub fn stdout(&self) -> String {
        std::fs::read_to_string(self.out.join("stdout")).unwrap_or_default()
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.out.join("stderr")).unwrap_or_default()
    }

    #[track_caller]
    pub fn subscribed(&self, times: usize) {
        wait_for("the receiver's subscription", || self.stderr().matches("subscribed").count() >= times);
    }

    /// The folder of an event, once it is there.
    #[track_caller]
    pub fn event_dir(&self, event: Uuid) -> PathBuf {
        let mut found = None;
        wait_for("the event's folder", || {
            found = std::fs::read_dir(self.out.join("store"))
                .into_iter()
                .flatten()
                .filter_map(|day| Some(day.ok()?.path().join(event.to_string())))
                .find(|path| path.exists());
            found.is_some()
        });
        found.expect("waited for")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Is the file here whole?
pub fn same(path: &Path, media: &OutMedia) -> bool {
    std::fs::read(path).is_ok_and(|found| format!("{:x}", Sha256::digest(found)) == media.sha256)
}

/// The CloudEvents ids of an event, in the order in which they were stored.
pub fn stored_ids(dir: &Path) -> Vec<String> {
    std::fs::read_to_string(dir.join("events.jsonl"))
        .unwrap_or_default()
        .lines()
        .map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).expect("whole lines");
            message["id"].as_str().expect("id").to_owned()
        })
        .collect()
}
