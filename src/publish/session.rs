//! The publisher's task: one connection after another, and within each three futures side by side.
//!
//! - `pump` alone polls rumqttc's event loop and matches acknowledgements;
//! - `feed` (its own file) sends from the outbox and the states while the window has room;
//! - `settle` (its own file) writes what was answered to the outbox, all that has come in one transaction.
//!
//! One token ends all three, and they are joined, never cancelled half-way: every record that was read is
//! either in the table of messages in flight or released. A new connection gets a new event loop, because the
//! outbox keeps unacknowledged records; the old event loop would send them a second time.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, PubAck, PubAckReason};
use rumqttc::v5::{AsyncClient, Event, EventLoop, Incoming};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::connection;
use super::held::Held;
use super::in_flight::{InFlight, Item};
use super::offer::Offer;
use super::states::States;
use super::stats::PublishStats;
use super::trouble::{Stage, trouble};
use crate::base::{Backoff, error_chain, monotonic};
use crate::config::{Confirm, MqttConfig};
use crate::outbox::{Confirmed, Outbox, RecordId};
use crate::wire::Topics;

const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Pause before a retry after the outbox itself failed.
pub(super) const OUTBOX_PAUSE: Duration = Duration::from_secs(1);
/// How long the broker keeps confirmations for a node that is away.
const SESSION_SECONDS: u32 = 7 * 24 * 3600;

/// So many connections in a row that ended so soon look like two clients that throw each other out.
const TAKEN_OVER: u32 = 3;
const SHORT_LIVED: Duration = Duration::from_secs(20);

/// The packet id of a message at QoS 0.
const UNACKNOWLEDGED: u16 = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    No,
    /// Send what is left, at most until this time.
    Flush(Instant),
}

pub(super) struct Sender {
    pub config: MqttConfig,
    pub node: String,
    pub topics: Topics,
    pub outbox: Arc<Outbox>,
    pub states: Arc<States>,
    pub stats: Arc<PublishStats>,
    pub held: Held,
}

enum End {
    /// The broker refused the connection for something that can be done without.
    Less(Offer),
    Stopped,
    /// The settings have changed.
    Changed,
    /// What the broker refused some time ago is offered again.
    Again,
    Broken(String),
}

/// State that the three futures of a connection share.
pub(super) struct Session {
    pub client: AsyncClient,
    pub in_flight: InFlight,
    pub over: CancellationToken,
    pub finished: Mutex<Vec<Finished>>,
    pub confirmed: Mutex<Vec<Confirmed>>,
    pub finished_changed: Notify,
    /// The largest packet that the broker takes, in bytes.
    pub max_packet: AtomicUsize,
    pub offer: Mutex<Offer>,
    /// Sent on an earlier connection and not acknowledged there.
    pub unknown: Mutex<HashSet<RecordId>>,
}

/// A record that the broker has answered.
#[derive(Clone, Copy)]
pub(super) struct Finished {
    pub id: RecordId,
    pub answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The broker has it.
    Accepted,
    /// It has it, and hands it on to nobody.
    Nobody,
    /// An answer to a command, which no platform confirms.
    Replied,
    /// The broker refused it for good.
    Refused,
}

impl Session {
    /// A message was written. What the broker does not acknowledge is done with here.
    fn written(&self, packet: u16) {
        self.in_flight.number(packet);
        if packet != UNACKNOWLEDGED {
            return;
        }
        match self.in_flight.acknowledge(packet) {
            Some(Item::Record(id)) => self.finish(id, Answer::Accepted),
            Some(Item::Reply(id)) => self.finish(id, Answer::Replied),
            Some(Item::State) | None => {}
        }
    }

    fn finish(&self, id: RecordId, answer: Answer) {
        self.finished.lock().push(Finished { id, answer });
        self.finished_changed.notify_one();
    }
}

