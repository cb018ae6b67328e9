//! `lintel detect`.

use std::process::ExitCode;

/// Run a model on pictures, folders and videos
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
