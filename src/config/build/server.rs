//! Addresses of others and of ourselves: the broker, a camera's URL, the HTTP port.

use std::net::SocketAddr;

use url::Url;

use super::Builder;
use super::schedule::hours;
use super::secret::Kept;
use crate::base::ascii_of;
use crate::config::problem::Problem;
use crate::config::raw::{At, RawHttp, RawLimit, RawMqtt};
use crate::config::types::{Confirm, HttpConfig, LineLimit, MqttConfig, TlsConfig};

impl Builder<'_, '_> {
    pub(super) fn mqtt(&mut self, raw: &RawMqtt, node: Option<&String>) -> Option<MqttConfig> {
        let files = &raw.tls;
        let tls_key =
            [&files.ca_file, &files.client_cert_file, &files.client_key_file].into_iter().flatten().next();
        let server = raw.url.as_ref().and_then(|url| self.keep(broker(url)));
        if let (Some((_, _, false)), Some(key)) = (&server, tls_key) {
            self.report(
                Problem::new(&key.span, "certificates are for TLS, and the url is mqtt://")
                    .help("write the url as mqtts://host:8883, or take the certificates out"),
            );
        }
        match (&files.client_cert_file, &files.client_key_file) {
            (Some(one), None) | (None, Some(one)) => self.report(
                Problem::new(&one.span, "a client certificate and its key go together")
                    .help("set both `client_cert_file` and `client_key_file` in [mqtt.tls]"),
            ),
            _ => {}
        }
        let prefix = self.topic_prefix(&raw.topic_prefix);
        let kept = Kept {
            env: raw.password_env.as_ref(),
            file: raw.password_file.as_ref(),
            credential: raw.password_credential.as_ref(),
        };
        let password = self.password(&kept);
        if let (Some(kept), None) = (kept.first(), &raw.username) {
            self.report(
                Problem::new(&kept.span, "a password without a user").help("set `username` in [mqtt] too"),
            );
        }
        let client_id = match &raw.client_id {
            Some(id) if id.is_empty() => {
                self.report(
                    Problem::new(&id.span, "`client_id` is empty")
                        .help("leave it out for `lintel-<node id>`"),
                );
                return None;
            }
            Some(id) => id.to_string(),
            None => format!("lintel-{}", node?),
        };
        let limits = self.limits(&raw.limits);
        let (host, port, tls) = server?;
        if let (Some(kept), false) = (kept.first(), tls || is_here(&host)) {
            let warning = "the password goes to the broker unencrypted: everybody on the way can read it; write mqtts://";
            self.warnings.push((kept.span.clone(), warning.to_owned()));
        }
        if *raw.confirm == Confirm::Broker {
            let warning = "the broker's word counts: what it loses before a platform has it is lost";
            self.warnings.push((raw.confirm.span.clone(), warning.to_owned()));
        }
        let tls = tls.then(|| TlsConfig {
            ca_file: self.optional_path(files.ca_file.as_ref()),
            client_cert_file: self.optional_path(files.client_cert_file.as_ref()),
            client_key_file: self.optional_path(files.client_key_file.as_ref()),
        });
        Some(MqttConfig {
            host,
            port,
            tls,
            client_id,
            username: raw.username.as_ref().map(|u| u.to_string()),
            password,
            topic_prefix: prefix?,
            chunk_bytes: *raw.chunk_bytes,
            in_flight: *raw.in_flight,
            keep_alive: raw.keep_alive.0,
            confirm: *raw.confirm,
            media: *raw.media,
            limits,
        })
    }

    fn limits(&mut self, raw: &[RawLimit]) -> Vec<LineLimit> {
        let zone = self.time_zone.clone();
        let limit = |raw: &RawLimit| {
            let hours = self.keep(hours(raw.hours.as_ref()?, &zone))?;
            Some(LineLimit { hours, bytes_s: **raw.kib_s.as_ref()? * 1024 })
        };
        raw.iter().filter_map(limit).collect()
    }

