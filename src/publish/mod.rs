//! Takes: records of the outbox and retained states. Gives: MQTT 5 messages at QoS 1, and acknowledgements
//! back.
//! When full: the in-flight window is full. Records then stay in the outbox, on the disk.
//! On failure: reconnects with jittered back-off for ever, and sends unacknowledged records again.
//! Not here: what is worth sending (`app`), what is stored (`outbox`).
//!
//! The only room that knows MQTT; `receive` builds on [`Subscriber`].

mod budget;
mod connection;
mod feed;
mod held;
mod in_flight;
mod offer;
mod probe;
mod session;
mod settle;
mod states;
mod stats;
mod subscriber;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use crate::base::{monotonic, wall_now};
use crate::config::MqttConfig;
use crate::outbox::Outbox;
use crate::wire::{self, NodeState, NodeStatus, Topics};
pub use connection::PublishError;
use held::Held;
pub use probe::{BrokerReport, probe};
use session::{Sender, Stop};
pub use states::States;
pub use stats::{PublishSnapshot, PublishStats};
pub use subscriber::{Delivery, Outgoing, Subscriber, SubscriberError};

/// Starts the task that empties an outbox.
#[derive(Debug)]
pub struct Publisher;

/// The running publisher. Dropping it ends the task at once; [`PublisherHandle::join`] flushes first.
#[derive(Debug)]
pub struct PublisherHandle {
    pub stats: Arc<PublishStats>,
    states: Arc<States>,
    stop: watch::Sender<Stop>,
    settings: watch::Sender<MqttConfig>,
    /// The topic and state of this node while it runs.
    online: (String, NodeState),
    task: JoinHandle<()>,
}

impl Publisher {
    /// A broker that is down is no error: the task keeps trying.
    ///
    /// # Errors
    /// Certificates and keys that cannot be used.
    pub fn spawn(
        runtime: &Handle,
        config: &MqttConfig,
        node: &str,
        outbox: Arc<Outbox>,
    ) -> Result<PublisherHandle, PublishError> {
        let topics = Topics::new(&config.topic_prefix, node);
        // Check here, so that a wrong path fails the start instead of being retried for ever.
        Self::check(config)?;
        let states = Arc::new(States::default());
        let online = (topics.node_state(), NodeState::new(node, NodeStatus::Online, wall_now()));
        states.publish(&online.0, &online.1);
        let stats = Arc::new(PublishStats::new(Arc::clone(&outbox)));
        let (stop, stopped) = watch::channel(Stop::No);
        let sender = Sender {
            config: config.clone(),
            node: node.to_owned(),
            topics,
            outbox,
            states: Arc::clone(&states),
            stats: Arc::clone(&stats),
            held: Held::default(),
        };
        let (settings, changed) = watch::channel(config.clone());
        let task = runtime.spawn(sender.run(stopped, changed));
        Ok(PublisherHandle { stats, states, stop, settings, online, task })
    }

    /// Opens the files that the settings name, without a connection.
    ///
    /// # Errors
    /// Certificates and keys that cannot be used.
    pub fn check(config: &MqttConfig) -> Result<(), PublishError> {
        connection::options(config).map(drop)
    }
}

impl PublisherHandle {
    /// Tells whether the task has ended, which it does before [`join`](Self::join) only by a panic.
    pub fn pulse(&self) -> AbortHandle {
        self.task.abort_handle()
    }

    /// The retained states; cheap to share.
    pub fn states(&self) -> Arc<States> {
        Arc::clone(&self.states)
    }

    /// Sets the retained state of a topic. Never blocks.
    pub fn publish_state<T: serde::Serialize>(&self, topic: &str, state: &T) {
        self.states.publish(topic, state);
    }

    /// Reconnects with these settings and sends unacknowledged records again. Client id and topics stay.
    pub fn reconfigure(&self, config: &MqttConfig) {
        self.settings.send_replace(config.clone());
    }

    /// Publishes in the node's retained state which config runs, and the outcome of the last reload.
    pub fn publish_config(&self, config: wire::ConfigState) {
        let (topic, online) = &self.online;
        self.states.publish(topic, &NodeState { config: Some(config), ..online.clone() });
    }

    /// Clears the retained state of a topic. Never blocks.
    pub fn clear_state(&self, topic: &str) {
        self.states.clear(topic);
    }

    /// Sends the records of the outbox for at most `flush`, publishes the node as stopped and disconnects.
    /// Ends sooner if the broker cannot be reached. The rest stays in the outbox.
    pub async fn join(mut self, flush: Duration) {
        let deadline = monotonic() + flush;
        self.stop.send_replace(Stop::Flush(deadline));
        // The task ends by itself at the deadline; the extra second is for a broker that hangs in the last
        // packet.
        let limit = flush + Duration::from_secs(1);
        if tokio::time::timeout(limit, &mut self.task).await.is_err() {
            tracing::warn!("the MQTT connection did not end within {limit:?}: cut; nothing is lost");
            self.task.abort();
        }
    }
}
