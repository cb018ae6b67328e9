//! Ground that drones fly over again and again.

use std::path::PathBuf;
use std::time::Duration;

use super::rule::Rule;
use super::zone::Zone;
use crate::base::AreaId;
use crate::config::moving::DroneConfig;

/// An area whose finished flights are dropped in a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct FlightArea {
    /// Takes the place of a camera's id in topics, events and names of folders.
    pub id: AreaId,
    pub name: String,
    pub folder: PathBuf,
    /// A flight is whole when nothing of it has changed for so long.
    pub settle: Duration,
    /// Of its stills: the whole horizontal angle of view in degrees, where they do not say it right.
    pub fov_deg: Option<f64>,
    /// Altitude of the place of take-off, metres in the datum of the terrain model.
    pub takeoff_alt_m: Option<f64>,
    /// Zones on the ground that its rules name.
    pub zones: Vec<Zone>,
    /// All of kind change or sequence.
    pub rules: Vec<Rule>,
}

impl FlightArea {
    /// What holds for its stills where they say nothing themselves.
    pub fn drone(&self) -> DroneConfig {
        DroneConfig {
            assume_nadir: true,
            fov_deg: self.fov_deg,
            takeoff_alt_m: self.takeoff_alt_m,
            ..DroneConfig::default()
        }
    }
}
