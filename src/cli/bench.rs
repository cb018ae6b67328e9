//! `lintel bench`.

mod events;
mod health;
mod plot;
mod proc;
mod program;
mod report;
mod site;
mod soak;
mod spread;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::signals;
use crate::base::{Shutdown, monotonic};
use events::Events;
use health::Watch;
use proc::Usage;
use report::{Machine, Report, Run, Window};
use site::Site;

/// How often the node is asked how its cameras are.
const POLL: Duration = Duration::from_millis(250);
/// After that, not all cameras will come.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often progress is told.
const TELL: Duration = Duration::from_secs(5);

/// Measure how many cameras this machine can watch, on recorded footage over RTSP.
///
/// Starts the test RTSP server, a broker and `lintel run` with a config of its own making, each as a process, so that
/// the figures of the node are the node's. Cameras take the footage in turn and are out of step with each other. A
/// camera has one rule, vehicles that stand in a corner, and now and then one of them has stood there for long enough, so
/// events, stills and clips are part of the work.
/// Prints a table; processor time is told in cores (1.0: one core all the time). Progress goes to standard error.
///
/// Example: lintel bench --cameras 32 --footage street.mp4 --seconds 60 --json bench.json
///
/// Exit codes: 0 measured; 1 something did not start, or no camera was ever analysed; 3 stopped by a signal; 4 the soak
/// found growth or a camera that was not found again.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// How many cameras.
    #[arg(long, value_name = "N", required_unless_present = "scaling", value_parser = clap::value_parser!(u32).range(1..=1000))]
    cameras: Option<u32>,
    /// One run for each of these numbers of cameras, and a plot if --plot is given.
    #[arg(long, value_name = "N,...", value_delimiter = ',', conflicts_with = "cameras", value_parser = clap::value_parser!(u32).range(1..=1000))]
    scaling: Vec<u32>,
    /// H.264 or H.265 mp4; repeatable. scripts/footage.sh makes some.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    footage: Vec<PathBuf>,
    /// How long to measure, once all cameras are analysed.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How long to wait before that for what is only at the beginning.
    #[arg(long, value_name = "S", default_value_t = 10)]
    warm_up: u64,
    /// Of each camera, as in the config.
    #[arg(long, value_name = "TIME", default_value = "4s")]
    interval: String,
    /// How often a camera has something to tell. It is two events, with stills and clips, with the clip of the tests.
    #[arg(long, value_name = "S", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..))]
    event_every: u64,
    /// Any other setting, as in the config: --set 'detect.workers = 2'; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder with model.toml.
    #[arg(long, value_name = "DIR", default_value = "models/lintel-nano")]
    model: PathBuf,
    /// Where to write all figures.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Instead of measuring: start cameras anew at random for --seconds, write memory, threads, files and cameras every
    /// 10 s to this CSV, and judge. Memory counts after --warm-up, and flat is under 1 MB an hour.
    #[arg(long, value_name = "CSV", conflicts_with = "scaling")]
    soak: Option<PathBuf>,
    /// With --soak: between two cameras that start anew.
    #[arg(long, value_name = "S", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..))]
    restart_every: u64,
    /// Where to draw processor time and memory over the number of cameras, or over time with --soak (SVG).
    #[arg(long, value_name = "OUT")]
    plot: Option<PathBuf>,
    /// Folder of the lintel to measure, lintel-rtsp-server and lintel-broker; that of this lintel if left out.
    #[arg(long, value_name = "DIR")]
    tools: Option<PathBuf>,
    /// Where outbox, evidence and logs go meanwhile: on the disk that a node would use, not in memory.
    #[arg(long, value_name = "DIR", default_value = ".cache/bench")]
    work: PathBuf,
    /// Leave the work folder, with the config and the node's log, as it is at the end.
    #[arg(long)]
    keep: bool,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let lintel = std::env::current_exe().context("where this program is")?;
    let beside = lintel.parent().context("this program stands in no folder")?;
    let tools = args.tools.clone().unwrap_or_else(|| beside.to_path_buf());
    for footage in &args.footage {
        ensure!(
            footage.is_file(),
            "--footage {}: no such file; scripts/footage.sh makes some",
            footage.display()
        );
    }
    let stop = signals::watch(None)?;
    let sizes = args.cameras.map_or_else(|| args.scaling.clone(), |n| vec![n]);
    let mut runs = Vec::new();
    for cameras in sizes {
        let work = args.work.join(format!("{}-{cameras}", std::process::id()));
        let plan = site::Plan {
            lintel: &tools.join("lintel"),
            tools: &tools,
            work: &work,
            dwells_s: &dwells_s(cameras, &args),
            footage: &args.footage,
            model: &args.model,
            interval: &args.interval,
            settings: &args.set,
        };
        eprintln!("bench: {cameras} cameras: starting server, broker and node");
        if let Some(csv) = &args.soak {
            let site = Site::start(&plan)?;
            return soak(site, cameras, csv, &args, &stop)
                .with_context(|| format!("the logs are in {}", work.display()));
        }
        let measured = Site::start(&plan)
            .and_then(|site| measure(site, cameras, &args, &stop))
            .with_context(|| format!("{cameras} cameras; the logs are in {}", work.display()))?;
        if !args.keep {
            drop(std::fs::remove_dir_all(&work));
        }
        let Some(run) = measured else {
            eprintln!("bench: stopped by a signal");
            return Ok(ExitCode::from(3));
        };
        runs.push(run);
    }
    let report =
        Report { machine: Machine::here(), version: env!("CARGO_PKG_VERSION"), settings: args.set, runs };
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        std::fs::write(path, text).with_context(|| format!("--json {}", path.display()))?;
    }
    if let Some(path) = &args.plot {
        plot::scaling(path, &report.runs).with_context(|| format!("--plot {}", path.display()))?;
    }
    println!("{}", report.table());
    Ok(ExitCode::SUCCESS)
}

