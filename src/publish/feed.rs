//! What is sent, and when: states first, then messages, then pieces of files, as far as the window, the line's
//! budget and the broker's largest packet allow.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use tokio::sync::watch;
use tracing::error;

use super::budget::{Budget, May};
use super::in_flight::{Item, Room};
use super::session::{OUTBOX_PAUSE, Sender, Session, Stop, blocking};
use crate::base::{error_chain, monotonic, wall_now};
use crate::outbox::{Next, OutboxError};
use crate::wire::{self, NodeState, NodeStatus};

/// Around topic, payload and correlation data: headers and properties.
const PACKET_OVERHEAD: usize = 128;
/// Around the bytes of a file: its header, topic and the rest.
const PIECE_OVERHEAD: usize = 2048;

/// What may go now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    States,
    Messages,
    All,
}

impl Sender {
    /// Sends until the connection ends, or disconnects when the stop is due.
    pub(super) async fn feed(&self, session: &Session, mut stop: watch::Receiver<Stop>) {
        let mut outbox_failed = false;
        let mut budget = Budget::new(&self.config.limits, monotonic());
        loop {
            let asked = *stop.borrow_and_update();
            let deadline = match asked {
                // The handle was dropped.
                Stop::No if stop.has_changed().is_err() => Some(monotonic()),
                Stop::No => None,
                Stop::Flush(deadline) => Some(deadline),
            };
            if session.over.is_cancelled() {
                return;
            }
            if deadline.is_some_and(|d| monotonic() >= d) {
                return self.leave(session, deadline).await;
            }
            let room = session.in_flight.room();
            let may = budget.may(monotonic(), wall_now);
            let what = match may {
                May::Nothing(_) => What::States,
                May::All if room == Room::All && !self.held.holds_files() => What::All,
                May::All | May::Messages(_) => What::Messages,
            };
            let idle = match room {
                Room::None => true,
                Room::MessagesOnly | Room::All => match self.feed_one(session, what).await {
                    Ok(sent) => {
                        outbox_failed = false;
                        budget.sent(sent.unwrap_or(0));
                        sent.is_none()
                    }
                    Err(e) => {
                        if !std::mem::replace(&mut outbox_failed, true) {
                            error!(error = %error_chain(&e), "cannot read the outbox; trying again");
                        }
                        tokio::time::sleep(OUTBOX_PAUSE).await;
                        false
                    }
                },
            };
            if idle {
                // The broker has not answered yet, but the connection may still come up in time.
                if deadline.is_some() && session.in_flight.is_open() && session.in_flight.is_empty() {
                    return self.leave(session, deadline).await;
                }
                let wait = match may {
                    May::All => Duration::from_secs(3600),
                    May::Messages(wait) | May::Nothing(wait) => wait,
                };
                let until = monotonic() + wait;
                let until = deadline.map_or(until, |deadline| deadline.min(until));
                tokio::select! {
                    () = session.over.cancelled() => {}
                    () = session.in_flight.changed() => {}
                    () = self.outbox.changed(), if room != Room::None => {}
                    () = self.states.changed(), if room != Room::None => {}
                    _ = stop.changed() => {}
                    () = tokio::time::sleep_until(until.into()) => {}
                }
            }
        }
    }

