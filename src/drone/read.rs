//! Telemetry files from the disk.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::srt::{self, Settings};
use super::still::{Still, StillError};
use super::{Flight, TelemetryReport};
use crate::base::{decode_text, narrow};

/// Two hours at 60 records a second are 130 MB; more is no telemetry.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("cannot read {}", .path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{} is larger than {} MB: this is no telemetry", .path.display(), MOST_BYTES / 1024 / 1024)]
    TooLarge { path: PathBuf },
    #[error(
        "{} has no usable telemetry: {report}\nIs it the .SRT of this video? Switch `video captions` on in the drone's app for the next flight",
        .path.display()
    )]
    Nothing { path: PathBuf, report: Box<TelemetryReport> },
    #[error("{}", .path.display())]
    Still { path: PathBuf, source: StillError },
}

/// Reads DJI subtitles.
///
/// # Errors
/// The file cannot be read, or has not one record with a position.
pub fn read_srt(path: &Path, settings: &Settings) -> Result<(Flight, TelemetryReport), TelemetryError> {
    let bytes = read(path)?;
    // The end of a recording that lost its power may be anything: what can be read is used.
    let text = decode_text(bytes.clone()).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned());
    let (flight, report) = srt::parse(&narrow(&text), settings);
    if flight.is_empty() {
        return Err(TelemetryError::Nothing { path: path.to_path_buf(), report: Box::new(report) });
    }
    Ok((flight, report))
}

/// Reads the metadata of a drone's still.
///
/// # Errors
/// The file cannot be read, or has no position.
pub fn read_still(path: &Path) -> Result<Still, TelemetryError> {
    let bytes = read(path)?;
    Still::read(&bytes).map_err(|source| TelemetryError::Still { path: path.to_path_buf(), source })
}

fn read(path: &Path) -> Result<Vec<u8>, TelemetryError> {
    let io = |source| TelemetryError::Io { path: path.to_path_buf(), source };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(TelemetryError::TooLarge { path: path.to_path_buf() });
    }
    Ok(bytes)
}
