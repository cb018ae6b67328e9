//! The place of an event on the map: what rules and flights find out, and what restart state and messages are
//! made of.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Accuracy, Method};

/// WGS-84, degrees; altitude in metres in the vertical datum of the survey, `None` where it is not known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coordinates {
    pub lon: f64,
    pub lat: f64,
    pub alt: Option<f64>,
}

impl Coordinates {
    /// To a millimetre on the ground, and a centimetre of altitude.
    pub(crate) fn rounded(lon: f64, lat: f64, alt: Option<f64>) -> Self {
        let [lon, lat] = rounded_degrees([lon, lat]);
        Self { lon, lat, alt: alt.map(|alt| round(alt, 1e2)) }
    }
}

impl Accuracy {
    /// To centimetres and tenths of a degree.
    pub(crate) fn rounded(self) -> Self {
        Self {
            semi_major_m: round(self.semi_major_m, 1e2),
            semi_minor_m: round(self.semi_minor_m, 1e2),
            azimuth_deg: round(self.azimuth_deg, 1e1),
        }
    }
}

/// Whether the positions of a calibrated camera can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationState {
    Valid,
    /// The camera was moved; its positions are wrong until somebody confirms them.
    Stale,
}

/// A place on the map with its error, rounded to what a reader can use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventPlace {
    pub position: Coordinates,
    /// The 95 % ellipse; `None`: the source gives no error.
    pub accuracy: Option<Accuracy>,
    pub method: Method,
    pub calibration: CalibrationState,
    /// A closed ring of longitude and latitude, counter-clockwise.
    #[serde(default, deserialize_with = "ring_or_geojson")]
    pub footprint: Option<Vec<[f64; 2]>>,
    /// Longitude and latitude in GCJ-02, where the config wants it.
    pub gcj02: Option<[f64; 2]>,
    /// One for each object of the event.
    pub objects: Vec<Option<Coordinates>>,
}

/// Longitude and latitude to 1e-8 degrees, which is a millimetre.
pub(crate) fn rounded_degrees([lon, lat]: [f64; 2]) -> [f64; 2] {
    [round(lon, 1e8), round(lat, 1e8)]
}

fn round(v: f64, parts: f64) -> f64 {
    (v * parts).round() / parts
}

/// Restart state up to 0.1 held the footprint as a GeoJSON polygon.
fn ring_or_geojson<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<[f64; 2]>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Footprint {
        Ring(Vec<[f64; 2]>),
        Polygon { coordinates: Vec<Vec<[f64; 2]>> },
    }
    Ok(match Option::<Footprint>::deserialize(from)? {
        Some(Footprint::Ring(ring)) => Some(ring),
        Some(Footprint::Polygon { coordinates }) => coordinates.into_iter().next(),
        None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_state_of_0_1_is_read_and_written_in_the_new_form() {
        let old = r#"{"position":{"lon":120.1,"lat":30.2,"alt":6.3},
            "accuracy":{"semi_major_m":2.0,"semi_minor_m":1.0,"azimuth_deg":30.0,"confidence":0.95},
            "method":"pose_plane","calibration":"stale",
            "footprint":{"type":"Polygon","coordinates":[[[120.1,30.2],[120.2,30.2],[120.2,30.3],[120.1,30.2]]]},
            "gcj02":null,"objects":[null,{"lon":120.1,"lat":30.2,"alt":null}]}"#;
        let place: EventPlace = serde_json::from_str(old).expect("read");
        assert_eq!(place.footprint.as_ref().map(Vec::len), Some(4));
        assert_eq!(place.calibration, CalibrationState::Stale);
        assert_eq!(place.accuracy.map(|a| a.semi_major_m), Some(2.0));
        let written = serde_json::to_string(&place).expect("written");
        assert!(!written.contains("Polygon"), "{written}");
        assert_eq!(serde_json::from_str::<EventPlace>(&written).expect("read again"), place);
    }
}
