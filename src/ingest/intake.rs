//! Takes: access units from a transport. Gives: [`EncodedFrame`]s, numbered, timed and counted, to the sink.
//! On failure: counts and drops access units that cannot be decoded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::access_unit::{self, AccessUnit};
use super::clock::{CameraClock, Reading};
use super::nal::Access;
use super::parameter_sets::ParameterSets;
use super::stats::Counted;
use super::timing::{KeyFrameMonitor, PtsRepair, RepairedPts};
use super::{Codec, EncodedFrame, FrameSink, IngestStats, Orientation, Telemetry};
use crate::base::{
    CameraId, Capture, FrameSeq, MediaTime, TimeSource, WallTime, kernel_clock, monotonic, wall_now,
};

/// Numbers and times the frames of one camera across all its connections.
pub(super) struct Intake {
    camera: CameraId,
    sink: Arc<dyn FrameSink>,
    stats: Arc<IngestStats>,
    next_seq: u64,
    stream: u32,
    clock: CameraClock,
    connection: Connection,
}

/// In a stream without a random access point for this long, or without any, intra pictures count as such.
const INTRA_PATIENCE: Duration = Duration::from_secs(2);

/// State of one connection.
struct Connection {
    sets: ParameterSets,
    /// The parameter sets of the last key frame.
    parameters: Option<u64>,
    /// Its last true random access point.
    last_point: Option<MediaTime>,
    /// It only ever refreshes its pictures gradually.
    gradual: bool,
    repair: PtsRepair,
    keys: KeyFrameMonitor,
    last_key: Option<MediaTime>,
    first_key: Option<Instant>,
    orientation: Orientation,
}

impl Connection {
    fn new() -> Self {
        Self {
            sets: ParameterSets::default(),
            parameters: None,
            last_point: None,
            gradual: false,
            repair: PtsRepair::default(),
            keys: KeyFrameMonitor::new(monotonic()),
            last_key: None,
            first_key: None,
            orientation: Orientation::default(),
        }
    }
}

impl Connection {
    /// Whether decoding can begin with this picture.
    fn begins_here(&mut self, picture: Access, pts: MediaTime) -> bool {
        self.gradual |= matches!(picture, Access::Gradual(_));
        match picture {
            Access::Point => {
                self.last_point = Some(pts);
                true
            }
            Access::Intra => {
                let patience = INTRA_PATIENCE.as_micros() as i64;
                self.last_point.is_none_or(|point| pts.0.saturating_sub(point.0) >= patience)
            }
            Access::Gradual(_) | Access::No => false,
        }
    }

    /// Why nothing can be decoded, and what to change.
    fn without_key_frames(&self) -> &'static str {
        if self.gradual {
            "the stream refreshes its pictures piece by piece and has no key frame, so nothing can be decoded; switch intra refresh (GDR, gradual decoder refresh) off and set a key frame interval of 2 to 4 s"
        } else if self.parameters.is_none() && self.sets.hash().is_none() {
            "the stream sends no parameter sets (SPS, PPS), so nothing can be decoded; restart the camera, or try another of its streams"
        } else {
            "the stream stopped sending key frames: nothing new can be decoded; switch the smart codec (H.264+, H.265+, Smart Coding) off or set a fixed key frame interval of 2 to 4 s"
        }
    }
}

impl Intake {
    pub fn new(camera: CameraId, sink: Arc<dyn FrameSink>, stats: Arc<IngestStats>) -> Self {
        let clock = CameraClock::new(reading());
        Self { camera, sink, stats, next_seq: 0, stream: 0, clock, connection: Connection::new() }
    }

    pub fn camera(&self) -> &CameraId {
        &self.camera
    }

    pub fn stats(&self) -> &Arc<IngestStats> {
        &self.stats
    }

    /// Begins a connection: the next access units do not continue the previous ones. Only capture times do.
    pub fn begin_connection(&mut self) {
        self.connection = Connection::new();
        self.clock.begin_connection(reading());
        self.report_notes();
    }

    /// Whether this connection delivered a decodable key frame.
    pub fn has_key(&self) -> bool {
        self.connection.parameters.is_some()
    }