    fn topic_prefix(&mut self, prefix: &At<String>) -> Option<String> {
        let bad = prefix.is_empty()
            || prefix.len() > 200
            || prefix.starts_with(['/', '$'])
            || prefix.ends_with('/')
            || prefix.contains(['+', '#', '\0']);
        if bad {
            self.report(
                Problem::new(&prefix.span, "this cannot be the first part of an MQTT topic")
                    .help("one or more words with `/` between them, without `+`, `#` and a leading `$`, for example \"city/lintel\""),
            );
        }
        (!bad).then(|| prefix.to_string())
    }

    pub(super) fn http(&mut self, raw: &RawHttp) -> Option<HttpConfig> {
        let listen = match raw.listen.parse::<SocketAddr>() {
            Ok(listen) => listen,
            Err(_) => {
                self.report(
                    Problem::new(&raw.listen.span, "`listen` is an IP address and a port of 0 to 65535")
                        .help("for example \"127.0.0.1:9469\", or `enabled = false` for no HTTP"),
                );
                return None;
            }
        };
        if raw.enabled && !listen.ip().is_loopback() {
            let warning = format!("metrics and health are open to everybody who reaches {listen}");
            self.warnings.push((raw.listen.span.clone(), warning));
        }
        Some(HttpConfig { listen: raw.enabled.then_some(listen) })
    }
}

/// Whether the host is this machine.
fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Host, port and whether it is TLS.
fn broker(url: &At<String>) -> Result<(String, u16, bool), Problem> {
    const EXAMPLE: &str =
        "for example `mqtts://broker.example:8883`, or `mqtt://broker.example:1883` without TLS";
    let parsed = parse(url, EXAMPLE, "`username` and `password_env` in [mqtt]")?;
    let tls = match parsed.scheme() {
        "mqtt" => false,
        "mqtts" => true,
        other => {
            let message = format!("the broker's url begins with mqtt:// or mqtts://, not {other}://");
            return Err(Problem::new(&url.span, message).help(EXAMPLE));
        }
    };
    let Some(host) = parsed.host_str().filter(|h| !h.is_empty()) else {
        return Err(Problem::new(&url.span, "the url names no host").help(EXAMPLE));
    };
    if !matches!(parsed.path(), "" | "/") || parsed.query().is_some() {
        return Err(Problem::new(&url.span, "the broker's url ends with the port").help(EXAMPLE));
    }
    // Brackets belong to the URL, not to the address.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok((host, parsed.port().unwrap_or(if tls { 8883 } else { 1883 }), tls))
}

/// A camera's URL without user and password.
pub(super) fn camera_url(url: &At<String>) -> Result<Url, Problem> {
    const EXAMPLE: &str = "for example `rtsp://192.0.2.10:554/stream1`; the camera's manual has its path";
    let parsed = parse(url, EXAMPLE, "`rtsp.username` and `rtsp.password_env`")?;
    match parsed.scheme() {
        "rtsp" if parsed.host_str().is_some_and(|h| !h.is_empty()) => Ok(parsed),
        "rtsp" => Err(Problem::new(&url.span, "the url names no host").help(EXAMPLE)),
        other => Err(Problem::new(&url.span, format!("a camera's url begins with rtsp://, not {other}://"))
            .help(format!("{EXAMPLE}; a recording goes into `file`"))),
    }
}

fn parse(url: &At<String>, example: &str, keys: &str) -> Result<Url, Problem> {
    if url.chars().any(|c| ascii_of(c).is_some()) {
        return Err(Problem::new(&url.span, "full-width punctuation stands in the url").help(example));
    }
    let parsed = Url::parse(url)
        .map_err(|error| Problem::new(&url.span, format!("this is not a url: {error}")).help(example))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(Problem::new(&url.span, "user and password do not stand in a url").help(format!(
            "take them out and use {keys}; the config is read by more people than the password"
        )));
    }
    Ok(parsed)
}
