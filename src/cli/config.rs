//! `lintel config`.

use std::io::Write;
use std::process::ExitCode;

/// Tools for config files
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Print the JSON Schema of a config file, for editors that complete and check TOML
    #[command(
        after_help = "Example, for VS Code with Even Better TOML:\n  lintel config schema > lintel.schema.json\n\
                            and as the first line of the config:\n  #:schema ./lintel.schema.json"
    )]
    Schema,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Schema => {
            writeln!(std::io::stdout(), "{:#}", crate::config::schema())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
