//! The `lintel` program: parses the arguments, runs one command, returns its exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match lintel::cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
