//! Plays a recording as if it were a camera.

use std::time::Duration;

use super::container::AccessUnitReader;
use super::file::captured;
use super::intake::Intake;
use super::{IngestError, Telemetry};
use crate::base::{MediaTime, Shutdown, WallTime, monotonic, wall_now};
use crate::config::{FileConfig, Pace};
use crate::drone::Flight;

/// Plays until the end, for ever with `repeat`, or until `shutdown`. Blocks. The capture time of the first
/// frame is `file.start`, or now. Each round is a new connection and continues the time of the previous
/// round.
pub(super) fn play(
    file: &FileConfig,
    flight: Option<&Flight>,
    intake: &mut Intake,
    shutdown: &Shutdown,
) -> Result<(), IngestError> {
    let mut start = file.start.unwrap_or_else(wall_now);
    loop {
        if let Some(flight) = flight {
            intake.telemetry(Telemetry::Flight(flight.clone().starting(start)));
        }
        start = start + round(file, start, intake, shutdown)?;
        if !file.repeat || shutdown.is_stopped() {
            return Ok(());
        }
    }
}

/// Plays the file once and returns its length.
fn round(
    file: &FileConfig,
    start: WallTime,
    intake: &mut Intake,
    shutdown: &Shutdown,
) -> Result<Duration, IngestError> {
    let mut reader = AccessUnitReader::open(&file.path)?;
    intake.begin_connection();
    intake.orientation(reader.orientation());
    let began = monotonic();
    let (mut latest, mut step) = (MediaTime(0), Duration::from_millis(40));
    while let Some(unit) = reader.next()? {
        if unit.raw_pts > latest {
            step = micros(unit.raw_pts.0 - latest.0);
            latest = unit.raw_pts;
        }
        let due = match file.pace {
            Pace::Speed(speed) if speed > 0.0 => micros(latest.0).div_f64(speed),
            Pace::Speed(_) | Pace::AsFastAsPossible => Duration::ZERO,
        };
        if shutdown.wait(due.saturating_sub(began.elapsed())) {
            return Ok(micros(latest.0) + step);
        }
        let capture = captured(start, unit.raw_pts);
        intake.footage(unit, capture);
    }
    if !intake.has_key() {
        return Err(reader.undecodable(intake.nothing_decodable()));
    }
    Ok(micros(latest.0) + step)
}

fn micros(us: i64) -> Duration {
    Duration::from_micros(u64::try_from(us).unwrap_or(0))
}
