//! A light grid with coordinates of 0 to 1 over a picture, so that the corners of zones can be read off.

use image::RgbImage;

use crate::draw::{Canvas, Colour, DrawError};

/// Lines in each direction: a tenth of the picture apart.
const PARTS: u32 = 10;
/// How much of a line covers the picture.
const SHARE: f32 = 0.45;
const WHITE: Colour = Colour::new(255, 255, 255);
const BLACK: Colour = Colour::new(0, 0, 0);
const LETTERS: Colour = Colour::new(255, 230, 70);

/// # Errors
/// OpenCV cannot draw; this does not happen with a picture of valid size.
pub(super) fn draw(image: RgbImage) -> Result<RgbImage, DrawError> {
    let mut canvas = Canvas::new(image);
    let (width, height) = (canvas.width(), canvas.height());
    for part in 1..PARTS {
        line(&mut canvas, height, |along, aside| (at(part, width) + aside, along));
        line(&mut canvas, width, |along, aside| (along, at(part, height) + aside));
    }
    // Capitals of OpenCV's font are 21 pixels high at scale 1.
    let scale = (f64::from(width.min(height)) / 1350.0).clamp(0.35, 2.5);
    let (right, bottom) = (f64::from(width) - 66.0 * scale, f64::from(height) - 6.0);
    let mut write = |text: &str, x: f64, y: f64| canvas.rimmed_text(text, [x, y], scale, LETTERS);
    for part in 1..PARTS {
        let text = format!("0.{part}");
        let (x, y) = (f64::from(at(part, width)) + 4.0, f64::from(at(part, height)) - 4.0);
        for edge in [4.0 + 22.0 * scale, bottom] {
            write(&text, x, edge)?;
        }
        for edge in [4.0, right] {
            write(&text, edge, y)?;
        }
    }
    Ok(canvas.into_image())
}

/// The pixel at so many tenths of a side.
fn at(part: u32, side: u32) -> i32 {
    i32::try_from(u64::from(side) * u64::from(part) / u64::from(PARTS)).unwrap_or(i32::MAX)
}

/// White with black beside it, so that it shows on every ground.
fn line(canvas: &mut Canvas, length: u32, pixel: impl Fn(i32, i32) -> (i32, i32)) {
    for along in 0..i32::try_from(length).unwrap_or(i32::MAX) {
        canvas.blend(pixel(along, 0), WHITE, SHARE);
        canvas.blend(pixel(along, 1), BLACK, SHARE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_at_tenths_and_leave_the_rest() {
        let plain = RgbImage::from_pixel(640, 360, image::Rgb([100, 100, 100]));
        let drawn = draw(plain).expect("drawn");
        assert_eq!(drawn.dimensions(), (640, 360));
        for (x, y) in [(64, 150), (320, 150), (576, 150), (230, 36), (230, 180), (230, 324)] {
            assert!(drawn.get_pixel(x, y).0[0] > 150, "a line at {x},{y}");
        }
        assert_eq!(drawn.get_pixel(230, 150).0, [100, 100, 100], "between the lines");
    }
}
