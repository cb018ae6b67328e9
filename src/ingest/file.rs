//! A recording as a source that is read on request: for replay, and as fast as its reader likes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::container::{AccessUnitReader, creation_time};
use super::intake::Intake;
use super::{EncodedFrame, IngestError, IngestStats};
use crate::base::{CameraId, Capture, MediaTime, TimeSource, WallTime};

/// Opens a recording; its first frame was taken at `start`.
///
/// # Errors
/// The file is missing, no mp4, mkv or ts, or has neither H.264 nor H.265.
pub fn open_file(path: &Path, camera: CameraId, start: WallTime) -> Result<FileReader, IngestError> {
    let units = AccessUnitReader::open(path)?;
    let slot = Arc::new(Mutex::new(None));
    let sink = {
        let slot = slot.clone();
        Arc::new(move |frame| *slot.lock() = Some(frame))
    };
    let stats = Arc::new(IngestStats::default());
    let mut intake = Intake::new(camera, sink, stats.clone());
    intake.orientation(units.orientation());
    Ok(FileReader { units, intake, slot, stats, start, done: false })
}

/// The container's creation time, if it has one. Cameras write when recording began, many editors when they
/// wrote.
pub fn footage_start(path: &Path) -> Option<WallTime> {
    creation_time(path).map(WallTime::from)
}

/// Frames in decode order. Blocks on the disk; reads no further ahead than a few frames. Ends after the first
/// error. A recording without one frame to decode is an error.
pub struct FileReader {
    units: AccessUnitReader,
    intake: Intake,
    slot: Arc<Mutex<Option<EncodedFrame>>>,
    stats: Arc<IngestStats>,
    start: WallTime,
    done: bool,
}

impl FileReader {
    pub fn stats(&self) -> &Arc<IngestStats> {
        &self.stats
    }
}

impl Iterator for FileReader {
    type Item = Result<EncodedFrame, IngestError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.units.next() {
                Ok(Some(unit)) => {
                    let capture = captured(self.start, unit.raw_pts);
                    self.intake.footage(unit, capture);
                    // Frames before the first key frame are left out.
                    let frame = self.slot.lock().take();
                    if let Some(frame) = frame {
                        return Some(Ok(frame));
                    }
                }
                Ok(None) => {
                    self.done = true;
                    if !self.intake.has_key() {
                        return Some(Err(self.units.undecodable(self.intake.nothing_decodable())));
                    }
                }
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// Footage has no clock but its own.
pub(super) fn captured(start: WallTime, pts: MediaTime) -> Capture {
    let ahead = Duration::from_micros(pts.0.unsigned_abs());
    let at = if pts.0 < 0 { start - ahead } else { start + ahead };
    Capture { at, source: TimeSource::Footage, offset_ms: None, clock: None }
}
