//! Places on the map, as in messages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::geo::{Accuracy, Coordinates};

/// WGS-84.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PositionData {
    #[schemars(range(min = -180.0, max = 180.0))]
    pub lon: f64,
    #[schemars(range(min = -90.0, max = 90.0))]
    pub lat: f64,
    /// Metres, in the vertical datum of the survey; `null`: unknown.
    pub alt: Option<f64>,
}

impl From<Coordinates> for PositionData {
    fn from(Coordinates { lon, lat, alt }: Coordinates) -> Self {
        Self { lon, lat, alt }
    }
}

/// The ellipse that contains the true position with the given confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccuracyData {
    pub semi_major_m: f64,
    pub semi_minor_m: f64,
    /// Direction of the longer axis, clockwise from north.
    pub azimuth_deg: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f64,
}

impl From<Accuracy> for AccuracyData {
    fn from(Accuracy { semi_major_m, semi_minor_m, azimuth_deg }: Accuracy) -> Self {
        Self { semi_major_m, semi_minor_m, azimuth_deg, confidence: 0.95 }
    }
}

/// GeoJSON (RFC 7946): one closed ring of longitude and latitude, counterclockwise.
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
