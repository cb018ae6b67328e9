//! The checked configuration: what the stages are built from. Every value here is valid and complete.

mod detect;
mod flights;
mod rule;
mod sampling;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::moving::{DroneConfig, UdpConfig};
use crate::base::{CameraId, ClassName, GroundArea, Point, Polygon, WallTime, ZoneId};

pub use detect::{DetectConfig, Provider};
pub use flights::{FlightArea, GroundChange};
pub use sampling::{Adaptive, Priority, Sampling};

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub node: NodeConfig,
    pub runtime: RuntimeConfig,
    pub decode: DecodeConfig,
    pub detect: DetectConfig,
    pub budget: BudgetConfig,
    pub evidence: EvidenceConfig,
    pub outbox: OutboxConfig,
    pub mqtt: MqttConfig,
    pub map: MapConfig,
    pub http: HttpConfig,
    pub log: LogConfig,
    /// Every violation class of the catalogue, with city codes filled in. Order of the catalogue file.
    pub catalogue: Vec<ViolationClass>,
    pub cameras: Vec<CameraConfig>,
    pub flight_areas: Vec<FlightArea>,
}

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
    /// `None`: the best that the box has; else a GStreamer element's name, for example `avdec_h264`, per codec.
    pub h264_decoder: Option<String>,
    pub h265_decoder: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetConfig {
    /// Cores that the node may use, averaged over some seconds; `None`: all that the box gives.
    pub cores: Option<f64>,
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
}

#[derive(Clone, Debug, PartialEq)]
pub struct TlsConfig {
    /// `None`: the system's own.
    pub ca_file: Option<PathBuf>,
    pub client_cert_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
}

/// What the node knows of the ground. Coordinates are WGS-84.
#[derive(Clone, Debug, PartialEq)]
pub struct MapConfig {
    /// GeoTIFF of heights; `None`: the ground of each camera's calibration.
    pub dem: Option<PathBuf>,
    pub gcj02: bool,
    pub home: Option<Home>,
    /// Objects of two cameras within this many metres are one event; 0: never.
    pub same_place_m: f64,
    /// Every ground zone of the file, whether a rule names it or not.
    pub zones: Vec<Zone>,
    pub permits: Vec<Permit>,
}

/// Where things are to be expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Home {
    pub lon: f64,
    pub lat: f64,
    pub radius_km: f64,
}

/// Somebody is allowed to do something at a place for a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Permit {
    pub id: String,
    pub name: String,
    pub area: std::sync::Arc<GroundArea>,
    /// Included; `None`: since ever.
    pub valid_from: Option<WallTime>,
    /// Not included; `None`: for ever.
    pub valid_to: Option<WallTime>,
    /// Violation classes that it permits; empty: all.
    pub classes: Vec<String>,
}

