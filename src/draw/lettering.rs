//! Text on pictures: OpenCV's stroke font for ASCII, a TrueType font for all other languages.

use std::borrow::Cow;
use std::path::Path;

use ab_glyph::{Font, FontVec, GlyphId, PxScale, ScaleFont, point};

use super::canvas::{Canvas, stroke_size};
use super::{Colour, DrawError};

/// The font of an overlay. A loaded font takes its file's size in memory, so share it.
pub struct Lettering(Face);

enum Face {
    Stroke,
    TrueType(FontVec),
}

impl Lettering {
    /// OpenCV's own font: ASCII only.
    pub fn ascii() -> Self {
        Self(Face::Stroke)
    }

    /// # Errors
    /// The file cannot be read, or is not a TrueType or OpenType font or collection.
    pub fn load(font: Option<&Path>) -> Result<Self, DrawError> {
        let Some(path) = font else { return Ok(Self::ascii()) };
        let refused = |reason: String| DrawError::Font { path: path.to_path_buf(), reason };
        let data = std::fs::read(path).map_err(|e| refused(e.to_string()))?;
        // A collection (.ttc) holds several faces. By convention the first is the proportional one.
        let font = FontVec::try_from_vec_and_index(data, 0).map_err(|e| refused(e.to_string()))?;
        Ok(Self(Face::TrueType(font)))
    }

    /// Whether the font has every letter.
    pub fn can_show(&self, text: &str) -> bool {
        text.chars().all(|c| self.has(c))
    }

    /// The text with `?` for each letter that the font lacks.
    pub fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.can_show(text) {
            return Cow::Borrowed(text);
        }
        Cow::Owned(text.chars().map(|c| if self.has(c) { c } else { '?' }).collect())
    }

    fn has(&self, c: char) -> bool {
        match &self.0 {
            Face::Stroke => matches!(c, ' '..='~'),
            Face::TrueType(font) => !c.is_control() && font.glyph_id(c) != GlyphId(0),
        }
    }

    /// Width in pixels at a font size in pixels.
    pub(crate) fn width(&self, text: &str, size: f32) -> Result<u32, DrawError> {
        match &self.0 {
            Face::Stroke => stroke_size(text, size),
            Face::TrueType(font) => {
                let scaled = font.as_scaled(PxScale::from(size));
                let mut last = None;
                let width: f32 = text
                    .chars()
                    .map(|c| {
                        let id = scaled.glyph_id(c);
                        let kern = last.replace(id).map_or(0.0, |l| scaled.kern(l, id));
                        kern + scaled.h_advance(id)
                    })
                    .sum();
                Ok(width.ceil() as u32)
            }
        }
    }

    /// Draws a line of text of height `line_height`, with its upper left corner at `(x, y)`.
    pub(crate) fn write(
        &self,
        canvas: &mut Canvas,
        text: &str,
        (x, y): (i32, i32),
        size: f32,
        colour: Colour,
    ) -> Result<(), DrawError> {
        let font = match &self.0 {
            // Capitals of the stroke font are 0.7 of the size high. They are centred in the line.
            Face::Stroke => {
                let base = y + (line_height(size) as f32 * 0.5 + size * 0.35).round() as i32;
                return canvas.stroke_text(text, (x, base), size, colour);
            }
            Face::TrueType(font) => font,
        };
        let scaled = font.as_scaled(PxScale::from(size));
        let spare = (line_height(size) as f32 - scaled.height()) / 2.0;
        let base = y as f32 + spare + scaled.ascent();
        let (mut pen, mut last) = (x as f32, None);
        for c in text.chars() {
            let id = scaled.glyph_id(c);
            pen += last.replace(id).map_or(0.0, |l| scaled.kern(l, id));
            let glyph = id.with_scale_and_position(PxScale::from(size), point(pen, base));
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|gx, gy, cover| {
                    canvas.blend((corner.x as i32 + gx as i32, corner.y as i32 + gy as i32), colour, cover);
                });
            }
            pen += scaled.h_advance(id);
        }
        Ok(())
    }
}

/// Height of a line of text in pixels.
pub(crate) fn line_height(size: f32) -> u32 {
    (size * 1.35).ceil() as u32
}
