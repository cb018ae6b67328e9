//! What the node knows of the ground.

use std::path::PathBuf;
use std::sync::Arc;

use super::zone::Zone;
use crate::base::WallTime;
use crate::geo::GroundArea;

/// What the node knows of the ground. Coordinates are WGS-84.
#[derive(Clone, Debug, PartialEq)]
pub struct MapConfig {
    /// GeoTIFF of heights; `None`: the ground of each camera's calibration.
    pub dem: Option<PathBuf>,
    pub gcj02: bool,
    pub home: Option<Home>,
    /// Objects of two cameras within this many metres are one event; 0: never.
    pub same_place_m: f64,
    /// Every ground zone of the file, whether a rule names it or not.
    pub zones: Vec<Zone>,
    pub permits: Vec<Permit>,
}

/// Where things are to be expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Home {
    pub lon: f64,
    pub lat: f64,
    pub radius_km: f64,
}

/// Somebody is allowed to do something at a place for a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Permit {
    pub id: String,
    pub name: String,
    pub area: Arc<GroundArea>,
    /// Included; `None`: since ever.
    pub valid_from: Option<WallTime>,
    /// Not included; `None`: for ever.
    pub valid_to: Option<WallTime>,
    /// Violation classes that it permits; empty: all.
    pub classes: Vec<String>,
}

impl Permit {
    /// Does it permit the class at this time?
    pub fn allows(&self, class: &str, at: WallTime) -> bool {
        (self.classes.is_empty() || self.classes.iter().any(|c| c == class))
            && self.valid_from.is_none_or(|from| from <= at)
            && self.valid_to.is_none_or(|to| at < to)
    }
}
