//! One task per camera: connect and stream. On any failure: count it, wait and reconnect.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

use super::intake::Intake;
use super::ways::Ways;
use super::{
    FlightSettings, FrameSink, IngestError, IngestStats, Reason, SourceState, flight_of, gst_rtsp, paced,
    retina_rtsp, rtsp, udp,
};
use crate::base::{Backoff, CameraId, Shutdown, error_chain, monotonic};
use crate::config::{
    CameraConfig, FileConfig, RtspConfig, SourceConfig, TelemetrySource, Transport, UdpConfig,
};
use crate::drone::{Flight, LonLat};

/// A running source. Stop it by its `shutdown`; dropping the handle does not.
pub struct CameraHandle {
    pub camera: CameraId,
    pub stats: Arc<IngestStats>,
    task: JoinHandle<()>,
}

impl CameraHandle {
    /// Waits until the camera has stopped and closed its connection.
    pub async fn join(self) {
        if let Err(error) = self.task.await {
            let _camera = self.camera.span().entered();
            tracing::error!(%error, "the camera's task broke off");
        }
    }

    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

/// Starts the camera. It runs until `shutdown`; a file without `repeat` until its end.
pub fn spawn_camera(
    rt: &tokio::runtime::Handle,
    camera: &CameraConfig,
    sink: Arc<dyn FrameSink>,
    shutdown: Shutdown,
) -> CameraHandle {
    let stats = Arc::new(IngestStats::default());
    let intake = Intake::new(camera.id.clone(), sink, stats.clone());
    let span = camera.id.span();
    let task = match &camera.source {
        SourceConfig::Rtsp(rtsp) => {
            rt.spawn(CameraTask::new(LiveSource::Rtsp(rtsp.clone()), intake, shutdown).run().instrument(span))
        }
        SourceConfig::Udp(udp) => rt.spawn(
            CameraTask::new(LiveSource::Udp(udp.clone(), base_of(camera)), intake, shutdown)
                .run()
                .instrument(span),
        ),
        SourceConfig::File(file) => {
            let drone = camera.drone.as_ref().map(|drone| FlightSettings {
                srt: match &drone.telemetry {
                    TelemetrySource::Srt(path) => Some(path.clone()),
                    TelemetrySource::WithVideo => None,
                },
                base: base_of(camera),
                time_zone: None,
            });
            rt.spawn(play_file(file.clone(), drone, intake, shutdown).instrument(span))
        }
    };
    CameraHandle { camera: camera.id.clone(), stats, task }
}

/// The camera's configured position.
fn base_of(camera: &CameraConfig) -> Option<LonLat> {
    camera.position.map(|p| LonLat { lon: p.lon, lat: p.lat })
}

/// A live stream that Lintel connects to or receives.
pub(super) enum LiveSource {
    Rtsp(RtspConfig),
    /// With the drone's approximate position.
    Udp(UdpConfig, Option<LonLat>),
}

impl LiveSource {
    /// For messages.
    pub fn address(&self) -> String {
        match self {
            Self::Rtsp(config) => rtsp::address(config),
            Self::Udp(config, _) => udp::address(config),
        }
    }

    /// The ways to connect to it; only RTSP has several.
    pub fn ways(&self) -> Ways {
        let transport = match self {
            Self::Rtsp(config) => config.transport,
            Self::Udp(..) => Transport::Udp,
        };
        Ways::new(transport, monotonic())
    }

    /// First and longest wait between two attempts.
    fn backoff(&self) -> (Duration, Duration) {
        match self {
            Self::Rtsp(rtsp) => (rtsp.backoff_first, rtsp.backoff_max),
            Self::Udp(udp, _) => (udp.backoff_first, udp.backoff_max),
        }
    }
}

/// The reconnect loop of one live camera.
struct CameraTask {
    config: LiveSource,
    intake: Intake,
    shutdown: Shutdown,
    backoff: Backoff,
    ways: Ways,
}

impl CameraTask {
    fn new(config: LiveSource, intake: Intake, shutdown: Shutdown) -> Self {
        let (first, longest) = config.backoff();
        let backoff = Backoff::new(first, longest);
        let ways = config.ways();
        Self { config, intake, shutdown, backoff, ways }
    }

