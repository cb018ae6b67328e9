//! The crop around a thing, as the network's input.

use std::sync::Arc;

use super::SecondLookManifest;
use crate::base::Rect;
use crate::decode::{Picture, Pixels};
use crate::detect::{Crop, InputSpec, Letterbox, LetterboxMode};

/// A crop has at least so many pixels on a side: less shows nothing.
const LEAST: i64 = 8;

/// Cuts crops for one model. Cheap to clone.
#[derive(Clone)]
pub struct CropCutter {
    manifest: Arc<SecondLookManifest>,
}

impl CropCutter {
    pub fn new(manifest: Arc<SecondLookManifest>) -> Self {
        Self { manifest }
    }

    pub fn manifest(&self) -> &Arc<SecondLookManifest> {
        &self.manifest
    }

    /// The network's input, `[3, height, width]`, for the thing in `rect` (normalised). `None`: it lies outside
    /// the picture, or the picture has no pixels.
    pub fn cut(&self, picture: &Picture, rect: &Rect) -> Option<Vec<f32>> {
        let spec = InputSpec { letterbox: LetterboxMode::Stretch, ..self.manifest.input.clone() };
        let size = (picture.width, picture.height);
        let window = Window::around(rect, size, self.manifest.context)?;
        let Visible { crop, origin, filled } = window.visible(size, (spec.width, spec.height))?;
        let mut tensor = vec![0.0; (spec.width * spec.height * 3) as usize];
        let mut letterbox = Letterbox::placed((crop.width, crop.height), filled, origin);
        match &picture.pixels {
            Pixels::Rgb(rgb) if rgb.len() < (size.0 * size.1 * 3) as usize => return None,
            Pixels::Rgb(rgb) => letterbox.fill(rgb, size.0, crop, &spec, &mut tensor),
            Pixels::Yuv(yuv) => letterbox.fill_planar(yuv, crop, &spec, &mut tensor),
        }
        Some(tensor)
    }
}

/// A square around a thing in pixels of the picture. It may reach beyond it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Window {
    left: i64,
    top: i64,
    side: i64,
}

impl Window {
    fn around(rect: &Rect, (width, height): (u32, u32), context: f32) -> Option<Self> {
        let (w, h) = (f64::from(width), f64::from(height));
        let (x0, x1) = (f64::from(rect.x0) * w, f64::from(rect.x1) * w);
        let (y0, y1) = (f64::from(rect.y0) * h, f64::from(rect.y1) * h);
        let side = ((x1 - x0).max(y1 - y0) * (1.0 + 2.0 * f64::from(context))).round();
        let finite = [x0, y0, x1, y1].iter().all(|v| v.is_finite());
        if !finite || side < 1.0 || side > 4.0 * w.max(h) {
            return None;
        }
        let side = (side as i64).max(LEAST);
        let start = |low: f64, high: f64| (((low + high) / 2.0) - side as f64 / 2.0).round() as i64;
        Some(Self { left: start(x0, x1), top: start(y0, y1), side })
    }

    /// The part inside the picture, and where in an input of this size it lies. `None`: no part of it does.
    fn visible(&self, (width, height): (u32, u32), input: (u32, u32)) -> Option<Visible> {
        let across = Span::of(self.left, self.side, width, input.0)?;
        let down = Span::of(self.top, self.side, height, input.1)?;
        let crop = Crop { x: across.from, y: down.from, width: across.length, height: down.length };
        Some(Visible { crop, origin: (across.origin, down.origin), filled: (across.filled, down.filled) })
    }
}

/// The part of a window that shows something.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Visible {
    crop: Crop,
    /// Left and top in the input, and width and height there.
    origin: (u32, u32),
    filled: (u32, u32),
}

/// One direction of a window: the pixels inside the picture, and where they come to lie.
struct Span {
    from: u32,
    length: u32,
    origin: u32,
    filled: u32,
}

impl Span {
    fn of(start: i64, side: i64, size: u32, input: u32) -> Option<Self> {
        let (from, to) = (start.max(0), (start + side).min(i64::from(size)));
        if from >= to {
            return None;
        }
        let place = |v: i64| (v - start) as f64 * f64::from(input) / side as f64;
        let origin = (place(from).round() as u32).min(input - 1);
        let end = (place(to).round() as u32).clamp(origin + 1, input);
        Some(Self { from: from as u32, length: (to - from) as u32, origin, filled: end - origin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_square_around_the_box_with_its_context() {
        let rect = Rect::new(0.4, 0.5, 0.5, 0.6);
        let window = Window::around(&rect, (1000, 500), 0.2).expect("inside");
        assert_eq!(window, Window { left: 380, top: 205, side: 140 });
        let Visible { crop, origin, filled } = window.visible((1000, 500), (224, 224)).expect("inside");
        assert_eq!(crop, Crop { x: 380, y: 205, width: 140, height: 140 });
        assert_eq!((origin, filled), ((0, 0), (224, 224)));
    }

    #[test]
    fn what_lies_outside_the_picture_stays_empty() {
        let window = Window { left: -50, top: 300, side: 200 };
        let shown = window.visible((1000, 400), (224, 224)).expect("some of it is inside");
        let Visible { crop, origin, filled } = shown;
        assert_eq!(crop, Crop { x: 0, y: 300, width: 150, height: 100 });
        assert_eq!((origin, filled), ((56, 0), (168, 112)));
        assert!(Window { left: 1000, top: 0, side: 100 }.visible((1000, 400), (224, 224)).is_none());
    }

    #[test]
    fn boxes_that_are_none_have_no_window() {
        for rect in [
            Rect::new(0.5, 0.5, 0.5, 0.5),
            Rect::new(f32::NAN, 0.0, 1.0, 1.0),
            Rect::new(-1e6, -1e6, 1e6, 1e6),
        ] {
            assert_eq!(Window::around(&rect, (1000, 500), 0.2), None, "{rect:?}");
        }
    }
}
