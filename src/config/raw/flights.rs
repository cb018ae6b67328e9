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
    /// What is watched for: classes of kind `change`, in zones of `map.zones`.
    #[serde(default)]
    #[expect(dead_code, reason = "here for the schema; read from the tree, before the layers are joined")]
    pub(crate) rule: Vec<RawRule>,
}
