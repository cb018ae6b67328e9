//! The platform's side of a bench: takes the node's events off the broker and sees how old they are.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::base::{Shutdown, WallTime, wall_now};
use crate::config::MqttConfig;
use crate::publish::{Delivery, Subscriber};
use crate::receive::MAX_PACKET_BYTES;
use crate::wire::{CloudEvent, EventData, subscriptions};

/// Subscribed until dropped.
pub(super) struct Events {
    _runtime: Runtime,
    shutdown: Shutdown,
    seen: Arc<Mutex<Arrived>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Arrived {
    /// Seconds from the capture of the picture that opened an event to its arrival here.
    pub latencies: Vec<f64>,
    /// Files that came whole: clips, stills, manifests.
    pub files: u64,
}

impl Events {
    /// # Errors
    /// The system gives no thread.
    pub fn listen(port: u16) -> anyhow::Result<Self> {
        let config = MqttConfig {
            host: "127.0.0.1".to_owned(),
            port,
            tls: None,
            // Not that of the node, which is lintel-bench: two clients with one id throw each other out.
            client_id: "lintel-bench-platform".to_owned(),
            username: None,
            password: None,
            topic_prefix: "lintel".to_owned(),
            chunk_bytes: MAX_PACKET_BYTES as usize,
            in_flight: 16,
            keep_alive: Duration::from_secs(30),
        };
        let subscriber = Subscriber::new(config, subscriptions("lintel").to_vec(), MAX_PACKET_BYTES)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (shutdown, seen) = (Shutdown::new(), Arc::new(Mutex::new(Arrived::default())));
        let (sink, messages) = mpsc::channel(32);
        runtime.spawn(subscriber.run(sink, shutdown.clone()));
        runtime.spawn(take(messages, Arc::clone(&seen)));
        Ok(Self { _runtime: runtime, shutdown, seen })
    }

    /// Forgets what was before.
    pub fn begin(&self) {
        *self.seen.lock() = Arrived::default();
    }

    pub fn end(&self) -> Arrived {
        self.seen.lock().clone()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

async fn take(mut messages: mpsc::Receiver<Delivery>, seen: Arc<Mutex<Arrived>>) {
    while let Some(delivery) = messages.recv().await {
        let now = wall_now();
        let topic = delivery.topic();
        let mut seen = seen.lock();
        if topic.ends_with("/event") {
            seen.latencies.extend(age(delivery.payload(), now));
        } else if topic.ends_with("/evidence") {
            seen.files += 1;
        }
        drop(seen);
        delivery.done();
    }
}

/// `None` unless it is an event that opens.
fn age(payload: &[u8], now: WallTime) -> Option<f64> {
    let message: CloudEvent<EventData> = serde_json::from_slice(payload).ok()?;
    let opened = message.kind == "cn.lintel.violation.opened";
    let taken: jiff::Timestamp = message.data.capture.filter(|_| opened)?.time.parse().ok()?;
    Some((now.0 - taken.as_microsecond()) as f64 / 1e6)
}
