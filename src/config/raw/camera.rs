//! A camera: what it is, and the settings that it may take from defaults and profiles.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, Positive, RawDrone, RawRule, Wait};

/// What only the camera itself can say.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawCamera {
    /// Unique on the node: letters, digits, `-` and `_`, at most 64. Part of topics and events.
    #[schemars(required)]
    pub(crate) id: Option<At<String>>,
    /// What people call the camera. Default: its id.
    pub(crate) name: Option<At<String>>,
    /// Profile whose settings it takes: `high_mount`, `street`, `drone` or one of `[profiles]`.
    pub(crate) profile: Option<At<String>>,
    /// `rtsp://host:554/path`, user and password go into `rtsp.username` and `rtsp.password_env`; or
    /// `udp://0.0.0.0:5600` to receive MPEG-TS (a multicast group is joined).
    pub(crate) url: Option<At<String>>,
    /// A recorded file (mp4, mkv, ts) instead of `url`.
    pub(crate) file: Option<At<String>>,
    /// With `file`: times real time; 0 is as fast as the box can. Default: 1. Time-lapses want large ones.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(crate) speed: Option<At<f64>>,
    /// With `file`: start again at the end. Default: false.
    pub(crate) repeat: Option<At<bool>>,
    /// With `file`: when its first frame was taken, RFC 3339. Default: it plays as if that were now.
    pub(crate) start: Option<At<String>>,
    /// Where the camera stands, WGS-84.
    pub(crate) position: Option<RawPosition>,
    /// Calibration file that `lintel calibrate` wrote: with it events have a place on the map.
    pub(crate) calibration: Option<At<String>>,
    /// The camera is on a drone, which says where it is.
    pub(crate) drone: Option<At<RawDrone>>,
    /// GB/T 28181 device id, 20 digits.
    pub(crate) gb_id: Option<At<String>>,
    /// Parts of the picture that rules are about.
    #[serde(default)]
    pub(crate) zone: Vec<RawZone>,
    /// What is watched for.
    #[serde(default)]
    #[expect(dead_code, reason = "here for the schema; read from the tree, before the layers are joined")]
    pub(crate) rule: Vec<RawRule>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