    /// Time since the first key frame of this connection; zero before it.
    pub fn streamed_for(&self) -> Duration {
        self.connection.first_key.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// An RTCP sender report: the camera's clock read `camera` at `raw_pts`.
    pub fn sender_report(&mut self, raw_pts: MediaTime, camera: WallTime) {
        self.clock.report(self.connection.repair.shifted(raw_pts), camera, reading());
        self.report_notes();
    }

    /// A telemetry packet: the drone's clock read `drone` at `raw_pts`.
    pub fn telemetry_clock(&mut self, raw_pts: MediaTime, drone: WallTime) {
        self.clock.reports_as(TimeSource::Telemetry);
        self.sender_report(raw_pts, drone);
    }

    /// The time of a telemetry packet on the clock of the frames' capture times. By its own time if the
    /// drone's clock is followed, else by its presentation time, else now.
    pub fn telemetry_time(&self, raw_pts: Option<MediaTime>, drone: Option<WallTime>) -> WallTime {
        let pts = raw_pts.map(|raw| self.connection.repair.shifted(raw));
        self.clock.telemetry_time(pts, drone, reading())
    }

    /// Passes telemetry of the drone to the sink.
    pub fn telemetry(&self, telemetry: Telemetry) {
        self.sink.telemetry(telemetry);
    }

    /// Takes a live access unit. Its capture time is by the camera's clock, or its arrival.
    pub fn live(&mut self, unit: AccessUnit) {
        let now = reading();
        let placed = self.connection.repair.place(unit.raw_pts, now.mono);
        let timed = self.clock.frame(placed, now);
        self.report_notes();
        self.stats.count(|s| {
            s.repaired_timestamps += u64::from(timed.held || !matches!(placed, RepairedPts::AsSent(_)));
            s.clock_error_ms = Some(timed.error_ms);
            s.waits_for_clock = timed.capture.clock.is_some_and(|clock| clock.stepped);
        });
        if let Some(since) = self.give(unit, placed.pts(), timed.capture, now.mono) {
            let what = self.connection.without_key_frames();
            self.stats.count(|s| {
                s.key_frames_missing += 1;
                s.last_error = Some(what.into());
            });
            tracing::warn!(seconds = since.as_secs(), "{what}");
        }
    }

    /// The node's clock was set by more than is slewed, and is in step again: the next connection begins with it.
    pub fn wants_new_connection(&self) -> bool {
        self.clock.wants_new_connection()
    }

    /// Takes an access unit of a recording, whose capture time is known.
    pub fn footage(&mut self, unit: AccessUnit, capture: Capture) {
        let pts = unit.raw_pts;
        self.give(unit, pts, capture, monotonic());
    }

    fn report_notes(&mut self) {
        for note in self.clock.take_notes() {
            note.report(&self.stats);
        }
    }

    /// Of all pictures from now on, in this connection.
    pub fn orientation(&mut self, orientation: Orientation) {
        self.connection.orientation = orientation;
    }

    /// Why a connection with pictures gave none that can be decoded.
    pub fn nothing_decodable(&self) -> &'static str {
        self.connection.without_key_frames()
    }

    /// Counts packets that were passed over because nothing could read them.
    pub fn unreadable_packets(&self, packets: u64) {
        if packets > 0 {
            self.stats.count(|s| s.unreadable_packets += packets);
        }
    }

    /// Keeps a parameter set that came beside the stream. NAL unit without start code.
    pub fn parameter_set(&mut self, codec: Codec, set: &[u8]) {
        self.connection.sets.keep(codec, set);
    }

    /// Returns the time since the last key frame, when key frames become overdue.
    fn give(&mut self, unit: AccessUnit, pts: MediaTime, capture: Capture, now: Instant) -> Option<Duration> {
        if unit.lost_pictures > 0 {
            self.next_seq += unit.lost_pictures;
            self.stats.count(|s| {
                s.lost_packets += unit.lost_packets;
                s.lost_frames += unit.lost_pictures;
            });
        }
        let head = access_unit::head(unit.codec, &unit.data);
        for set in &head.sets {
            self.connection.sets.keep(unit.codec, &unit.data[set.clone()]);
        }
        // Parameter sets, end of sequence and the like come without a picture.
        let picture = head.picture?;
        let key = self.connection.begins_here(picture, pts);
        let overdue = self.connection.keys.frame(key, now);
        let usable = match (key, self.connection.sets.hash()) {
            (true, Some(parameters)) => {
                self.key_frame(parameters, now);
                true
            }
            (true, None) => false,
            (false, _) => self.has_key(),
        };
        if !usable {
            self.stats.count(|s| s.skipped_frames += 1);
            return overdue;
        }
        let data = if key { self.connection.sets.before(unit.data, &head) } else { unit.data };
        let size = unit.size.or_else(|| if key { self.connection.sets.size() } else { None });
        let size = size.map(|size| self.connection.orientation.size(size));
        let before = if key { self.connection.last_key.replace(pts) } else { None };
        let key_interval =
            before.map(|b| Duration::from_micros(u64::try_from(pts.0.saturating_sub(b.0)).unwrap_or(0)));
        self.stats.frame(
            &Counted { bytes: data.len(), key, codec: unit.codec, size, capture: &capture, key_interval },
            now,
        );
        let seq = FrameSeq(self.next_seq);
        self.next_seq += 1;
        self.clock.was_given();
        self.sink.frame(EncodedFrame {
            camera: self.camera.clone(),
            seq,
            stream: self.stream,
            capture,
            pts,
            codec: unit.codec,
            key,
            orientation: self.connection.orientation,
            data,
        });
        overdue
    }