    /// Sends one thing. Returns its size in bytes; `None` if there was nothing.
    async fn feed_one(&self, session: &Session, what: What) -> Result<Option<usize>, OutboxError> {
        let largest = session.max_packet.load(Ordering::Relaxed);
        if let Some((topic, payload)) = self.states.next() {
            if self.fits(largest, topic.len() + payload.len()) {
                self.send(session, Item::State, topic, payload.into(), json(), true).await;
            }
            return Ok(Some(0));
        }
        if what == What::States {
            return Ok(None);
        }
        let outbox = Arc::clone(&self.outbox);
        let chunk_bytes = self.config.chunk_bytes.min(largest.saturating_sub(PIECE_OVERHEAD));
        let next = blocking(move || outbox.next(what == What::All, chunk_bytes)).await?;
        let (id, topic, payload, content_type, reply_to) = match next {
            None => return Ok(None),
            Some(Next::Message { id, message }) => {
                (id, message.topic, Bytes::from(message.payload), message.content_type, message.reply_to)
            }
            Some(Next::Chunk { id, chunk }) => {
                let topic = self.topics.media(chunk.event, &chunk.kind, chunk.index);
                (id, topic, wire::encode_chunk(&chunk), wire::MEDIA_CHUNK.to_owned(), None)
            }
            Some(Next::Lost(lost)) => {
                error!(event = %lost.event, kind = lost.kind, reason = lost.reason, "evidence lost before it was sent");
                let message = wire::lost_message(&self.topics, &self.node, wall_now(), &lost);
                let outbox = Arc::clone(&self.outbox);
                blocking(move || outbox.give_up(&lost, &message)).await?;
                return Ok(Some(0));
            }
        };
        if !rumqttc::valid_topic(&topic) {
            error!(topic, "dropped a record with a topic that MQTT forbids: the outbox was damaged");
            let outbox = Arc::clone(&self.outbox);
            blocking(move || outbox.ack(&[id])).await?;
            return Ok(Some(0));
        }
        // It stays in the outbox, and is not handed out again on this connection.
        if self.held.holds(id) {
            return Ok(Some(0));
        }
        let bytes = topic.len() + payload.len() + reply_to.as_ref().map_or(0, Vec::len);
        // This one stays there as well.
        if !self.fits(largest, bytes) {
            return Ok(Some(0));
        }
        self.stats.sent.fetch_add(1, Ordering::Relaxed);
        if session.unknown.lock().remove(&id) {
            self.stats.resent.fetch_add(1, Ordering::Relaxed);
        }
        let item = if reply_to.is_some() { Item::Reply(id) } else { Item::Record(id) };
        let properties = PublishProperties {
            content_type: Some(content_type),
            correlation_data: reply_to.filter(|data| !data.is_empty()).map(Bytes::from),
            ..PublishProperties::default()
        };
        self.send(session, item, topic, payload, properties, false).await;
        Ok(Some(bytes))
    }

    /// Whether the broker takes so many bytes; if not, it is said once.
    fn fits(&self, largest: usize, bytes: usize) -> bool {
        let fits = bytes + PACKET_OVERHEAD <= largest;
        if !fits && !self.stats.too_large.swap(true, Ordering::Relaxed) {
            error!(
                bytes,
                largest,
                "a message is larger than the MQTT broker takes: it stays here, the others go on. Raise the broker's \
                 limit (mosquitto: max_packet_size)"
            );
        }
        fits
    }

    async fn send(
        &self,
        session: &Session,
        item: Item,
        topic: String,
        payload: Bytes,
        properties: PublishProperties,
        retain: bool,
    ) {
        session.in_flight.hand_over(item);
        let offer = *session.offer.lock();
        let retain = retain && offer.retain;
        let publish = session.client.publish_with_properties(topic, offer.qos(), retain, payload, properties);
        tokio::select! {
            result = publish => {
                // Topics are made of checked names, and the event loop lives as long as the session.
                if let Err(e) = result {
                    error!(error = %e, "rumqttc did not accept a message; reconnecting");
                    session.over.cancel();
                }
            }
            () = session.over.cancelled() => {}
        }
    }

    /// Publishes that the node was stopped and disconnects, if there is a connection and time.
    async fn leave(&self, session: &Session, deadline: Option<Instant>) {
        let limit = deadline.map_or(Duration::ZERO, |d| d.saturating_duration_since(monotonic()));
        let farewell = async {
            if !session.in_flight.is_open() {
                return;
            }
            let state = NodeState::new(&self.node, NodeStatus::Stopped, wall_now());
            let payload = serde_json::to_vec(&state).expect("string keys only");
            self.send(session, Item::State, self.topics.node_state(), payload.into(), json(), true).await;
            while !session.in_flight.is_empty() && !session.over.is_cancelled() {
                tokio::select! {
                    () = session.in_flight.changed() => {}
                    () = session.over.cancelled() => {}
                }
            }
            drop(session.client.disconnect().await);
            session.over.cancelled().await;
        };
        // A little longer than the deadline, so that a busy connection can still disconnect in order.
        drop(tokio::time::timeout(limit.max(Duration::from_millis(500)), farewell).await);
        session.over.cancel();
    }
}

fn json() -> PublishProperties {
    PublishProperties { content_type: Some(wire::JSON.to_owned()), ..PublishProperties::default() }
}
