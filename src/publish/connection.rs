//! Options of a connection, TLS, and broken connections put into words. Both sides of the wire use it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::tokio_rustls::rustls::{self, crypto, pki_types};
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, Event, EventLoop, Incoming, MqttOptions, StateError};
use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject;

use crate::base::decode_text;
use crate::config::{MqttConfig, TlsConfig};

/// Added to the payload for topic, properties and headers.
const PACKET_OVERHEAD: usize = 16 << 10;
/// Messages of events and manifests may be larger than this.
const SMALL_PACKETS: u32 = 64 << 10;
const CONNECT_SECONDS: u64 = 10;

/// A setting that no connection can be made with.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("mqtt.tls.{key}: cannot read {}: check the path and who may read it", path.display())]
    File { key: &'static str, path: PathBuf, source: io::Error },
    #[error("mqtt.tls.{key}: {} holds no {what} in PEM form: {reason}", path.display())]
    Pem { key: &'static str, path: PathBuf, what: &'static str, reason: String },
    #[error("mqtt.tls: a client certificate needs both client_cert_file and client_key_file")]
    HalfPair,
    #[error("mqtt.tls.client_cert_file and client_key_file do not fit together: {0}")]
    Pair(rustls::Error),
    #[error("mqtt.tls: this system has no CA certificates: install ca-certificates, or set mqtt.tls.ca_file")]
    NoSystemCa,
    #[error("mqtt.tls: {0}")]
    Tls(rustls::Error),
    #[error("{0}")]
    Broker(String),
}

/// The result of a test connection to a broker.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BrokerReport {
    pub tls: bool,
    /// The largest packet that it accepts, in bytes; `None`: it states no limit.
    pub max_packet_bytes: Option<u32>,
    /// How many unacknowledged messages it accepts; `None`: 65535.
    pub receive_maximum: Option<u16>,
    pub retain_available: bool,
    /// What to change in the config, if anything.
    pub advice: Vec<String>,
}

/// Connects once under a separate client id, then disconnects.
///
/// # Errors
/// The settings are wrong or the broker cannot be used; the error names the next step.
pub async fn probe(config: &MqttConfig, timeout: Duration) -> Result<BrokerReport, PublishError> {
    let config = MqttConfig { client_id: format!("{}-probe", config.client_id), ..config.clone() };
    let mut event_loop = EventLoop::new(options(&config)?, 1);
    let broken = |reason: String| PublishError::Broker(reason);
    let connack = tokio::time::timeout(timeout, async {
        loop {
            match event_loop.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(connack))) => return Ok(connack),
                Ok(_) => {}
                Err(e) => return Err(trouble(&config, &e)),
            }
        }
    })
    .await
    .map_err(|_| broken(format!("{}: no answer within {timeout:?}", place(&config))))?
    .map_err(broken)?;
    let properties = connack.properties;
    let max_packet_bytes = properties.as_ref().and_then(|p| p.max_packet_size);
    let retain_available = properties.as_ref().and_then(|p| p.retain_available) != Some(0);
    let mut advice = Vec::new();
    if let Some(limit) = max_packet_bytes
        && limit < SMALL_PACKETS
    {
        advice.push(format!(
            "the broker takes packets of {limit} bytes at most: files go in smaller pieces, and a larger message stays \
             on the node; raise the limit to {SMALL_PACKETS}"
        ));
    }
    if !retain_available {
        advice.push(
            "the broker keeps no retained messages: states of nodes and cameras will not be seen by \
                     those who subscribe later"
                .to_owned(),
        );
    }
    Ok(BrokerReport {
        tls: config.tls.is_some(),
        max_packet_bytes,
        receive_maximum: properties.and_then(|p| p.receive_max),
        retain_available,
        advice,
    })
}

/// The largest packet that is sent or received, in bytes.
pub(super) fn packet_bytes(config: &MqttConfig) -> usize {
    config.chunk_bytes.saturating_add(PACKET_OVERHEAD)
}

