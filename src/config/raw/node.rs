//! The sections about the node as a whole.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, Positive, Wait};
use crate::config::types::{Confirm, MediaSending, Provider};

/// Configuration of a Lintel node.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawSections {
    /// Files of further cameras: paths and patterns such as `cameras/*.toml`, relative to this file. They
    /// hold `[[camera]]` only.
    #[serde(default)]
    #[expect(dead_code, reason = "here for the schema; read from the tree, before the layers are joined")]
    pub(crate) include: Vec<At<String>>,
    /// This node: its name in topics and its folder.
    pub(crate) node: RawNode,
    /// What the program as a whole needs.
    pub(crate) runtime: RawRuntime,
    /// Shared decoders of key frames.
    pub(crate) decode: RawDecode,
    /// The model and its workers.
    pub(crate) detect: RawDetect,
    /// A second network that looks at things closely before an event opens.
    pub(crate) second_look: RawSecondLook,
    /// How much of the box the node may use.
    pub(crate) budget: RawBudget,
    /// Clips and stills.
    pub(crate) evidence: RawEvidence,
    /// The store of what the broker has not acknowledged yet.
    pub(crate) outbox: RawOutbox,
    /// The platform's MQTT broker.
    pub(crate) mqtt: RawMqtt,
    /// Who may send commands, and what they may ask for.
    pub(crate) commands: RawCommands,
    /// The ground: heights, zones and permits on the map.
    pub(crate) map: RawMap,
    /// Metrics and health over HTTP.
    pub(crate) http: RawHttp,
    /// Logs.
    pub(crate) log: RawLog,
    /// The list of violation classes.
    #[expect(dead_code, reason = "here for the schema; read from the tree, before the layers are joined")]
    pub(crate) catalogue: RawCatalogueChoice,
    /// The city's event code of each violation class, by class id; digits only. Replaces the catalogue's
    /// code.
    pub(crate) codes: BTreeMap<String, At<String>>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawNode {
    /// Part of every MQTT topic and of every event: letters, digits, `-` and `_`, at most 64. Keep it for the
    /// node's life.
    #[schemars(required)]
    pub(crate) id: Option<At<String>>,
    /// What people call the node. Default: its id.
    pub(crate) name: Option<At<String>>,
    /// Folder for the outbox, the evidence and the state that survives a restart. Made if it is missing.
    pub(crate) data_dir: At<String>,
    /// IANA name of the time zone that schedules and folder dates are in.
    pub(crate) time_zone: At<String>,
    /// Digits in front of the event codes where the city wants six, for example `13`. Empty: none.
    pub(crate) area_code: At<String>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawRuntime {
    /// The ONNX Runtime library. Default: `ORT_DYLIB_PATH`, then `libonnxruntime.so` beside the program and
    /// in the usual folders.
    pub(crate) onnxruntime: Option<At<String>>,
    /// A stop that takes longer than this is cut off.
    pub(crate) stop_deadline: At<Positive>,
    /// Read the config again when one of its files changes. SIGHUP (`systemctl reload lintel`) does it either
    /// way.
    pub(crate) watch_config: bool,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawDecode {
    /// Decoders that all cameras share; each holds about 21 MB at 1080p.
    #[schemars(range(min = 1, max = 64))]
    pub(crate) workers: At<usize>,
    /// GStreamer element for H.264, for example `avdec_h264`. Default: the best that the box has.
    pub(crate) h264_decoder: Option<At<String>>,
    /// GStreamer element for H.265. Default: the best that the box has.
    pub(crate) h265_decoder: Option<At<String>>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawDetect {
    /// Folder of the model: `model.toml` and what it names.
    pub(crate) model: At<String>,
    /// Pictures that are analysed at the same time; each worker holds the model once.
    #[schemars(range(min = 1, max = 64))]
    pub(crate) workers: At<usize>,
    /// Threads of one worker. Default: the number in the model's manifest.
    #[schemars(range(min = 1, max = 256))]
    pub(crate) threads: Option<At<usize>>,
    /// What runs the model, where the ONNX Runtime of the box was built with it.
    pub(crate) provider: At<Provider>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawSecondLook {
    /// Whether there are second looks.
    pub(crate) enabled: At<bool>,
    /// Folder of the model: `model.toml` and what it names. Default: `lintel-look` beside the detector's model, if
    /// it is there.
    pub(crate) model: Option<At<String>>,
    /// The most that second looks take, in processor cores.
    #[schemars(range(min = 0.001, max = 16))]
    pub(crate) cores: At<f64>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawBudget {
    /// Processor cores, for example 2.0. Above it all cameras are analysed less often, by their priority.
    /// Default: all that the box gives.
    #[schemars(range(min = 0.1, max = 1024))]
    pub(crate) cores: Option<At<f64>>,
    /// Memory for the last seconds of all cameras together, in MB. Above it the camera that uses the most
    /// loses its oldest footage first.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub(crate) ring_mb: At<usize>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawEvidence {
    /// Part of the clip before the event opened.
    pub(crate) pre_roll: At<Wait>,
    /// Part of the clip after the event opened.
    pub(crate) post_roll: At<Wait>,
    /// Quality of the stills, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) jpeg_quality: At<u8>,
    /// With less free space than this no clip or still is written; events still are.
    #[schemars(range(max = 1_000_000_000))]
    pub(crate) min_free_mb: At<u64>,
    /// Above this, delivered clips and stills are deleted, those of low severity first, of these the oldest.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(crate) quota_mb: At<u64>,
    /// Delivered clips and stills of low severity are deleted after this. `0s`: when the room is needed.
    pub(crate) keep_low: At<Wait>,
    /// The same for medium severity.
    pub(crate) keep_medium: At<Wait>,
    /// The same for high severity.
    pub(crate) keep_high: At<Wait>,
    /// TrueType font for the names on annotated stills, for example a Noto Sans CJK. Default: ASCII labels
    /// only.
    pub(crate) font: Option<At<String>>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawOutbox {
    /// Most disk space for messages that the broker has and no platform has confirmed. Above it the oldest go by
    /// the broker's word, which is an alarm. Files are bounded by `evidence.quota_mb`.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(crate) max_mb: At<u64>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawMqtt {
    /// `mqtt://host:1883`, or `mqtts://host:8883` for TLS. Without user and password.
    #[schemars(required)]
    pub(crate) url: Option<At<String>>,
    /// Default: `lintel-` and the node's id. Two nodes with one client id throw each other out.
    pub(crate) client_id: Option<At<String>>,
    /// User at the broker.
    pub(crate) username: Option<At<String>>,
    /// Environment variable that holds the password.
    pub(crate) password_env: Option<At<String>>,
    /// File whose first line is the password.
    pub(crate) password_file: Option<At<String>>,
    /// Name of a systemd credential (`LoadCredential=`) that holds the password.
    pub(crate) password_credential: Option<At<String>>,
    /// First part of every topic.
    pub(crate) topic_prefix: At<String>,
    /// Size of the pieces in which clips and stills are sent.
    #[schemars(range(min = 1_024, max = 16_777_216))]
    pub(crate) chunk_bytes: At<usize>,
    /// Messages on the way at a time, before the broker acknowledged them.
    #[schemars(range(min = 1, max = 1_000))]
    pub(crate) in_flight: At<u16>,
    /// A broker that is silent for longer than this is taken for lost.
    pub(crate) keep_alive: At<Positive>,
    /// Whose word ends the node's part in a record: `platform`, once it says what it has stored, as `lintel
    /// receive` does; or `broker`, for a platform that says nothing.
    pub(crate) confirm: At<Confirm>,
    /// Which files are sent unasked: `all`; or `on_request`, all but the clips of events, which stay here until the
    /// platform asks for them.
    pub(crate) media: At<MediaSending>,
    /// What the node may send, by hours. The first entry whose hours it is counts; outside of all there is no limit.
    pub(crate) limits: Vec<RawLimit>,
    /// Certificates, for mqtts.
    pub(crate) tls: RawTls,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawLimit {
    /// Days and hours: `mon-fri 07:00-20:00`, or `00:00-24:00` for always.
    #[schemars(required)]
    pub(crate) hours: Option<At<String>>,
    /// KiB a second.
    #[schemars(range(min = 1, max = 10_000_000))]
    #[schemars(required)]
    pub(crate) kib_s: Option<At<u64>>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawCommands {
    /// Beginnings of topics that answers may go to, such as `platform/answers/`, beside the node's own `reply`. A
    /// command that names another one is refused.
    pub(crate) reply_prefixes: Vec<At<String>>,
    /// A command whose `issued_at` is older is refused. For as long its `id` is remembered, and a repeat gets the
    /// same answer.
    pub(crate) max_age: At<Positive>,
    /// The longest time for which a rejected place may be ignored, in days.
    #[schemars(range(min = 0, max = 366))]
    pub(crate) max_ignore_days: At<f64>,
    /// Those who may send commands, each with a key. If there are any, a command without a valid proof is refused.
    /// Without, whoever the broker lets write to the command topic may.
    pub(crate) issuers: Vec<RawIssuer>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawIssuer {
    /// How answers, events and logs call it.
    #[schemars(required)]
    pub(crate) name: Option<At<String>>,
    /// Environment variable that holds the key.
    pub(crate) key_env: Option<At<String>>,
    /// File whose first line is the key.
    pub(crate) key_file: Option<At<String>>,
    /// Name of a systemd credential (`LoadCredential=`) that holds the key.
    pub(crate) key_credential: Option<At<String>>,
    /// The commands that it may send. Default: all.
    pub(crate) may: Option<Vec<At<String>>>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawTls {
    /// PEM file of the authority that signed the broker's certificate. Default: the system's authorities.
    pub(crate) ca_file: Option<At<String>>,
    /// PEM file of this node's certificate, if the broker requires one.
    pub(crate) client_cert_file: Option<At<String>>,
    /// PEM file of the key to `client_cert_file`.
    pub(crate) client_key_file: Option<At<String>>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawMap {
    /// Heights of the ground: GeoTIFF of one band, geographic or UTM/Gauss-Krueger coordinates. Default: each
    /// calibration's own ground.
    pub(crate) dem: Option<At<String>>,
    /// GeoJSON file of ground zones: polygons with `id`, and `name` and `height_m` where wanted. Rules of
    /// calibrated cameras name them.
    #[expect(dead_code, reason = "here for the schema; read from the tree, with the other files")]
    pub(crate) zones: Option<At<String>>,
    /// GeoJSON file of permits: polygons with `id`, and `valid_from`, `valid_to`, `classes` and `name` where
    /// wanted.
    #[expect(dead_code, reason = "here for the schema; read from the tree, with the other files")]
    pub(crate) permits: Option<At<String>>,
    /// Events carry a second coordinate in GCJ-02, for Chinese web maps.
    pub(crate) gcj02: bool,
    /// Middle of the area that the node is for; what lies farther than `radius_km` from it is an error, such
    /// as swapped coordinates.
    pub(crate) home: Option<At<RawHome>>,
    /// Objects of several cameras are one event if they are nearer to each other than this, and than their
    /// errors allow; `0`: each camera reports its own.
    #[schemars(range(min = 0, max = 1000))]
    pub(crate) same_place_m: At<f64>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
pub(crate) struct RawHome {
    /// Longitude in degrees, east is positive.
    #[schemars(range(min = -180, max = 180))]
    #[schemars(required)]
    pub(crate) lon: Option<f64>,
    /// Latitude in degrees, north is positive.
    #[schemars(range(min = -90, max = 90))]
    #[schemars(required)]
    pub(crate) lat: Option<f64>,
    /// How far from it things may be. Default: 100.
    #[schemars(range(min = 0.1, max = 20000))]
    pub(crate) radius_km: Option<f64>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawHttp {
    /// Serve `/metrics` and `/health`.
    pub(crate) enabled: bool,
    /// Address and port. Clients are not authenticated, so leave it on the loopback.
    pub(crate) listen: At<String>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawLog {
    /// What is logged: a level, and levels of single modules, such as `info,lintel::ingest=debug`.
    pub(crate) filter: At<String>,
    /// How it is written.
    pub(crate) format: RawLogFormat,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawLogFormat {
    Auto,
    Journal,
    Pretty,
    Json,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawCatalogueChoice {
    /// A catalogue file instead of the one in the program.
    #[expect(dead_code, reason = "here for the schema; read from the tree, before the layers are joined")]
    pub(crate) file: Option<At<String>>,
}