impl Sender {
    pub async fn run(mut self, mut stop: watch::Receiver<Stop>, mut settings: watch::Receiver<MqttConfig>) {
        let mut backoff = Backoff::new(BACKOFF_FIRST, BACKOFF_MAX);
        let mut logged: Option<String> = None;
        let mut unknown = HashSet::new();
        let mut cut_short = 0;
        let mut offer = Offer::ALL;
        loop {
            if self.held.until().is_some_and(|until| monotonic() >= until) {
                self.held.forget();
            }
            let wanted = settings.borrow_and_update().clone();
            if (&wanted.host, wanted.port) != (&self.config.host, self.config.port) {
                offer = Offer::ALL;
                self.held.forget();
            }
            self.config = wanted;
            self.trust_broker().await;
            let acked_before = self.stats.acked.load(Ordering::Relaxed);
            let (began, made) = (monotonic(), self.stats.connections.load(Ordering::Relaxed));
            let end = self.connection(offer, &mut unknown, stop.clone(), &mut settings, &mut logged).await;
            self.stats.connected.store(false, Ordering::Relaxed);
            self.outbox.release();
            self.states.release();
            let reason = match end {
                End::Stopped => return,
                End::Less(left) => {
                    offer = left;
                    match offer.not_enough(&self.config) {
                        None => continue,
                        Some(reason) => reason,
                    }
                }
                End::Again => continue,
                End::Changed => {
                    info!("the MQTT settings have changed: reconnecting");
                    continue;
                }
                End::Broken(reason) => reason,
            };
            if self.stats.connections.load(Ordering::Relaxed) > made {
                cut_short = if began.elapsed() < SHORT_LIVED { cut_short + 1 } else { 0 };
            }
            let reason = if cut_short >= TAKEN_OVER {
                let id = &self.config.client_id;
                format!(
                    "{reason}, again and again soon after it was made: does another client use mqtt.client_id {id:?}?"
                )
            } else {
                reason
            };
            if *stop.borrow() != Stop::No {
                info!(%reason, "stopped without a connection; what is left stays in the outbox");
                return;
            }
            // Only an acknowledged record resets the back-off: a broker may accept a connection and refuse it
            // later.
            if self.stats.acked.load(Ordering::Relaxed) > acked_before {
                backoff.reset();
            }
            if logged.as_ref() != Some(&reason) {
                warn!(%reason, "no connection; trying again, events wait in the outbox");
            }
            *self.stats.reason.lock() = Some(reason.clone());
            logged = Some(reason);
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                Ok(()) = settings.changed() => {}
                _ = stop.changed() => return,
            }
        }
    }

    /// Runs one connection from its first packet to its last.
    async fn connection(
        &self,
        offer: Offer,
        unknown: &mut HashSet<RecordId>,
        stop: watch::Receiver<Stop>,
        settings: &mut watch::Receiver<MqttConfig>,
        logged: &mut Option<String>,
    ) -> End {
        let mut options = match connection::options(&self.config) {
            Ok(options) => options,
            // The files were readable at the start; a certificate may be being replaced.
            Err(e) => return End::Broken(error_chain(&e)),
        };
        options.set_last_will(connection::last_will(&self.topics, &self.node, offer));
        // The session holds nothing but the subscription to confirmations, and those that come meanwhile.
        options.set_clean_start(self.config.confirm == Confirm::Broker);
        options.set_session_expiry_interval(
            (self.config.confirm == Confirm::Platform).then_some(SESSION_SECONDS),
        );
        let (client, mut events) = AsyncClient::new(options, 1);
        let session = Session {
            client,
            in_flight: InFlight::default(),
            over: CancellationToken::new(),
            finished: Mutex::default(),
            confirmed: Mutex::default(),
            finished_changed: Notify::new(),
            max_packet: AtomicUsize::new(usize::MAX),
            offer: Mutex::new(offer),
            unknown: Mutex::new(std::mem::take(unknown)),
        };
        let pump = async {
            let end = self.pump(&session, &mut events, settings, logged).await;
            session.over.cancel();
            end
        };
        let (end, (), ()) = tokio::join!(pump, self.feed(&session, stop), self.settle(&session));
        *unknown = session.unknown.into_inner();
        unknown.extend(session.in_flight.unknown());
        end
    }

    /// Why the connection is to be made anew, when there is a reason.
    async fn asked_to_leave(&self, settings: &mut watch::Receiver<MqttConfig>) -> End {
        let again = async {
            match self.held.until() {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Ok(()) = settings.changed() => End::Changed,
            () = again => End::Again,
        }
    }

    async fn pump(
        &self,
        session: &Session,
        events: &mut EventLoop,
        settings: &mut watch::Receiver<MqttConfig>,
        logged: &mut Option<String>,
    ) -> End {
        let mut leaving = None;
        loop {
            let event = tokio::select! {
                event = events.poll() => event,
                why = self.asked_to_leave(settings), if leaving.is_none() => {
                    // Disconnect in order, so that the broker does not publish the last will.
                    if session.client.try_disconnect().is_err() {
                        return why;
                    }
                    leaving = Some(why);
                    continue;
                }
                () = session.over.cancelled() => return End::Stopped,
            };
            match event {
                Ok(Event::Incoming(Incoming::ConnAck(connack))) => {
                    let offer = session.offer.lock().within(&connack);
                    if let Some(reason) = offer.not_enough(&self.config) {
                        return End::Broken(reason);
                    }
                    *session.offer.lock() = offer;
                    self.connected(session, &connack, offer, logged);
                }
                Ok(Event::Outgoing(Outgoing::Publish(packet))) => session.written(packet),
                Ok(Event::Incoming(Incoming::PubAck(ack))) => self.acknowledged(session, &ack),
                Ok(Event::Incoming(Incoming::Publish(publish))) => self.confirmed(session, &publish),
                Ok(Event::Incoming(Incoming::SubAck(ack))) => self.subscribed(&ack),
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return leaving.unwrap_or(End::Stopped),
                Ok(_) => {}
                Err(e) => {
                    // Acknowledgements that were read together with the error still count.
                    for event in events.state.events.drain(..) {
                        match event {
                            Event::Outgoing(Outgoing::Publish(packet)) => session.written(packet),
                            Event::Incoming(Incoming::PubAck(ack)) => self.acknowledged(session, &ack),
                            _ => {}
                        }
                    }
                    if let Some(left) = session.offer.lock().after(&e) {
                        return End::Less(left);
                    }
                    let connected = self.stats.connected.load(Ordering::Relaxed);
                    let stage = if connected { Stage::Connected } else { Stage::Connecting };
                    return End::Broken(trouble(&self.config, stage, &e));
                }
            }
        }
    }

    fn connected(&self, session: &Session, connack: &ConnAck, offer: Offer, logged: &mut Option<String>) {
        let properties = connack.properties.as_ref();
        let allowed = properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX);
        let largest = properties.and_then(|p| p.max_packet_size).unwrap_or(u32::MAX);
        session.max_packet.store(largest as usize, Ordering::Relaxed);
        if (largest as usize) < connection::packet_bytes(&self.config) {
            info!(
                largest,
                "the MQTT broker takes packets of so many bytes at most: files go in smaller pieces"
            );
        }
        self.stats.connected.store(true, Ordering::Relaxed);
        self.stats.connections.fetch_add(1, Ordering::Relaxed);
        *self.stats.reason.lock() = None;
        *logged = None;
        info!(
            host = %self.config.host,
            port = self.config.port,
            tls = self.config.tls.is_some(),
            "connected to the MQTT broker"
        );
        offer.consequences().iter().for_each(|consequence| warn!("{consequence}"));
        if self.config.confirm == Confirm::Platform {
            // Nothing else is sent before the window opens, so there is room for the request.
            drop(session.client.try_subscribe(self.topics.confirm(), QoS::AtLeastOnce));
        }
        session.in_flight.open(usize::from(self.config.in_flight.min(allowed)));
    }

    fn acknowledged(&self, session: &Session, ack: &PubAck) {
        use PubAckReason::{NoMatchingSubscribers, Success};
        match (ack.reason, session.in_flight.acknowledge(ack.pkid)) {
            (Success, Some(Item::Record(id))) => session.finish(id, Answer::Accepted),
            (NoMatchingSubscribers, Some(Item::Record(id))) => session.finish(id, Answer::Nobody),
            // Whoever sent the command may have left.
            (Success | NoMatchingSubscribers, Some(Item::Reply(id))) => session.finish(id, Answer::Replied),
            (Success | NoMatchingSubscribers, Some(Item::State) | None) => {}
            // Drop it: it would be refused on every connection and block everything behind it.
            (reason, Some(Item::Reply(id))) => {
                self.stats.refused.fetch_add(1, Ordering::Relaxed);
                error!(
                    ?reason,
                    "the MQTT broker refuses the topic that a command named for its answer: the answer is dropped"
                );
                session.finish(id, Answer::Refused);
            }
            (reason, item) => self.refused(session, reason, item),
        }
    }

    /// A record that is refused stays in the outbox for a while. The others go on.
    fn refused(&self, session: &Session, reason: PubAckReason, item: Option<Item>) {
        if let Some(Item::Record(id)) = item {
            session.unknown.lock().insert(id);
            self.held.hold(id, monotonic());
        }
        self.stats.refused.fetch_add(1, Ordering::Relaxed);
        let what = if let Some(Item::Record(RecordId::Chunk { .. })) = item { "files" } else { "messages" };
        let reason = match reason {
            PubAckReason::NotAuthorized => format!(
                "the MQTT broker does not allow this client to publish {what} under {}/: check its access rules",
                self.config.topic_prefix
            ),
            PubAckReason::QuotaExceeded => "the MQTT broker is over its quota: free space there".to_owned(),
            other => format!("the MQTT broker refuses {what}: {other:?}"),
        };
        if self.stats.refusals.lock().insert(reason.clone()) {
            error!("{reason}. They wait here, and are tried again every ten minutes; the others go on");
        }
        *self.stats.reason.lock() = Some(reason);
    }
}

/// SQLite and files block for milliseconds, so they stay off the runtime's own threads.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        // The runtime is shutting down and drops this task next.
        Err(e) if e.is_cancelled() => std::future::pending().await,
        Err(e) => std::panic::resume_unwind(e.into_panic()),
    }
}
