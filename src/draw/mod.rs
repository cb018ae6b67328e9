//! Shapes and letters on RGB pictures.
//!
//! Takes: a picture and what is drawn on it, in pixels. Gives: the picture with it. When full: does not queue.
//! On failure: [`DrawError`] says what could not be drawn, or which font cannot be used. Not here: what is drawn and why.

mod canvas;
mod colour;
mod error;
mod lettering;

pub(crate) use canvas::Canvas;
pub use colour::Colour;
pub use error::DrawError;
pub use lettering::Lettering;
pub(crate) use lettering::line_height;
