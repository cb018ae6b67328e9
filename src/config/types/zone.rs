//! Parts of a picture and of the ground that rules apply to.

use std::sync::Arc;

use crate::base::{Polygon, ZoneId};
use crate::geo::GroundArea;

#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    pub id: ZoneId,
    pub name: String,
    pub area: ZoneArea,
    /// Of what the zone is on, above the ground: 18 for the roof of a house.
    pub height_m: f64,
}

impl Zone {
    /// A part of the picture.
    pub fn new(id: ZoneId, name: String, polygon: Polygon) -> Self {
        Self { id, name, area: ZoneArea::Picture(polygon), height_m: 0.0 }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ZoneArea {
    Picture(Polygon),
    /// Known by the ground positions of things. `drawn` is where the camera shows it, as far as it does.
    Ground {
        area: Arc<GroundArea>,
        drawn: Vec<Polygon>,
    },
}
