//! `lintel-broker`: an MQTT broker for the demo, so that nothing has to be installed or configured for it.
//!
//! On the loopback interface unless told otherwise, without users and TLS, everything in memory. Not for production:
//! rumqttd forgets sessions and retained messages when it ends.

use std::collections::HashMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

/// Largest payload: a piece of a file with room to spare.
const MAX_PAYLOAD_BYTES: usize = 16 << 20;

/// MQTT broker for the demo: loopback, no users, no TLS, everything in memory
#[derive(Parser)]
#[command(name = "lintel-broker", version)]
struct Args {
    /// Where MQTT 5 clients connect
    #[arg(long, default_value = "127.0.0.1:1883")]
    listen: SocketAddr,
    /// Where MQTT 3.1.1 clients connect; not at all without it
    #[arg(long, value_name = "ADDR")]
    listen_v4: Option<SocketAddr>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    for address in [Some(args.listen), args.listen_v4].into_iter().flatten() {
        if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
            bail!("{address} is taken: another broker listens there; choose another with --listen");
        }
    }
    let mut broker = Broker::new(config(&args));
    // start() returns only when it fails.
    let (failed, failure) = sync_channel(1);
    std::thread::Builder::new().name("broker".to_owned()).spawn(move || {
        let reason =
            broker.start().err().map_or_else(|| "its listener is gone".to_owned(), |e| e.to_string());
        drop(failed.send(reason));
    })?;
    for _ in 0..200 {
        if TcpStream::connect_timeout(&args.listen, Duration::from_millis(100)).is_ok() {
            let mut out = std::io::stdout().lock();
            writeln!(out, "ready {}", args.listen)?;
            out.flush()?;
            drop(out);
            bail!("the broker ended: {}", failure.recv().context("its thread panicked")?);
        }
        match failure.recv_timeout(Duration::from_millis(50)) {
            Ok(reason) => bail!("the broker ended: {reason}"),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the broker ended: its thread panicked"),
        }
    }
    bail!("nothing listens on {} after ten seconds", args.listen)
}

fn config(args: &Args) -> Config {
    let server = |name: &str, listen: SocketAddr| {
        let settings = ServerSettings {
            name: name.to_owned(),
            listen,
            tls: None,
            next_connection_delay_ms: 1,
            connections: ConnectionSettings {
                connection_timeout_ms: 60_000,
                max_payload_size: MAX_PAYLOAD_BYTES,
                max_inflight_count: 100,
                auth: None,
                external_auth: None,
                dynamic_filters: true,
            },
        };
        HashMap::from([(name.to_owned(), settings)])
    };
    Config {
        id: 0,
        router: RouterConfig {
            max_connections: 100,
            max_outgoing_packet_count: 200,
            // What a subscriber that is away can catch up with: segments times count, for each topic filter.
            max_segment_size: 32 << 20,
            max_segment_count: 8,
            custom_segment: None,
            initialized_filters: None,
            ..RouterConfig::default()
        },
        v5: Some(server("v5", args.listen)),
        v4: args.listen_v4.map(|listen| server("v4", listen)),
        ..Config::default()
    }
}
