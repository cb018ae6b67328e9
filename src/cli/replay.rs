//! `lintel replay`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::files::{load_for_replay, load_models};
use super::signals;
use crate::app::{ReplayOptions, replay};
use crate::base::{CameraId, WallTime};
use crate::config::{CameraConfig, Config, LogConfig, LogFormat, Pace, SourceConfig, TelemetrySource};
use crate::detect::IMPOSSIBLE_BOXES;
use crate::drone::{Flight, LonLat, TelemetryReport};
use crate::ingest::{FlightSettings, flight_of, footage_start};

/// Run the whole pipeline on recorded footage and print the events as JSON lines.
///
/// Time comes from the footage, so the same input gives the same lines, ids included. Only the named cameras
/// run, with their zones and rules from the config. No passwords and no broker are needed. Logs go to
/// standard error.
///
/// Example: lintel replay --config lintel.toml --camera gate=street.mp4 --speed max --out evidence
///
/// Exit codes: 0 replayed; 1 footage, model or folder cannot be used; 2 the config has errors.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The node's config file.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// A recording (mp4, mkv, ts) to replay as this camera; repeatable.
    #[arg(long = "camera", value_name = "ID=VIDEO", value_parser = pair, required = true)]
    cameras: Vec<(String, PathBuf)>,
    /// Telemetry of a drone's recording, if it is neither in the video nor in an .SRT file of the same name;
    /// repeatable.
    #[arg(long = "telemetry", value_name = "ID=SRT", value_parser = pair)]
    telemetry: Vec<(String, PathBuf)>,
    /// Multiple of real time, or `max` for as fast as possible.
    #[arg(long, value_name = "N|max", default_value = "max", value_parser = speed)]
    speed: Pace,
    /// Start time of the recordings, RFC 3339. Default: the time in a drone's telemetry, else in the first
    /// recording, else 2000-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    start: Option<jiff::Timestamp>,
    /// Also write stills, clips and manifests to DIR/evidence.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((id, path)) if !id.is_empty() && !path.is_empty() => Ok((id.to_owned(), PathBuf::from(path))),
        _ => Err("expected ID=VIDEO, for example gate=street.mp4".to_owned()),
    }
}

fn time(text: &str) -> Result<jiff::Timestamp, String> {
    let wanted = "expected date, time and time zone, for example 2026-11-30T08:00:00+08:00";
    text.parse().map_err(|_| wanted.to_owned())
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
    crate::monitor::init_logging(&quiet).context("LINTEL_LOG is not valid")?;
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
            bail!("--camera {id} is given twice; a camera has one recording");
        }
        footage.push((id, path));
    }
    let Some(models) = load_models(&loaded)? else { return Ok(ExitCode::from(2)) };
    let with_reports = flights(&loaded.config, &footage, &args.telemetry)?;
    let clock = with_reports.iter().find_map(|(_, _, report)| Some(report.clock.as_ref()?.start));
    let flights = with_reports.into_iter().map(|(id, flight, _)| (id, flight)).collect();
    let recorded = footage.first().and_then(|(_, path)| footage_start(path));
    let start = args.start.map(WallTime::from).or(clock).or(recorded).unwrap_or(WallTime(YEAR_2000));
    let options = ReplayOptions { footage, flights, start, pace: args.speed, evidence: args.out };
    let stop = signals::watch(None)?;
    let report = replay(loaded.config, &models, &options, Box::new(std::io::stdout()), &stop)?;
    eprintln!(
        "replayed {} frames, {} pictures analysed, {} damaged, {} second looks, {} events",
        report.frames, report.pictures, report.damaged, report.second_looks, report.opened
    );
    if report.impossible_boxes > 0 {
        eprintln!("{} {IMPOSSIBLE_BOXES}", report.impossible_boxes);
    }
    if report.pictures == 0 && !stop.is_stopped() {
        bail!("no picture could be decoded, so nothing was looked at; see the warnings above");
    }
    Ok(ExitCode::SUCCESS)
}

/// The flights of the drones among the recordings. A report of each goes to standard error.
fn flights(
    config: &Config,
    footage: &[(CameraId, PathBuf)],
    telemetry: &[(String, PathBuf)],
) -> anyhow::Result<Vec<(CameraId, Flight, TelemetryReport)>> {
    for (id, _) in telemetry {
        let drone = |c: &&CameraConfig| c.id.as_str() == id && c.drone.is_some();
        if !config.cameras.iter().any(|c| drone(&c)) || !footage.iter().any(|(f, _)| f.as_str() == id) {
            bail!(
                "--telemetry {id}: no drone of this id is replayed; give its recording with --camera, and `drone` in its config"
            );
        }
    }
    let mut flights = Vec::new();
    for (id, video) in footage {
        let Some(camera) = config.cameras.iter().find(|c| c.id == *id) else { continue };
        let Some(drone) = &camera.drone else { continue };
        let given = telemetry.iter().find(|(t, _)| t == id.as_str()).map(|(_, path)| path.clone());
        // The subtitles in the config belong to the recording in the config.
        let own = match (&drone.telemetry, &camera.source) {
            (TelemetrySource::Srt(path), SourceConfig::File(file)) if file.path == *video => {
                Some(path.clone())
            }
            _ => None,
        };
        let settings = FlightSettings {
            srt: given.or(own),
            base: camera.position.map(|p| LonLat { lon: p.lon, lat: p.lat }),
            time_zone: Some(config.node.time_zone.clone()),
        };
        let (flight, report) = flight_of(video, &settings)?;
        eprintln!("{id}: {report}");
        flights.push((id.clone(), flight, report));
    }
    Ok(flights)
}

/// 2000-01-01T00:00:00Z in microseconds.
const YEAR_2000: i64 = 946_684_800_000_000;
