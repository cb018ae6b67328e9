//! The figures of a run, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use crate::events::Received;
use crate::health::{Camera, Health, HealthWindow};
use crate::quantiles::Quantiles;
use crate::testbed::{PathServed, Served};
use crate::usage::Usage;

/// Access units that may still be in flight when the counts of both ends are compared.
const IN_FLIGHT: u64 = 3;
const MB: f64 = 1e6;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub machine: Machine,
    pub version: &'static str,
    pub settings: Vec<String>,
    pub runs: Vec<Run>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub processor: String,
    pub cores: usize,
}

/// Times in seconds, processor time in cores: 1.0 is one core, always busy.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub cameras: u32,
    pub seconds: f64,
    /// Cameras that lost no access unit and never reconnected.
    pub kept_up: usize,
    pub units_sent: u64,
    /// Between server and node, by the counts of both.
    pub units_lost: u64,
    /// Between two analyses of the same camera, over all cameras.
    pub interval_s: Quantiles,
    /// The same by the capture times of the pictures.
    pub taken_s: Quantiles,
    pub worst_camera: String,
    /// Analyses of all cameras a second.
    pub analyses_per_s: f64,
    /// Of these, pictures without change, which skip the detector.
    pub unchanged_per_s: f64,
    pub decoded_per_s: f64,
    /// From capture to the end of the analysis.
    pub analysis_latency_s: Quantiles,
    /// From the capture of the picture that opened an event to its arrival at the platform.
    pub event_latency_s: Quantiles,
    pub evidence_messages: u64,
    pub model_ms: f64,
    pub node_cores: f64,
    pub cores_by_stage: BTreeMap<&'static str, f64>,
    pub server_cores: f64,
    pub broker_cores: f64,
    /// Load of everything else on the machine. The larger it is, the less the times above mean.
    pub other_cores: f64,
    pub rss_mb: f64,
    pub peak_rss_mb: f64,
    /// Of that, encoded footage in the rings.
    pub ring_mb: f64,
    pub threads: u64,
}

/// Everything that was counted during a run.
pub(crate) struct Measurement {
    pub cameras: u32,
    pub duration: Duration,
    pub usage: Usage,
    pub server_cpu: Duration,
    pub broker_cpu: Duration,
    pub machine_busy: Duration,
    pub served: Served,
    pub health: HealthWindow,
    pub events: Received,
}