    async fn run(mut self) {
        // Spreads the start of the node's cameras, so that their connections and key frames do not coincide.
        let mut wait = Duration::ZERO;
        let (first, longest) = self.config.backoff();
        if !first.is_zero() {
            wait = first.mul_f64(rand::random_range(0.0..0.5));
        }
        while !self.sleep(wait).await {
            self.intake.stats().state(SourceState::Connecting);
            self.intake.begin_connection();
            let way = self.ways.next(monotonic());
            self.intake.stats().count(|s| s.gstreamer = way.is_gstreamer());
            let Err(error) = connect(&self.config, way, &mut self.intake, &self.shutdown).await else {
                break;
            };
            if self.intake.has_key() {
                self.backoff.reset();
            }
            wait = if error.wants_patience() {
                longest.mul_f64(rand::random_range(0.5..=1.0))
            } else {
                self.backoff.next_delay()
            };
            let other = self.ways.failed(&error, self.intake.streamed_for(), monotonic());
            self.intake.stats().failed(&error);
            if let Some(other) = other {
                tracing::warn!(reason = ?error.reason(), retry_in_ms = wait.as_millis() as u64,
                    "{error}; the next connection goes by {other}, and stays there if it lasts longer");
                continue;
            }
            tracing::warn!(reason = ?error.reason(),
                retry_in_ms = wait.as_millis() as u64, "{error}");
        }
        self.intake.stats().state(SourceState::Ended);
    }

    /// Returns true if the camera must stop.
    async fn sleep(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.shutdown.cancelled() => true,
            () = tokio::time::sleep(time) => self.shutdown.is_stopped(),
        }
    }
}

/// One connection from start to end; `Ok` only if `shutdown` ended it. A panic in a demultiplexer counts as a
/// broken stream: one camera's data must not stop the node. `way`: the RTSP client and transport.
pub(super) async fn connect(
    live: &LiveSource,
    way: Transport,
    intake: &mut Intake,
    shutdown: &Shutdown,
) -> Result<(), IngestError> {
    let session = async {
        match live {
            LiveSource::Udp(config, base) => udp::stream(config, *base, intake, shutdown).await,
            LiveSource::Rtsp(config) => {
                rtsp_stream(&RtspConfig { transport: way, ..config.clone() }, intake, shutdown).await
            }
        }
    };
    AssertUnwindSafe(session).catch_unwind().await.unwrap_or_else(|_| {
        Err(IngestError::Protocol {
            address: live.address(),
            what: "malformed data stopped the reader".into(),
        })
    })
}

/// Follows one redirection. Another address than the configured one gets no password.
async fn rtsp_stream(
    config: &RtspConfig,
    intake: &mut Intake,
    shutdown: &Shutdown,
) -> Result<(), IngestError> {
    let (address, to) = match rtsp_client(config, intake, shutdown).await {
        Err(IngestError::Redirected { address, to }) => (address, to),
        other => return other,
    };
    let Some(there) = rtsp::sent_on(config, &to) else {
        return Err(IngestError::Redirected { address, to });
    };
    tracing::info!("{address} sends Lintel on to {}", rtsp::address(&there));
    match rtsp_client(&there, intake, shutdown).await {
        Err(error) if there.password.is_none() && error.reason() == Reason::Auth => {
            Err(IngestError::Redirected { address, to })
        }
        other => other,
    }
}

async fn rtsp_client(
    config: &RtspConfig,
    intake: &mut Intake,
    shutdown: &Shutdown,
) -> Result<(), IngestError> {
    if config.transport.is_gstreamer() {
        gst_rtsp::stream(config, intake, shutdown).await
    } else {
        retina_rtsp::stream(config, intake, shutdown).await
    }
}

async fn play_file(file: FileConfig, drone: Option<FlightSettings>, mut intake: Intake, shutdown: Shutdown) {
    let stats = intake.stats().clone();
    let span = Span::current();
    // Reading a container and waiting for a due frame both block.
    let played = tokio::task::spawn_blocking(move || {
        let _camera = span.entered();
        let flight = drone.and_then(|settings| recorded_flight(&file, &settings, &intake));
        paced::play(&file, flight.as_ref(), &mut intake, &shutdown)
    })
    .await;
    match played {
        Ok(Ok(())) => stats.state(SourceState::Ended),
        Ok(Err(error)) => {
            stats.failed(&error);
            stats.state(SourceState::Ended);
            tracing::error!("{error}");
        }
        Err(error) => {
            stats.state(SourceState::Ended);
            tracing::error!(%error, "the file's reader broke off");
        }
    }
}

/// Without telemetry a flight is still analysed, but its events have no position.
fn recorded_flight(file: &FileConfig, settings: &FlightSettings, intake: &Intake) -> Option<Flight> {
    match flight_of(&file.path, settings) {
        Ok((flight, report)) => {
            intake.stats().count(|s| {
                s.telemetry += report.poses as u64;
                s.telemetry_rejected += report.rejected_count() as u64;
            });
            tracing::info!("telemetry: {report}");
            Some(flight)
        }
        Err(error) => {
            tracing::error!("events of this flight have no position: {}", error_chain(&error));
            None
        }
    }
}