/// How long vehicles have to stand, by camera: such that while it is measured one camera after the other has its events,
/// and the others none. In a soak all have them, and again after they started anew.
fn dwells_s(cameras: u32, args: &Args) -> Vec<u64> {
    const NEVER_S: u64 = 24 * 3600;
    /// From a camera's first picture until all others are there too, about.
    const BEGIN_S: u64 = 10;
    let cameras = cameras as usize;
    if args.soak.is_some() {
        return vec![20; cameras];
    }
    let mut dwells = vec![NEVER_S; cameras];
    let tellers = usize::try_from(args.seconds / args.event_every).unwrap_or(cameras).clamp(1, cameras);
    for n in 0..tellers {
        dwells[n * cameras / tellers] = BEGIN_S + args.warm_up + args.seconds * n as u64 / tellers as u64;
    }
    dwells
}

fn soak(mut site: Site, cameras: u32, csv: &Path, args: &Args, stop: &Shutdown) -> anyhow::Result<ExitCode> {
    let _platform = Events::listen(site.broker_port)?;
    let mut watch = Watch::new(site.http_port);
    let plan = soak::Plan {
        time: Duration::from_secs(args.seconds),
        warm_up: Duration::from_secs(args.warm_up),
        restart_every: Duration::from_secs(args.restart_every),
        csv,
    };
    let ended = if all_analysed(&mut site, &mut watch, cameras as usize, stop)? {
        soak::run(site, &mut watch, &plan, stop)?
    } else {
        None
    };
    let Some((verdict, rows)) = ended else {
        eprintln!("bench: stopped by a signal");
        return Ok(ExitCode::from(3));
    };
    if let Some(path) = &args.plot {
        plot::soak(path, &rows).with_context(|| format!("--plot {}", path.display()))?;
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&verdict)? + "\n";
        std::fs::write(path, text).with_context(|| format!("--json {}", path.display()))?;
    }
    print!("{}", verdict.text());
    Ok(if verdict.good { ExitCode::SUCCESS } else { ExitCode::from(4) })
}

/// `None`: a signal came.
fn measure(mut site: Site, cameras: u32, args: &Args, stop: &Shutdown) -> anyhow::Result<Option<Run>> {
    let events = Events::listen(site.broker_port)?;
    let mut watch = Watch::new(site.http_port);
    if !all_analysed(&mut site, &mut watch, cameras as usize, stop)? {
        return Ok(None);
    }
    eprintln!("bench: {cameras} cameras: warming up for {} s", args.warm_up);
    if stop.wait(Duration::from_secs(args.warm_up)) {
        return Ok(None);
    }
    let pid = site.node.id();
    let (begun, served) = (monotonic(), site.served()?);
    let before = Usage::of(pid)?;
    let others = [Usage::of(site.server.id())?, Usage::of(site.broker.id())?];
    let machine = proc::machine_busy()?;
    let started = watch.begin()?;
    events.begin();
    let mut told = begun;
    while begun.elapsed() < Duration::from_secs(args.seconds) {
        if stop.wait(POLL) {
            return Ok(None);
        }
        site.still_runs()?;
        watch.poll()?;
        if told.elapsed() >= TELL {
            told = monotonic();
            eprintln!("bench: {cameras} cameras: {} of {} s", begun.elapsed().as_secs(), args.seconds);
        }
    }
    let after = Usage::of(pid)?;
    let window = Window {
        cameras,
        seconds: begun.elapsed(),
        usage: after.since(&before),
        server_cpu: Usage::of(site.server.id())?.since(&others[0]).total,
        broker_cpu: Usage::of(site.broker.id())?.since(&others[1]).total,
        machine_busy: proc::machine_busy()?.saturating_sub(machine),
        served: site.served()?.since(&served),
        seen: watch.end(&started)?,
        events: events.end(),
    };
    site.stop()?;
    Ok(Some(Run::of(window)))
}

/// Waits until every camera has been analysed, or a minute has shown that not all will be. False: a signal came.
fn all_analysed(site: &mut Site, watch: &mut Watch, cameras: usize, stop: &Shutdown) -> anyhow::Result<bool> {
    let begun = monotonic();
    let mut told = begun;
    loop {
        if stop.wait(POLL) {
            return Ok(false);
        }
        site.still_runs()?;
        // The node opens its port once everything has started.
        let analysed = watch.poll().unwrap_or(0);
        if analysed == cameras {
            return Ok(true);
        }
        if begun.elapsed() > PATIENCE {
            ensure!(analysed > 0, "no camera was analysed within {} s", PATIENCE.as_secs());
            eprintln!("bench: only {analysed} of {cameras} cameras were ever analysed; measuring those");
            return Ok(true);
        }
        if told.elapsed() >= TELL {
            told = monotonic();
            eprintln!("bench: {cameras} cameras: {analysed} analysed so far");
        }
    }
}
