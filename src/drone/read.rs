//! Telemetry files from the disk.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::srt::{self, Settings};
use super::xmp::{self, Still, XmpError};
use super::{Flight, TelemetryReport};

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
    Xmp { path: PathBuf, source: XmpError },
}

/// Reads DJI subtitles.
///
/// # Errors
/// The file cannot be read, or has not one record with a position.
pub fn read_srt(path: &Path, settings: &Settings) -> Result<(Flight, TelemetryReport), TelemetryError> {
    let bytes = read(path)?;
    let (flight, report) = srt::parse(&String::from_utf8_lossy(&bytes), settings);
    if flight.is_empty() {
        return Err(TelemetryError::Nothing { path: path.to_path_buf(), report: Box::new(report) });
    }
    Ok((flight, report))
}

/// Reads the XMP of a DJI still.
///
/// # Errors
/// The file cannot be read, or has no position.
pub fn read_still(path: &Path) -> Result<Still, TelemetryError> {
    let bytes = read(path)?;
    xmp::still(&bytes).map_err(|source| TelemetryError::Xmp { path: path.to_path_buf(), source })
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
