//! `lintel export`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};

use super::files::load_for_replay;
use crate::carry::export;

/// Write what no platform has yet to a folder, such as a USB stick, and bring back what it confirmed there
///
/// For a box without a network. `lintel receive --from DIR` takes the folder in. When it comes back, run this
/// again: the node lets go what was confirmed, and the folder gets what has come since. The node may run
/// meanwhile, and nothing leaves it before a platform has it.
///
/// Messages go first, then the oldest files. What has no room stays for the next time.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  lintel export --config /etc/lintel/lintel.toml --to /media/stick\n\nExit codes: 0 all of it is \
                  there, 1 it could not be written, or not all of it had room, 2 the config has errors."
)]
pub struct Args {
    /// The node's config file
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// A folder that exists; DIR/lintel/NODE is made in it
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Some(loaded) = load_for_replay(&args.config) else { return Ok(ExitCode::from(2)) };
    // A stick that is not mounted must not fill the box's own disk.
    ensure!(args.to.is_dir(), "--to {}: there is no such folder; is the stick mounted?", args.to.display());
    let node = &loaded.config.node;
    let report =
        export(&node.data_dir, &node.id, &args.to).with_context(|| format!("--to {}", args.to.display()))?;
    println!("{} records confirmed: they leave the node", report.confirmed);
    println!(
        "{} messages and {} files ({:.1} MB) in {}",
        report.messages,
        report.files,
        report.file_bytes as f64 / 1e6,
        args.to.join("lintel").join(&node.id).display()
    );
    if report.gone > 0 {
        eprintln!("{} files are gone or changed on the node; it tells the platform itself", report.gone);
    }
    if report.no_room > 0 {
        eprintln!(
            "no room for {} more files: take these in first (lintel receive --from), then export again",
            report.no_room
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
