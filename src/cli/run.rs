//! `lintel run`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::files::{load, load_model};
use super::signals;
use crate::app::{Live, ReloadRequest};

/// Watch the cameras of a config and publish what is found.
///
/// Runs until SIGTERM or SIGINT, then stops in order: cameras, decoders, detectors, rules, clips, and what is left of
/// runtime.stop_deadline goes to sending. A second signal ends at once. Nothing that was found is lost either way.
///
/// SIGHUP reads the config again, and so does a change of one of its files (runtime.watch_config): what changed is applied
/// without touching the other cameras; a config that is wrong, or that needs a restart, is refused and the old one runs on.
///
/// Exit codes: 0 stopped as asked; 1 it could not start or broke off; 2 the config is wrong; 3 the stop took longer
/// than its deadline; 130 a second signal.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The node's config file.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Some(loaded) = load(&args.config) else { return Ok(ExitCode::from(2)) };
    let log = crate::monitor::init_logging(&loaded.config.log).context("log.filter cannot be read")?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let Some(model) = load_model(&loaded)? else { return Ok(ExitCode::from(2)) };
    let reload = ReloadRequest::default();
    let stop = signals::watch(Some(reload.clone()))?;
    let live = Live { path: args.config, watched: loaded.watched(), request: reload, log };
    let report = crate::app::run(loaded.config, &model, &stop, Some(live))?;
    Ok(if report.late { ExitCode::from(3) } else { ExitCode::SUCCESS })
}
