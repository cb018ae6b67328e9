//! Two flights over the same ground: what was built, cleared or piled up between them.
//!
//! Takes: stills, folders of stills, or mosaics (GeoTIFF), from before and after. Gives: a [`Comparison`] for each pair:
//! outlines with area, kind and confidence; as files GeoJSON, pictures side by side, a page to swipe through.
//! When full: pictures are worked on at no more than 1,600 pixels a side and no finer than 0.4 m a pixel.
//! On failure: a picture that cannot be read, paired or registered is named with its reason; nothing is guessed.
//! Not here: what a change means for a zone (rules), pictures of fixed cameras (`change`).
//!
//! ```text
//! load -> pair by footprint -> register -> light -> difference -> outlines -> kind -> GeoJSON, PNG, HTML
//! ```

mod around;
mod difference;
mod geojson;
mod input;
mod kind;
mod light;
mod outline;
mod pair;
mod pairing;
mod patch;
mod plane;
mod register;
mod report;
mod scene;
mod seen;
mod telemetry;
mod vision;

pub use geojson::{PairFile, write_geojson};
pub use input::{Shot, Unusable, load};
pub use kind::Kind;
pub use pair::{Comparison, Found, NotComparable, Options, compare};
pub use pairing::{Pairing, pair};
pub use patch::{Held, Patch};
pub use report::write_report;
pub use scene::{OnMap, Placed, overlap};
pub use telemetry::{StillTable, TableError};
pub use vision::{VisionError, stay_on_this_thread};
