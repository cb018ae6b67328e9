//! What the detector finds in both pictures of a pair. People and vehicles are not a change of the ground.
//! Machines, heaps and scaffolding beside a change help to explain it.

use std::sync::Arc;

use bytes::Bytes;
use image::RgbImage;
use image::imageops::{FilterType, resize};

use crate::base::{CameraId, Capture, ClassName, FrameSeq, Rect, TimeSource, WallTime};
use crate::config::Tiling;
use crate::decode::{Picture, Pixels};
use crate::detect::{DetectError, Detector};

/// Metres per pixel at which a car is about forty pixels long. Coarser pictures are enlarged to it, up to
/// this factor.
const FINE_M: f64 = 0.12;
const ENLARGED: f64 = 3.0;
/// Pixels of a slice, its overlap with its neighbours, and the most slices each way.
const SLICE: u32 = 640;
const OVERLAP: f32 = 0.2;
const MOST_SLICES: u32 = 6;
/// The least score of a class that is named beside a change; its threshold in the model counts too.
const NAMED: f32 = 0.4;
/// Where something changed, a vehicle is likelier than elsewhere. People and vehicles therefore need only
/// this share of the model's threshold, if the scale is known and the box is no longer than a lorry.
const LENIENT: f32 = 0.6;
const LORRY_M: f64 = 14.0;
/// Boxes grow by this share of their size, because outlines come from smoothed scores and objects have
/// shadows.
const GROWN: f32 = 0.25;
/// Share of a region that must lie in these boxes.
const COVERED: f64 = 0.6;
/// Objects are beside a region if its box, grown by this share on each side, touches theirs.
const BESIDE: f32 = 0.3;

/// Objects in both pictures. Boxes are in shares of the later picture, 0 to 1.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    passing: Vec<Rect>,
    named: Vec<(ClassName, Rect)>,
}

impl Context {
    /// Runs the detector on both pictures; `before` must have been moved onto `after`.
    ///
    /// # Errors
    /// A run of the network fails.
    pub fn detect(
        detector: &mut Detector,
        before: &RgbImage,
        after: &RgbImage,
        metres_per_pixel: Option<f64>,
    ) -> Result<Self, DetectError> {
        let mut context = Self::default();
        let (width, height) = after.dimensions();
        let longest = |rect: &Rect| (rect.width() * width as f32).max(rect.height() * height as f32);
        // The share of the model's threshold that the object needs; `None`: it is too large for a vehicle.
        let needed = |rect: &Rect| match metres_per_pixel {
            Some(m) => (f64::from(longest(rect)) * m <= LORRY_M).then_some(LENIENT),
            None => Some(1.0),
        };
        for (picture, is_now) in [(before, false), (after, true)] {
            let zoom = metres_per_pixel.map_or(1.0, |m| (m / FINE_M).clamp(1.0, ENLARGED));
            let side = |v: u32| (f64::from(v) * zoom).round() as u32;
            let picture =
                resize(picture, side(picture.width()), side(picture.height()), FilterType::Triangle);
            let slices = |v: u32| v.div_ceil(SLICE).clamp(1, MOST_SLICES);
            let (columns, rows) = (slices(picture.width()), slices(picture.height()));
            let tiling = Tiling { columns, rows, overlap: OVERLAP, per_picture: 0 };
            for found in detector.detect(&as_picture(picture), &tiling)? {
                let least = detector.manifest().threshold(&found.class).unwrap_or(NAMED);
                let passes = needed(&found.rect).is_some_and(|share| found.score >= share * least);
                if passes && detector.manifest().class_kinds().is_passing(&found.class) {
                    context.passing.push(grown(&found.rect, GROWN));
                }
                if is_now && found.score >= least.max(NAMED) {
                    context.named.push((found.class, found.rect));
                }
            }
        }
        Ok(context)
    }

    /// Whether people and vehicles cover the region, given as pixels of a picture of this size.
    pub fn covers(&self, region: &[usize], width: usize, height: usize) -> bool {
        let inside = |i: &&usize| {
            let x = (**i % width) as f32 / width as f32;
            let y = (**i / width) as f32 / height as f32;
            self.passing.iter().any(|r| r.x0 <= x && x <= r.x1 && r.y0 <= y && y <= r.y1)
        };
        let covered = region.iter().filter(inside).count();
        covered as f64 >= COVERED * region.len().max(1) as f64
    }

    /// Classes of the objects beside a change in the later picture, each once, sorted.
    pub fn beside(&self, change: &Rect) -> Vec<ClassName> {
        let around = grown(change, BESIDE);
        let near = self.named.iter().filter(|(_, rect)| around.intersection(rect) > 0.0);
        let mut names: Vec<ClassName> = near.map(|(class, _)| class.clone()).collect();
        names.sort();
        names.dedup();
        names
    }
}

fn grown(rect: &Rect, share: f32) -> Rect {
    let (x, y) = (rect.width() * share, rect.height() * share);
    Rect::new(rect.x0 - x, rect.y0 - y, rect.x1 + x, rect.y1 + y)
}

/// As the detector expects it. Camera and time do not matter here.
fn as_picture(image: RgbImage) -> Picture {
    let (width, height) = image.dimensions();
    Picture {
        camera: CameraId::from("flight"),
        seq: FrameSeq(0),
        stream: 1,
        capture: Capture { at: WallTime(0), source: TimeSource::Footage, offset_ms: None, clock: None },
        width,
        height,
        pixels: Pixels::Rgb(Bytes::from(image.into_raw())),
        series: None::<Arc<_>>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cars_cover_a_region_and_one_beside_it_does_not() {
        let car = |x: f32| Rect::new(x, 0.4, x + 0.1, 0.6);
        let context = Context {
            passing: vec![grown(&car(0.2), GROWN), grown(&car(0.35), GROWN)],
            named: vec![(ClassName::from("excavator"), Rect::new(0.7, 0.4, 0.8, 0.5))],
        };
        // From 0.18 to 0.47 across and 0.38 to 0.62 down, of 100 x 100 pixels.
        let block = |from: usize, to: usize| -> Vec<usize> {
            (38..62).flat_map(|y| (from..to).map(move |x| y * 100 + x)).collect()
        };
        assert!(context.covers(&block(18, 47), 100, 100));
        assert!(!context.covers(&block(30, 90), 100, 100), "a house beside a car");
        assert!(!context.covers(&[], 100, 100));
        assert_eq!(context.beside(&Rect::new(0.5, 0.4, 0.68, 0.6)), [ClassName::from("excavator")]);
        assert!(context.beside(&Rect::new(0.1, 0.8, 0.2, 0.9)).is_empty());
    }
}
