//! `lintel replay`.

use std::process::ExitCode;

/// Run the whole pipeline on recorded footage and print the events
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
