//! `lintel receive`.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::base::Shutdown;
use crate::config::{Confirm, MediaSending, MqttConfig, Secret, TlsConfig};
use crate::monitor::{Figure, FigureValue, HttpServer, OneLine};
use crate::publish::Subscriber;
use crate::receive::{self, Line, MAX_PACKET_BYTES, ReceiveStats, Store};
use crate::wire::subscriptions;

/// Lines that wait to be printed.
const LINES: usize = 1024;

/// Receive events and evidence from the broker and store them: the platform's side
///
/// Stores DIR/DATE/EVENT/ with event.json (newest state), events.jsonl (all messages), clip.mp4, still.jpg,
/// annotated.jpg, closed.jpg and manifest.json. Prints a line for each new event and each complete file. A
/// file gets its name only when it is complete and its SHA-256 matches. Repeats are dropped, also after a
/// restart. What contradicts the stored goes to DIR/quarantine/NODE/, and nothing is replaced by it.
/// DIR/nodes/NODE/ has what a node says of itself. Each node is told what is stored (docs/mqtt.md).
///
/// With --from it takes in a folder of `lintel export`, such as a USB stick, by the same rules, writes beside it
/// what it has stored, for the node, and ends.
///
/// While this program is down, the broker keeps its messages for a week, under its client id. Two receivers
/// therefore need two client ids.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  lintel receive --broker mqtts://broker.example:8883 --ca ca.pem --username platform \
                        --password-env MQTT_PASSWORD --out /srv/evidence\n  lintel receive --from /media/stick --out \
                        /srv/evidence\n\nExit codes: 0 stopped by SIGTERM or SIGINT, or everything taken in; 1 cannot start, the \
                        broker refuses the subscription, or something was refused."
)]
pub struct Args {
    /// mqtt://HOST or mqtts://HOST; :PORT if it is not 1883 or 8883
    #[arg(long, value_name = "URL", required_unless_present = "from", value_parser = broker_url)]
    broker: Option<url::Url>,
    /// Take in what `lintel export` has written to this folder, and end; without a broker
    #[arg(long, value_name = "DIR", conflicts_with_all = ["broker", "username", "ca", "cert"])]
    from: Option<PathBuf>,
    /// Folder for the events; created if missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// First part of all topics, as in the nodes' mqtt.topic_prefix
    #[arg(long, default_value = "lintel")]
    topic_prefix: String,
    /// CA certificate of the broker (PEM) [default: the system's]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Client certificate (PEM), if the broker requires one
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Key of the client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    #[arg(long)]
    username: Option<String>,
    /// Name of the environment variable that holds the password
    #[arg(long, value_name = "NAME", requires = "username")]
    password_env: Option<String>,
    /// The broker keeps messages for this name while the receiver is down
    #[arg(long, default_value = "lintel-receive")]
    client_id: String,
    /// Time zone of the dates in folder names, for example Asia/Shanghai
    #[arg(long, default_value = "UTC")]
    time_zone: String,
    /// Delete events of more than so many days ago; never those that are open or wait for files
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    keep_days: Option<u32>,
    /// Ask a node for files that have not come so many seconds after it announced them; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    ask_after: u64,
    /// Serve metrics (Prometheus) at http://ADDRESS:PORT/metrics, without a password
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
    /// Log filter, for example warn or lintel=debug
    #[arg(long, default_value = "info")]
    log: String,
}

fn broker_url(text: &str) -> Result<url::Url, String> {
    let wanted = || format!("expected mqtt://HOST or mqtts://HOST, such as mqtt://{text}");
    url::Url::parse(text).ok().filter(|url| url.has_host()).ok_or_else(wanted)
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    // Evidence is for this user only, whoever starts the program.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let filter = tracing_subscriber::EnvFilter::try_new(&args.log).context("--log")?;
    let colours = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(OneLine { colours });
    // Fails in a process that logs already (tests); that logger stays.
    drop(logs.with_ansi(colours).try_init());

    let config = args.broker.as_ref().map(|broker| mqtt_config(&args, broker)).transpose()?;
    let time_zone = jiff::tz::TimeZone::get(&args.time_zone).context("--time-zone")?;
    let stats = Arc::new(ReceiveStats::default());
    let mut store = Store::open(args.out.clone(), &args.topic_prefix, time_zone, Arc::clone(&stats))
        .with_context(|| format!("--out {}", args.out.display()))?;
    let Some(config) = config else {
        let from = args.from.as_deref().context("--broker or --from")?;
        return take_in(&mut store, from, &args.client_id);
    };
    if let Some(days) = args.keep_days {
        store.keep_for(Duration::from_secs(u64::from(days) * 86_400));
    }
    if args.ask_after > 0 {
        store.ask_after(Duration::from_secs(args.ask_after));
    }
    let filters = subscriptions(&args.topic_prefix).to_vec();
    let subscriber = Subscriber::new(config, filters, MAX_PACKET_BYTES)?;

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        let stopper = tokio::spawn(stop_on_signal(shutdown.clone()));
        let (figures, over) = (Arc::clone(&stats), shutdown.clone());
        let http = match args.metrics {
            Some(listen) => {
                // It has a runtime of its own, which must not begin inside of this one.
                let stop = shutdown.clone();
                let start = move || HttpServer::figures(listen, move || figures_of(&figures), stop);
                Some(tokio::task::spawn_blocking(start).await??)
            }
            None => None,
        };
        let lines = printer()?;
        let print = move |line| {
            // Full while nobody reads the standard output: the line is left out, the message is stored.
            drop(lines.try_send(line));
        };
        let names = (args.topic_prefix.as_str(), args.client_id.as_str());
        let result = receive::run(subscriber, store, names, shutdown, print).await;
        stopper.abort();
        over.stop();
        if let Some(http) = http {
            http.join();
        }
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        tracing::info!(
            events = count(&stats.events),
            files = count(&stats.files),
            pieces = count(&stats.pieces),
            repeats = count(&stats.repeats),
            refused = count(&stats.refused),
            quarantined = count(&stats.quarantined),
            asked = count(&stats.asked),
            deleted = count(&stats.deleted),
            "stopped"
        );
        result?;
        Ok(ExitCode::SUCCESS)
    })
}

