//! A picture to draw on. The only file of this stage that uses OpenCV.

use image::RgbImage;
use opencv::boxed_ref::BoxedRefMut;
use opencv::core::{self, Mat, Point, Scalar, Vec3b, Vector};
use opencv::imgproc;

use super::{Colour, DrawError};

/// FONT_HERSHEY_SIMPLEX draws capitals 21 pixels high at scale 1. Our capitals are 0.7 of the font size high.
const STROKE_SCALE: f32 = 0.7 / 21.0;

pub(crate) struct Canvas {
    image: RgbImage,
}

impl From<opencv::Error> for DrawError {
    fn from(error: opencv::Error) -> Self {
        Self::OpenCv(error.message)
    }
}

impl Canvas {
    pub fn new(image: RgbImage) -> Self {
        Self { image }
    }

    pub fn into_image(self) -> RgbImage {
        self.image
    }

    pub fn width(&self) -> u32 {
        self.image.width()
    }

    pub fn height(&self) -> u32 {
        self.image.height()
    }

    /// Blends a colour over the inside of a polygon. `share`: its opacity, 0 to 1.
    pub fn tint(&mut self, corners: &[(i32, i32)], colour: Colour, share: f64) -> Result<(), DrawError> {
        self.paint(|mat| {
            let (mut under, mut filled) = (Mat::default(), Mat::default());
            core::copy_to(mat, &mut under, &core::no_array())?;
            core::copy_to(mat, &mut filled, &core::no_array())?;
            let shape: Vector<Vector<Point>> = Vector::from_iter([points(corners)]);
            imgproc::fill_poly(&mut filled, &shape, scalar(colour), imgproc::LINE_AA, 0, Point::new(0, 0))?;
            core::add_weighted(&filled, share, &under, 1.0 - share, 0.0, mat, -1)
        })
    }

    pub fn outline(&mut self, corners: &[(i32, i32)], colour: Colour, line: i32) -> Result<(), DrawError> {
        self.paint(|mat| {
            let shape: Vector<Vector<Point>> = Vector::from_iter([points(corners)]);
            imgproc::polylines(mat, &shape, true, scalar(colour), line, imgproc::LINE_AA, 0)
        })
    }

    /// A filled rectangle of `width` x `height` pixels.
    pub fn plate(
        &mut self,
        (x, y): (i32, i32),
        (width, height): (i32, i32),
        colour: Colour,
    ) -> Result<(), DrawError> {
        self.paint(|mat| {
            let area = core::Rect::new(x, y, width, height);
            imgproc::rectangle(mat, area, scalar(colour), imgproc::FILLED, imgproc::LINE_8, 0)
        })
    }

    /// `at`: the left end of the text's base line.
    pub fn stroke_text(
        &mut self,
        text: &str,
        at: (i32, i32),
        size: f32,
        colour: Colour,
    ) -> Result<(), DrawError> {
        self.paint(|mat| {
            imgproc::put_text(
                mat,
                text,
                Point::new(at.0, at.1),
                imgproc::FONT_HERSHEY_SIMPLEX,
                f64::from(size * STROKE_SCALE),
                scalar(colour),
                stroke_width(size),
                imgproc::LINE_AA,
                false,
            )
        })
    }

    /// A line `width` pixels wide, clipped to the picture.
    pub fn line(
        &mut self,
        from: [f64; 2],
        to: [f64; 2],
        colour: Colour,
        width: i32,
    ) -> Result<(), DrawError> {
        self.paint(|mat| imgproc::line(mat, near(from), near(to), scalar(colour), width, imgproc::LINE_AA, 0))
    }

    /// A circle with a rim `width` pixels wide; a width of -1 fills it.
    pub fn circle(&mut self, at: [f64; 2], radius: i32, colour: Colour, width: i32) -> Result<(), DrawError> {
        self.paint(|mat| imgproc::circle(mat, near(at), radius, scalar(colour), width, imgproc::LINE_AA, 0))
    }

    /// ASCII text with a dark outline. `at`: the left end of its base line; `scale`: of OpenCV's simplex
    /// font.
    pub fn rimmed_text(
        &mut self,
        text: &str,
        at: [f64; 2],
        scale: f64,
        colour: Colour,
    ) -> Result<(), DrawError> {
        self.paint(|mat| {
            let font = imgproc::FONT_HERSHEY_SIMPLEX;
            for (colour, width) in [(Colour::new(0, 0, 0), 3), (colour, 1)] {
                let ink = scalar(colour);
                imgproc::put_text(mat, text, near(at), font, scale, ink, width, imgproc::LINE_AA, false)?;
            }
            Ok(())
        })
    }

    /// Blends a colour over one pixel. `share`: its opacity, 0 to 1. Ignores pixels outside the picture.
    pub fn blend(&mut self, (x, y): (i32, i32), colour: Colour, share: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if let Some(pixel) = self.image.get_pixel_mut_checked(x, y) {
            for (old, new) in pixel.0.iter_mut().zip([colour.r, colour.g, colour.b]) {
                *old = (f32::from(*old) + (f32::from(new) - f32::from(*old)) * share).round() as u8;
            }
        }
    }

    fn paint(
        &mut self,
        draw: impl FnOnce(&mut BoxedRefMut<Mat>) -> opencv::Result<()>,
    ) -> Result<(), DrawError> {
        let side = |n: u32| i32::try_from(n).map_err(|e| DrawError::OpenCv(e.to_string()));
        let (rows, columns) = (side(self.image.height())?, side(self.image.width())?);
        let mut mat = Mat::new_rows_cols_with_bytes_mut::<Vec3b>(rows, columns, &mut self.image)?;
        Ok(draw(&mut mat)?)
    }
}

/// Width in pixels of a line in the stroke font.
pub(crate) fn stroke_size(text: &str, size: f32) -> Result<u32, DrawError> {
    let (scale, mut below) = (f64::from(size * STROKE_SCALE), 0);
    let font = imgproc::FONT_HERSHEY_SIMPLEX;
    let area = imgproc::get_text_size(text, font, scale, stroke_width(size), &mut below)?;
    Ok(u32::try_from(area.width).unwrap_or(0))
}

/// Limits coordinates far outside the picture: OpenCV clips them, but its integers would overflow.
fn near(p: [f64; 2]) -> Point {
    let whole = |v: f64| v.clamp(-20_000.0, 20_000.0).round() as i32;
    Point::new(whole(p[0]), whole(p[1]))
}

fn stroke_width(size: f32) -> i32 {
    ((size / 13.0).round() as i32).max(1)
}

fn points(corners: &[(i32, i32)]) -> Vector<Point> {
    corners.iter().map(|&(x, y)| Point::new(x, y)).collect()
}

fn scalar(colour: Colour) -> Scalar {
    Scalar::new(f64::from(colour.r), f64::from(colour.g), f64::from(colour.b), 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tint_mixes_inside_the_polygon_and_leaves_the_rest() {
        let mut canvas = Canvas::new(RgbImage::from_pixel(40, 40, image::Rgb([100, 100, 100])));
        let corners = [(10, 10), (29, 10), (29, 29), (10, 29)];
        canvas.tint(&corners, Colour::new(200, 0, 100), 0.25).expect("drawn");
        let image = canvas.into_image();
        assert_eq!(image.get_pixel(20, 20).0, [125, 75, 100]);
        assert_eq!(image.get_pixel(5, 20).0, [100, 100, 100]);
    }
}
