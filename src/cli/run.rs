//! `lintel run`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::files::{load, load_models};
use super::signals;
use crate::app::{Live, ReloadRequest};

/// Watch the cameras of a config and publish events.
///
/// Runs until SIGTERM or SIGINT, then stops in order: cameras, decoders, detectors, rules, clips. The rest of
/// runtime.stop_deadline is used to send queued messages. A second signal ends the program at once. No event
/// is lost either way: the outbox keeps it for the next start.
///
/// SIGHUP reloads the config, and so does a change of one of its files (runtime.watch_config). Only the
/// cameras that changed restart. A config with errors, or a change that needs a restart, is refused, and the
/// old config stays.
///
/// Exit codes: 0 stopped by a signal; 1 could not start, or failed; 2 the config has errors; 3 the stop took
/// longer than its deadline; 130 a second signal.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The node's config file.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    // Evidence is for this user only, whoever starts the program.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let Some(loaded) = load(&args.config) else { return Ok(ExitCode::from(2)) };
    let log = crate::monitor::init_logging(&loaded.config.log).context("log.filter is not valid")?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let Some(models) = load_models(&loaded)? else { return Ok(ExitCode::from(2)) };
    let reload = ReloadRequest::default();
    let stop = signals::watch(Some(reload.clone()))?;
    let live = Live { path: args.config, watched: loaded.watched(), request: reload, log };
    let report = crate::app::run(loaded.config, &models, &stop, Some(live))?;
    Ok(if report.late { ExitCode::from(3) } else { ExitCode::SUCCESS })
}
