//! The platform's side: receives the node's events from the broker and measures their age.

use std::sync::Arc;
use std::time::Duration;

use lintel::base::{Shutdown, WallTime, wall_now};
use lintel::config::{Confirm, MediaSending, MqttConfig};
use lintel::publish::{Delivery, Subscriber};
use lintel::receive::MAX_PACKET_BYTES;
use lintel::wire::subscriptions;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const OPENED: &str = "cn.lintel.violation.opened";

/// Subscribed until dropped.
pub(crate) struct Events {
    _runtime: Runtime,
    shutdown: Shutdown,
    received: Arc<Mutex<Received>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// For each opened event, seconds from the capture of its picture to its arrival here.
    pub latencies_s: Vec<f64>,
    /// Complete files: clips, stills, manifests.
    pub files: u64,
}

impl Events {
    /// # Errors
    /// The system gives no thread.
    pub fn subscribe(port: u16) -> anyhow::Result<Self> {
        let config = MqttConfig {
            host: "127.0.0.1".to_owned(),
            port,
            tls: None,
            // Not the node's own, lintel-bench: of two clients with one id the broker drops the first.
            client_id: "lintel-bench-platform".to_owned(),
            username: None,
            password: None,
            topic_prefix: "lintel".to_owned(),
            chunk_bytes: MAX_PACKET_BYTES as usize,
            in_flight: 16,
            keep_alive: Duration::from_secs(30),
            confirm: Confirm::Broker,
            media: MediaSending::All,
            limits: Vec::new(),
        };
        let subscriber = Subscriber::new(config, subscriptions("lintel").to_vec(), MAX_PACKET_BYTES)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (shutdown, received) = (Shutdown::new(), Arc::new(Mutex::new(Received::default())));
        let (sink, messages) = mpsc::channel(32);
        runtime.spawn(subscriber.run(sink, shutdown.clone()));
        runtime.spawn(collect(messages, Arc::clone(&received)));
        Ok(Self { _runtime: runtime, shutdown, received })
    }

    /// Starts a new count.
    pub fn reset(&self) {
        *self.received.lock() = Received::default();
    }

    /// Everything since the last [`reset`](Self::reset).
    pub fn received(&self) -> Received {
        self.received.lock().clone()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

async fn collect(mut messages: mpsc::Receiver<Delivery>, received: Arc<Mutex<Received>>) {
    while let Some(delivery) = messages.recv().await {
        let now = wall_now();
        let topic = delivery.topic();
        let mut received = received.lock();
        if topic.ends_with("/event") {
            received.latencies_s.extend(latency_s(delivery.payload(), now));
        } else if topic.ends_with("/evidence") {
            received.files += 1;
        }
        drop(received);
        delivery.done();
    }
}

/// The part of an event's message that is needed here.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    capture: Option<Capture>,
}

#[derive(Deserialize)]
struct Capture {
    time: jiff::Timestamp,
}

/// `None` unless the message opens an event.
fn latency_s(payload: &[u8], now: WallTime) -> Option<f64> {
    let message: Message = serde_json::from_slice(payload).ok()?;
    let captured = message.data.capture.filter(|_| message.kind == OPENED)?.time;
    Some((now.0 - captured.as_microsecond()) as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_opening_of_an_event_has_a_latency() {
        let message = |kind: &str, time: &str| {
            format!(r#"{{"type":"{kind}","data":{{"capture":{{"time":"{time}","source":"rtcp"}}}}}}"#)
        };
        let now = WallTime(3_500_000);
        let latency = |text: String| latency_s(text.as_bytes(), now);
        assert_eq!(latency(message(OPENED, "1970-01-01T00:00:01Z")), Some(2.5));
        assert_eq!(latency(message("cn.lintel.violation.closed", "1970-01-01T00:00:01Z")), None);
        assert_eq!(latency(message(OPENED, "yesterday")), None);
        assert_eq!(latency(format!(r#"{{"type":"{OPENED}","data":{{}}}}"#)), None);
    }
}
