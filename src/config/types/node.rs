//! Settings of the node itself: its name, its resources, its evidence and its connections.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::rule::Severity;
use super::schedule::Schedule;
use super::secret::Secret;

#[derive(Clone, Debug, PartialEq)]
pub struct NodeConfig {
    /// Part of every topic: `[A-Za-z0-9_-]{1,64}`.
    pub id: String,
    pub name: String,
    pub data_dir: PathBuf,
    pub time_zone: TimeZone,
    /// Put in front of six-digit event codes where the city wants them.
    pub area_code: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RuntimeConfig {
    /// `None`: `ORT_DYLIB_PATH`, then `libonnxruntime.so` beside the binary and in the usual library folders.
    pub onnxruntime: Option<PathBuf>,
    pub stop_deadline: Duration,
    /// Read the config again when one of its files changes; SIGHUP does it either way.
    pub watch_config: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DecodeConfig {
    /// Shared keyframe decoders; each holds about 21 MB at 1080p.
    pub workers: usize,
    /// `None`: the best that the box has; else a GStreamer element's name, for example `avdec_h264`, per
    /// codec.
    pub h264_decoder: Option<String>,
    pub h265_decoder: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetConfig {
    /// Cores that the node may use, averaged over some seconds; `None`: all that the box gives.
    pub cores: Option<f64>,
    /// The most footage that the rings of all cameras hold together.
    pub ring_bytes: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct EvidenceConfig {
    pub pre_roll: Duration,
    pub post_roll: Duration,
    pub jpeg_quality: u8,
    /// Below this much free space no media is written; events still are.
    pub min_free_bytes: u64,
    /// Above this delivered media is deleted: lowest severity first, of these the oldest.
    pub quota_bytes: u64,
    /// Delivered media of events of each severity is deleted after this.
    pub keep: KeepConfig,
    /// TrueType font for names in the operator's language; `None`: ASCII labels by OpenCV's own font.
    pub font: Option<PathBuf>,
}

/// How long evidence is kept at most, by severity; zero: no longer than the disk has room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepConfig {
    pub low: Duration,
    pub medium: Duration,
    pub high: Duration,
}

impl KeepConfig {
    /// `None`: without limit.
    pub fn of(&self, severity: Severity) -> Option<Duration> {
        let limit = match severity {
            Severity::Low => self.low,
            Severity::Medium => self.medium,
            Severity::High => self.high,
        };
        (!limit.is_zero()).then_some(limit)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct OutboxConfig {
    pub max_bytes: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MqttConfig {
    pub host: String,
    pub port: u16,
    pub tls: Option<TlsConfig>,
    pub client_id: String,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub topic_prefix: String,
    pub chunk_bytes: usize,
    /// QoS 1 messages on the way at a time.
    pub in_flight: u16,
    pub keep_alive: Duration,
    pub confirm: Confirm,
    pub media: MediaSending,
    /// The first whose hours it is counts; outside of all of them there is no limit.
    pub limits: Vec<LineLimit>,
}

/// Which files are sent unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaSending {
    All,
    /// All but the clips of events, which `command/resend` asks for.
    OnRequest,
}

/// What the node may send at certain hours.
#[derive(Clone, Debug, PartialEq)]
pub struct LineLimit {
    pub hours: Schedule,
    pub bytes_s: u64,
}

/// Who may send commands, and what they may ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandsConfig {
    /// Beginnings of topics that answers may go to.
    pub reply_prefixes: Vec<String>,
    /// Older commands are refused, and ids are remembered for as long.
    pub max_age: Duration,
    pub max_ignore_days: f64,
    /// Empty: the broker's access rules decide.
    pub issuers: Vec<Issuer>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Issuer {
    pub name: String,
    pub key: Secret,
    /// Names of commands; `None`: all.
    pub may: Option<Vec<String>>,
}

/// Whose word ends the node's part in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confirm {
    /// A platform says that it has stored it.
    Platform,
    /// The broker has accepted it. What the broker loses is lost.
    Broker,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TlsConfig {
    /// `None`: the system's own.
    pub ca_file: Option<PathBuf>,
    pub client_cert_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HttpConfig {
    /// `None`: no metrics and health over HTTP.
    pub listen: Option<SocketAddr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `tracing` directives, for example `info,lintel::ingest=debug`.
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Journal where systemd listens, else pretty on a terminal, else plain lines.
    Auto,
    Journal,
    Pretty,
    Json,
}
