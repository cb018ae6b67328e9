//! Draws boxes, zones and a caption on a copy of a picture, for people. Pure: the same input gives the same
//! pixels.
//!
//! Everything scales with the picture, so that it is as readable at 768 x 576 as at 4K. The caption is below
//! the picture and hides nothing of it.

use image::{RgbImage, imageops};

use super::EvidenceError;
use crate::base::{Polygon, Rect};
use crate::decode::Picture;
use crate::draw::{Canvas, Colour, Lettering, line_height};

#[derive(Clone, Debug, Default)]
pub struct Overlay {
    pub zones: Vec<ZoneMark>,
    pub boxes: Vec<BoxMark>,
    /// Lines below the picture, the first in larger letters; long lines wrap. Empty: the picture keeps its
    /// size.
    pub caption: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct ZoneMark {
    pub polygon: Polygon,
    /// Empty: no plate.
    pub label: String,
    pub colour: Colour,
}

#[derive(Clone, Debug)]
pub struct BoxMark {
    /// Normalised; clipped at the picture's edges.
    pub rect: Rect,
    /// Empty: no plate.
    pub label: String,
    /// 0 to 1, shown after the label with two decimals.
    pub score: Option<f32>,
    pub colour: Colour,
}

/// Copies a picture's pixels into an image.
///
/// # Errors
/// The pixels do not fill width x height.
pub fn rgb_image(picture: &Picture) -> Result<RgbImage, EvidenceError> {
    let rgb = picture.rgb();
    RgbImage::from_raw(picture.width, picture.height, rgb.to_vec()).ok_or(EvidenceError::Picture {
        width: picture.width,
        height: picture.height,
        bytes: rgb.len(),
    })
}

/// Draws the overlay. The caption adds to the picture's height.
///
/// # Errors
/// OpenCV cannot draw; this does not happen with an image of valid size.
pub fn draw(image: RgbImage, overlay: &Overlay, letters: &Lettering) -> Result<RgbImage, EvidenceError> {
    let (width, height) = image.dimensions();
    let size = (width.min(height) as f32 / 38.0).clamp(13.0, 120.0);
    let mut sheet = Sheet { canvas: Canvas::new(image), letters, size, plates: Vec::new() };
    for zone in &overlay.zones {
        sheet.zone(zone)?;
    }
    for mark in &overlay.boxes {
        let line = (size / 7.0).round().max(2.0) as i32;
        sheet.canvas.outline(&sheet.corners(&mark.rect), mark.colour, line)?;
    }
    // Plates last, so that no box's line crosses another's name.
    for mark in &overlay.boxes {
        sheet.box_plate(mark)?;
    }
    for zone in &overlay.zones {
        sheet.zone_plate(zone)?;
    }
    caption(sheet.canvas.into_image(), &overlay.caption, letters, size * 1.1)
}

struct Sheet<'a> {
    canvas: Canvas,
    letters: &'a Lettering,
    size: f32,
    /// Left, top, width and height of the plates so far.
    plates: Vec<(i32, i32, i32, i32)>,
}

impl Sheet<'_> {
    fn pixel(&self, x: f32, y: f32) -> (i32, i32) {
        let on = |v: f32, side: u32| (v.clamp(0.0, 1.0) * (side.max(1) - 1) as f32).round() as i32;
        (on(x, self.canvas.width()), on(y, self.canvas.height()))
    }

    fn corners(&self, r: &Rect) -> [(i32, i32); 4] {
        [(r.x0, r.y0), (r.x1, r.y0), (r.x1, r.y1), (r.x0, r.y1)].map(|(x, y)| self.pixel(x, y))
    }

    fn zone(&mut self, zone: &ZoneMark) -> Result<(), EvidenceError> {
        let corners: Vec<_> = zone.polygon.corners().iter().map(|p| self.pixel(p.x, p.y)).collect();
        self.canvas.tint(&corners, zone.colour, 0.14)?;
        Ok(self.canvas.outline(&corners, zone.colour, (self.size / 9.0).round().max(1.0) as i32)?)
    }

    fn zone_plate(&mut self, zone: &ZoneMark) -> Result<(), EvidenceError> {
        let mut corners: Vec<_> = zone.polygon.corners().iter().map(|p| self.pixel(p.x, p.y)).collect();
        corners.sort_by_key(|(_, y)| *y);
        let line = line_height(self.size) as i32;
        self.plate(&zone.label, zone.colour, |width| {
            let around = |(x, y)| [(x, y), (x - width, y), (x, y - line), (x - width, y - line)];
            corners.into_iter().flat_map(around).collect()
        })
    }

    fn box_plate(&mut self, mark: &BoxMark) -> Result<(), EvidenceError> {
        let text = match mark.score {
            Some(score) if mark.label.is_empty() => format!("{score:.2}"),
            Some(score) => format!("{} {score:.2}", mark.label),
            None => mark.label.clone(),
        };
        let [(left, top), _, (right, bottom), _] = self.corners(&mark.rect);
        let line = line_height(self.size) as i32;
        self.plate(&text, mark.colour, |width| {
            vec![(left, top - line), (left, bottom), (right - width, top - line), (left, top)]
        })
    }

    /// Writes a name on a plate at the first free one of `places` (upper left corners), or else at the first.
    fn plate(
        &mut self,
        text: &str,
        colour: Colour,
        places: impl FnOnce(i32) -> Vec<(i32, i32)>,
    ) -> Result<(), EvidenceError> {
        if text.is_empty() {
            return Ok(());
        }
        let text = self.letters.shown(text);
        let margin = (self.size * 0.3).round() as i32;
        let width = self.letters.width(&text, self.size)? as i32 + 2 * margin;
        let height = line_height(self.size) as i32;
        let (most_x, most_y) = (self.canvas.width() as i32 - width, self.canvas.height() as i32 - height);
        let kept_in = |(x, y): (i32, i32)| (x.min(most_x).max(0), y.min(most_y).max(0));
        let free = |&(x, y): &(i32, i32)| {
            !self
                .plates
                .iter()
                .any(|&(px, py, pw, ph)| x < px + pw && px < x + width && y < py + ph && py < y + height)
        };
        let places = places(width);
        let inside = places.iter().copied().filter(|&p| kept_in(p) == p).find(free);
        let mut moved_in = places.iter().copied().map(kept_in);
        let Some(at) = inside.or_else(|| moved_in.clone().find(free)).or_else(|| moved_in.next()) else {
            return Ok(());
        };
        self.plates.push((at.0, at.1, width, height));
        self.canvas.plate(at, (width, height), colour)?;
        Ok(self.letters.write(&mut self.canvas, &text, (at.0 + margin, at.1), self.size, colour.ink())?)
    }
}

