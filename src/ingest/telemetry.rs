//! Telemetry of drones: of a whole recording at once, of a live stream packet by packet.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::intake::Intake;
use super::pipeline::file_error;
use super::ts::{Klv, klv_of};
use super::{IngestError, IngestStats, Telemetry};
use crate::base::MediaTime;
use crate::drone::klv::{self, Packet};
use crate::drone::srt::Settings;
use crate::drone::{
    Checker, Fault, Flight, LonLat, Pose, TelemetryError, TelemetryReport, fit_clock, judge, read_srt,
};

/// What is known of a flight in advance.
#[derive(Clone, Debug, Default)]
pub struct FlightSettings {
    /// File of DJI subtitles. `None`: the subtitles beside the video, else the telemetry in the video.
    pub srt: Option<PathBuf>,
    /// Approximate position of the flight.
    pub base: Option<LonLat>,
    /// Time zone of the subtitles.
    pub time_zone: Option<TimeZone>,
}

#[derive(Debug, thiserror::Error)]
pub enum FlightError {
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Video(#[from] IngestError),
    #[error(
        "{} has no telemetry: there is no .SRT beside it, and no MISB ST 0601 KLV in it ({report})",
        .video.display()
    )]
    Nothing { video: PathBuf, report: Box<TelemetryReport> },
}

/// Reads all telemetry of a recorded flight. Times count from the video's first frame. Reads the whole file:
/// an hour of video takes seconds.
///
/// # Errors
/// There is no telemetry, or none of it is usable.
pub fn flight_of(video: &Path, settings: &FlightSettings) -> Result<(Flight, TelemetryReport), FlightError> {
    let known = Settings { base: settings.base, time_zone: settings.time_zone.clone() };
    let beside = || ["SRT", "srt", "Srt"].map(|e| video.with_extension(e)).into_iter().find(|p| p.exists());
    if let Some(path) = settings.srt.clone().or_else(beside) {
        return Ok(read_srt(&path, &known)?);
    }
    let packets = klv_of(video).map_err(|error| file_error(video, error))?;
    let (flight, report) = of_packets(&packets, settings.base);
    if flight.is_empty() {
        return Err(FlightError::Nothing { video: video.to_path_buf(), report: Box::new(report) });
    }
    Ok((flight, report))
}

fn of_packets(packets: &[Klv], base: Option<LonLat>) -> (Flight, TelemetryReport) {
    let mut report = TelemetryReport::default();
    let mut sets = Vec::new();
    for klv in packets {
        for packet in klv::packets(&klv.bytes) {
            match packet {
                Packet::Foreign(_) => continue,
                Packet::Bad(fault) => {
                    report.records += 1;
                    report.reject(report.records, fault);
                }
                Packet::Local(set) => {
                    report.records += 1;
                    sets.push((report.records, klv, set));
                }
            }
        }
    }
    let pairs = |time: fn(&Klv) -> Option<MediaTime>| -> Vec<_> {
        sets.iter().filter_map(|(_, klv, set)| Some((time(klv)?, set.timestamp?))).collect()
    };
    // Asynchronous metadata has no times of its own: its place among the pictures says when the drone's clock
    // read what.
    report.clock = fit_clock(&pairs(|klv| klv.pts)).or_else(|| fit_clock(&pairs(|klv| klv.near)));
    let mut poses = Vec::new();
    for (record, klv, set) in sets {
        // A packet without a presentation time gets its media time from the drone's clock, and without one from
        // its place.
        let by_clock = || Some(MediaTime(set.timestamp?.0.saturating_sub(report.clock.as_ref()?.start.0)));
        let Some(media) = klv.pts.or_else(by_clock).or(klv.near) else {
            report.reject(record, Fault::NoTime);
            continue;
        };
        match set.pose() {
            Some(pose) => poses.push((record, Pose { media: Some(media), ..pose })),
            None => report.without_position += 1,
        }
    }
    let flight = judge(poses, base, &mut report);
    (flight, report)
}

/// Checks the telemetry packets of a live stream.
pub(super) struct LiveTelemetry {
    checker: Checker,
    /// Stream time of the last comparison with the drone's clock.
    last_clock_update: Option<MediaTime>,
}

/// How often the drone's clock is compared with the stream's.
const CLOCK_EVERY_US: i64 = 1_000_000;

impl LiveTelemetry {
    pub fn new(base: Option<LonLat>) -> Self {
        Self { checker: Checker::new(base), last_clock_update: None }
    }

    /// Adds the packets of one buffer. `pts`: its time on the stream's clock.
    pub fn push(&mut self, intake: &mut Intake, pts: Option<MediaTime>, bytes: &[u8]) {
        for packet in klv::packets(bytes) {
            let set = match packet {
                Packet::Foreign(_) => continue,
                Packet::Bad(fault) => {
                    reject(intake.stats(), &fault);
                    continue;
                }
                Packet::Local(set) => set,
            };
            intake.stats().count(|s| s.telemetry += 1);
            if let (Some(pts), Some(drone)) = (pts, set.timestamp)
                && self
                    .last_clock_update
                    .is_none_or(|t| (pts.0.saturating_sub(t.0)).saturating_abs() >= CLOCK_EVERY_US)
            {
                self.last_clock_update = Some(pts);
                intake.telemetry_clock(pts, drone);
            }
            let Some(pose) = set.pose() else { continue };
            let at = intake.telemetry_time(pts, set.timestamp);
            match self.checker.check(&Pose { media: pts, ..pose }) {
                Ok(true) => intake.telemetry(Telemetry::Pose(at, Box::new(pose))),
                Ok(false) => {}
                Err(fault) => reject(intake.stats(), &fault),
            }
        }
    }
}

/// Logs only the 1st, 2nd, 4th, 8th and so on: a broken sender must not flood the log.
fn reject(stats: &IngestStats, fault: &Fault) {
    let mut rejected = 0;
    stats.count(|s| {
        s.telemetry_rejected += 1;
        rejected = s.telemetry_rejected;
    });
    if rejected.is_power_of_two() {
        tracing::warn!(rejected, reason = fault.name(), "telemetry packet rejected: {fault}");
    }
}

/// After this long without a packet, the stream has lost its telemetry.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
