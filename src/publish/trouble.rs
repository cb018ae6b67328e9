//! Broken connections put into words, for operators.

use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, StateError};

use super::connection::{CONNECT_SECONDS, place};
use crate::config::MqttConfig;

/// How far a connection had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The broker has not answered yet.
    Connecting,
    Connected,
}

/// Why there is no connection, and what to do. Equal causes give equal words, so that each is logged once.
pub(super) fn trouble(config: &MqttConfig, stage: Stage, error: &ConnectionError) -> String {
    let what = match error {
        ConnectionError::ConnectionRefused(code)
        | ConnectionError::MqttState(StateError::ConnFail { reason: code }) => refused(*code),
        ConnectionError::Timeout(_) => {
            format!("no answer within {CONNECT_SECONDS} s: check host, port and firewall, and that it speaks MQTT 5")
        }
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => match reason_code {
            DisconnectReasonCode::SessionTakenOver => {
                "another client came with the same client id: each node needs its own mqtt.client_id, each receiver its own --client-id"
                    .to_owned()
            }
            DisconnectReasonCode::PacketTooLarge => {
                "it does not take packets as large as ours: raise its limit".to_owned()
            }
            DisconnectReasonCode::ServerShuttingDown => "it is shutting down".to_owned(),
            other => format!("it ended the connection: {other:?}"),
        },
        ConnectionError::MqttState(StateError::OutgoingPacketTooLarge { max, .. }) => {
            format!("it takes packets of {max} bytes at most: raise its limit")
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => {
            "it does not answer pings any more".to_owned()
        }
        other => in_words(config, stage, &chain(other)),
    };
    format!("{}: {what}", place(config))
}

fn refused(code: ConnectReturnCode) -> String {
    match code {
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
            "it refuses the user name or password: check mqtt.username (--username of a receiver) and the password's variable or file"
                .to_owned()
        }
        ConnectReturnCode::UnsupportedProtocolVersion | ConnectReturnCode::RefusedProtocolVersion => {
            "it does not speak MQTT 5".to_owned()
        }
        ConnectReturnCode::ClientIdentifierNotValid | ConnectReturnCode::BadClientId => {
            "it refuses the client id: change mqtt.client_id".to_owned()
        }
        other => format!("it refuses the connection: {other:?}"),
    }
}

/// The libraries' own words are for programmers; these are the cases that operators meet.
fn in_words(config: &MqttConfig, stage: Stage, chain: &str) -> String {
    const CASES: [(&str, &str); 16] = [
        ("UnknownIssuer", "its certificate is not signed by the CA in mqtt.tls.ca_file"),
        // A CA of the same name with another key.
        ("BadSignature", "its certificate is not signed by the CA in mqtt.tls.ca_file"),
        (
            "UnsupportedCertVersion",
            "its certificate is of version 1 (openssl x509 -req without -extfile): give it one of version 3 with its \
             name as subjectAltName",
        ),
        (
            "CaUsedAsEndEntity",
            "its certificate is a CA itself (openssl req -x509): make a CA, sign a server certificate with it, and \
             name the CA in mqtt.tls.ca_file",
        ),
        (
            "NotValidForName",
            "its certificate is not for this host: correct mqtt.url, or give it one with this name as subjectAltName; \
             the common name (CN) does not count",
        ),
        ("Expired", "its certificate has expired, or this box's clock is wrong"),
        ("NotValidYet", "its certificate is not valid yet: check this box's clock"),
        (
            "CertificateRequired",
            "it asks for a client certificate: set mqtt.tls.client_cert_file and client_key_file",
        ),
        ("UnknownCA", "it does not know the CA of our client certificate"),
        ("CertificateExpired", "our client certificate has expired"),
        ("BadCertificate", "it does not accept our client certificate"),
        ("HandshakeFailure", "the TLS handshake failed: it may ask for a client certificate"),
        (
            "InvalidContentType",
            "it does not speak TLS on this port: check the port and mqtt:// or mqtts:// in mqtt.url",
        ),
        ("onnection refused", "nothing listens there: is the broker running?"),
        ("ailed to lookup address", "its name cannot be resolved: check mqtt.url and DNS"),
        ("onnection reset", "it cut the connection"),
    ];
    let own_ca = config.tls.as_ref().is_some_and(|tls| tls.ca_file.is_some());
    if !own_ca && chain.contains("UnknownIssuer") {
        return "its certificate is not signed by a CA that this system knows: name its CA in mqtt.tls.ca_file".to_owned();
    }
    if let Some((_, words)) = CASES.iter().find(|(mark, _)| chain.contains(mark)) {
        return (*words).to_owned();
    }
    if ["ConnectionAborted", "closed by peer", "UnexpectedEof", "eof"].iter().any(|mark| chain.contains(mark))
    {
        return match stage {
            Stage::Connected => "it closed the connection".to_owned(),
            Stage::Connecting => {
                "it closed the connection before it answered: is it a broker for MQTT 5, and the port \
                                  the right one?"
                    .to_owned()
            }
        };
    }
    chain.to_owned()
}

fn chain(error: &ConnectionError) -> String {
    let mut text = format!("{error:?} {error}");
    let mut source = std::error::Error::source(error);
    while let Some(next) = source {
        text = format!("{text}: {next}");
        source = next.source();
    }
    text
}
