//! `lintel run`.

use std::process::ExitCode;

/// Watch the cameras of a config and publish what is found
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