impl Machine {
    pub fn here() -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let named = info.lines().find(|line| line.starts_with("model name"));
        let processor =
            named.and_then(|line| line.split_once(':')).map_or(std::env::consts::ARCH, |(_, name)| name);
        Self {
            processor: processor.trim().to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl Run {
    pub fn of(measurement: Measurement) -> Self {
        let seconds = measurement.duration.as_secs_f64();
        let cores = |time: Duration| time.as_secs_f64() / seconds;
        let health = &measurement.health;
        let lost: Vec<u64> =
            health.after.cameras.keys().map(|name| lost(name, health, &measurement.served)).collect();
        let worst = |values: &Vec<f64>| values.iter().copied().fold(0.0, f64::max);
        let worst_camera = health.intervals_s.iter().max_by(|a, b| worst(a.1).total_cmp(&worst(b.1)));
        let sum = |count: fn(&Camera) -> u64| {
            let total = |at: &Health| at.cameras.values().map(count).sum::<u64>();
            total(&health.after).saturating_sub(total(&health.before)) as f64 / seconds
        };
        let (node, server, broker) =
            (cores(measurement.usage.total), cores(measurement.server_cpu), cores(measurement.broker_cpu));
        Self {
            cameras: measurement.cameras,
            seconds,
            kept_up: lost.iter().filter(|lost| **lost == 0).count(),
            units_sent: measurement.served.0.values().map(|path| path.sent + path.dropped).sum(),
            units_lost: lost.iter().sum(),
            worst_camera: worst_camera.map(|(name, _)| name.clone()).unwrap_or_default(),
            taken_s: Quantiles::of(health.capture_intervals_s.clone()),
            interval_s: Quantiles::of(health.intervals_s.values().flatten().copied().collect()),
            analyses_per_s: sum(|c| c.detect.as_ref().map_or(0, |d| d.analysed)),
            unchanged_per_s: sum(|c| c.detect.as_ref().map_or(0, |d| d.unchanged)),
            decoded_per_s: sum(|c| c.decode.pictures),
            analysis_latency_s: Quantiles::of(health.lags_s.clone()),
            event_latency_s: Quantiles::of(measurement.events.latencies_s),
            evidence_messages: measurement.events.files,
            model_ms: health.after.detect_run_ms,
            node_cores: node,
            cores_by_stage: measurement
                .usage
                .by_stage()
                .into_iter()
                .map(|(stage, time)| (stage, cores(time)))
                .collect(),
            server_cores: server,
            broker_cores: broker,
            other_cores: (cores(measurement.machine_busy) - node - server - broker).max(0.0),
            rss_mb: measurement.usage.resident_bytes as f64 / MB,
            peak_rss_mb: measurement.usage.peak_bytes as f64 / MB,
            ring_mb: health.after.cameras.values().map(|c| c.ring.bytes).sum::<u64>() as f64 / MB,
            threads: measurement.usage.thread_count,
        }
    }
}

/// Access units of a camera that were sent, or were due, and did not arrive. A reconnect counts as one at
/// least.
fn lost(name: &str, health: &HealthWindow, served: &Served) -> u64 {
    let (Some(after), Some(before)) = (health.after.cameras.get(name), health.before.cameras.get(name))
    else {
        return 0;
    };
    let PathServed { sent, dropped } = served.0.get(name).copied().unwrap_or_default();
    let arrived = after.ingest.frames - before.ingest.frames;
    let missing = sent.saturating_sub(arrived);
    let missing = if missing > IN_FLIGHT { missing } else { 0 };
    let reconnects = after.ingest.connections - before.ingest.connections;
    let none_sent = u64::from(sent + dropped == 0);
    dropped + missing.max(after.ingest.lost_frames - before.ingest.lost_frames).max(reconnects).max(none_sent)
}

impl Report {
    /// A Markdown table with one column for each run.
    pub fn table(&self) -> String {
        let mut out = format!("{}, {} cores\n\n", self.machine.processor, self.machine.cores);
        let mut row = |name: &str, value: &dyn Fn(&Run) -> String| {
            let cells: Vec<String> = self.runs.iter().map(value).collect();
            // Writing to a string does not fail.
            let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
        };
        row("cameras", &|r| r.cameras.to_string());
        row("---", &|_| "---:".to_owned());
        row("kept up", &|r| r.kept_up.to_string());
        row("access units lost", &|r| format!("{} of {}", r.units_lost, r.units_sent));
        let quantiles = |q: Quantiles, digits: usize| {
            if q.count == 0 {
                "-".to_owned()
            } else {
                format!("{:.*} / {:.*} / {:.*}", digits, q.median, digits, q.p95, digits, q.worst)
            }
        };
        row("analysed every, s (median / p95 / worst)", &|r| quantiles(r.interval_s, 2));
        row("by capture times, s (median / p95 / worst)", &|r| quantiles(r.taken_s, 2));
        row("capture to analysed, s (median / p95 / worst)", &|r| quantiles(r.analysis_latency_s, 2));
        row("capture to event, s (median / p95 / worst)", &|r| quantiles(r.event_latency_s, 2));
        row("events opened", &|r| r.event_latency_s.count.to_string());
        row("pictures decoded, analysed a second", &|r| {
            format!("{:.1}, {:.1}", r.decoded_per_s, r.analyses_per_s)
        });
        row("of these showed nothing new", &|r| format!("{:.1}", r.unchanged_per_s));
        row("**node, cores**", &|r| format!("**{:.2}**", r.node_cores));
        let stages: Vec<&str> =
            self.runs.first().map(|r| r.cores_by_stage.keys().copied().collect()).unwrap_or_default();
        for stage in ["transport", "decode", "detect", "rules", "change", "evidence", "telemetry", "other"] {
            if stages.contains(&stage) {
                row(&format!("- {stage}"), &|r| {
                    format!("{:.3}", r.cores_by_stage.get(stage).copied().unwrap_or(0.0))
                });
            }
        }
        row("node, % of a core a camera", &|r| format!("{:.2}", 100.0 * r.node_cores / f64::from(r.cameras)));
        row("RTSP server, broker, cores", &|r| format!("{:.2}, {:.2}", r.server_cores, r.broker_cores));
        row("others on the machine, cores", &|r| format!("{:.2}", r.other_cores));
        row("**RSS, MB**", &|r| format!("**{:.0}**", r.rss_mb));
        row("- peak", &|r| format!("{:.0}", r.peak_rss_mb));
        row("- footage in the rings", &|r| format!("{:.0}", r.ring_mb));
        row("threads", &|r| r.threads.to_string());
        out
    }
}
