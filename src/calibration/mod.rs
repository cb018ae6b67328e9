//! Takes: surveyed points and a picture, or the file that was made of them; GeoTIFF. Gives: [`Calibration`]
//! (a camera to reckon with), [`crate::geo::Dem`], a drawing that shows how well the points fit.
//! When full: does not queue; a calibration takes about a second, and is done by hand. On failure:
//! [`CalibrationError`], [`PointsError`] and [`DemError`] say which file, line or point, and what to do.
//! Not here: pixels to places (that is `geo`); noticing that a camera has moved.

mod drawing;
mod error;
mod features;
mod file;
mod geokeys;
mod geotiff;
mod mosaic;
mod points;
mod raster;
mod solve;
mod vision;

pub use drawing::draw;
pub use error::CalibrationError;
pub use features::{Feature, Features};
pub use file::{Calibration, Point, Quality};
pub use geotiff::{DemError, load_dem};
pub use mosaic::{Mosaic, MosaicError, load_mosaic};
pub use points::{PointsError, SurveyPoint, read_points};
pub use solve::{Known, Survey};
