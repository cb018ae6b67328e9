//! Takes: where a camera stands, how it looks and what the ground is like. Gives: where on the map a pixel
//! is, how well that is known, and which pixel shows a place.
//! When full: does not queue; a place costs microseconds. On failure: [`NoFix`] says why a pixel has no place
//! on the ground.
//! Not here: files, clocks, threads (this is pure mathematics and replays bit for bit); how a pose was found.
//!
//! Angles are degrees at the borders, lengths metres, coordinates WGS-84 (CGCS2000 differs from it by
//! centimetres and is taken as the same). Altitude is in the vertical datum of the survey and of the terrain
//! model, which must be one and the same; whether that is above the ellipsoid or above the sea makes no
//! difference to a place. Pixels count from the left upper corner of the calibrated picture, x right, y down;
//! the middle of the first pixel is (0.5, 0.5).

mod accuracy;
mod area;
mod dem;
mod gcj02;
mod geodesy;
mod lens;
mod locate;
mod march;
mod outline;
mod place;
mod projection;
mod propagation;
mod view;

pub use accuracy::Accuracy;
pub use area::{GroundArea, GroundAreaError};
pub use dem::{Dem, DemGrid, GridCrs, GridError};
pub use gcj02::{gcj02_from_wgs84, wgs84_from_gcj02};
pub use geodesy::{Geodetic, LocalFrame};
pub use lens::Lens;
pub use locate::{Fix, Ground, Locator, Method, NoFix, Sighting};
pub use outline::{area, area_m2, convex_hull, distance_m, overlap, simplify};
pub(crate) use place::rounded_degrees;
pub use place::{CalibrationState, Coordinates, EventPlace};
pub use projection::TransverseMercator;
pub use view::{Attitude, PARAMETERS, PoseSigma, PoseSource, Ray, View, ViewError};
