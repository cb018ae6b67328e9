//! Tests of ingest: real RTSP servers in their own processes, real files.

mod cheap;
mod clock;
mod files;
mod growth;
mod hostile;
mod odd;
mod rtsp;
mod trouble;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use lintel::base::{Shutdown, monotonic};
use lintel::config::{
    CameraConfig, ChangeConfig, Priority, RingConfig, RtspConfig, Sampling, Secret, SourceConfig, Tiling,
    TrackConfig, Transport,
};
use lintel::ingest::{CameraHandle, EncodedFrame, IngestSnapshot, spawn_camera};

use crate::support::root;

/// Long enough for a busy machine with two slow cores.
const PATIENCE: Duration = Duration::from_secs(60);

fn clip() -> PathBuf {
    root().join("testdata/clips/street.mp4")
}

fn clip_h265() -> PathBuf {
    root().join("testdata/clips/street_h265.mp4")
}

fn rtsp(url: &str, transport: Transport) -> RtspConfig {
    RtspConfig {
        url: url.parse().expect("url"),
        username: None,
        password: None,
        basic: false,
        transport,
        stall_timeout: Duration::from_secs(10),
        backoff_first: Duration::from_millis(100),
        backoff_max: Duration::from_secs(1),
    }
}

fn with_login(config: RtspConfig, user: &str, password: &str) -> RtspConfig {
    let password = Some(Secret::new(password.to_owned()));
    RtspConfig { username: Some(user.to_owned()), password, ..config }
}

fn config(id: &str, source: SourceConfig) -> CameraConfig {
    CameraConfig {
        id: id.into(),
        name: id.into(),
        source,
        drone: None,
        position: None,
        calibration: None,
        gb_id: None,
        sampling: Sampling::Keyframes,
        priority: Priority::Normal,
        interval: Duration::from_secs(2),
        tiling: Tiling { columns: 1, rows: 1, overlap: 0.0, per_picture: 0 },
        ring: RingConfig { max_bytes: 1 << 20, max_duration: Duration::from_secs(10), quiet: Duration::MAX },
        track: TrackConfig { high_score: 0.5, low_score: 0.1, max_gap: Duration::from_secs(10) },
        change: ChangeConfig {
            interval: Duration::from_secs(10),
            learn: Duration::from_secs(86_400),
            min_share: 0.0005,
        },
        zones: Vec::new(),
        rules: Vec::new(),
        max_events_per_hour: 60,
    }
}

/// A running camera whose frames are kept.
struct Camera {
    handle: CameraHandle,
    shutdown: Shutdown,
    frames: Arc<Mutex<Vec<EncodedFrame>>>,
}

impl Camera {
    fn start(source: SourceConfig) -> Self {
        let frames = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let frames = frames.clone();
            Arc::new(move |frame| frames.lock().push(frame))
        };
        let shutdown = Shutdown::new();
        let rt = tokio::runtime::Handle::current();
        let handle = spawn_camera(&rt, &config("gate", source), sink, shutdown.clone());
        Self { handle, shutdown, frames }
    }

    fn stats(&self) -> IngestSnapshot {
        self.handle.stats.snapshot()
    }

    fn frames(&self) -> Vec<EncodedFrame> {
        self.frames.lock().clone()
    }

    /// Waits until the counters say so.
    async fn until(&self, what: &str, reached: impl Fn(&IngestSnapshot) -> bool) -> IngestSnapshot {
        let start = monotonic();
        loop {
            let stats = self.stats();
            if reached(&stats) {
                return stats;
            }
            assert!(start.elapsed() < PATIENCE, "never: {what}: {stats:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn stop(self) -> Vec<EncodedFrame> {
        self.shutdown.stop();
        tokio::time::timeout(PATIENCE, self.handle.join()).await.expect("the camera stops");
        Arc::try_unwrap(self.frames).map_or_else(|f| f.lock().clone(), |f| f.into_inner())
    }
}

fn ffmpeg(args: &[&str]) {
    let output =
        Command::new("ffmpeg").args(["-v", "error", "-y"]).args(args).output().expect("start ffmpeg");
    assert!(output.status.success(), "ffmpeg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}
