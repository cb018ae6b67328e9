//! `lintel receive`.

use std::process::ExitCode;

/// Be the platform's side: receive events and evidence and store them
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