fn take_in(store: &mut Store, from: &Path, by: &str) -> anyhow::Result<ExitCode> {
    let stop = super::signals::watch(None)?;
    let print = |line| {
        // Nobody reads it: that stops nothing.
        drop(writeln!(std::io::stdout(), "{line}"));
    };
    let found = receive::take_in(store, from, by, &stop, print)
        .with_context(|| format!("--from {}", from.display()))?;
    tracing::info!(
        nodes = found.nodes,
        stored = found.stored,
        quarantined = found.quarantined,
        refused = found.refused,
        "taken in"
    );
    if found.nodes == 0 {
        bail!("--from {}: no node has written anything here", from.display());
    }
    let well = found.refused == 0 && found.unconfirmed == 0 && !stop.is_stopped();
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A thread that prints lines. Standard output that nobody reads, or that is closed, stops nothing but this
/// thread; the process ends without it.
fn printer() -> std::io::Result<std::sync::mpsc::SyncSender<Line>> {
    let (lines, to_print) = std::sync::mpsc::sync_channel::<Line>(LINES);
    std::thread::Builder::new().name("print".to_owned()).spawn(move || {
        for line in to_print {
            if writeln!(std::io::stdout(), "{line}").is_err() {
                return;
            }
        }
    })?;
    Ok(lines)
}

fn figures_of(stats: &ReceiveStats) -> Vec<Figure> {
    let count = |name, help, counter: &AtomicU64| Figure {
        name,
        help,
        value: FigureValue::Count(counter.load(Ordering::Relaxed)),
    };
    let waiting = FigureValue::Now(stats.waiting.load(Ordering::Relaxed) as f64);
    vec![
        count("lintel_receive_events", "New event messages; each revision counts", &stats.events),
        count("lintel_receive_files", "Files that were completed", &stats.files),
        count("lintel_receive_pieces", "Pieces of files", &stats.pieces),
        count("lintel_receive_repeats", "Messages and pieces that were here before", &stats.repeats),
        count("lintel_receive_refused", "Invalid messages, and files with a wrong hash", &stats.refused),
        count("lintel_receive_quarantined", "What contradicts the stored, kept apart", &stats.quarantined),
        count("lintel_receive_asked", "Times that a node was asked for files", &stats.asked),
        count("lintel_receive_deleted", "Events deleted because they are old", &stats.deleted),
        Figure { name: "lintel_receive_waiting", help: "Events that wait for files", value: waiting },
    ]
}

async fn stop_on_signal(shutdown: Shutdown) -> std::io::Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    shutdown.stop();
    Ok(())
}

fn mqtt_config(args: &Args, broker: &url::Url) -> anyhow::Result<MqttConfig> {
    let tls = match broker.scheme() {
        "mqtt" | "tcp" if args.ca.is_some() || args.cert.is_some() => {
            bail!("--ca and --cert are for encrypted connections: write mqtts:// in --broker")
        }
        "mqtt" | "tcp" => None,
        "mqtts" | "ssl" => Some(TlsConfig {
            ca_file: args.ca.clone(),
            client_cert_file: args.cert.clone(),
            client_key_file: args.key.clone(),
        }),
        other => bail!("--broker: scheme {other:?} is not known, write mqtt:// or mqtts://"),
    };
    if !broker.username().is_empty() || broker.password().is_some() {
        bail!(
            "--broker: a password in the URL can be seen in the process list: use --username and --password-env"
        );
    }
    let host = broker.host_str().filter(|h| !h.is_empty()).context("--broker: no host in the URL")?;
    let password = match &args.password_env {
        None => None,
        Some(name) => {
            Some(Secret::new(std::env::var(name).with_context(|| format!("--password-env: ${name}"))?))
        }
    };
    Ok(MqttConfig {
        host: host.to_owned(),
        port: broker.port().unwrap_or(if tls.is_some() { 8883 } else { 1883 }),
        tls,
        client_id: args.client_id.clone(),
        username: args.username.clone(),
        password,
        topic_prefix: args.topic_prefix.clone(),
        chunk_bytes: MAX_PACKET_BYTES as usize,
        in_flight: 16,
        keep_alive: Duration::from_secs(30),
        confirm: Confirm::Broker,
        media: MediaSending::All,
        limits: Vec::new(),
    })
}
