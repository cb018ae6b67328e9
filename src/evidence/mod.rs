//! Takes: a violation with its picture, and the camera's ring. Gives: stills, a clip, a manifest, each as an
//! [`EvidenceFile`] with its SHA-256. When full: a clip request that finds no room is given back, so that the
//! event goes on marked. On failure: the reason becomes a [`Missing`] entry of the manifest; the event is never lost.
//! Not here: sending, remembering what is pending over a restart.

mod overlay;
mod canvas;
mod lettering;
mod error;

pub use error::{EvidenceError, EvidenceFile, EvidenceKind, Missing};
pub use lettering::Lettering;
pub use overlay::{BoxMark, Colour, Overlay, ZoneMark, draw, rgb_image};
