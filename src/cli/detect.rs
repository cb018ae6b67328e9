//! `lintel detect`.

mod failure;
mod inputs;
mod results;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::base::Shutdown;
use crate::config::{Provider, Tiling};
use crate::decode::Picture;
use crate::detect::{Detector, IMPOSSIBLE_BOXES, ModelManifest, Runtime, SCORE_FLOOR, explain};
use failure::Failure;
use inputs::{Inputs, Source};
use results::{Annotator, Entry, Format, Results};

/// Overlap of neighbouring slices, as a fraction of their size.
const OVERLAP: f32 = 0.2;
/// The usual exit code after SIGINT.
const INTERRUPTED: u8 = 130;

/// Run a model on pictures, folders and videos
///
/// Pictures are JPEG or PNG; videos are MP4, MKV, MOV or MPEG-TS with H.264 or H.265. Folders are searched
/// with their subfolders. Unreadable files are reported and skipped; the exit code is then 1.
/// Ctrl-C stops early and keeps the results so far (exit code 130).
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lintel detect street.jpg footage/ --model models/lintel-nano --out found.jsonl --format jsonl --annotate seen/\n  \
    lintel detect gate.mp4 --every 2 --tiles 2x2 --model models/lintel-nano --out found.json\n  \
    lintel detect --explain best.onnx\n  lintel detect --coco annotations.json --images pictures/ --model models/lintel-nano --out results.json")]
pub struct Args {
    /// Pictures, folders and videos
    #[arg(required_unless_present_any = ["coco", "explain"], conflicts_with = "coco", value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Folder of the model, with model.toml
    #[arg(long, value_name = "DIR", required_unless_present = "explain")]
    model: Option<PathBuf>,
    /// File for the detections; - is standard output
    #[arg(long, value_name = "FILE", required_unless_present = "explain")]
    out: Option<PathBuf>,
    /// Show inputs and outputs of a model (folder or .onnx file), and which head.kind it looks like; detects
    /// nothing
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["inputs", "coco", "model", "out"])]
    explain: Option<PathBuf>,
    /// coco: one JSON list of COCO results, boxes as x, y, width, height in pixels; jsonl: one line for each
    /// picture
    #[arg(long, value_enum, default_value_t = Format::Coco)]
    format: Format,
    /// Draw the detections above their class's threshold (or --min-score) and write JPEGs to this folder
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
    /// Take pictures, their ids and the ids of the classes (by name) from a COCO file
    #[arg(long, value_name = "ANNOTATIONS", requires = "images")]
    coco: Option<PathBuf>,
    /// Folder of the pictures that the COCO file names
    #[arg(long, value_name = "DIR", requires = "coco")]
    images: Option<PathBuf>,
    /// Lowest score in the output, 0.001 to 1 [default: 0.1]. For average precision use 0.01
    #[arg(long, value_name = "SCORE", value_parser = score)]
    min_score: Option<f32>,
    /// Also run on slices of each picture: columns x rows, for example 3x2
    #[arg(long, value_name = "CxR", value_parser = tiles, default_value = "1x1")]
    tiles: (u8, u8),
    /// Threads for inference [default: as in model.toml]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: Option<u8>,
    /// Execution provider; the ONNX Runtime library must support it
    #[arg(long, value_enum, value_name = "NAME", default_value = "cpu")]
    provider: Provider,
    /// Seconds between two pictures of a video; 0 takes every picture
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    every: f64,
    /// Path of libonnxruntime.so [default: ORT_DYLIB_PATH, then the usual folders]
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
}

