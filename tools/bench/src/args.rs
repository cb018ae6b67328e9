//! The command line.

use std::path::PathBuf;

use clap::value_parser;

/// Measure how many cameras this machine can watch, on recorded footage over RTSP.
///
/// Starts lintel-rtsp-server, mosquitto and `lintel run` with a generated config. The cameras share the
/// footage and each starts at another point of it. Each camera has one rule: a vehicle parked in a corner.
/// From time to time one of them reaches its dwell, so events, stills and clips are part of the load.
/// Prints a table. Processor time is in cores: 1.0 is one core, always busy. Progress goes to standard error.
///
/// Example: lintel-bench --cameras 32 --footage street.mp4 --seconds 60 --json bench.json
///
/// Exit codes: 0 measured; 1 something did not start, or no camera was analysed; 3 stopped by a signal; 4 the
/// soak found growth, or a camera that did not come back.
#[derive(clap::Parser, Debug)]
#[command(name = "lintel-bench", version, max_term_width = 110, verbatim_doc_comment)]
pub(crate) struct Args {
    /// Number of cameras.
    #[arg(long, value_name = "N", required_unless_present = "scaling", value_parser = value_parser!(u32).range(1..=1000))]
    pub cameras: Option<u32>,
    /// One run for each of these numbers of cameras, and a plot if --plot is given.
    #[arg(long, value_name = "N,...", value_delimiter = ',', conflicts_with = "cameras", value_parser = value_parser!(u32).range(1..=1000))]
    pub scaling: Vec<u32>,
    /// H.264 or H.265 mp4; repeatable. scripts/footage.sh makes some.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub footage: Vec<PathBuf>,
    /// How long to measure, once every camera has been analysed.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = value_parser!(u64).range(1..))]
    pub seconds: u64,
    /// How long to wait before that, until start-up effects are over.
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub warm_up: u64,
    /// The interval of each camera, as in the config.
    #[arg(long, value_name = "TIME", default_value = "4s")]
    pub interval: String,
    /// Time between two cameras with events. With the clip of the tests each has two events, with stills and
    /// clips.
    #[arg(long, value_name = "S", default_value_t = 6, value_parser = value_parser!(u64).range(1..))]
    pub event_every: u64,
    /// Any other setting, as in the config: --set 'detect.workers = 2'; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Folder with model.toml.
    #[arg(long, value_name = "DIR", default_value = "models/lintel-nano")]
    pub model: PathBuf,
    /// Write all figures to this file.
    #[arg(long, value_name = "OUT")]
    pub json: Option<PathBuf>,
    /// Soak instead of measuring: restart cameras at random for --seconds, write memory, threads, files and
    /// cameras to this CSV every 10 s, and judge them. Memory counts after --warm-up; growth under 1 MB an
    /// hour is flat.
    #[arg(long, value_name = "CSV", conflicts_with = "scaling")]
    pub soak: Option<PathBuf>,
    /// With --soak: time between two restarts of cameras.
    #[arg(long, value_name = "S", default_value_t = 15, value_parser = value_parser!(u64).range(1..))]
    pub restart_every: u64,
    /// Plot processor time and memory over the number of cameras, or over time with --soak (SVG).
    #[arg(long, value_name = "OUT")]
    pub plot: Option<PathBuf>,
    /// Folder of the lintel to measure and of lintel-rtsp-server [default: the folder of this program]
    #[arg(long, value_name = "DIR")]
    pub tools: Option<PathBuf>,
    /// Folder for outbox, evidence and logs: on the disk that a node would use, not in memory.
    #[arg(long, value_name = "DIR", default_value = ".cache/bench")]
    pub work: PathBuf,
    /// Keep the work folder with the config and the node's log.
    #[arg(long)]
    pub keep: bool,
}

impl Args {
    /// The numbers of cameras to run with, one after the other.
    pub fn camera_counts(&self) -> Vec<u32> {
        self.cameras.map_or_else(|| self.scaling.clone(), |n| vec![n])
    }
}