/// The picture with a bar of text under it.
fn caption(
    picture: RgbImage,
    lines: &[String],
    letters: &Lettering,
    size: f32,
) -> Result<RgbImage, EvidenceError> {
    let margin = (size * 0.6).round() as u32;
    let room = picture.width().saturating_sub(2 * margin);
    let mut rows = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let (size, colour) = if i == 0 { (size * 1.2, Colour::TITLE) } else { (size, Colour::WHITE) };
        for row in wrapped(&letters.shown(line), room, |t| letters.width(t, size))? {
            rows.push((row, size, colour));
        }
    }
    if rows.is_empty() {
        return Ok(picture);
    }
    let text: u32 = rows.iter().map(|(_, size, _)| line_height(*size)).sum();
    let bar = Colour::CAPTION;
    let mut sheet = RgbImage::from_pixel(
        picture.width(),
        picture.height() + text + margin,
        image::Rgb([bar.r, bar.g, bar.b]),
    );
    imageops::replace(&mut sheet, &picture, 0, 0);
    let mut canvas = Canvas::new(sheet);
    let mut y = (picture.height() + margin / 2) as i32;
    for (row, size, colour) in rows {
        letters.write(&mut canvas, &row, (margin as i32, y), size, colour)?;
        y += line_height(size) as i32;
    }
    Ok(canvas.into_image())
}

/// Cuts a text into rows no wider than `room`: at spaces, or within a word that is too long (Chinese has no
/// spaces).
fn wrapped<E>(text: &str, room: u32, width: impl Fn(&str) -> Result<u32, E>) -> Result<Vec<String>, E> {
    let mut rows = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let mut cut = rest.len();
        if width(rest)? > room {
            let mut fits = 0;
            for (i, c) in rest.char_indices() {
                let end = i + c.len_utf8();
                if fits > 0 && width(&rest[..end])? > room {
                    break;
                }
                fits = end;
            }
            cut = rest[..fits].rfind(' ').filter(|&space| space > fits / 2).unwrap_or(fits);
        }
        rows.push(rest[..cut].trim_end().to_owned());
        rest = rest[cut..].trim_start();
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Point;

    #[test]
    fn a_zone_whose_top_is_taken_by_names_has_its_own_at_another_corner() {
        let letters = Lettering::ascii();
        let canvas = Canvas::new(RgbImage::from_pixel(640, 480, image::Rgb([90, 90, 90])));
        let occupied = (170, 60, 300, 90);
        let mut sheet = Sheet { canvas, letters: &letters, size: 14.0, plates: vec![occupied] };
        let corners = [(0.5, 0.22), (0.9, 0.8), (0.1, 0.8)].map(|(x, y)| Point { x, y });
        let polygon = Polygon::new(corners.to_vec()).expect("a polygon");
        sheet
            .zone_plate(&ZoneMark { polygon, label: "No parking".into(), colour: Colour::ZONE })
            .expect("drawn");
        let [_, (_, y, ..)] = sheet.plates[..] else { panic!("{:?}", sheet.plates) };
        assert!(y > occupied.1 + occupied.3, "at one of the lower corners: {:?}", sheet.plates);
    }
}
