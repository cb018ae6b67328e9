//! Options of a connection, and TLS. Both sides of the wire use it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::tokio_rustls::rustls::{self, crypto, pki_types};
use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, LastWill, LastWillProperties};
use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject;

use super::offer::Offer;
use crate::base::{decode_text, wall_now};
use crate::config::{MqttConfig, TlsConfig};
use crate::wire::{self, NodeState, NodeStatus, Topics};

/// Added to the payload for topic, properties and headers.
const PACKET_OVERHEAD: usize = 16 << 10;
pub(super) const CONNECT_SECONDS: u64 = 10;

/// A setting that no connection can be made with.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("mqtt.tls.{key}: cannot read {}: {cause}; check the path and who may read it", path.display())]
    File { key: &'static str, path: PathBuf, cause: io::Error },
    #[error("mqtt.tls.{key}: {} holds no {what} in PEM form: {reason}", path.display())]
    Pem { key: &'static str, path: PathBuf, what: &'static str, reason: String },
    #[error("mqtt.tls: a client certificate needs both client_cert_file and client_key_file")]
    HalfPair,
    #[error("mqtt.tls.client_cert_file and client_key_file do not fit together: {0}")]
    Pair(rustls::Error),
    #[error(
        "mqtt.tls.client_key_file: {} is encrypted, and nobody is there to type its passphrase; write the key without \
         one (openssl pkey -in OLD -out NEW) into a file that only this user may read", .0.display()
    )]
    EncryptedKey(PathBuf),
    #[error(
        "mqtt.tls.client_cert_file: {} is of version 1 (openssl x509 -req without -extfile); make one of version 3",
        .0.display()
    )]
    OldCertificate(PathBuf),
    #[error("mqtt.tls: this system has no CA certificates: install ca-certificates, or set mqtt.tls.ca_file")]
    NoSystemCa,
    #[error("mqtt.tls: {0}")]
    Tls(rustls::Error),
    #[error("{0}")]
    Broker(String),
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

/// The broker publishes it if the connection ends without a DISCONNECT.
pub(super) fn last_will(topics: &Topics, node: &str, offer: Offer) -> LastWill {
    let state = NodeState::new(node, NodeStatus::Offline, wall_now());
    let payload = serde_json::to_vec(&state).expect("string keys only");
    let properties = LastWillProperties {
        delay_interval: None,
        payload_format_indicator: None,
        message_expiry_interval: None,
        content_type: Some(wire::JSON.to_owned()),
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    LastWill::new(topics.node_state(), payload, offer.qos(), offer.retain, Some(properties))
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
            if is_encrypted(&bytes) {
                return Err(PublishError::EncryptedKey(key.clone()));
            }
            let private =
                pki_types::PrivateKeyDer::from_pem_slice(&bytes).map_err(|e| PublishError::Pem {
                    key: "client_key_file",
                    path: key.clone(),
                    what: "private key",
                    reason: e.to_string(),
                })?;
            builder.with_client_auth_cert(chain, private).map_err(|error| {
                let is_old = format!("{error:?}").contains("UnsupportedCertVersion");
                if is_old { PublishError::OldCertificate(cert.clone()) } else { PublishError::Pair(error) }
            })
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => Err(PublishError::HalfPair),
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, PublishError> {
    let bytes =
        std::fs::read(path).map_err(|cause| PublishError::File { key, path: path.to_owned(), cause })?;
    // Editors put a byte order mark in front, or save UTF-16.
    Ok(decode_text(bytes.clone()).map_or(bytes, String::into_bytes))
}

fn is_encrypted(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
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

pub(super) fn place(config: &MqttConfig) -> String {
    format!("MQTT broker {}:{}", config.host, config.port)
}
