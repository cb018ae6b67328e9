//! Runs the whole pipeline on recorded footage, on one thread and by the footage's own time. The same input
//! gives the same output, byte for byte.

use std::io::Write;
use std::iter::Peekable;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::before_keeper::before_keeper;
use super::node::{AppError, generator, open_classifier};
use crate::second_look::Models;
use parking_lot::Mutex;

use crate::base::{CameraId, Shutdown, WallTime, monotonic};
use crate::config::{CameraConfig, Config, Pace, RingConfig};
use crate::decode::{DecoderChoice, FootageDecoder, Picture};
use crate::detect::{Detections, Detector, Runtime, TileScheduler};
use crate::drone::Flight;
use crate::events::{Recorder, Store};
use crate::evidence::{ClipCutter, ClipRequest, EvidenceError, event_dir};
use crate::ingest::{EncodedFrame, FileReader, IngestError, Telemetry, open_file};
use crate::outbox::{Batch, OutboxError};
use crate::ring::Ring;
use crate::scene::FlightLogs;
use crate::scene::PlaceMemoryContext;
use crate::scene::Sites;
use crate::scene::{self, Scene};

#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// Recordings, each with its camera. Other cameras of the config are left out.
    pub footage: Vec<(CameraId, PathBuf)>,
    /// Flight logs of drones among them; their times count from the first frame of the recording.
    pub flights: Vec<(CameraId, Flight)>,
    /// When the recordings begin.
    pub start: WallTime,
    pub pace: Pace,
    /// Folder for stills, clips and manifests; `None`: none are made.
    pub evidence: Option<PathBuf>,
}

/// Counts of a replay.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayReport {
    pub frames: u64,
    pub pictures: u64,
    /// Frames that could not be decoded.
    pub damaged: u64,
    /// Boxes of the network that cannot be, and were left out.
    pub impossible_boxes: u64,
    pub second_looks: u64,
    pub opened: u64,
}

/// Writes each step of each event as one JSON line to `out`, at once. Stops early on `stop`.
///
/// # Errors
/// The model, a recording or the evidence folder cannot be used. A damaged frame is counted, not an error.
pub fn replay(
    config: Config,
    models: &Models,
    options: &ReplayOptions,
    out: Box<dyn Write + Send>,
    stop: &Shutdown,
) -> Result<ReplayReport, AppError> {
    let config = Arc::new(config);
    let runtime = Runtime::load(config.runtime.onnxruntime.as_deref())?;
    let mut detector =
        Detector::open(&runtime, &models.detector, config.detect.threads, config.detect.provider)?;
    let mut classifier = open_classifier(&config, models)?;
    let choice = DecoderChoice::new(&config.decode)?;
    let lines = Arc::new(Lines { out: Mutex::new(out) });
    let recorder =
        Recorder::new(Arc::clone(&config), lines, options.evidence.clone(), generator(models), stop.clone())?;
    let mut clips =
        Clips { cutter: ClipCutter::new()?, data_dir: options.evidence.clone(), waiting: Vec::new() };
    let flights = FlightLogs::default();
    for (camera, flight) in &options.flights {
        flights.of(camera).push(Telemetry::Flight(flight.clone().starting(options.start)));
    }
    let memory =
        PlaceMemoryContext::of_replay(options.evidence.clone(), before_keeper()).map_err(AppError::Thread)?;
    let mut scenes = scene::build_all(&config, models, &Sites::load(&config)?, &flights, &memory);
    let mut streams = Vec::new();
    for (camera, path) in &options.footage {
        if let Some(scene) = scenes.remove(camera) {
            let reader = open_file(path, camera.clone(), options.start)?;
            streams.push(Stream::new(reader, scene, &choice));
        }
    }
    let pacer = Pacer::new(options.pace, options.start);
    let mut report = ReplayReport::default();
    while let Some(stream) = earliest(&mut streams)? {
        if stop.is_stopped() {
            break;
        }
        let Some(frame) = stream.reader.next().transpose()? else { continue };
        pacer.wait_for(frame.capture.at, stop);
        report.frames += 1;
        let _camera = frame.camera.span().entered();
        stream.ring.push(frame.clone());
        for picture in stream.pictures(&frame, &mut report.damaged) {
            report.pictures += 1;
            let (items, looked) = match detector.detect_next(&picture, &mut stream.tiles) {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(%error, "a picture was not analysed");
                    continue;
                }
            };
            report.impossible_boxes += detector.impossible() as u64;
            let seen = Detections { picture: Arc::new(picture), items, looked };
            let analysed = stream.scene.analyse(&config, &seen);
            if analysed.shows_first && options.evidence.is_some() {
                recorder.first_sights.keep(&seen.picture, config.evidence.jpeg_quality);
            }
            if let Some(report) = analysed.tamper {
                recorder.record_tamper(&stream.scene.config, report);
            }
            for question in analysed.questions {
                match classifier.as_mut().map(|classifier| classifier.answer(&question)) {
                    Some(Ok(answer)) => {
                        report.second_looks += 1;
                        stream.scene.answer(&answer);
                    }
                    Some(Err(error)) => tracing::error!(%error, "a second look failed"),
                    None => {}
                }
            }
            if let Some(decided) = &analysed.decided {
                clips.waiting.extend(recorder.record(&stream.scene.config, decided, Some(&seen.picture)));
            }
        }
        clips.cut(&streams, &recorder, false);
    }
    clips.cut(&streams, &recorder, true);
    memory.finish();
    report.opened = recorder.journal.counts().opened;
    Ok(report)
}

