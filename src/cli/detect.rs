//! `lintel detect`.

mod inputs;
mod results;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::base::Shutdown;
use crate::config::{Provider, Tiling};
use crate::decode::Picture;
use crate::detect::{Detector, ModelManifest, Runtime, SCORE_FLOOR};
use inputs::{Inputs, Source};
use results::{Annotator, Entry, Format, Results};

/// Slices share this much with their neighbours.
const OVERLAP: f32 = 0.2;
/// What a shell gives for a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// Run a model on pictures, folders and videos
///
/// Pictures are JPEG or PNG; videos are MP4, MKV, MOV or MPEG-TS with H.264 or H.265. Folders are searched with
/// their subfolders. What cannot be read is named and passed over, and the exit code is 1 then.
/// Ctrl-C ends early and keeps what was done (exit code 130).
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lintel detect street.jpg footage/ --model models/lintel-nano --out found.jsonl --format jsonl --annotate seen/\n  \
    lintel detect gate.mp4 --every 2 --tiles 2x2 --model models/lintel-nano --out found.json\n  \
    lintel detect --coco annotations.json --images pictures/ --model models/lintel-nano --out results.json")]
pub struct Args {
    /// Pictures, folders and videos
    #[arg(required_unless_present = "coco", conflicts_with = "coco", value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Folder of the model, with model.toml
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Where the detections go; - is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// coco: one JSON list of COCO results, boxes as x, y, width, height in pixels; jsonl: one line a picture
    #[arg(long, value_enum, default_value_t = Format::Coco)]
    format: Format,
    /// Draw what reaches its class's threshold (or --min-score) and write JPEGs here
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
    /// Take pictures, their ids and the ids of the classes (by name) from a COCO file
    #[arg(long, value_name = "ANNOTATIONS", requires = "images")]
    coco: Option<PathBuf>,
    /// The folder that file names in the COCO file start from
    #[arg(long, value_name = "DIR", requires = "coco")]
    images: Option<PathBuf>,
    /// Lowest score that is given, 0.001 to 1; 0.1 without it. Average precision is measured with 0.01
    #[arg(long, value_name = "SCORE", value_parser = score)]
    min_score: Option<f32>,
    /// Look at slices too: columns x rows, for example 3x2
    #[arg(long, value_name = "CxR", value_parser = tiles, default_value = "1x1")]
    tiles: (u8, u8),
    /// Threads of one run, instead of the model's own number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: Option<u8>,
    /// What runs the model, where the ONNX Runtime was built with it
    #[arg(long, value_enum, value_name = "NAME", default_value = "cpu")]
    provider: Provider,
    /// Seconds of a video from one picture to the next
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    every: f64,
    /// libonnxruntime.so, where it is not in one of the usual places
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
}

/// # Errors
/// No usable model or runtime, no inputs at all, a COCO file that cannot be read, an output that cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let manifest = ModelManifest::load(&args.model)?;
    let inputs = match (&args.coco, &args.images) {
        (Some(coco), Some(images)) => Inputs::from_coco(coco, images)?,
        _ => Inputs::find(&args.inputs)?,
    };
    let runtime = Runtime::load(args.onnxruntime.as_deref())?;
    let mut detector = Detector::open(&runtime, &manifest, args.threads.map(usize::from), args.provider)?;
    if let Some(lowest) = args.min_score.filter(|&lowest| lowest < SCORE_FLOOR) {
        detector.set_floor(lowest);
    }
    let results = Results::create(&args.out, args.format, &manifest, inputs.categories)?;
    let annotator = args.annotate.as_deref().map(Annotator::create).transpose()?;
    let shutdown = stop_on_interrupt()?;
    let every = Duration::from_secs_f64(args.every);
    let bar = progress(inputs.sources.len());
    let tiling =
        Tiling { columns: args.tiles.0.into(), rows: args.tiles.1.into(), overlap: OVERLAP, per_picture: 0 };
    let mut job =
        Job { detector, manifest, tiling, min_score: args.min_score, results, annotator, pictures: 0 };
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
        let looked = source.pictures(every, &shutdown, |picture, time| job.look(source, picture, time));
        match looked {
            Ok(()) => {}
            Err(Trouble::Input(problem)) => {
                bar.suspend(|| eprintln!("skipped {}: {problem:#}", source.label));
                bad.push(source.label.clone());
            }
            Err(Trouble::Output(problem)) => return Err(problem),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let missing = job.results.finish()?;
    for (class, count) in missing {
        eprintln!("left out {count} detections of {class}: the COCO file has no such category");
    }
    let (pictures, found) = (job.pictures, job.results.found());
    eprintln!("{found} detections in {pictures} pictures -> {}", args.out.display());
    if shutdown.is_stopped() {
        eprintln!("interrupted: what was done until then is in {}", args.out.display());
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if !bad.is_empty() {
        eprintln!("{} of {} inputs could not be read", bad.len(), all);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// What keeps a picture from being done.
enum Trouble {
    /// The next one may be better.
    Input(anyhow::Error),
    /// No use in going on.
    Output(anyhow::Error),
}

struct Job {
    detector: Detector,
    manifest: ModelManifest,
    tiling: Tiling,
    min_score: Option<f32>,
    results: Results,
    annotator: Option<Annotator>,
    pictures: u64,
}

impl Job {
    fn look(&mut self, source: &Source, picture: &Picture, time_s: Option<f64>) -> Result<(), Trouble> {
        let mut found = self.detector.detect(picture, &self.tiling).map_err(|e| Trouble::Input(e.into()))?;
        found.retain(|d| self.min_score.is_none_or(|limit| d.score >= limit));
        self.pictures += 1;
        let id = source.id.unwrap_or(self.pictures);
        self.results
            .write(&Entry { id, label: &source.label, time_s, picture, found: &found })
            .map_err(Trouble::Output)?;
        if let Some(annotator) = &mut self.annotator {
            let limit = |d: &crate::detect::Detection| match self.min_score {
                Some(limit) => limit,
                None => self.manifest.threshold(&d.class).unwrap_or_default(),
            };
            found.retain(|d| d.score >= limit(d));
            annotator.write(&source.label, time_s, picture, &found).map_err(Trouble::Output)?;
        }
        Ok(())
    }
}

/// Hidden by itself where standard error is not a terminal.
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
    // Not joined: it waits for a signal that may never come, and ends with the process.
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
