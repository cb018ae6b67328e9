//! `lintel harvest`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};

use crate::harvest::{MISTAKEN, Request, harvest, read_verdicts};

/// Make training pictures of events that people confirmed or rejected
///
/// Reads what a node keeps of the platform's decisions (DATA_DIR/feedback), or what `lintel receive` stored, and
/// verdicts: lines `EVENT,VERDICT[,REASON]` (or JSON) of --verdicts, and feedback.jsonl beside an event. Confirmed,
/// rectified and permitted events give the still with its boxes and a crop around
/// each; rejected ones give a crop without boxes where the reason says that the detector was mistaken (--mistaken).
/// Writes DIR/images, annotations_train.json, annotations_dev.json (COCO) and sources.toml for models/training.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lintel harvest /var/lib/lintel/feedback --out harvested\n  \
                        lintel harvest /srv/evidence --verdicts verdicts.csv --out harvested\n  \
                        make -C models/training train ALSO=harvested RUN=runs/mine")]
pub struct Args {
    /// A node's DATA_DIR/feedback, or folders of `lintel receive`
    #[arg(required = true, value_name = "STORE")]
    stores: Vec<PathBuf>,
    /// What people said: CSV (event,verdict,reason) or JSON lines; the last line about an event counts
    #[arg(long, value_name = "FILE")]
    verdicts: Option<PathBuf>,
    /// The set is written here; a second run replaces it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A reason of rejections that means: that thing is not there. May be repeated; replaces the usual ones
    #[arg(long, value_name = "REASON", default_values = MISTAKEN)]
    mistaken: Vec<String>,
    /// Share of cameras' zones and days that is kept for measuring
    #[arg(long, value_name = "SHARE", default_value_t = 0.15)]
    dev: f64,
    /// Name of the set in the model card
    #[arg(long, value_name = "NAME", default_value = "own cameras")]
    source: String,
    #[arg(long, value_name = "TEXT", default_value = "own pictures, not for publication")]
    licence: String,
}

/// # Errors
/// A file that cannot be read or written, a verdict that is none, folders without events.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    ensure!((0.0..=1.0).contains(&args.dev), "--dev {}: a share is 0 to 1", args.dev);
    let verdicts = match &args.verdicts {
        Some(path) => read_verdicts(path).context("--verdicts")?,
        None => Vec::new(),
    };
    let request = Request {
        stores: args.stores,
        out: args.out,
        verdicts,
        mistaken: args.mistaken.into_iter().collect(),
        dev: args.dev,
        source: args.source,
        licence: args.licence,
    };
    let report = harvest(&request)?;
    for (dir, why) in &report.passed_over {
        eprintln!("{}: passed over: {why}", dir.display());
    }
    println!("{report}");
    println!("written to {}", request.out.display());
    Ok(ExitCode::SUCCESS)
}
