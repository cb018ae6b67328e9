//! Receives messages on a persistent session. A message is acknowledged only by [`Delivery::done`].
//!
//! The broker keeps messages while this side is away, and sends unacknowledged ones again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, Incoming};
use tokio::sync::{Notify, mpsc};
use tracing::{info, warn};

use super::connection::{self, PublishError};
use super::offer::Offer;
use super::trouble::{Stage, trouble};
use crate::base::{Backoff, Shutdown};
use crate::config::MqttConfig;

/// How long a broker keeps messages for a receiver that is away.
const SESSION_SECONDS: u32 = 7 * 24 * 3600;
/// Unacknowledged messages at a time. Brokers send more after a reconnection, so nothing here relies on it.
const RECEIVE_MAXIMUM: u16 = 32;
/// Requests between us and the connection; what does not fit waits in [`Outgoing`].
const REQUESTS: usize = 64;
/// Messages that wait to be published. More are dropped: what they confirm is asked for again.
const MOST_PUBLISHED: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub enum SubscriberError {
    #[error(transparent)]
    Settings(#[from] PublishError),
    #[error("the MQTT broker does not allow the subscription to {0}: check its access rules")]
    Refused(String),
    #[error("the storing side has ended")]
    SinkClosed,
}

/// One message. Dropped without [`Delivery::done`], it comes again on the next connection.
#[derive(Debug)]
pub struct Delivery {
    publish: Publish,
    connection: u64,
    outgoing: Arc<Outgoing>,
}

impl Delivery {
    pub fn topic(&self) -> String {
        String::from_utf8_lossy(&self.publish.topic).into_owned()
    }

    pub fn payload(&self) -> &Bytes {
        &self.publish.payload
    }

    /// Where the sender wants the answer (MQTT 5, 3.3.2.3.5).
    pub fn response_topic(&self) -> Option<&str> {
        self.publish.properties.as_ref()?.response_topic.as_deref()
    }

    /// To be sent back with the answer (MQTT 5, 3.3.2.3.6).
    pub fn correlation(&self) -> Option<&Bytes> {
        self.publish.properties.as_ref()?.correlation_data.as_ref()
    }

    /// A user property (MQTT 5, 3.3.2.3.7).
    pub fn property(&self, name: &str) -> Option<&str> {
        let properties = &self.publish.properties.as_ref()?.user_properties;
        properties.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn is_retained(&self) -> bool {
        self.publish.retain
    }

    /// Acknowledges the message: its content is on the disk. If the connection has ended meanwhile, the
    /// message comes again.
    pub fn done(&self) {
        self.outgoing.push(self.connection, Request::Ack(self.publish.clone()));
    }
}

enum Request {
    Ack(Publish),
    Publish { topic: String, payload: Vec<u8> },
}

/// What goes to the broker. A call never blocks and nothing is dropped that was acknowledged: there is at most
/// one entry a message that was handed over.
#[derive(Default)]
pub struct Outgoing {
    inner: Mutex<Requests>,
    changed: Notify,
}

#[derive(Default)]
struct Requests {
    /// The number of the connection. Acknowledgements of an earlier one mean nothing on this.
    connection: u64,
    waiting: VecDeque<Request>,
    published: usize,
    /// The broker takes messages at QoS 0 only.
    unacknowledged: bool,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").field("waiting", &self.inner.lock().waiting.len()).finish()
    }
}

impl Outgoing {
    /// Publishes a message at QoS 1 if the broker has that, not retained. Without a connection it waits for one.
    pub fn publish(&self, topic: String, payload: Vec<u8>) {
        let mut inner = self.inner.lock();
        if inner.published < MOST_PUBLISHED {
            inner.published += 1;
            inner.waiting.push_back(Request::Publish { topic, payload });
            self.changed.notify_one();
        }
    }

    fn push(&self, connection: u64, request: Request) {
        let mut inner = self.inner.lock();
        if inner.connection == connection {
            inner.waiting.push_back(request);
            self.changed.notify_one();
        }
    }

    /// Begins a connection: only messages that are still to be published are carried over.
    fn begin(&self) -> u64 {
        let mut inner = self.inner.lock();
        inner.connection += 1;
        inner.waiting.retain(|request| matches!(request, Request::Publish { .. }));
        inner.connection
    }

    fn pop(&self) -> Option<Request> {
        let mut inner = self.inner.lock();
        let next = inner.waiting.pop_front();
        inner.published -= usize::from(matches!(next, Some(Request::Publish { .. })));
        next
    }

    /// Hands everything that waits to the connection, as it has room.
    async fn drain(&self, client: &AsyncClient) {
        while let Some(request) = self.pop() {
            let qos = if self.inner.lock().unacknowledged { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            let handed = match request {
                Request::Ack(publish) => client.ack(&publish).await,
                Request::Publish { topic, payload } => client.publish(topic, qos, false, payload).await,
            };
            // The connection is gone. What was not acknowledged comes again.
            if handed.is_err() {
                return;
            }
        }
    }
}

/// Subscribes under a stable client id and hands messages over in order.
#[derive(Debug)]
pub struct Subscriber {
    config: MqttConfig,
    filters: Vec<String>,
    max_packet_bytes: u32,
    outgoing: Arc<Outgoing>,
}

impl Subscriber {
    /// `max_packet_bytes`: larger packets are not delivered by the broker (MQTT 5, 3.1.2.11.4).
    ///
    /// # Errors
    /// Certificates and keys that cannot be used.
    pub fn new(
        config: MqttConfig,
        filters: Vec<String>,
        max_packet_bytes: u32,
    ) -> Result<Self, SubscriberError> {
        connection::options(&config)?;
        Ok(Self { config, filters, max_packet_bytes, outgoing: Arc::default() })
    }

    /// For messages to others on the same connection.
    pub fn outgoing(&self) -> Arc<Outgoing> {
        Arc::clone(&self.outgoing)
    }

    /// Passes messages to `sink` until `shutdown`, and reconnects for ever. A full sink stops the reading, so
    /// the broker keeps the rest.
    ///
    /// # Errors
    /// The broker refuses the subscription; waiting would not help.
    pub async fn run(self, sink: mpsc::Sender<Delivery>, shutdown: Shutdown) -> Result<(), SubscriberError> {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        let mut logged: Option<String> = None;
        loop {
            let mut options = connection::options(&self.config)?;
            options.set_clean_start(false);
            options.set_session_expiry_interval(Some(SESSION_SECONDS));
            options.set_receive_maximum(Some(RECEIVE_MAXIMUM));
            options.set_max_packet_size(Some(self.max_packet_bytes));
            options.set_manual_acks(true);
            let (client, mut events) = AsyncClient::new(options, REQUESTS);
            let number = self.outgoing.begin();
            let reason = tokio::select! {
                biased;
                () = shutdown.cancelled() => {
                    self.leave(&client, &mut events).await;
                    return Ok(());
                }
                end = self.connection(&client, &mut events, &sink, number, &mut logged, &mut backoff) => end?,
                // Beside the connection: it must not wait for a place that only the connection can make.
                () = self.hand_over(&client) => continue,
            };
            if logged.as_ref() != Some(&reason) {
                warn!(%reason, "no connection; trying again, the broker keeps what comes meanwhile");
                logged = Some(reason);
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }

    /// Never ends.
    async fn hand_over(&self, client: &AsyncClient) {
        loop {
            self.outgoing.drain(client).await;
            self.outgoing.changed.notified().await;
        }
    }

    /// Returns the reason for the end of the connection.
    async fn connection(
        &self,
        client: &AsyncClient,
        events: &mut EventLoop,
        sink: &mpsc::Sender<Delivery>,
        number: u64,
        logged: &mut Option<String>,
        backoff: &mut Backoff,
    ) -> Result<String, SubscriberError> {
        let mut stage = Stage::Connecting;
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(connack))) => {
                    stage = Stage::Connected;
                    let offer = Offer::ALL.within(&connack);
                    self.outgoing.inner.lock().unacknowledged = !offer.acknowledges;
                    let filters = self.filters.iter().map(|f| Filter::new(f.as_str(), QoS::AtLeastOnce));
                    // The request queue of a new connection is empty.
                    drop(client.try_subscribe_many(filters));
                }
                Ok(Event::Incoming(Incoming::SubAck(ack))) => {
                    for (code, filter) in ack.return_codes.iter().zip(&self.filters) {
                        if !matches!(code, SubscribeReasonCode::Success(_)) {
                            return Err(SubscriberError::Refused(filter.clone()));
                        }
                    }
                    info!(host = %self.config.host, port = self.config.port, "subscribed at the MQTT broker");
                    *logged = None;
                    backoff.reset();
                }
                Ok(Event::Incoming(Incoming::Publish(publish))) => {
                    let (connection, outgoing) = (number, Arc::clone(&self.outgoing));
                    let delivery = Delivery { publish, connection, outgoing };
                    if sink.send(delivery).await.is_err() {
                        return Err(SubscriberError::SinkClosed);
                    }
                }
                Ok(_) => {}
                Err(e) => return Ok(trouble(&self.config, stage, &e)),
            }
        }
    }

    /// Sends the acknowledgements that are still waiting, and a DISCONNECT; the session stays with the
    /// broker.
    async fn leave(&self, client: &AsyncClient, events: &mut EventLoop) {
        let farewell = async {
            self.outgoing.drain(client).await;
            drop(client.disconnect().await);
            std::future::pending::<()>().await;
        };
        let gone = async {
            loop {
                match events.poll().await {
                    Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) | Err(_) => return,
                    Ok(_) => {}
                }
            }
        };
        let both = async {
            tokio::select! {
                () = farewell => {}
                () = gone => {}
            }
        };
        drop(tokio::time::timeout(Duration::from_secs(2), both).await);
    }
}
