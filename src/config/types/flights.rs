//! Ground that drones fly over again and again.

use std::path::PathBuf;
use std::time::Duration;

use super::rule::Rule;
use super::zone::Zone;
use crate::base::AreaId;

/// An area whose finished flights are dropped in a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct FlightArea {
    /// Takes the place of a camera's id in topics, events and names of folders.
    pub id: AreaId,
    pub name: String,
    pub folder: PathBuf,
    /// A flight is whole when nothing of it has changed for so long.
    pub settle: Duration,
    /// Zones on the ground that its rules name.
    pub zones: Vec<Zone>,
    /// All of kind change or sequence.
    pub rules: Vec<Rule>,
}
