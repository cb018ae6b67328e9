//! `lintel harvest`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};

use crate::harvest::{MISTAKEN, Request, harvest, read_verdicts};

/// Turn events that people confirmed or rejected into training pictures
///
/// Reads a node's DATA_DIR/feedback or folders of `lintel receive`. Verdicts come from feedback.jsonl beside
/// an event and from --verdicts, lines of `EVENT,VERDICT[,REASON]` or JSON. A confirmed, rectified or
/// permitted event gives its still with boxes and a crop around each. A rejected event gives a crop without
/// boxes if its reason says that the detector was wrong (--mistaken).
/// Writes DIR/images, annotations_train.json, annotations_dev.json (COCO) and sources.toml for
/// models/training.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lintel harvest /var/lib/lintel/feedback --out harvested\n  \
                        lintel harvest /srv/evidence --verdicts verdicts.csv --out harvested\n  \
                        make -C models/training train ALSO=harvested RUN=runs/mine")]
pub struct Args {
    /// A node's DATA_DIR/feedback, or folders of `lintel receive`
    #[arg(required = true, value_name = "STORE")]
    stores: Vec<PathBuf>,
    /// Verdicts as CSV (event,verdict,reason) or JSON lines; the last line for an event counts
    #[arg(long, value_name = "FILE")]
    verdicts: Option<PathBuf>,
    /// Folder for the set; a second run replaces it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Rejection reason that means the object was not there; repeatable, replaces the defaults
    #[arg(long, value_name = "REASON", default_values = MISTAKEN)]
    mistaken: Vec<String>,
    /// Share of zones and days to keep for evaluation, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.15)]
    dev: f64,
    /// Name of the set in the model card
    #[arg(long, value_name = "NAME", default_value = "own cameras")]
    source: String,
    #[arg(long, value_name = "TEXT", default_value = "own pictures, not for publication")]
    licence: String,
}

/// # Errors
/// A file cannot be read or written, a verdict is unknown, or the folders hold no events.
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
        eprintln!("{}: skipped: {why}", dir.display());
    }
    println!("{report}");
    println!("written to {}", request.out.display());
    Ok(ExitCode::SUCCESS)
}
