//! What reading telemetry found, in words for the operator.

use std::collections::BTreeMap;
use std::fmt;

use super::ClockFit;
use crate::base::MediaTime;

/// Why a record is not used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    #[error("{field} is no number: `{text}`")]
    NotANumber { field: &'static str, text: String },
    #[error("{field} {value} is outside {from} to {to}")]
    OutOfRange { field: &'static str, value: f64, from: f64, to: f64 },
    #[error(
        "latitude and longitude look swapped: {as_written_km:.0} km from {reference} as written, {swapped_km:.1} km if swapped"
    )]
    Swapped { as_written_km: f64, swapped_km: f64, reference: &'static str },
    #[error("latitude {latitude} cannot be: latitude and longitude look swapped")]
    SwappedOutOfRange { latitude: f64 },
    #[error("{km:.0} km from the record before it, faster than a drone flies")]
    Jump { km: f64 },
    #[error("cut off in the middle")]
    CutOff,
    #[error("nothing in it is known telemetry")]
    Unknown,
    #[error("no time: neither of its own nor by its place in the recording")]
    NoTime,
    #[error("checksum {stored:#06x} stands where {computed:#06x} belongs")]
    Checksum { stored: u16, computed: u16 },
    #[error("no checksum")]
    NoChecksum,
    #[error("says {said} bytes, {there} are there")]
    Length { said: u64, there: u64 },
}

impl Fault {
    /// Under which it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotANumber { .. } => "not_a_number",
            Self::OutOfRange { .. } => "out_of_range",
            Self::Swapped { .. } | Self::SwappedOutOfRange { .. } => "swapped",
            Self::Jump { .. } => "jump",
            Self::CutOff => "cut_off",
            Self::Unknown => "unknown",
            Self::NoTime => "no_time",
            Self::Checksum { .. } => "checksum",
            Self::NoChecksum => "no_checksum",
            Self::Length { .. } => "length",
        }
    }
}

/// One record that is not used.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    /// Counts from 1.
    pub record: usize,
    pub fault: Fault,
}

/// A stretch of the video without telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub from: MediaTime,
    pub to: MediaTime,
}

impl Gap {
    pub fn seconds(&self) -> f64 {
        self.to.0.saturating_sub(self.from.0) as f64 / 1e6
    }
}

/// Rejected records that are kept by name; all are counted.
const NAMED: usize = 20;

/// All that was found in one file, or since a live stream began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TelemetryReport {
    pub records: usize,
    pub poses: usize,
    /// Intact records without a position: no satellites yet, or a format without positions.
    pub without_position: usize,
    /// Rejected records by name of the fault.
    pub faults: BTreeMap<&'static str, usize>,
    /// The first of them.
    pub rejected: Vec<Rejected>,
    pub gaps: Vec<Gap>,
    /// What the reader settled by itself and an operator may want to know.
    pub notes: Vec<String>,
    pub clock: Option<ClockFit>,
}

impl TelemetryReport {
    pub fn reject(&mut self, record: usize, fault: Fault) {
        *self.faults.entry(fault.name()).or_default() += 1;
        if self.rejected.len() < NAMED {
            self.rejected.push(Rejected { record, fault });
        }
    }

    pub fn rejected_count(&self) -> usize {
        self.faults.values().sum()
    }

    pub fn note(&mut self, note: String) {
        if !self.notes.contains(&note) && self.notes.len() < NAMED {
            self.notes.push(note);
        }
    }
}

/// A few lines: counts first, then what is wrong, by name.
impl fmt::Display for TelemetryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} records, {} with a position, {} without, {} rejected",
            self.records,
            self.poses,
            self.without_position,
            self.rejected_count()
        )?;
        for Rejected { record, fault } in &self.rejected {
            write!(f, "\n  record {record}: {fault}")?;
        }
        let more = self.rejected_count() - self.rejected.len();
        if more > 0 {
            write!(f, "\n  and {more} more rejected records")?;
        }
        for gap in &self.gaps {
            let from = gap.from.0 as f64 / 1e6;
            write!(f, "\n  no telemetry for {:.1} s from {from:.1} s on", gap.seconds())?;
        }
        if let Some(clock) = &self.clock {
            write!(f, "\n  {clock}")?;
        }
        for note in &self.notes {
            write!(f, "\n  {note}")?;
        }
        Ok(())
    }
}
