//! What a broker offers less than MQTT 5 has, and how the publisher goes on without it.

use rumqttc::v5::ConnectionError;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, ConnectReturnCode};

use crate::config::{Confirm, MqttConfig};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// It keeps retained messages (MQTT 5, 3.2.2.3.5).
    pub retain: bool,
    /// It acknowledges messages, QoS 1 (MQTT 5, 3.2.2.3.4).
    pub acknowledges: bool,
}

impl Offer {
    pub const ALL: Self = Self { retain: true, acknowledges: true };

    pub fn qos(self) -> QoS {
        if self.acknowledges { QoS::AtLeastOnce } else { QoS::AtMostOnce }
    }

    /// What is left after the broker has refused a connection for what its last will asked. `None`: it refused
    /// it for something else.
    pub fn after(self, error: &ConnectionError) -> Option<Self> {
        let ConnectionError::ConnectionRefused(code) = error else { return None };
        let left = match code {
            ConnectReturnCode::RetainNotSupported => Self { retain: false, ..self },
            ConnectReturnCode::QoSNotSupported => Self { acknowledges: false, ..self },
            _ => return None,
        };
        (left != self).then_some(left)
    }

    pub fn within(self, connack: &ConnAck) -> Self {
        let properties = connack.properties.as_ref();
        let retain = properties.and_then(|p| p.retain_available) != Some(0);
        let acknowledges = properties.and_then(|p| p.max_qos) != Some(0);
        Self { retain: self.retain && retain, acknowledges: self.acknowledges && acknowledges }
    }

    /// What follows from what is missing, for operators.
    pub fn consequences(self) -> Vec<String> {
        let mut all = Vec::new();
        if !self.retain {
            all.push(
                "the broker keeps no retained messages: who subscribes later does not see the states of nodes and \
                 cameras"
                    .to_owned(),
            );
        }
        if !self.acknowledges {
            all.push(
                "the broker acknowledges nothing (QoS 0 at most): a record counts as sent when a platform confirms it"
                    .to_owned(),
            );
        }
        all
    }

    /// Why nothing can be sent: neither the broker nor a platform would say what has arrived.
    pub fn not_enough(self, config: &MqttConfig) -> Option<String> {
        (!self.acknowledges && config.confirm == Confirm::Broker).then(|| {
            "the broker acknowledges nothing (QoS 0 at most), and mqtt.confirm = \"broker\" counts on it: take a broker \
             with QoS 1, or mqtt.confirm = \"platform\""
                .to_owned()
        })
    }
}
