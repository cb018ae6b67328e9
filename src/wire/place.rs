//! Places on the map, as they go into messages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::geo::Method;

/// A place with its error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventPlace {
    pub position: PositionData,
    /// `None`: nobody says.
    pub accuracy: Option<AccuracyData>,
    pub method: Method,
    pub calibration: CalibrationState,
    pub footprint: Option<PolygonGeometry>,
    pub gcj02: Option<[f64; 2]>,
    /// Of each object of the event.
    pub objects: Vec<Option<PositionData>>,
}

/// WGS-84.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PositionData {
    #[schemars(range(min = -180.0, max = 180.0))]
    pub lon: f64,
    #[schemars(range(min = -90.0, max = 90.0))]
    pub lat: f64,
    /// Metres, in the vertical datum of the survey; `null`: not known.
    pub alt: Option<f64>,
}

/// The ellipse that holds the true place with the given confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccuracyData {
    pub semi_major_m: f64,
    pub semi_minor_m: f64,
    /// Of the longer axis, clockwise from north.
    pub azimuth_deg: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationState {
    Valid,
    /// The camera was moved; its positions are wrong until somebody confirms them.
    Stale,
}

/// GeoJSON (RFC 7946): one ring, longitude and latitude, against the clock, closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolygonGeometry {
    #[serde(rename = "type")]
    #[schemars(extend("const" = "Polygon"))]
    pub kind: String,
    pub coordinates: Vec<Vec<[f64; 2]>>,
}

impl PolygonGeometry {
    pub fn new(ring: Vec<[f64; 2]>) -> Self {
        Self { kind: "Polygon".to_owned(), coordinates: vec![ring] }
    }
}
