//! A test connection, with all that the publisher will ask of the broker.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::SubscribeReasonCode;
use rumqttc::v5::{AsyncClient, Event, Incoming};

use super::connection::{self, PublishError, options, place};
use super::offer::Offer;
use super::trouble::{Stage, trouble};
use crate::config::{Confirm, MqttConfig};
use crate::wire::Topics;

/// Messages of events and manifests may be larger than this.
const SMALL_PACKETS: u32 = 64 << 10;

/// What a broker said to a test connection.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BrokerReport {
    pub tls: bool,
    /// The largest packet that it accepts, in bytes; `None`: it states no limit.
    pub max_packet_bytes: Option<u32>,
    /// How many unacknowledged messages it accepts; `None`: 65535.
    pub receive_maximum: Option<u16>,
    pub retain_available: bool,
    /// It acknowledges messages (QoS 1).
    pub acknowledges: bool,
    /// What to change in the config or at the broker, if anything.
    pub advice: Vec<String>,
}

/// Connects as the publisher of `node` does, under a separate client id, with its last will and its
/// subscription, and disconnects. Publishes nothing.
///
/// # Errors
/// The settings are wrong or the broker cannot be used; the error names the next step.
pub async fn probe(config: &MqttConfig, node: &str, timeout: Duration) -> Result<BrokerReport, PublishError> {
    let config = MqttConfig { client_id: format!("{}-probe", config.client_id), ..config.clone() };
    let found = tokio::time::timeout(timeout, ask(&config, node)).await;
    found.map_err(|_| PublishError::Broker(format!("{}: no answer within {timeout:?}", place(&config))))?
}

async fn ask(config: &MqttConfig, node: &str) -> Result<BrokerReport, PublishError> {
    let topics = Topics::new(&config.topic_prefix, node);
    let mut offer = Offer::ALL;
    let (mut max_packet_bytes, mut receive_maximum, mut denied) = (None, None, false);
    'connection: loop {
        let mut wanted = options(config)?;
        wanted.set_last_will(connection::last_will(&topics, node, offer));
        let (client, mut events) = AsyncClient::new(wanted, 1);
        let mut stage = Stage::Connecting;
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(connack))) => {
                    stage = Stage::Connected;
                    offer = offer.within(&connack);
                    let properties = connack.properties.as_ref();
                    max_packet_bytes = properties.and_then(|p| p.max_packet_size);
                    receive_maximum = properties.and_then(|p| p.receive_max);
                    // The queue is empty, so both fit.
                    drop(match config.confirm {
                        Confirm::Platform => client.try_subscribe(topics.confirm(), QoS::AtLeastOnce),
                        Confirm::Broker => client.try_disconnect(),
                    });
                }
                Ok(Event::Incoming(Incoming::SubAck(ack))) => {
                    denied = ack.return_codes.iter().any(|c| !matches!(c, SubscribeReasonCode::Success(_)));
                    drop(client.try_disconnect());
                }
                Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => break 'connection,
                Ok(_) => {}
                Err(error) => match offer.after(&error) {
                    Some(left) => {
                        offer = left;
                        continue 'connection;
                    }
                    None => return Err(PublishError::Broker(trouble(config, stage, &error))),
                },
            }
        }
    }
    if let Some(reason) = offer.not_enough(config) {
        return Err(PublishError::Broker(format!("{}: {reason}", place(config))));
    }
    let mut advice = offer.consequences();
    if let Some(limit) = max_packet_bytes
        && limit < SMALL_PACKETS
    {
        advice.push(format!(
            "the broker takes packets of {limit} bytes at most: files go in smaller pieces, and a larger message stays \
             on the node; raise the limit to {SMALL_PACKETS}"
        ));
    }
    if denied {
        advice.push(format!(
            "the broker does not let this node read {}, where platforms confirm: allow it, or set mqtt.confirm = \
             \"broker\"",
            topics.confirm()
        ));
    }
    let (retain_available, acknowledges) = (offer.retain, offer.acknowledges);
    Ok(BrokerReport {
        tls: config.tls.is_some(),
        max_packet_bytes,
        receive_maximum,
        retain_available,
        acknowledges,
        advice,
    })
}