/// A clean session without a last will; callers add what they need.
pub(super) fn options(config: &MqttConfig) -> Result<MqttOptions, PublishError> {
    let mut options = MqttOptions::new(&config.client_id, &config.host, config.port);
    // rumqttc panics below five seconds.
    options.set_keep_alive(config.keep_alive.max(Duration::from_secs(5)));
    options.set_connection_timeout(CONNECT_SECONDS);
    // rumqttc makes a table of this size; its own default is 65535 places.
    options.set_outgoing_inflight_upper_limit(config.in_flight.max(1));
    let mut properties = ConnectProperties::new();
    properties.max_packet_size = Some(u32::try_from(packet_bytes(config)).unwrap_or(u32::MAX));
    options.set_connect_properties(properties);
    if let Some(user) = &config.username {
        options.set_credentials(user, config.password.as_ref().map_or("", |p| p.expose()));
    }
    if let Some(tls) = &config.tls {
        let transport = Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(client_config(tls)?)));
        options.set_transport(transport);
    }
    Ok(options)
}

fn client_config(tls: &TlsConfig) -> Result<rustls::ClientConfig, PublishError> {
    let mut roots = rustls::RootCertStore::empty();
    match &tls.ca_file {
        Some(path) => {
            for certificate in certificates("ca_file", path)? {
                roots.add(certificate).map_err(|e| PublishError::Pem {
                    key: "ca_file",
                    path: path.clone(),
                    what: "usable CA certificate",
                    reason: e.to_string(),
                })?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(PublishError::NoSystemCa);
            }
        }
    }
    // Named, because a process with two providers in its tree has no default one.
    let builder =
        rustls::ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(PublishError::Tls)?
            .with_root_certificates(roots);
    match (&tls.client_cert_file, &tls.client_key_file) {
        (Some(cert), Some(key)) => {
            let chain = certificates("client_cert_file", cert)?;
            let bytes = read("client_key_file", key)?;
            let private =
                pki_types::PrivateKeyDer::from_pem_slice(&bytes).map_err(|e| PublishError::Pem {
                    key: "client_key_file",
                    path: key.clone(),
                    what: "private key",
                    reason: e.to_string(),
                })?;
            builder.with_client_auth_cert(chain, private).map_err(PublishError::Pair)
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => Err(PublishError::HalfPair),
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, PublishError> {
    let bytes =
        std::fs::read(path).map_err(|source| PublishError::File { key, path: path.to_owned(), source })?;
    // Editors put a byte order mark in front, or save UTF-16.
    Ok(decode_text(bytes.clone()).map_or(bytes, String::into_bytes))
}

fn certificates(
    key: &'static str,
    path: &Path,
) -> Result<Vec<pki_types::CertificateDer<'static>>, PublishError> {
    let bytes = read(key, path)?;
    let wrong =
        |reason: String| PublishError::Pem { key, path: path.to_owned(), what: "certificate", reason };
    let found = pki_types::CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| wrong(e.to_string()))?;
    if found.is_empty() { Err(wrong("nothing found in it".to_owned())) } else { Ok(found) }
}

fn place(config: &MqttConfig) -> String {
    format!("MQTT broker {}:{}", config.host, config.port)
}

/// Why there is no connection, and what to do. Equal causes give equal words, so that each is logged once.
pub(super) fn trouble(config: &MqttConfig, error: &ConnectionError) -> String {
    let what = match error {
        ConnectionError::ConnectionRefused(code)
        | ConnectionError::MqttState(StateError::ConnFail { reason: code }) => refused(*code),
        ConnectionError::Timeout(_) => {
            format!("no answer within {CONNECT_SECONDS} s: check host, port and firewall")
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
        other => in_words(&chain(other)),
    };
    format!("{}: {what}", place(config))
}

fn refused(code: ConnectReturnCode) -> String {
    match code {
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
            "it refuses the user name or password: check mqtt.username and the password's variable or file"
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
fn in_words(chain: &str) -> String {
    const CASES: [(&str, &str); 15] = [
        ("UnknownIssuer", "its certificate is not signed by the CA in mqtt.tls.ca_file"),
        // A CA of the same name with another key.
        ("BadSignature", "its certificate is not signed by the CA in mqtt.tls.ca_file"),
        ("NotValidForName", "its certificate is not for this host name: check mqtt.host"),
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
        ("InvalidContentType", "it does not speak TLS on this port: check mqtt.port and mqtt.tls"),
        ("onnection refused", "nothing listens there: is the broker running?"),
        ("ailed to lookup address", "its name cannot be resolved: check mqtt.host and DNS"),
        ("onnection reset", "it cut the connection"),
        ("ConnectionAborted", "it closed the connection"),
    ];
    if let Some((_, words)) = CASES.iter().find(|(mark, _)| chain.contains(mark)) {
        return (*words).to_owned();
    }
    if chain.contains("closed by peer") || chain.contains("UnexpectedEof") || chain.contains("eof") {
        return "it closed the connection".to_owned();
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
