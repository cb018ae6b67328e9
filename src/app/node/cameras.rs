//! Takes: the cameras' configs, one by one. Gives: their sources, rings, and slots in the decoders and
//! detectors. Each camera can be added, changed and removed without touching another one.
//!
//! A change of the source starts the new source first. The old one ends with the first key frame of the new
//! one, after [`OVERLAP`] if there is none, or at once if the old one does not stream either.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::feed::Feed;
use crate::app::roster::Roster;
use crate::base::{CameraId, Shutdown, monotonic};
use crate::config::CameraConfig;
use crate::decode::DecodePool;
use crate::detect::{DetectPool, TileScheduler};
use crate::ingest::{CameraHandle, EncodedFrame, FrameSink, SourceState, Telemetry, spawn_camera};
use crate::scene::{FlightLog, FlightLogs};

/// How long two sources of one camera may run side by side.
const OVERLAP: Duration = Duration::from_secs(15);

pub(super) struct Cameras {
    tokio: Handle,
    roster: Arc<Roster>,
    decode: Arc<DecodePool>,
    detect: Arc<DetectPool>,
    flights: FlightLogs,
    running: BTreeMap<CameraId, Running>,
    /// Sources that are stopping and have not ended yet.
    ending: Vec<CameraHandle>,
}

struct Running {
    feed: Arc<Feed>,
    source: Source,
    /// The previous source, until `source` takes over.
    replaced: Option<(Source, Instant)>,
}

struct Source {
    number: u32,
    handle: CameraHandle,
    stop: Shutdown,
}

impl Source {
    fn stop(self, ending: &mut Vec<CameraHandle>) {
        self.stop.stop();
        ending.push(self.handle);
    }
}

impl Cameras {
    pub fn new(
        tokio: Handle,
        roster: Arc<Roster>,
        decode: Arc<DecodePool>,
        detect: Arc<DetectPool>,
        flights: FlightLogs,
    ) -> Self {
        Self { tokio, roster, decode, detect, flights, running: BTreeMap::new(), ending: Vec::new() }
    }

    /// Where the drones are, for scenes that are rebuilt.
    pub fn flights(&self) -> &FlightLogs {
        &self.flights
    }

    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Starts the camera. Replaces a running one of the same id with everything it has.
    pub fn add(&mut self, camera: &CameraConfig) {
        self.remove(&camera.id);
        let ring = self.roster.enter(camera);
        self.place(camera);
        let feed = Arc::new(Feed::new(ring, Arc::clone(&self.roster.rings), Arc::clone(&self.decode)));
        let source = self.spawn(0, camera, &feed);
        self.roster.streams(&camera.id, Arc::clone(&source.handle.stats));
        self.running.insert(camera.id.clone(), Running { feed, source, replaced: None });
    }

    /// Stops the camera. Its ring stays for a while, for clips that must still be cut.
    pub fn remove(&mut self, id: &CameraId) {
        let Some(running) = self.running.remove(id) else { return };
        running.source.stop(&mut self.ending);
        if let Some((old, _)) = running.replaced {
            old.stop(&mut self.ending);
        }
        self.roster.leave(id);
        self.decode.remove(id);
        self.detect.remove(id);
    }

    /// Applies all settings but the source: interval, sampling, ring size, name. The stream continues.
    pub fn adjust(&mut self, camera: &CameraConfig) {
        if self.running.contains_key(&camera.id) {
            self.roster.enter(camera);
            self.place(camera);
        }
    }

    /// Connects to the camera's new source; the ring and the analysis continue.
    pub fn replace_source(&mut self, camera: &CameraConfig) {
        let Some(running) = self.running.get(&camera.id) else { return };
        let (feed, number) = (Arc::clone(&running.feed), running.source.number + 1);
        let source = self.spawn(number, camera, &feed);
        let Some(running) = self.running.get_mut(&camera.id) else { return };
        let old = std::mem::replace(&mut running.source, source);
        // Replaced twice within a short time: the middle one never took over.
        match &mut running.replaced {
            Some(_) => old.stop(&mut self.ending),
            none => *none = Some((old, monotonic())),
        }
        self.settle();
    }

    /// Stops sources whose successor has taken over, and drops those that have ended. Called once a second.
    pub fn settle(&mut self) {
        for (id, running) in &mut self.running {
            let over = running.replaced.as_ref().is_some_and(|(old, since)| {
                running.feed.source() >= running.source.number
                    || since.elapsed() >= OVERLAP
                    || old.handle.stats.snapshot().state != SourceState::Streaming
            });
            if over && let Some((old, _)) = running.replaced.take() {
                running.feed.switch_to(running.source.number);
                self.roster.streams(id, Arc::clone(&running.source.handle.stats));
                old.stop(&mut self.ending);
            }
        }
        self.ending.retain(|handle| !handle.is_finished());
    }

    /// Stops all sources and waits for them until `deadline`.
    pub async fn stop(mut self, deadline: Instant) {
        for running in std::mem::take(&mut self.running).into_values() {
            running.source.stop(&mut self.ending);
            running.replaced.into_iter().for_each(|(old, _)| old.stop(&mut self.ending));
        }
        for handle in self.ending {
            let id = handle.camera.clone();
            let left = deadline.saturating_duration_since(monotonic()).max(Duration::from_millis(200));
            if tokio::time::timeout(left, handle.join()).await.is_err() {
                tracing::warn!(camera = %id, "still connected at the deadline: cut off");
            }
        }
    }

    fn place(&self, camera: &CameraConfig) {
        // The detectors order cameras by overdue intervals: a shorter interval moves a camera forward.
        let turn = camera.interval.div_f64(camera.priority.weight());
        self.detect.put(camera.id.clone(), TileScheduler::of(camera), turn);
        self.decode.put(camera.id.clone(), camera.sampling, camera.interval);
        self.decode.set_priority(&camera.id, camera.priority);
    }

    fn spawn(&self, number: u32, camera: &CameraConfig, feed: &Arc<Feed>) -> Source {
        let stop = Shutdown::new();
        let sink = Sink { number, feed: Arc::clone(feed), flight: self.flights.of(&camera.id) };
        let handle = spawn_camera(&self.tokio, camera, Arc::new(sink), stop.clone());
        Source { number, handle, stop }
    }
}

/// Passes the frames of one source to its camera's feed, and its telemetry to the drone's flight log.
struct Sink {
    number: u32,
    feed: Arc<Feed>,
    flight: Arc<FlightLog>,
}

impl FrameSink for Sink {
    fn frame(&self, frame: EncodedFrame) {
        self.feed.frame(self.number, frame);
    }

    fn telemetry(&self, telemetry: Telemetry) {
        self.flight.push(telemetry);
    }
}
