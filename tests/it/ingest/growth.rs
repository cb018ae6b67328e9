//! Nothing grows over reconnects. Measured in a process of its own: the other tests would be counted too.
//! The figures: `cargo test --test it ingest::growth -- --nocapture`.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lintel::base::{Shutdown, monotonic, process_cpu};
use lintel::config::{SourceConfig, Transport};
use lintel::ingest::{CameraHandle, EncodedFrame, spawn_camera};

use super::{PATIENCE, clip, config, rtsp};
use crate::support::rtsp::{Options, RtspServer};

const ALONE: &str = "LINTEL_TEST_ALONE";

/// Runs the test named `test` again by itself; false in the process that is to measure.
fn elsewhere(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return false;
    }
    let status = Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .status()
        .expect("start the test again");
    assert!(status.success(), "{test}: see above");
    true
}

/// Resident memory in bytes and number of threads of this process.
fn size() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let number = |key: &str| -> u64 {
        let line = status.lines().find(|l| l.starts_with(key)).expect("line");
        line.split_whitespace().nth(1).expect("number").parse().expect("number")
    };
    (number("VmRSS:") * 1024, number("Threads:"))
}

struct Fleet {
    server: RtspServer,
    cameras: Vec<CameraHandle>,
    shutdown: Shutdown,
}

impl Fleet {
    async fn start(cameras: u32, transport: Transport) -> Self {
        let options = Options { copies: cameras, ..Options::default() };
        let server = RtspServer::start(&[("gate", &clip())], options);
        let shutdown = Shutdown::new();
        let rt = tokio::runtime::Handle::current();
        let cameras = (1..=cameras)
            .map(|i| {
                let source = SourceConfig::Rtsp(rtsp(&server.url(&format!("gate-{i}")), transport));
                spawn_camera(&rt, &config("gate", source), Arc::new(|_: EncodedFrame| {}), shutdown.clone())
            })
            .collect();
        let fleet = Self { server, cameras, shutdown };
        fleet.connected(1).await;
        fleet
    }

    /// Waits until every camera has connected `times` times.
    async fn connected(&self, times: u64) {
        let start = monotonic();
        while self.cameras.iter().any(|c| c.stats.snapshot().connections < times) {
            assert!(start.elapsed() < PATIENCE, "a camera does not come back for the {times}. time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Drops every client `rounds` times.
    async fn reconnect(&mut self, rounds: u64) {
        for _ in 0..rounds {
            let before = self.cameras.iter().map(|c| c.stats.snapshot().connections).min().expect("cameras");
            self.server.drop_clients();
            self.connected(before + 1).await;
        }
    }

    async fn stop(self) {
        self.shutdown.stop();
        for camera in self.cameras {
            camera.join().await;
        }
    }
}

#[tokio::test]
async fn two_hundred_reconnects_of_eight_cameras_leave_no_trace() {
    if elsewhere("ingest::growth::two_hundred_reconnects_of_eight_cameras_leave_no_trace") {
        return;
    }
    for transport in [Transport::Tcp, Transport::Udp] {
        let mut fleet = Fleet::start(8, transport).await;
        fleet.reconnect(2).await;
        let (memory_before, threads_before) = size();
        fleet.reconnect(25).await;
        let (memory, threads) = size();
        let reconnects: u64 = fleet.cameras.iter().map(|c| c.stats.snapshot().reconnects.total()).sum();
        println!(
            "{reconnects} reconnects of 8 cameras over {transport:?}: {:.1} -> {:.1} MB, {threads_before} -> {threads} threads",
            memory_before as f64 / 1e6,
            memory as f64 / 1e6,
        );
        assert!(reconnects >= 27 * 8, "{reconnects}");
        assert_eq!(threads, threads_before);
        assert!(memory < memory_before + 20_000_000, "{memory_before} -> {memory}");
        fleet.stop().await;
    }
}

#[tokio::test]
async fn a_whole_county_of_cameras_needs_no_thread_each() {
    if elsewhere("ingest::growth::a_whole_county_of_cameras_needs_no_thread_each") {
        return;
    }
    let fleet = Fleet::start(134, Transport::Tcp).await;
    let frames = || -> u64 { fleet.cameras.iter().map(|c| c.stats.snapshot().frames).sum() };
    let (began, frames_before, cpu_before) = (monotonic(), frames(), process_cpu().as_secs_f64());
    let start = monotonic();
    while frames() < frames_before + 134 * 50 {
        assert!(start.elapsed() < PATIENCE, "{} frames", frames() - frames_before);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (memory, threads) = size();
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "134 cameras: {:.0} frames a second, {:.1} % of a core, {:.1} MB, {threads} threads",
        (frames() - frames_before) as f64 / seconds,
        (process_cpu().as_secs_f64() - cpu_before) / seconds * 100.0,
        memory as f64 / 1e6,
    );
    assert!(threads < 10, "{threads}");
    assert!(memory < 200_000_000, "{memory}");
    fleet.stop().await;
}

#[tokio::test]
async fn gstreamer_cameras_leave_no_threads_behind() {
    if elsewhere("ingest::growth::gstreamer_cameras_leave_no_threads_behind") {
        return;
    }
    // The first connection loads plugins and starts what GStreamer keeps for the life of the process.
    let mut fleet = Fleet::start(2, Transport::GstreamerTcp).await;
    fleet.reconnect(3).await;
    let (memory_before, threads_before) = size();
    fleet.reconnect(20).await;
    let (memory, threads) = size();
    println!(
        "40 reconnects of 2 rtspsrc cameras: {:.1} -> {:.1} MB, {threads_before} -> {threads} threads",
        memory_before as f64 / 1e6,
        memory as f64 / 1e6,
    );
    assert!(memory < memory_before + 20_000_000, "{memory_before} -> {memory}");
    fleet.stop().await;
    // GLib keeps idle threads of its pool for 15 s.
    let start = monotonic();
    while size().1 > threads_before.saturating_sub(2) {
        assert!(start.elapsed() < PATIENCE, "{} threads, {threads_before} while streaming", size().1);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