    fn key_frame(&mut self, parameters: u64, now: Instant) {
        match self.connection.parameters.replace(parameters) {
            Some(before) if before == parameters => {}
            Some(_) => {
                self.stream += 1;
                self.connection.last_key = None;
                tracing::info!(stream = self.stream, "the stream changed its parameters");
            }
            None => {
                self.stream += 1;
                self.connection.first_key = Some(now);
                if let Some(away) = self.stats.connected(now) {
                    tracing::info!(away_s = away.as_secs(), "the camera streams again");
                }
            }
        }
    }
}

fn reading() -> Reading {
    Reading { mono: monotonic(), wall: wall_now(), kernel: kernel_clock() }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::ingest::Codec;

    fn intake() -> (Intake, Arc<Mutex<Vec<EncodedFrame>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let seen = seen.clone();
            Arc::new(move |frame| seen.lock().push(frame))
        };
        (Intake::new("gate".into(), sink, Arc::default()), seen)
    }

    fn unit(key: bool, sps: u8, ms: i64, lost_packets: u64) -> AccessUnit {
        let data = match key {
            true => vec![0, 0, 0, 1, 0x67, 66, 0, sps, 0x80, 0, 0, 0, 1, 0x68, 0x80, 0, 0, 0, 1, 0x65, 0x88],
            false => vec![0, 0, 0, 1, 0x41, 0xc0],
        };
        let raw_pts = MediaTime(ms * 1000);
        let lost_pictures = u64::from(lost_packets > 0);
        AccessUnit { codec: Codec::H264, data: data.into(), raw_pts, size: None, lost_packets, lost_pictures }
    }

    #[test]
    fn a_loss_leaves_a_gap_and_numbers_go_on_over_reconnects() {
        let (mut intake, seen) = intake();
        intake.live(unit(true, 1, 0, 0));
        intake.live(unit(false, 1, 40, 3));
        intake.begin_connection();
        intake.live(unit(true, 1, 900, 0));
        let seen = seen.lock();
        let numbers: Vec<_> = seen.iter().map(|f| (f.seq.0, f.stream)).collect();
        assert_eq!(numbers, [(0, 1), (2, 1), (3, 2)]);
        let stats = intake.stats().snapshot();
        assert_eq!((stats.lost_packets, stats.lost_frames, stats.connections), (3, 1, 2));
    }

    #[test]
    fn new_parameter_sets_begin_a_new_stream() {
        let (mut intake, seen) = intake();
        for (key, sps, ms) in [(true, 1, 0), (false, 1, 40), (true, 1, 80), (true, 2, 120), (false, 2, 160)] {
            intake.live(unit(key, sps, ms, 0));
        }
        let streams: Vec<_> = seen.lock().iter().map(|f| f.stream).collect();
        assert_eq!(streams, [1, 1, 1, 2, 2]);
        let stats = intake.stats().snapshot();
        assert_eq!((stats.gop_frames, stats.key_interval_ms), (Some(1), Some(80)));
    }

    #[test]
    fn nothing_is_given_before_the_first_whole_key_frame() {
        let (mut intake, seen) = intake();
        intake.live(unit(false, 1, 0, 0));
        intake.live(AccessUnit { data: vec![0, 0, 1, 0x65, 1].into(), ..unit(true, 1, 40, 0) });
        intake.live(AccessUnit { data: vec![0xff; 40].into(), ..unit(true, 1, 80, 0) });
        intake.live(unit(true, 1, 120, 0));
        assert_eq!(seen.lock().len(), 1);
        assert_eq!(intake.stats().snapshot().skipped_frames, 2, "garbage is no frame");
    }

    #[test]
    fn a_wrong_camera_clock_is_reported_beside_the_arrival() {
        let (mut intake, seen) = intake();
        intake.sender_report(MediaTime(0), WallTime(0));
        intake.live(unit(true, 1, 0, 0));
        let capture = seen.lock()[0].capture;
        assert_eq!(capture.source, TimeSource::Arrival);
        assert!(capture.offset_ms.is_some_and(|ms| ms < -1_000_000_000), "{capture:?}");
    }
}
