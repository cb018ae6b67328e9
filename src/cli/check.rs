//! `lintel check`.

mod ahead;
mod coverage;
mod networks;
mod probe;
mod table;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::networks::Networks;
use self::table::columns;
use super::stills::StillFolder;
use crate::base::error_chain;
use crate::config::{self, Config, Finding, Loaded, Sampling, SourceConfig, TelemetrySource};
use crate::decode::DecoderChoice;
use crate::draw::Lettering;
use crate::scene::seen_on_ground;

/// The config, or a file it names, has errors.
const WRONG: u8 = 2;

/// Check a config; with --probe also the cameras and the broker
///
/// Reads the config with its includes and prints all errors at once, each with file, line, column and a
/// remedy. Then tries what the config names: model, ONNX Runtime, decoders, data folder, certificates,
/// recordings. Without errors, it prints what will run, what each class is decided by, and how well the model
/// finds its objects. It warns of rules whose objects the model hardly knows.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lintel check --config /etc/lintel/lintel.toml\n  \
                        lintel check --config /etc/lintel/lintel.toml --probe --stills stills\n\n\
                        Exit codes: 0 no errors, 1 a camera or the broker failed the probe, 2 errors in the config.")]
pub struct Args {
    /// The main config file
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Connect to each camera and the broker; report codec, size, frame rate, key frames, clock and advice
    #[arg(long)]
    probe: bool,
    /// With --probe: keep a still of each camera in this folder, and one with a grid to read zones off
    #[arg(long, value_name = "DIR", requires = "probe")]
    stills: Option<PathBuf>,
    /// Give up on a camera or the broker after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let loaded = match config::load(&args.config) {
        Ok(loaded) => loaded,
        Err(errors) => {
            eprintln!("{}", errors.report());
            return Ok(ExitCode::from(WRONG));
        }
    };
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let mut findings = Vec::new();
    let model = networks::open(&loaded.config, &mut findings);
    places(&loaded.config, &mut findings);
    let ground = seen_on_ground(&loaded.config).unwrap_or_else(|error| {
        // A missing file is reported already.
        if !findings.iter().any(|f| f.key == error.key()) {
            findings.push(Finding { key: error.key(), message: error_chain(&error), help: String::new() });
        }
        Vec::new()
    });
    let mut errors = loaded.errors(findings);
    if let Some(Networks { models, .. }) = &model
        && let Err(unknown) = loaded.check_objects(models.detector.class_names())
    {
        errors = errors.join(unknown);
    }
    if !errors.is_empty() {
        eprintln!("{}", errors.report());
    }
    let Some(networks) = model.filter(|_| errors.is_empty()) else {
        return Ok(ExitCode::from(WRONG));
    };
    for warning in coverage::warnings(&loaded, &networks.models.detector)
        .into_iter()
        .chain(ahead::warnings(&loaded.config))
    {
        eprintln!("warning: {warning}");
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}: all right\n\n{}", args.config.display(), summary(&loaded, &networks))?;
    if !ground.is_empty() {
        writeln!(out, "On the ground, as far as the cameras see it:\n  {}\n", ground.join("\n  "))?;
    }
    if !args.probe {
        return Ok(ExitCode::SUCCESS);
    }
    let stills =
        args.stills.as_deref().map(|dir| StillFolder::open(dir, &loaded.config.decode)).transpose()?;
    let timeout = std::time::Duration::from_secs(args.timeout);
    let all_good = probe::run(&loaded.config, timeout, stills, &mut out)?;
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The folders, files and decoders that the config needs.
fn places(config: &Config, findings: &mut Vec<Finding>) {
    let mut found = |key: &str, message: String, help: &str| {
        findings.push(Finding { key: key.into(), message, help: help.into() });
    };
    let data = &config.node.data_dir;
    if let Err(error) = writable(data) {
        found(
            "node.data_dir",
            format!("cannot write into {}: {error}", data.display()),
            "make the folder writable for the user that runs lintel, or choose another",
        );
    }
    if let Err(error) = DecoderChoice::new(&config.decode) {
        let message = error.to_string();
        let key =
            ["decode.h264_decoder", "decode.h265_decoder"].into_iter().find(|key| message.contains(key));
        found(key.unwrap_or("decode"), message, "");
    }
    if let Err(error) = Lettering::load(config.evidence.font.as_deref()) {
        found("evidence.font", error_chain(&error), "");
    }
    let tls = config.mqtt.tls.as_ref();
    let files = [
        ("mqtt.tls.ca_file", tls.and_then(|t| t.ca_file.as_ref())),
        ("mqtt.tls.client_cert_file", tls.and_then(|t| t.client_cert_file.as_ref())),
        ("mqtt.tls.client_key_file", tls.and_then(|t| t.client_key_file.as_ref())),
        ("map.dem", config.map.dem.as_ref()),
    ];
    let named = files.into_iter().filter_map(|(key, path)| Some((key.to_owned(), path?)));
    let recordings = config.cameras.iter().filter_map(|camera| match &camera.source {
        SourceConfig::File(file) => Some((format!("camera.{}.file", camera.id), &file.path)),
        SourceConfig::Rtsp(_) | SourceConfig::Udp(_) => None,
    });
    let subtitles = config.cameras.iter().filter_map(|camera| match &camera.drone.as_ref()?.telemetry {
        TelemetrySource::Srt(path) => Some((format!("camera.{}.drone.telemetry", camera.id), path)),
        TelemetrySource::WithVideo => None,
    });
    let calibrations = config.cameras.iter().filter_map(|camera| {
        Some((format!("camera.{}.calibration", camera.id), camera.calibration.as_ref()?))
    });
    for (key, path) in named.chain(recordings).chain(calibrations).chain(subtitles) {
        if let Err(error) = readable(path) {
            let message = format!("cannot read {}: {error}", path.display());
            found(&key, message, "check the path, which is relative to its config file, and its permissions");
        }
    }
}