pub(crate) struct RawPosition {
    /// Longitude in degrees, east is positive.
    #[schemars(range(min = -180, max = 180))]
    #[schemars(required)]
    pub(crate) lon: Option<f64>,
    /// Latitude in degrees, north is positive.
    #[schemars(range(min = -90, max = 90))]
    #[schemars(required)]
    pub(crate) lat: Option<f64>,
    /// Height above the sea in metres.
    pub(crate) alt: Option<f64>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawZone {
    /// Unique within the camera.
    #[schemars(required)]
    pub(crate) id: Option<At<String>>,
    /// What people call the zone. Default: its id.
    pub(crate) name: Option<At<String>>,
    /// At least three corners `[x, y]`, 0 to 1 from the left and from the top; the edges may not cross.
    #[schemars(required)]
    pub(crate) polygon: Option<At<Vec<At<[f32; 2]>>>>,
    /// Height of what the zone is on above the ground in metres, such as a roof: things in it are placed on
    /// the map at this height. Default: 0.
    #[schemars(range(min = -1000, max = 10_000))]
    pub(crate) height_m: Option<At<f64>>,
}

/// Settings of a camera; `[camera_defaults]`, then its profile, then its own, value by value.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawSettings {
    /// Which pictures are decoded.
    pub(crate) sampling: RawSampling,
    /// Who gives way first when the box has too much to do: rates of `low` fall twice as far, of `high` a
    /// third as far.
    pub(crate) priority: RawPriority,
    /// With `sampling = "adaptive"`: what a camera gets while something moves.
    pub(crate) adaptive: RawAdaptive,
    /// How often a picture is analysed at least, as far as key frames come as often. What follows faster is
    /// passed over.
    pub(crate) interval: At<Positive>,
    /// Opened events an hour; what is above is counted and reported, not sent.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) max_events_per_hour: At<u32>,
    /// Slices of the picture that are analysed beside the whole, for small far objects. Each costs one run of
    /// the model.
    pub(crate) tiling: RawTiling,
    /// Recent video in memory, from which clips are cut.
    pub(crate) ring: RawRing,
    /// How detections are joined to tracks.
    pub(crate) track: RawTrack,
    /// How lasting change is detected, if there is a rule of kind `change` or `sequence`.
    pub(crate) change: RawChange,
    /// Connection to the camera.
    pub(crate) rtsp: RawRtsp,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawSampling {
    /// Key frames at `interval` while a scene is quiet, more while something moves, and then every frame for
    /// a while.
    Adaptive,
    /// Key frames only, through the shared decoders: cheap.
    Keyframes,
    /// Every frame is decoded: about ten times dearer, for fast events.
    All,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawPriority {
    Low,
    Normal,
    High,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawAdaptive {
    /// Between two key frames that are analysed while something moves.
    pub(crate) active_interval: At<Positive>,
    /// Pictures a second that are analysed while every frame is decoded.
    #[schemars(range(min = 1, max = 30))]
    pub(crate) fps: At<u32>,
    /// Every frame is decoded for at most this long at a time, from the last key frame before the motion on.
    /// `0s`: never.
    pub(crate) burst: At<Wait>,
    /// After that, not for this long.
    pub(crate) rest: At<Wait>,
    /// A look that shows what the look before showed keeps what was found then, for at most this long; then
    /// the detector is run again. `0s`: it is run at each look.
    pub(crate) full_look: At<Wait>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawTiling {
    /// Slices side by side; 1 x 1 is the whole picture only.
    #[schemars(range(min = 1, max = 8))]
    pub(crate) columns: At<u32>,
    /// Slices one above the other.
    #[schemars(range(min = 1, max = 8))]
    pub(crate) rows: At<u32>,
    /// Share of a slice that it has in common with its neighbour.
    #[schemars(range(min = 0, max = 0.5))]
    pub(crate) overlap: At<f32>,
    /// Of the slices so many are looked at each picture: where something is or moves first, zones before the
    /// rest, all of them in turn. 0: all each time.
    #[schemars(range(min = 0, max = 64))]
    pub(crate) per_picture: At<u32>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawRing {
    /// Upper bound of memory for this camera.
    #[schemars(range(min = 1, max = 65_536))]
    pub(crate) max_mb: At<usize>,
    /// Upper bound of time. Wants room for pre-roll, post-roll and one whole GOP.
    pub(crate) max_duration: At<Positive>,
    /// What is kept while no event needs a clip. Wants room for pre-roll, the time until an event is noticed,
    /// and one GOP.
    pub(crate) quiet_duration: At<Positive>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawTrack {
    /// Detections with at least this score start and continue tracks.
    #[schemars(range(min = 0, max = 1))]
    pub(crate) high_score: At<f32>,
    /// Detections between this and `high_score` continue tracks only.
    #[schemars(range(min = 0, max = 1))]
    pub(crate) low_score: At<f32>,
    /// A track that was not seen for this long is dropped.
    pub(crate) max_gap: At<Positive>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawChange {
    /// How often a picture is compared with how the place has looked. Three looks make a change.
    pub(crate) interval: At<Positive>,
    /// How long a new camera only learns how its place looks. What is there meanwhile is taken as usual.
    pub(crate) learn: At<Positive>,
    /// The smallest change, as a share of the picture: 0.0005 is about 32 x 32 pixels at 1080p.
    #[schemars(range(min = 0.0001, max = 0.5))]
    pub(crate) min_share: At<f32>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawRtsp {
    /// How the video travels.
    pub(crate) transport: RawTransport,
    /// User at the camera.
    pub(crate) username: Option<At<String>>,
    /// Environment variable that holds the password.
    pub(crate) password_env: Option<At<String>>,
    /// File whose first line is the password.
    pub(crate) password_file: Option<At<String>>,
    /// Name of a systemd credential (`LoadCredential=`) that holds the password.
    pub(crate) password_credential: Option<At<String>>,
    /// Send the password in the clear (Basic) to a camera that asks for it so. Otherwise by digest only.
    pub(crate) basic: bool,
    /// With no picture for this long the connection is built anew. Above the camera's GOP.
    pub(crate) stall_timeout: At<Positive>,
    /// Wait after the first failure; doubles with each further one, with jitter.
    pub(crate) backoff_first: At<Positive>,
    /// Longest wait between two attempts.
    pub(crate) backoff_max: At<Positive>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawTransport {
    /// The built-in client over TCP; GStreamer or UDP for a camera that it cannot speak to.
    Auto,
    /// RTP inside the RTSP connection: passes firewalls and loses nothing.
    Tcp,
    /// RTP over UDP.
    Udp,
    /// GStreamer's rtspsrc over TCP, for devices that the built-in client cannot speak to; costs more.
    #[serde(rename = "gstreamer")]
    GstreamerTcp,
    /// GStreamer's rtspsrc over UDP.
    GstreamerUdp,
}
