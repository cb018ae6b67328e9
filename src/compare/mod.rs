//! Two flights over the same ground: what was built, cleared or piled up between them.
//!
//! Takes: stills, folders of stills, or mosaics (GeoTIFF), from before and after. Gives: a [`Comparison`] for
//! each pair: outlines with area, kind and confidence; as files GeoJSON, pictures side by side, a page to
//! swipe through.
//! When full: pictures are compared at no more than 1,600 pixels a side and no finer than 0.4 m per pixel.
//! On failure: a picture that cannot be read, paired or registered is reported with the reason; nothing is
//! guessed.
//! Not here: what a change means for a zone (`rules`), pictures of fixed cameras (`change`).
//!
//! ```text
//! load -> pair by footprint -> register -> radiometry -> difference -> outlines -> kind -> GeoJSON, PNG, HTML
//! ```

mod baseline_patch;
mod comparison;
mod context;
mod difference;
mod error;
mod geojson;
mod georeference;
mod input;
mod kind;
mod outline;
mod pair;
mod pairing;
mod plane;
mod radiometry;
mod register;
mod report;
mod surroundings;
mod telemetry;
mod vision;
mod warp;

pub use baseline_patch::{BaselinePatch, PatchCheck};
pub use comparison::{ChangedArea, Comparison};
pub use error::NotComparable;
pub use geojson::{PairFile, write_geojson};
pub use georeference::{Georeference, MapPosition};
pub use input::{Shot, Unusable, load};
pub use kind::Kind;
pub use pair::{Options, compare};
pub use pairing::{Pairing, pair};
pub use report::write_report;
pub use telemetry::{StillTable, TableError};
pub use vision::{VisionError, stay_on_this_thread};
