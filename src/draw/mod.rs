//! Shapes and text on RGB pictures.
//!
//! Takes: a picture, and shapes or text in pixels. Gives: the picture with them.
//! When full: does not queue.
//! On failure: [`DrawError`] names what could not be drawn, or the unusable font.
//! Not here: what is drawn and why.

mod canvas;
mod colour;
mod error;
mod lettering;

pub(crate) use canvas::Canvas;
pub use colour::Colour;
pub use error::DrawError;
pub use lettering::Lettering;
pub(crate) use lettering::line_height;
