//! Everything that a bench runs: cameras, broker, node, and the config that ties them together.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use toml::{Table, Value};

use super::program::Program;

const STOP_LIMIT: Duration = Duration::from_secs(40);

pub(super) struct Plan<'a> {
    pub lintel: &'a Path,
    /// Folder of the test servers.
    pub tools: &'a Path,
    pub work: &'a Path,
    pub footage: &'a [std::path::PathBuf],
    pub model: &'a Path,
    pub interval: &'a str,
    /// How long a vehicle stands in the corner of each camera until it is an event, in seconds.
    pub dwells_s: &'a [u64],
    pub settings: &'a [String],
}

pub(super) struct Site {
    pub server: Program,
    pub broker: Program,
    pub node: Program,
    pub broker_port: u16,
    pub http_port: u16,
}

/// What the server did for each path.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Served(pub BTreeMap<String, PathServed>);

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct PathServed {
    /// Access units.
    pub sent: u64,
    /// Left out because the node did not read.
    pub dropped: u64,
}

impl Served {
    pub fn since(&self, before: &Self) -> Self {
        let change = |(name, now): (&String, &PathServed)| {
            let old = before.0.get(name).copied().unwrap_or_default();
            (name.clone(), PathServed { sent: now.sent - old.sent, dropped: now.dropped - old.dropped })
        };
        Self(self.0.iter().map(change).collect())
    }
}

impl Site {
    /// # Errors
    /// A program that is not there or does not start, a setting that is no TOML.
    pub fn start(plan: &Plan<'_>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(plan.work).with_context(|| format!("--work {}", plan.work.display()))?;
        let [rtsp_port, broker_port, http_port] = free_ports()?;
        let address = |port: u16| format!("127.0.0.1:{port}");
        let mut arguments: Vec<String> =
            ["--packed", "--control", "--listen", &address(rtsp_port)].map(str::to_owned).to_vec();
        for n in 0..plan.dwells_s.len() {
            let footage = &plan.footage[n % plan.footage.len()];
            arguments.extend(["--stream".to_owned(), format!("{}={}", camera(n), footage.display())]);
        }
        let log = |name: &str| plan.work.join(format!("{name}.log"));
        let server = plan.tools.join("lintel-rtsp-server");
        let mut server = Program::start(&server, &arguments, &log("server"))?;
        let broker = plan.tools.join("lintel-broker");
        let listen = ["--listen".to_owned(), address(broker_port)];
        let mut broker = Program::start(&broker, &listen, &log("broker"))?;
        server.ready()?;
        broker.ready()?;
        let path = plan.work.join("lintel.toml");
        let config = config(plan, rtsp_port, broker_port, http_port)?;
        std::fs::write(&path, toml::to_string(&config)?).with_context(|| format!("{}", path.display()))?;
        let arguments = ["run".to_owned(), "--config".to_owned(), path.display().to_string()];
        let node = Program::start(plan.lintel, &arguments, &log("node"))?;
        Ok(Self { server, broker, node, broker_port, http_port })
    }

    pub fn served(&mut self) -> anyhow::Result<Served> {
        let answer = self.server.ask("stats")?;
        serde_json::from_str(&answer).with_context(|| format!("the server said: {answer}"))
    }

    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        self.server.still_runs()?;
        self.broker.still_runs()?;
        self.node.still_runs()
    }

    pub fn stop(self) -> anyhow::Result<()> {
        self.node.stop(STOP_LIMIT)
    }
}

pub(super) fn camera(n: usize) -> String {
    format!("cam-{:03}", n + 1)
}

/// Ports that nobody has at this moment.
fn free_ports() -> anyhow::Result<[u16; 3]> {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(held) {
        *port = listener?.local_addr()?.port();
    }
    Ok(ports)
}

fn config(plan: &Plan<'_>, rtsp_port: u16, broker_port: u16, http_port: u16) -> anyhow::Result<Table> {
    let absolute = |path: &Path| path.canonicalize().with_context(|| format!("{}", path.display()));
    let (model, data) = (absolute(plan.model)?, absolute(plan.work)?.join("data"));
    let text = format!(
        r#"
        [node]
        id = "bench"
        data_dir = {data:?}
        time_zone = "UTC"
        [detect]
        model = {model:?}
        [evidence]
        min_free_mb = 64
        [mqtt]
        url = "mqtt://127.0.0.1:{broker_port}"
        [http]
        listen = "127.0.0.1:{http_port}"
        [camera_defaults]
        interval = {interval:?}
        "#,
        interval = plan.interval
    );
    let mut config: Table = text.parse().context("the bench's own config")?;
    let each = plan.dwells_s.iter().enumerate().map(|(n, dwell_s)| {
        let text = format!(
            r#"
            id = "{0}"
            url = "rtsp://127.0.0.1:{rtsp_port}/{0}"
            zone = [{{ id = "corner", polygon = [[0.82, 0.07], [1.0, 0.05], [1.0, 0.19], [0.84, 0.19]] }}]
            rule = [{{ class = "motor_vehicle_parking", zones = ["corner"], dwell = "{dwell_s}s" }}]
            "#,
            camera(n)
        );
        text.parse::<Table>().map(Value::Table)
    });
    config.insert("camera".to_owned(), Value::Array(each.collect::<Result<_, _>>()?));
    for setting in plan.settings {
        let setting: Table = setting.parse().with_context(|| format!("--set {setting}"))?;
        merge(&mut config, setting);
    }
    Ok(config)
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
