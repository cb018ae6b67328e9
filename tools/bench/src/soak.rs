//! A long run in which cameras restart: does the node find each of them again, and does it stay the same
//! size?

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use lintel::base::{Shutdown, monotonic};
use rand::seq::IteratorRandom;

use crate::health::{Health, HealthMonitor};
use crate::soak_sample::SoakSample;
use crate::testbed::Testbed;
use crate::usage::Usage;
use crate::verdict::Verdict;

/// Between two rows of the CSV.
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// Rows between two lines of progress.
const PROGRESS_ROWS: usize = 30;
/// How long a restarting camera is away, in seconds.
const AWAY_S: std::ops::Range<f64> = 2.0..30.0;
/// The node waits a minute at most between two attempts. A camera that streams later than this was missed.
const RECONNECT_LIMIT: Duration = Duration::from_secs(90);

pub(crate) struct Plan<'a> {
    pub duration: Duration,
    /// Memory may grow until then: rings fill, and the allocator settles.
    pub warm_up: Duration,
    pub restart_every: Duration,
    pub csv: &'a Path,
}

/// `None`: stopped by a signal; the CSV holds the rows until then.
///
/// # Errors
/// The CSV cannot be written, or a program ended.
pub(crate) fn run(
    mut testbed: Testbed,
    monitor: &mut HealthMonitor,
    plan: &Plan<'_>,
    stop: &Shutdown,
) -> anyhow::Result<Option<(Verdict, Vec<SoakSample>)>> {
    let mut csv = File::create(plan.csv).with_context(|| format!("--soak {}", plan.csv.display()))?;
    writeln!(csv, "{}", SoakSample::HEADER)?;
    let (start, mut last_restart, mut samples) = (monotonic(), monotonic(), Vec::new());
    let mut restarts = Restarts::default();
    let no_restarts_after =
        plan.duration.saturating_sub(RECONNECT_LIMIT + Duration::from_secs_f64(AWAY_S.end));
    let mut next_sample = Duration::ZERO;
    while start.elapsed() < plan.duration {
        if stop.wait(Duration::from_secs(1)) {
            return Ok(None);
        }
        testbed.check_running()?;
        let health = monitor.fetch()?;
        restarts.update(&health);
        if last_restart.elapsed() >= plan.restart_every && start.elapsed() < no_restarts_after {
            last_restart = monotonic();
            restarts.restart_one(&mut testbed, &health)?;
        }
        if start.elapsed() >= next_sample {
            next_sample += SAMPLE_EVERY;
            let usage = Usage::of(testbed.node.id())?;
            let sample = restarts.sample(start.elapsed(), &usage, &health);
            sample.write(&mut csv)?;
            if samples.len() % PROGRESS_ROWS == 0 {
                eprintln!(
                    "bench: {:.0} min: {:.1} MB, {} threads, {} files, {} restarts, {} missed",
                    sample.seconds / 60.0,
                    sample.rss_mb,
                    sample.threads,
                    sample.open_files,
                    sample.restarts,
                    sample.missed
                );
            }
            samples.push(sample);
        }
    }
    testbed.stop()?;
    Ok(Some((Verdict::of(&samples, plan.warm_up), samples)))
}

/// The cameras that are away, and the count of all.
#[derive(Default)]
struct Restarts {
    away: BTreeMap<String, Away>,
    started: u64,
    found: u64,
    missed: u64,
}

/// A camera that was stopped and does not stream yet.
struct Away {
    since: Instant,
    time: Duration,
    connections: u64,
}

impl Restarts {
    /// Counts the cameras that stream again, and gives up those that are late.
    fn update(&mut self, health: &Health) {
        self.away.retain(|name, camera| {
            if camera.is_back(health, name) {
                self.found += 1;
                return false;
            }
            let late = camera.since.elapsed() > camera.time + RECONNECT_LIMIT;
            if late {
                self.missed += 1;
                eprintln!("bench: {name} did not stream again within {} s", RECONNECT_LIMIT.as_secs());
            }
            !late
        });
    }

    /// Takes a random camera away for a random time.
    fn restart_one(&mut self, testbed: &mut Testbed, health: &Health) -> anyhow::Result<()> {
        let present = health.cameras.iter().filter(|(name, _)| !self.away.contains_key(*name));
        let Some((name, camera)) = present.choose(&mut rand::rng()) else { return Ok(()) };
        let time = Duration::from_secs_f64(rand::random_range(AWAY_S));
        testbed.server.request(&format!("down {name} {:.1}", time.as_secs_f64()))?;
        self.started += 1;
        let away = Away { since: monotonic(), time, connections: camera.ingest.connections };
        self.away.insert(name.clone(), away);
        Ok(())
    }

    fn sample(&self, elapsed: Duration, usage: &Usage, health: &Health) -> SoakSample {
        let cameras = || health.cameras.values();
        SoakSample {
            seconds: elapsed.as_secs_f64(),
            rss_mb: usage.resident_bytes as f64 / 1e6,
            ring_mb: cameras().map(|c| c.ring.bytes).sum::<u64>() as f64 / 1e6,
            threads: usage.thread_count,
            open_files: usage.open_files,
            streaming: cameras().filter(|c| c.ingest.state == "streaming").count(),
            restarts: self.started,
            found: self.found,
            missed: self.missed,
            analysed: cameras().filter_map(|c| Some(c.detect.as_ref()?.analysed)).sum(),
        }
    }
}

impl Away {
    fn is_back(&self, health: &Health, name: &str) -> bool {
        let ingest = health.cameras.get(name).map(|camera| &camera.ingest);
        ingest.is_some_and(|now| now.connections > self.connections && now.state == "streaming")
    }
}
