//! The command line: one file for each subcommand. Each returns the exit code of the process.

mod calibrate;
mod check;
mod compare;
mod config;
mod detect;
mod export;
mod files;
mod harvest;
mod init;
mod locate;
mod placed;
mod probing;
mod receive;
mod replay;
mod run;
mod sees;
mod signals;
mod still_options;
mod stills;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Edge detector of suspected violations: illegal construction and street disorder, from RTSP cameras to
/// MQTT.
#[derive(Parser, Debug)]
#[command(name = "lintel", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Init(init::Args),
    Run(run::Args),
    Check(check::Args),
    Detect(detect::Args),
    Replay(replay::Args),
    Receive(receive::Args),
    Export(export::Args),
    Harvest(harvest::Args),
    Config(config::Args),
    Calibrate(calibrate::Args),
    Locate(locate::Args),
    Sees(sees::Args),
    Compare(compare::Args),
}

impl Cli {
    /// # Errors
    /// The command failed. The caller prints the error with its causes, once.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Init(args) => init::run(args),
            Command::Run(args) => run::run(args),
            Command::Check(args) => check::run(args),
            Command::Detect(args) => detect::run(args),
            Command::Replay(args) => replay::run(args),
            Command::Receive(args) => receive::run(args),
            Command::Export(args) => export::run(args),
            Command::Harvest(args) => harvest::run(args),
            Command::Config(args) => config::run(args),
            Command::Calibrate(args) => calibrate::run(args),
            Command::Locate(args) => locate::run(args),
            Command::Sees(args) => sees::run(args),
            Command::Compare(args) => compare::run(args),
        }
    }
}