/// One recording with the stages of its camera.
struct Stream {
    reader: Peekable<FileReader>,
    ring: Ring,
    decoder: FootageDecoder,
    tiles: TileScheduler,
    scene: Scene,
}

impl Stream {
    fn new(reader: FileReader, scene: Scene, choice: &DecoderChoice) -> Self {
        let CameraConfig { ring, sampling, interval, .. } = *scene.config;
        Self {
            reader: reader.peekable(),
            // A recording is never late: keep all that fits into the ring.
            ring: Ring::new(RingConfig { quiet: ring.max_duration, ..ring }),
            decoder: FootageDecoder::new(choice, sampling, interval),
            tiles: TileScheduler::of(&scene.config),
            scene,
        }
    }

    fn pictures(&mut self, frame: &EncodedFrame, damaged: &mut u64) -> Vec<Picture> {
        self.decoder.push(frame).unwrap_or_else(|error| {
            *damaged += 1;
            tracing::warn!("a frame gave no picture: {error}");
            Vec::new()
        })
    }
}

/// The recording with the earliest next frame; `None` when all have ended.
fn earliest(streams: &mut [Stream]) -> Result<Option<&mut Stream>, IngestError> {
    let mut first: Option<(WallTime, usize)> = None;
    for (i, stream) in streams.iter_mut().enumerate() {
        let at = match stream.reader.peek() {
            Some(Ok(frame)) => frame.capture.at,
            // The caller gets the error when it reads the frame.
            Some(Err(_)) => WallTime(i64::MIN),
            None => continue,
        };
        if first.is_none_or(|(earlier, _)| at < earlier) {
            first = Some((at, i));
        }
    }
    Ok(first.map(|(_, i)| &mut streams[i]))
}

/// Clips that wait for their last seconds.
struct Clips {
    cutter: ClipCutter,
    data_dir: Option<PathBuf>,
    waiting: Vec<ClipRequest>,
}

impl Clips {
    fn cut(&mut self, streams: &[Stream], recorder: &Recorder, at_end: bool) {
        let Some(data_dir) = &self.data_dir else { return };
        let ring = |camera: &CameraId| streams.iter().find(|s| s.scene.config.id == *camera).map(|s| &s.ring);
        let due = self.waiting.extract_if(.., |request| {
            at_end || ring(&request.camera).and_then(Ring::newest).is_none_or(|newest| newest >= request.to)
        });
        for request in due {
            let clip = ring(&request.camera).and_then(|ring| ring.clip(request.from, request.to));
            let result = match clip {
                Some(clip) => self.cutter.cut(&clip, &event_dir(data_dir, request.event)),
                None => Err(EvidenceError::NoFootage("the recording gave none".to_owned())),
            };
            recorder.record_clip(&request, &result);
        }
    }
}

/// Prints the events that an outbox would send. Their evidence is in the folder.
struct Lines {
    out: Mutex<Box<dyn Write + Send>>,
}

impl Store for Lines {
    fn append(&self, batch: &Batch) -> Result<(), OutboxError> {
        let mut out = self.out.lock();
        for message in batch
            .messages
            .iter()
            .filter(|message| message.topic.ends_with("/event") || message.topic.ends_with("/tamper"))
        {
            let written = out
                .write_all(&message.payload)
                .and_then(|()| out.write_all(b"\n"))
                .and_then(|()| out.flush());
            if let Err(error) = written {
                tracing::error!(%error, "an event line could not be written");
            }
        }
        Ok(())
    }
}

/// Delays frames to the chosen pace.
struct Pacer {
    pace: Pace,
    footage: WallTime,
    began: Instant,
}

impl Pacer {
    fn new(pace: Pace, footage: WallTime) -> Self {
        Self { pace, footage, began: monotonic() }
    }

    fn wait_for(&self, at: WallTime, stop: &Shutdown) {
        if let Pace::Speed(speed) = self.pace {
            let due = at.since(self.footage).div_f64(speed);
            let early = due.saturating_sub(self.began.elapsed());
            if early > Duration::ZERO {
                stop.wait(early);
            }
        }
    }
}
