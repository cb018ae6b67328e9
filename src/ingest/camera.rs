//! One task a camera: connect, stream, and on any failure count it, wait and connect again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinHandle;

use super::intake::Intake;
use super::{FrameSink, IngestError, IngestStats, SourceState, gst_rtsp, paced, retina_rtsp};
use crate::base::{Backoff, CameraId, Shutdown};
use crate::config::{CameraConfig, FileConfig, RtspConfig, SourceConfig, Transport};

/// A running source. Dropping it does not stop it: `shutdown` does.
pub struct CameraHandle {
    pub camera: CameraId,
    pub stats: Arc<IngestStats>,
    task: JoinHandle<()>,
}

impl CameraHandle {
    /// Waits until the camera has stopped and closed its connection.
    pub async fn join(self) {
        if let Err(error) = self.task.await {
            tracing::error!(camera = %self.camera, %error, "the camera's task broke off");
        }
    }

    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

/// Starts the camera; it runs until `shutdown`, a file without `repeat` until its end.
pub fn spawn_camera(
    rt: &tokio::runtime::Handle,
    camera: &CameraConfig,
    sink: Arc<dyn FrameSink>,
    shutdown: Shutdown,
) -> CameraHandle {
    let stats = Arc::new(IngestStats::default());
    let intake = Intake::new(camera.id.clone(), sink, stats.clone());
    let task = match &camera.source {
        SourceConfig::Rtsp(rtsp) => rt.spawn(CameraTask::new(rtsp.clone(), intake, shutdown).run()),
        SourceConfig::File(file) => rt.spawn(play_file(file.clone(), intake, shutdown)),
    };
    CameraHandle { camera: camera.id.clone(), stats, task }
}

/// The reconnect loop of one RTSP camera.
struct CameraTask {
    config: RtspConfig,
    intake: Intake,
    shutdown: Shutdown,
    backoff: Backoff,
}

impl CameraTask {
    fn new(config: RtspConfig, intake: Intake, shutdown: Shutdown) -> Self {
        let backoff = Backoff::new(config.backoff_first, config.backoff_max);
        Self { config, intake, shutdown, backoff }
    }

    async fn run(mut self) {
        // All cameras of a node start in the same moment; their switch and their key frames should not.
        let mut wait = Duration::ZERO;
        if !self.config.backoff_first.is_zero() {
            wait = self.config.backoff_first.mul_f64(rand::random_range(0.0..0.5));
        }
        while !self.sleep(wait).await {
            self.intake.stats().state(SourceState::Connecting);
            self.intake.begin_connection();
            let Err(error) = connect(&self.config, &mut self.intake, &self.shutdown).await else { break };
            if self.intake.has_key() {
                self.backoff.reset();
            }
            wait = if error.wants_patience() {
                self.config.backoff_max.mul_f64(rand::random_range(0.5..=1.0))
            } else {
                self.backoff.next_delay()
            };
            self.intake.stats().failed(&error);
            tracing::warn!(camera = %self.intake.camera(), reason = ?error.reason(),
                retry_in_ms = wait.as_millis() as u64, "{error}");
        }
        self.intake.stats().state(SourceState::Ended);
    }

    /// True if the camera is to stop.
    async fn sleep(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.shutdown.cancelled() => true,
            () = tokio::time::sleep(time) => self.shutdown.is_stopped(),
        }
    }
}

/// One connection from start to end; `Ok` only if `shutdown` ended it. A panic in a demultiplexer counts as a broken
/// stream: one camera's bytes must not take the node down.
pub(super) async fn connect(
    config: &RtspConfig,
    intake: &mut Intake,
    shutdown: &Shutdown,
) -> Result<(), IngestError> {
    let session = async {
        match config.transport {
            Transport::Tcp | Transport::Udp => retina_rtsp::stream(config, intake, shutdown).await,
            Transport::GstreamerTcp | Transport::GstreamerUdp => {
                gst_rtsp::stream(config, intake, shutdown).await
            }
        }
    };
    AssertUnwindSafe(session).catch_unwind().await.unwrap_or_else(|_| {
        Err(IngestError::Protocol { place: place(config), what: "data that broke the reader".into() })
    })
}

/// Host and port, for messages: never the password, and not the path, which may hold one.
pub(super) fn place(config: &RtspConfig) -> String {
    format!("{}:{}", config.url.host_str().unwrap_or("?"), config.url.port().unwrap_or(554))
}

async fn play_file(file: FileConfig, mut intake: Intake, shutdown: Shutdown) {
    let stats = intake.stats().clone();
    let camera = intake.camera().clone();
    // Reading a container blocks, and so does sleeping until a frame is due.
    let played = tokio::task::spawn_blocking(move || paced::play(&file, &mut intake, &shutdown)).await;
    match played {
        Ok(Ok(())) => stats.state(SourceState::Ended),
        Ok(Err(error)) => {
            stats.failed(&error);
            stats.state(SourceState::Ended);
            tracing::error!(%camera, "{error}");
        }
        Err(error) => {
            stats.state(SourceState::Ended);
            tracing::error!(%camera, %error, "the file's reader broke off");
        }
    }
}
