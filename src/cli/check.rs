//! `lintel check`.

use std::process::ExitCode;

/// Check a config, and with --probe the cameras and the broker too
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
