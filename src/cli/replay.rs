//! `lintel replay`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::files::{load_for_replay, load_model};
use super::signals;
use crate::app::{ReplayOptions, replay};
use crate::base::{CameraId, WallTime};
use crate::config::{LogConfig, LogFormat, Pace};
use crate::ingest::footage_start;

/// Run the whole pipeline on recorded footage and print the events as JSON lines.
///
/// Time is that of the footage, so the same input gives the same lines, ids included. Only the named cameras run;
/// their zones and rules come from the config. Passwords and the broker are not needed. Logs go to standard error.
///
/// Example: lintel replay --config lintel.toml --camera gate=street.mp4 --speed max --out evidence
///
/// Exit codes: 0 replayed; 1 footage, model or folder cannot be used; 2 the config is wrong.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The node's config file.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// A recording (mp4, mkv, ts) and the camera that it stands for; repeatable.
    #[arg(long = "camera", value_name = "ID=VIDEO", value_parser = pair, required = true)]
    cameras: Vec<(String, PathBuf)>,
    /// Times real time, or `max` for as fast as the machine can.
    #[arg(long, value_name = "N|max", default_value = "max", value_parser = speed)]
    speed: Pace,
    /// When the recordings begin, RFC 3339. Default: what the first one says of itself, else 2000-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    start: Option<jiff::Timestamp>,
    /// Also make stills, clips and manifests in DIR/evidence.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((id, path)) if !id.is_empty() && !path.is_empty() => Ok((id.to_owned(), PathBuf::from(path))),
        _ => Err("expected ID=VIDEO, for example gate=street.mp4".to_owned()),
    }
}

fn speed(text: &str) -> Result<Pace, String> {
    if text == "max" {
        return Ok(Pace::AsFastAsPossible);
    }
    match text.parse::<f64>() {
        Ok(times) if times > 0.0 && times.is_finite() => Ok(Pace::Speed(times)),
        _ => Err("expected a number above 0, or max".to_owned()),
    }
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Some(loaded) = load_for_replay(&args.config) else { return Ok(ExitCode::from(2)) };
    let quiet = LogConfig { filter: "warn".to_owned(), format: LogFormat::Auto };
    crate::telemetry::init_logging(&quiet).context("LINTEL_LOG cannot be read")?;
    let mut footage = Vec::new();
    for (id, path) in args.cameras {
        let id = CameraId::new(id);
        if !loaded.config.cameras.iter().any(|camera| camera.id == id) {
            let known: Vec<_> = loaded.config.cameras.iter().map(|camera| camera.id.as_str()).collect();
            bail!(
                "--camera {id}: {} has no such camera; it has: {}",
                args.config.display(),
                known.join(", ")
            );
        }
        if footage.iter().any(|(other, _)| *other == id) {
            bail!("--camera {id} is given twice; one recording a camera");
        }
        footage.push((id, path));
    }
    let Some(model) = load_model(&loaded)? else { return Ok(ExitCode::from(2)) };
    let said = footage.first().and_then(|(_, path)| footage_start(path));
    let start = args.start.map(WallTime::from).or(said).unwrap_or(WallTime(YEAR_2000));
    let options = ReplayOptions { footage, start, pace: args.speed, evidence: args.out };
    let stop = signals::watch()?;
    let report = replay(loaded.config, &model, &options, Box::new(std::io::stdout()), &stop)?;
    eprintln!(
        "replayed {} frames, {} pictures analysed, {} damaged, {} events",
        report.frames, report.pictures, report.damaged, report.opened
    );
    Ok(ExitCode::SUCCESS)
}

/// 2000-01-01T00:00:00Z in microseconds.
const YEAR_2000: i64 = 946_684_800_000_000;
