//! `lintel-bench`: measures how many cameras a machine can watch, on recorded footage over RTSP.
//!
//! Camera server, broker and node run as processes of their own, so the figures of the node are the node's
//! alone.

mod args;
mod events;
mod health;
mod measure;
mod plot;
mod process;
mod quantiles;
mod report;
mod signals;
mod soak;
mod soak_sample;
mod testbed;
mod usage;
mod verdict;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use lintel::base::Shutdown;

use args::Args;
use events::Events;
use health::HealthMonitor;
use report::{Machine, Report};
use testbed::Testbed;

/// A signal stopped the run.
const STOPPED: u8 = 3;
/// The soak found growth, or a camera that did not come back.
const NOT_GOOD: u8 = 4;

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<ExitCode> {
    let own = std::env::current_exe().context("cannot find this program's own path")?;
    let folder = own.parent().context("this program is in no folder")?;
    let programs = args.tools.clone().unwrap_or_else(|| folder.to_path_buf());
    for footage in &args.footage {
        ensure!(
            footage.is_file(),
            "--footage {}: no such file; scripts/footage.sh makes some",
            footage.display()
        );
    }
    let stop = signals::watch()?;
    let mut runs = Vec::new();
    for cameras in args.camera_counts() {
        let work = args.work.join(format!("{}-{cameras}", std::process::id()));
        let plan = testbed::Plan {
            programs: &programs,
            work: &work,
            dwells_s: &dwells_s(cameras, &args),
            footage: &args.footage,
            model: &args.model,
            interval: &args.interval,
            settings: &args.set,
        };
        eprintln!("bench: {cameras} cameras: starting camera server, broker and node");
        let logs = || format!("{cameras} cameras; the logs are in {}", work.display());
        let testbed = Testbed::start(&plan).with_context(logs)?;
        if let Some(csv) = &args.soak {
            return soak(testbed, cameras, csv, &args, &stop).with_context(logs);
        }
        let measured = measure::run(testbed, cameras, &args, &stop).with_context(logs)?;
        if !args.keep {
            drop(std::fs::remove_dir_all(&work));
        }
        let Some(run) = measured else { return Ok(stopped()) };
        runs.push(run);
    }
    let report =
        Report { machine: Machine::here(), version: env!("CARGO_PKG_VERSION"), settings: args.set, runs };
    if let Some(path) = &args.json {
        write_json(path, &report)?;
    }
    if let Some(path) = &args.plot {
        plot::scaling(path, &report.runs).with_context(|| format!("--plot {}", path.display()))?;
    }
    println!("{}", report.table());
    Ok(ExitCode::SUCCESS)
}

fn soak(
    mut testbed: Testbed,
    cameras: u32,
    csv: &Path,
    args: &Args,
    stop: &Shutdown,
) -> anyhow::Result<ExitCode> {
    let _platform = Events::subscribe(testbed.broker_port)?;
    let mut monitor = HealthMonitor::new(testbed.http_port);
    let plan = soak::Plan {
        duration: Duration::from_secs(args.seconds),
        warm_up: Duration::from_secs(args.warm_up),
        restart_every: Duration::from_secs(args.restart_every),
        csv,
    };
    if !measure::wait_until_analysed(&mut testbed, &mut monitor, cameras as usize, stop)? {
        return Ok(stopped());
    }
    let Some((verdict, samples)) = soak::run(testbed, &mut monitor, &plan, stop)? else {
        return Ok(stopped());
    };
    if let Some(path) = &args.plot {
        plot::soak(path, &samples).with_context(|| format!("--plot {}", path.display()))?;
    }
    if let Some(path) = &args.json {
        write_json(path, &verdict)?;
    }
    print!("{}", verdict.text());
    Ok(if verdict.good { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) })
}

/// The dwell of each camera's rule, in seconds. They are spread so that during the measurement one camera
/// after the other opens its events, and the remaining cameras none. In a soak every camera opens events,
/// again after each restart.
fn dwells_s(cameras: u32, args: &Args) -> Vec<u64> {
    const NEVER_S: u64 = 24 * 3600;
    /// About how long it takes from the first picture of one camera to the first picture of all.
    const START_S: u64 = 10;
    const SOAK_S: u64 = 20;
    let cameras = cameras as usize;
    if args.soak.is_some() {
        return vec![SOAK_S; cameras];
    }
    let mut dwells = vec![NEVER_S; cameras];
    let with_events = usize::try_from(args.seconds / args.event_every).unwrap_or(cameras).clamp(1, cameras);
    for n in 0..with_events {
        dwells[n * cameras / with_events] =
            START_S + args.warm_up + args.seconds * n as u64 / with_events as u64;
    }
    dwells
}

fn stopped() -> ExitCode {
    eprintln!("bench: stopped by a signal");
    ExitCode::from(STOPPED)
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::fs::write(path, text).with_context(|| format!("--json {}", path.display()))
}