/// # Errors
/// The model, the runtime or the COCO file cannot be used, there are no inputs, or the output cannot be
/// written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (model, out) = match (&args.explain, &args.model, &args.out) {
        (Some(model), ..) => {
            let runtime = Runtime::load(args.onnxruntime.as_deref())?;
            write!(std::io::stdout(), "{}", explain(&runtime, model)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        (None, Some(model), Some(out)) => (model, out),
        _ => anyhow::bail!("give a model with --model and a file with --out"),
    };
    let manifest = ModelManifest::load(model)?;
    let inputs = match (&args.coco, &args.images) {
        (Some(coco), Some(images)) => Inputs::from_coco(coco, images)?,
        _ => Inputs::find(&args.inputs)?,
    };
    let runtime = Runtime::load(args.onnxruntime.as_deref())?;
    let mut detector = Detector::open(&runtime, &manifest, args.threads.map(usize::from), args.provider)?;
    if let Some(lowest) = args.min_score.filter(|&lowest| lowest < SCORE_FLOOR) {
        detector.set_floor(lowest);
    }
    let results = Results::create(out, args.format, &manifest, inputs.categories)?;
    let annotator = args.annotate.as_deref().map(Annotator::create).transpose()?;
    let shutdown = stop_on_interrupt()?;
    let every = Duration::from_secs_f64(args.every);
    let bar = progress(inputs.sources.len());
    let tiling =
        Tiling { columns: args.tiles.0.into(), rows: args.tiles.1.into(), overlap: OVERLAP, per_picture: 0 };
    let mut job = Job {
        detector,
        manifest,
        tiling,
        min_score: args.min_score,
        results,
        annotator,
        pictures: 0,
        impossible: 0,
    };
    let all = inputs.sources.len() + inputs.bad.len();
    let mut bad = inputs.bad;
    for problem in &bad {
        bar.suspend(|| eprintln!("skipped {problem}"));
    }
    for source in &inputs.sources {
        if shutdown.is_stopped() {
            break;
        }
        bar.set_message(source.label.clone());
        let outcome = source.pictures(every, &shutdown, |picture, time| job.detect(source, picture, time));
        match outcome {
            Ok(()) => {}
            Err(Failure::Input(problem)) => {
                bar.suspend(|| eprintln!("skipped {}: {problem:#}", source.label));
                bad.push(source.label.clone());
            }
            Err(Failure::Output(problem)) => return Err(problem),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let missing = job.results.finish()?;
    for (class, count) in missing {
        eprintln!("{count} detections of {class} left out: the COCO file has no such category");
    }
    let (pictures, found) = (job.pictures, job.results.found());
    eprintln!("{found} detections in {pictures} pictures -> {}", out.display());
    if job.impossible > 0 {
        eprintln!("{} {IMPOSSIBLE_BOXES}", job.impossible);
    }
    if shutdown.is_stopped() {
        eprintln!("interrupted: the results so far are in {}", out.display());
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if !bad.is_empty() {
        eprintln!("{} of {} inputs could not be read", bad.len(), all);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

struct Job {
    detector: Detector,
    manifest: ModelManifest,
    tiling: Tiling,
    min_score: Option<f32>,
    results: Results,
    annotator: Option<Annotator>,
    pictures: u64,
    /// Boxes of the network that cannot be.
    impossible: u64,
}

impl Job {
    fn detect(&mut self, source: &Source, picture: &Picture, time_s: Option<f64>) -> Result<(), Failure> {
        let mut found = self.detector.detect(picture, &self.tiling).map_err(|e| Failure::Input(e.into()))?;
        self.impossible += self.detector.impossible() as u64;
        found.retain(|d| self.min_score.is_none_or(|limit| d.score >= limit));
        self.pictures += 1;
        let id = source.id.unwrap_or(self.pictures);
        self.results
            .write(&Entry { id, label: &source.label, time_s, picture, found: &found })
            .map_err(Failure::Output)?;
        if let Some(annotator) = &mut self.annotator {
            let limit = |d: &crate::detect::Detection| match self.min_score {
                Some(limit) => limit,
                None => self.manifest.threshold(&d.class).unwrap_or_default(),
            };
            found.retain(|d| d.score >= limit(d));
            annotator.write(&source.label, time_s, picture, &found).map_err(Failure::Output)?;
        }
        Ok(())
    }
}

/// The bar hides itself where standard error is not a terminal.
fn progress(inputs: usize) -> ProgressBar {
    let style = "{bar:30} {pos}/{len} {elapsed} (left: {eta}) {wide_msg}";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(inputs as u64).with_style(style)
}

fn stop_on_interrupt() -> anyhow::Result<Shutdown> {
    let shutdown = Shutdown::new();
    let stop = shutdown.clone();
    let signals =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("signal handling")?;
    // Not joined: the signal may never come. The thread ends with the process.
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if signals.block_on(tokio::signal::ctrl_c()).is_ok() {
                stop.stop();
            }
        })
        .context("signal handling")?;
    Ok(shutdown)
}

fn score(text: &str) -> Result<f32, String> {
    let score: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1.0).contains(&score) { Ok(score) } else { Err("must be 0.001 to 1".into()) }
}

fn tiles(text: &str) -> Result<(u8, u8), String> {
    let (columns, rows) = text.split_once(['x', 'X']).ok_or("write columns x rows, for example 3x2")?;
    let count = |text: &str| text.parse().ok().filter(|n| (1..=8).contains(n));
    match (count(columns), count(rows)) {
        (Some(columns), Some(rows)) => Ok((columns, rows)),
        _ => Err("columns and rows must be 1 to 8".into()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if !(0.0..=86_400.0).contains(&seconds) {
        return Err("must be 0 (every picture) to 86400".into());
    }
    Ok(seconds)
}
