//! A long run with cameras that start anew: does the node come back every time, and does it stay the same size?

use std::collections::BTreeMap;
use std::fmt::Write as _;
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
use crate::base::{Shutdown, monotonic};

/// Between two lines of the CSV.
const ROW: Duration = Duration::from_secs(10);
/// How long a camera is away when it starts anew, in seconds.
const AWAY: std::ops::Range<f64> = 2.0..30.0;
/// The node's longest wait between two attempts is a minute; later than this after a camera is back, it was missed.
const COMES_BACK: Duration = Duration::from_secs(90);
/// The slope that still counts as flat.
const FLAT_MB_PER_HOUR: f64 = 1.0;

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

#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub cameras: u32,
    pub minutes: f64,
    pub restarts: u64,
    pub missed: u64,
    /// Least squares over the rows after the warm-up, with its standard error (as if rows were independent).
    pub slope_mb_per_hour: f64,
    pub slope_error: f64,
    pub rss_mb: [f64; 2],
    pub threads: [u64; 2],
    pub open_files: [u64; 2],
    pub good: bool,
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

impl Verdict {
    pub fn of(rows: &[Row], warm_up: Duration) -> Self {
        let settled: Vec<Row> = rows.iter().copied().filter(|r| r.seconds >= warm_up.as_secs_f64()).collect();
        let (first, last) =
            (settled.first().copied().unwrap_or_default(), rows.last().copied().unwrap_or_default());
        let points: Vec<(f64, f64)> = settled.iter().map(|r| (r.seconds / 3600.0, r.rss_mb)).collect();
        let (slope, error) = slope(&points);
        // Clips are muxed by threads that live for a moment, so single rows may show more.
        let threads = [median(settled.iter().take(30)), median(settled.iter().rev().take(30))];
        Self {
            cameras: u32::try_from(last.streaming).unwrap_or(0),
            minutes: last.seconds / 60.0,
            restarts: last.restarts,
            missed: last.missed,
            slope_mb_per_hour: slope,
            slope_error: error,
            rss_mb: [first.rss_mb, last.rss_mb],
            threads,
            open_files: [first.open_files, last.open_files],
            good: slope < FLAT_MB_PER_HOUR && threads[1] <= threads[0] && last.missed == 0,
        }
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{} cameras for {:.0} minutes: {} restarts, {} missed\nRSS {:.1} -> {:.1} MB, slope {:+.2} +- {:.2} MB/h \
             after the warm-up (flat is under {FLAT_MB_PER_HOUR})\nthreads {} -> {}, open files {} -> {}\n{}",
            self.cameras,
            self.minutes,
            self.restarts,
            self.missed,
            self.rss_mb[0],
            self.rss_mb[1],
            self.slope_mb_per_hour,
            self.slope_error,
            self.threads[0],
            self.threads[1],
            self.open_files[0],
            self.open_files[1],
            if self.good { "good" } else { "NOT GOOD" }
        );
        out
    }
}

fn median<'a>(rows: impl Iterator<Item = &'a Row>) -> u64 {
    let mut threads: Vec<u64> = rows.map(|r| r.threads).collect();
    threads.sort_unstable();
    threads.get(threads.len() / 2).copied().unwrap_or(0)
}

/// Of the least-squares line, and its standard error; zeros where there is no line.
fn slope(points: &[(f64, f64)]) -> (f64, f64) {
    let n = points.len() as f64;
    if points.len() < 3 {
        return (0.0, 0.0);
    }
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let xx: f64 = points.iter().map(|p| (p.0 - mx).powi(2)).sum();
    let xy: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    let slope = xy / xx;
    let rest: f64 = points.iter().map(|p| (p.1 - my - slope * (p.0 - mx)).powi(2)).sum();
    (slope, (rest / (n - 2.0) / xx).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(minutes: u64, rss_mb: impl Fn(f64) -> f64) -> Vec<Row> {
        let row = |i: u64| {
            let hours = i as f64 / 360.0;
            Row {
                seconds: hours * 3600.0,
                rss_mb: rss_mb(hours),
                threads: 10,
                streaming: 32,
                ..Row::default()
            }
        };
        (0..minutes * 6).map(row).collect()
    }

    #[test]
    fn growth_after_the_warm_up_is_found_and_growth_before_is_not() {
        let filling = |hours: f64| 100.0 + 50.0 * (hours * 6.0).min(1.0);
        let verdict = Verdict::of(&rows(60, filling), Duration::from_secs(600));
        assert!(verdict.slope_mb_per_hour.abs() < 1e-9 && verdict.good, "{verdict:?}");
        let leaking = |hours: f64| filling(hours) + 1.5 * hours;
        let verdict = Verdict::of(&rows(60, leaking), Duration::from_secs(600));
        assert!((verdict.slope_mb_per_hour - 1.5).abs() < 1e-6 && !verdict.good, "{verdict:?}");
    }

    #[test]
    fn a_missed_camera_or_a_thread_too_many_is_not_good() {
        let mut more = rows(60, |_| 100.0);
        more.iter_mut().rev().take(60).for_each(|r| r.threads = 11);
        assert!(!Verdict::of(&more, Duration::ZERO).good);
        let mut missed = rows(60, |_| 100.0);
        missed.last_mut().unwrap().missed = 1;
        assert!(!Verdict::of(&missed, Duration::ZERO).good);
    }
}
