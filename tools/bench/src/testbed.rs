//! The programs of a run: camera server, broker and node, and the config that connects them.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use lintel::base::monotonic;
use serde::Deserialize;
use toml::{Table, Value};

use crate::process::Process;

const LISTEN_LIMIT: Duration = Duration::from_secs(10);
const STOP_LIMIT: Duration = Duration::from_secs(40);

pub(crate) struct Plan<'a> {
    /// Folder of lintel and lintel-rtsp-server.
    pub programs: &'a Path,
    pub work: &'a Path,
    pub footage: &'a [PathBuf],
    pub model: &'a Path,
    pub interval: &'a str,
    /// The dwell of each camera's rule, in seconds: one entry for each camera.
    pub dwells_s: &'a [u64],
    pub settings: &'a [String],
}

pub(crate) struct Testbed {
    pub server: Process,
    pub broker: Process,
    pub node: Process,
    pub broker_port: u16,
    pub http_port: u16,
}

/// The server's counts by path.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Served(pub BTreeMap<String, PathServed>);

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct PathServed {
    /// Access units.
    pub sent: u64,
    /// Dropped because the node did not read.
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

impl Testbed {
    /// # Errors
    /// A program is missing or does not start, or a setting is not valid TOML.
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
        let server = plan.programs.join("lintel-rtsp-server");
        let mut server = Process::start(&server, &arguments, &log("server"))?;
        let mut broker = start_broker(plan.work, broker_port)?;
        server.wait_until_ready()?;
        wait_until_listening(&mut broker, broker_port)?;
        let path = plan.work.join("lintel.toml");
        let config = config(plan, rtsp_port, broker_port, http_port)?;
        std::fs::write(&path, toml::to_string(&config)?).with_context(|| format!("{}", path.display()))?;
        let arguments = ["run".to_owned(), "--config".to_owned(), path.display().to_string()];
        let node = Process::start(&plan.programs.join("lintel"), &arguments, &log("node"))?;
        Ok(Self { server, broker, node, broker_port, http_port })
    }

    pub fn served(&mut self) -> anyhow::Result<Served> {
        let answer = self.server.request("stats")?;
        serde_json::from_str(&answer)
            .with_context(|| format!("unexpected answer of the camera server: {answer}"))
    }

    /// # Errors
    /// One of the programs has ended.
    pub fn check_running(&mut self) -> anyhow::Result<()> {
        self.server.check_running()?;
        self.broker.check_running()?;
        self.node.check_running()
    }

    pub fn stop(self) -> anyhow::Result<()> {
        self.node.stop(STOP_LIMIT)
    }
}

pub(crate) fn camera(n: usize) -> String {
    format!("cam-{:03}", n + 1)
}

/// Ports that are free at this moment.
fn free_ports() -> anyhow::Result<[u16; 3]> {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(held) {
        *port = listener?.local_addr()?.port();
    }
    Ok(ports)
}

/// mosquitto on the loopback interface, with everything in memory.
fn start_broker(work: &Path, port: u16) -> anyhow::Result<Process> {
    let path = work.join("mosquitto.conf");
    let config = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\nlog_dest stderr\n"
    );
    std::fs::write(&path, config).with_context(|| format!("{}", path.display()))?;
    // Debian installs it where only root's PATH finds it.
    let debian = Path::new("/usr/sbin/mosquitto");
    let program = if debian.exists() { debian } else { Path::new("mosquitto") };
    let arguments = ["-c".to_owned(), path.display().to_string()];
    Process::start(program, &arguments, &work.join("broker.log")).context("the bench needs mosquitto")
}

fn wait_until_listening(process: &mut Process, port: u16) -> anyhow::Result<()> {
    let start = monotonic();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        process.check_running()?;
        ensure!(start.elapsed() < LISTEN_LIMIT, "nothing listens on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
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
        confirm = "broker"
        [http]
        listen = "127.0.0.1:{http_port}"
        [camera_defaults]
        interval = {interval:?}
        "#,
        interval = plan.interval
    );
    let mut config: Table = text.parse().context("the generated config")?;
    let each = plan.dwells_s.iter().enumerate().map(|(n, dwell_s)| {
        let text = format!(
            r#"
            id = "{0}"
            url = "rtsp://127.0.0.1:{rtsp_port}/{0}"
            zone = [{{ id = "corner", polygon = [[0.82, 0.07], [1.0, 0.05], [1.0, 0.19], [0.84, 0.19]] }}]
            rule = [{{ class = "motor_vehicle_parking", zones = ["corner"], dwell = "{dwell_s}s",
                     present_at_start = "tell" }}]
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