fn readable(path: &Path) -> std::io::Result<()> {
    if File::open(path)?.metadata()?.is_dir() { Err(std::io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
}

fn writable(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let trial = folder.join(format!(".check-{}", std::process::id()));
    let written = std::fs::write(&trial, b"trial");
    // Fails if the file could not be written.
    drop(std::fs::remove_file(&trial));
    written
}

/// What will run, as a table.
fn summary(loaded: &Loaded, networks: &Networks) -> String {
    let Networks { models, runtime } = networks;
    let manifest = &models.detector;
    let config = &loaded.config;
    let mut rows = vec![["camera", "source", "pictures", "zones", "rules"].map(String::from)];
    for camera in &config.cameras {
        let source = match &camera.source {
            SourceConfig::Rtsp(rtsp) => format!("rtsp {}", rtsp.url.host_str().unwrap_or_default()),
            SourceConfig::Udp(udp) => format!("udp {}:{}", udp.address, udp.port),
            SourceConfig::File(file) => file.path.display().to_string(),
        };
        let sampling = match camera.sampling {
            Sampling::Adaptive(_) => "adaptive",
            Sampling::Keyframes => "key frames",
            Sampling::All => "all frames",
        };
        let slices = match camera.tiling.columns * camera.tiling.rows {
            1 => String::new(),
            n => format!(", {n} slices"),
        };
        let rules: Vec<&str> = camera.rules.iter().map(|r| r.id.as_str()).collect();
        rows.push([
            camera.id.to_string(),
            source,
            format!("{sampling}, {:?}{slices}", camera.interval),
            camera.zones.len().to_string(),
            if rules.is_empty() { "none: nothing is reported".into() } else { rules.join(", ") },
        ]);
    }
    for area in &config.flight_areas {
        let rules: Vec<&str> = area.rules.iter().map(|r| r.id.as_str()).collect();
        let (from, settle) =
            (format!("flights in {}", area.folder.display()), format!("after {:?}", area.settle));
        rows.push([area.id.to_string(), from, settle, area.zones.len().to_string(), rules.join(", ")]);
    }
    let mut text = columns(&rows);
    let mqtt = &config.mqtt;
    let tls = if mqtt.tls.is_some() { "mqtts" } else { "mqtt" };
    let classes = manifest.class_names();
    text += &format!(
        "\nnode     {}, data in {}\nmodel    {} {}, {} classes\nsecond   {}\nruntime  {}\nbroker   {tls}://{}:{}, topics {}/...\n",
        config.node.id,
        config.node.data_dir.display(),
        manifest.name,
        manifest.version,
        classes.len(),
        networks.second_look(),
        runtime.library().display(),
        mqtt.host,
        mqtt.port,
        mqtt.topic_prefix,
    );
    text += &coverage::report(loaded, manifest);
    text
}