impl Permit {
    /// Does it permit the class at this time?
    pub fn allows(&self, class: &str, at: WallTime) -> bool {
        (self.classes.is_empty() || self.classes.iter().any(|c| c == class))
            && self.valid_from.is_none_or(|from| from <= at)
            && self.valid_to.is_none_or(|to| at < to)
    }
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

/// A value that never shows in logs, errors or `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: String) -> Self {
        Self(value)
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct CameraConfig {
    pub id: CameraId,
    pub name: String,
    pub source: SourceConfig,
    /// `None`: it is fixed.
    pub drone: Option<DroneConfig>,
    /// WGS-84 place of the camera itself.
    pub position: Option<Position>,
    /// File of the camera's calibration.
    pub calibration: Option<PathBuf>,
    /// GB/T 28181 device id, 20 digits.
    pub gb_id: Option<String>,
    pub sampling: Sampling,
    pub priority: Priority,
    /// How often a picture is wanted: key frames nearer than this are passed over.
    pub interval: Duration,
    pub tiling: Tiling,
    pub ring: RingConfig,
    pub track: TrackConfig,
    pub change: ChangeConfig,
    pub zones: Vec<Zone>,
    pub rules: Vec<Rule>,
    /// Opened events an hour; what is above is counted and reported as one health event.
    pub max_events_per_hour: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SourceConfig {
    Rtsp(RtspConfig),
    File(FileConfig),
    /// MPEG-TS over UDP, as drones and their ground stations send it.
    Udp(UdpConfig),
}

#[derive(Clone, Debug, PartialEq)]
pub struct RtspConfig {
    /// Without user and password.
    pub url: url::Url,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub transport: Transport,
    /// No access unit for this long: the connection is given up and built anew.
    pub stall_timeout: Duration,
    pub backoff_first: Duration,
    pub backoff_max: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
    /// GStreamer's rtspsrc over TCP, for devices that retina cannot speak to.
    GstreamerTcp,
    GstreamerUdp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FileConfig {
    pub path: PathBuf,
    pub pace: Pace,
    /// Start again at the end.
    pub repeat: bool,
    /// When its first frame was taken; `None`: it plays as if that were now.
    pub start: Option<WallTime>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Times real time; 1.0 is real time.
    Speed(f64),
    AsFastAsPossible,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    pub lon: f64,
    pub lat: f64,
    pub alt: Option<f64>,
}

/// Slices of the picture that are looked at beside the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tiling {
    /// 1 x 1 means the whole picture only.
    pub columns: u32,
    pub rows: u32,
    /// Share of a slice that it has in common with its neighbour, 0 to 0.5.
    pub overlap: f32,
    /// Of the slices so many are looked at each picture, where something is or moves first; 0: all.
    pub per_picture: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingConfig {
    pub max_bytes: usize,
    pub max_duration: Duration,
    /// As long as no clip is asked for.
    pub quiet: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackConfig {
    /// Detections at or above this start and continue tracks.
    pub high_score: f32,
    /// Detections between this and `high_score` only continue them.
    pub low_score: f32,
    /// A track that was not seen for this long is dropped.
    pub max_gap: Duration,
}

/// How lasting change is looked for, where a rule of the camera asks for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangeConfig {
    /// How often a picture is compared with how the place has looked.
    pub interval: Duration,
    /// How long a new camera only learns.
    pub learn: Duration,
    /// The smallest change, as a share of the picture.
    pub min_share: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    pub id: ZoneId,
    pub name: String,
    pub area: ZoneArea,
    /// Of what the zone is on, above the ground: 18 for the roof of a house.
    pub height_m: f64,
}

impl Zone {
    /// A part of the picture.
    pub fn new(id: ZoneId, name: String, polygon: Polygon) -> Self {
        Self { id, name, area: ZoneArea::Picture(polygon), height_m: 0.0 }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ZoneArea {
    Picture(Polygon),
    /// Known by the ground positions of things. `drawn` is where the camera shows it, as far as it does.
    Ground {
        area: std::sync::Arc<GroundArea>,
        drawn: Vec<Polygon>,
    },
}

/// A violation class as the catalogue has it.
#[derive(Clone, Debug, PartialEq)]
pub struct ViolationClass {
    /// Stable id, for example `motor_vehicle_parking`.
    pub id: String,
    pub zh: String,
    pub en: String,
    pub group: Group,
    /// The city's event code; empty where it has none.
    pub code: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    Construction,
    Street,
}

/// One configured instance of a violation class on one camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Unique within its camera; the class id unless the operator gives another.
    pub id: String,
    /// Index into `Config::catalogue` would break on reload, so the class itself.
    pub class: ViolationClass,
    /// Empty: the whole picture.
    pub zones: Vec<Zone>,
    pub kind: RuleKind,
    /// For a flight area: what of the ground it is about; empty: all.
    pub shows: Vec<GroundChange>,
    /// The objects that the rule is about.
    pub objects: Vec<ClassName>,
    /// The lowest score of an object that counts; `None`: the model's threshold for its class.
    pub min_score: Option<f32>,
    /// Objects that raise confidence when they are in the zone too.
    pub companions: Vec<ClassName>,
    /// When the rule is awake; `None`: always.
    pub schedule: Option<Schedule>,
    /// Seen in at least `.0` of the last `.1` pictures before it opens; gone from as many before it closes.
    pub hysteresis: (u32, u32),
    /// An open event is told again at most this often.
    pub update_every: Duration,
    /// After a close, the same class at the same place stays silent for this long.
    pub cool_down: Duration,
    /// Objects whose boxes, grown by this share of their size, touch are one event.
    pub merge_distance: f32,
    /// As `merge_distance`, on the ground, where places on it are known.
    pub merge_m: Option<f64>,
    /// Objects whose box is smaller or larger do not count, where places on the ground are known; square metres.
    pub area_m2: (Option<f64>, Option<f64>),
    /// An open event that is not seen clearly for this long (camera dark, stream gone) expires.
    pub expire_after: Duration,
    pub severity: Severity,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RuleKind {
    /// An object stays in the zone for `dwell`. `still`: it must not have moved by more than half its size.
    Presence { dwell: Duration, still: bool },
    /// An object comes into the zone while the schedule is awake.
    Entry,
    /// The bottom centre of an object crosses the line; `direction` as seen walking from `.0` to `.1`.
    LineCrossing { line: (Point, Point), direction: Direction },
    /// More than `limit` objects in the zone for `dwell`.
    Count { limit: u32, dwell: Duration },
    /// An object without any of `companions` within `distance` object heights, for `dwell`; within `distance_m` metres
    /// where places on the ground are known.
    CompanionAbsent { distance: f32, distance_m: Option<f64>, dwell: Duration },
    /// As presence, over hours to days: gaps, night and restarts do not count as leaving.
    LongDwell { dwell: Duration },
    /// A part of the zone looks different, by day in every light, from its beginning until at least `dwell` later.
    /// `bare`: it has lost its green.
    Change { dwell: Duration, bare: bool },
    /// As change, where one of `companions` stood for `stop` and no longer than `within` before it was first seen.
    Sequence { dwell: Duration, stop: Duration, within: Duration },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Any,
    LeftToRight,
    RightToLeft,
}

#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    High,
}

/// Times of the week in the node's time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pub time_zone: TimeZone,
    pub spans: Vec<WeekSpan>,
}

/// `from` until `to` on each of `days`; over midnight where `to <= from`, and then the day is that of `from`.
#[derive(Clone, Debug, PartialEq)]
pub struct WeekSpan {
    /// Monday first.
    pub days: [bool; 7],
    pub from: jiff::civil::Time,
    pub to: jiff::civil::Time,
}
