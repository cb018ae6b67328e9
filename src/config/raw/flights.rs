//! Ground whose flights are compared.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, Positive, RawRule};

/// An area that is flown over again and again; each finished flight is compared with the last accepted one.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct RawFlightArea {
    /// Stands for a camera's id in topics and events, and is unique among cameras and areas: letters, digits,
    /// `-` and `_`.
    #[schemars(required)]
    pub(crate) id: Option<At<String>>,
    /// What people call the area. Default: its id.
    pub(crate) name: Option<At<String>>,
    /// Folder that finished flights are dropped in: a folder of stills or a mosaic (GeoTIFF) each. Made if it
    /// is missing.
    #[schemars(required)]
    pub(crate) folder: Option<At<String>>,
    /// A flight is taken when nothing of it has changed for this long. Default: 2m.
    pub(crate) settle: Option<At<Positive>>,
    /// Whole horizontal angle of view of its stills in degrees, from the data sheet. Default: as each still says.
    #[schemars(range(min = 1, max = 170))]
    pub(crate) fov_deg: Option<At<f64>>,
    /// Altitude of the place of take-off in metres, in the datum of `map.dem`. Default: the terrain model's, or
    /// 0.
    #[schemars(range(min = -500, max = 9000))]
    pub(crate) takeoff_alt_m: Option<At<f64>>,
    /// What is watched for: classes of kind `change`, in zones of `map.zones`.
    #[serde(default)]
    #[expect(dead_code, reason = "here for the schema; read from the tree, before the layers are joined")]
    pub(crate) rule: Vec<RawRule>,
}
