//! A long run with cameras that start anew: does the node come back every time, and does it stay the same size?

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::seq::IteratorRandom;
use serde::Serialize;

use super::health::{Health, Watch};
use super::proc::Usage;
use super::site::Site;
use super::verdict::Verdict;
use crate::base::{Shutdown, monotonic};

/// Between two lines of the CSV.
const ROW: Duration = Duration::from_secs(10);
/// How long a camera is away when it starts anew, in seconds.
const AWAY: std::ops::Range<f64> = 2.0..30.0;
/// The node's longest wait between two attempts is a minute; later than this after a camera is back, it was missed.
const COMES_BACK: Duration = Duration::from_secs(90);

pub(super) struct Plan<'a> {
    pub time: Duration,
    /// Before that, memory may still grow: rings fill, arenas find their size.
    pub warm_up: Duration,
    pub restart_every: Duration,
    pub csv: &'a Path,
}

/// A line of the CSV.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Row {
    pub seconds: f64,
    pub rss_mb: f64,
    pub ring_mb: f64,
    pub threads: u64,
    pub open_files: u64,
    pub streaming: usize,
    /// Cameras started anew so far.
    pub restarts: u64,
    /// Of these, those that the node found again, and those that it did not find in time.
    pub found: u64,
    pub missed: u64,
    pub analysed: u64,
}

/// A camera that is away or just back.
struct Away {
    since: Instant,
    time: Duration,
    connections: u64,
}

/// `None`: a signal came; the CSV holds what there was until then.
pub(super) fn run(
    mut site: Site,
    watch: &mut Watch,
    plan: &Plan<'_>,
    stop: &Shutdown,
) -> anyhow::Result<Option<(Verdict, Vec<Row>)>> {
    let mut csv = File::create(plan.csv).with_context(|| format!("--soak {}", plan.csv.display()))?;
    writeln!(csv, "seconds,rss_mb,ring_mb,threads,open_files,streaming,restarts,found,missed,analysed")?;
    let (begun, mut restarted, mut rows) = (monotonic(), monotonic(), Vec::new());
    let mut away: BTreeMap<String, Away> = BTreeMap::new();
    let (mut restarts, mut found, mut missed) = (0, 0, 0);
    let last_restart = plan.time.saturating_sub(COMES_BACK + Duration::from_secs_f64(AWAY.end));
    let mut next_row = Duration::ZERO;
    while begun.elapsed() < plan.time {
        if stop.wait(Duration::from_secs(1)) {
            return Ok(None);
        }
        site.still_runs()?;
        let health = watch.ask()?;
        let before = away.len() as u64;
        away.retain(|name, camera| !camera.is_back(&health, name));
        found += before - away.len() as u64;
        let before = away.len() as u64;
        away.retain(|name, camera| {
            let late = camera.since.elapsed() > camera.time + COMES_BACK;
            if late {
                eprintln!("bench: {name} was not found again within {} s", COMES_BACK.as_secs());
            }
            !late
        });
        missed += before - away.len() as u64;
        if restarted.elapsed() >= plan.restart_every && begun.elapsed() < last_restart {
            restarted = monotonic();
            let chosen =
                health.cameras.iter().filter(|(name, _)| !away.contains_key(*name)).choose(&mut rand::rng());
            if let Some((name, camera)) = chosen {
                let time = Duration::from_secs_f64(rand::random_range(AWAY));
                site.server.ask(&format!("down {name} {:.1}", time.as_secs_f64()))?;
                restarts += 1;
                let gone = Away { since: monotonic(), time, connections: camera.ingest.connections };
                away.insert(name.clone(), gone);
            }
        }
        if begun.elapsed() >= next_row {
            next_row += ROW;
            let usage = Usage::of(site.node.id())?;
            let row = Row {
                seconds: begun.elapsed().as_secs_f64(),
                rss_mb: usage.resident_bytes as f64 / 1e6,
                ring_mb: health.cameras.values().map(|c| c.ring.bytes).sum::<u64>() as f64 / 1e6,
                threads: usage.thread_count,
                open_files: usage.open_files,
                streaming: health.cameras.values().filter(|c| c.ingest.state == "streaming").count(),
                restarts,
                found,
                missed,
                analysed: health.cameras.values().filter_map(|c| Some(c.detect.as_ref()?.analysed)).sum(),
            };
            row.write(&mut csv)?;
            if rows.len() % 30 == 0 {
                eprintln!(
                    "bench: {:.0} min: {:.1} MB, {} threads, {} files, {restarts} restarts, {missed} missed",
                    row.seconds / 60.0,
                    row.rss_mb,
                    row.threads,
                    row.open_files
                );
            }
            rows.push(row);
        }
    }
    site.stop()?;
    Ok(Some((Verdict::of(&rows, plan.warm_up), rows)))
}

impl Away {
    fn is_back(&self, health: &Health, name: &str) -> bool {
        let ingest = health.cameras.get(name).map(|camera| &camera.ingest);
        ingest.is_some_and(|now| now.connections > self.connections && now.state == "streaming")
    }
}

impl Row {
    fn write(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        writeln!(
            out,
            "{:.0},{:.2},{:.2},{},{},{},{},{},{},{}",
            self.seconds,
            self.rss_mb,
            self.ring_mb,
            self.threads,
            self.open_files,
            self.streaming,
            self.restarts,
            self.found,
            self.missed,
            self.analysed
        )?;
        out.flush()
    }
}
