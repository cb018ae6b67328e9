//! Slices of a picture, and the merge of the detections of the slices and the whole picture.
//!
//! The edge of a slice cuts an object into parts. A part is dropped for a fuller box of the same object, from
//! the whole picture or from a neighbour whose overlap contains the object. An object without a full box
//! stays in parts. So the overlap should be as wide as the objects that the slices are for (SAHI, arXiv
//! 2202.06934).

use super::crop::Crop;
use super::nms::{self, Candidate, MAX_DETECTIONS};
use crate::base::Rect;
use crate::config::Tiling;

/// Share of a cut box that must be inside a fuller one to be a part of it.
const PART: f32 = 0.7;
/// A box is cut if it ends this close to an inner edge, in pixels of the network's input.
pub const EDGE: f32 = 2.0;

/// The whole picture first, then the slices row by row. Only the whole picture if the tiling has one slice.
pub fn crops(tiling: &Tiling, width: u32, height: u32) -> Vec<Crop> {
    let whole = Crop { x: 0, y: 0, width, height };
    let (columns, rows) =
        (spans(tiling.columns, tiling.overlap, width), spans(tiling.rows, tiling.overlap, height));
    if columns.len() * rows.len() <= 1 {
        return vec![whole];
    }
    let slices = rows
        .iter()
        .flat_map(|&(y, height)| columns.iter().map(move |&(x, width)| Crop { x, y, width, height }));
    std::iter::once(whole).chain(slices).collect()
}

/// Whether an edge of its crop that is not the picture's edge cuts the box. `margin` is in picture pixels.
pub fn is_cut(rect: &Rect, crop: &Crop, width: u32, height: u32, margin: (f32, f32)) -> bool {
    let (x1, y1) = (crop.x + crop.width, crop.y + crop.height);
    (crop.x > 0 && rect.x0 <= crop.x as f32 + margin.0)
        || (crop.y > 0 && rect.y0 <= crop.y as f32 + margin.1)
        || (x1 < width && rect.x1 >= x1 as f32 - margin.0)
        || (y1 < height && rect.y1 >= y1 as f32 - margin.1)
}

/// Merges class by class, whole boxes before cut ones. Best first, at most [`MAX_DETECTIONS`].
///
/// A whole box that replaces a cut one gets the higher score of the two: both are of the same object.
pub fn merge(whole: Vec<Candidate>, mut cut: Vec<Candidate>, iou_limits: &[f32]) -> Vec<Candidate> {
    let mut kept = nms::suppress(whole, iou_limits);
    nms::sort(&mut cut);
    for part in cut {
        let same = |k: &&mut Candidate| k.class == part.class;
        if let Some(full) =
            kept.iter_mut().filter(same).find(|k| k.rect.iou(&part.rect) > iou_limits[part.class])
        {
            full.score = full.score.max(part.score);
            continue;
        }
        let holds = |k: &Candidate| {
            let inside = k.rect.intersection(&part.rect) >= PART * part.rect.area();
            k.class == part.class && inside && k.rect.area() > part.rect.area() && k.score >= part.score / 2.0
        };
        if !kept.iter().any(holds) {
            kept.push(part);
        }
    }
    nms::sort(&mut kept);
    kept.truncate(MAX_DETECTIONS);
    kept
}

/// Start and length of `count` spans that cover `size` pixels and share `overlap` of their length with the
/// next.
fn spans(count: u32, overlap: f32, size: u32) -> Vec<(u32, u32)> {
    let count = count.clamp(1, size.max(1));
    let overlap = f64::from(overlap).clamp(0.0, 0.5);
    let length = f64::from(size) / (f64::from(count) - overlap * f64::from(count - 1));
    let whole = (length.ceil() as u32).clamp(1, size.max(1));
    let last = size - whole.min(size);
    let start = |i: u32| if count == 1 { 0.0 } else { f64::from(last) * f64::from(i) / f64::from(count - 1) };
    (0..count).map(|i| (start(i).round() as u32, whole)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(score: f32, rect: [f32; 4]) -> Candidate {
        Candidate { class: 0, score, rect: Rect::new(rect[0], rect[1], rect[2], rect[3]) }
    }

    proptest! {
        #[test]
        fn slices_cover_the_picture_and_overlap_as_asked(
            count in 1u32..8, overlap in 0.0f32..0.5, size in 64u32..4000,
        ) {
            let spans = spans(count, overlap, size);
            prop_assert_eq!(spans.len(), count as usize);
            prop_assert_eq!(spans[0].0, 0);
            let (last, length) = spans[spans.len() - 1];
            prop_assert_eq!(last + length, size);
            for pair in spans.windows(2) {
                let common = (pair[0].0 + length) as f32 - pair[1].0 as f32;
                prop_assert!(common >= overlap * length as f32 - 1.5, "{:?} of {}", pair, size);
            }
        }
    }

    #[test]
    fn one_slice_is_the_whole_picture_once() {
        let whole = Crop { x: 0, y: 0, width: 1920, height: 1080 };
        assert_eq!(crops(&Tiling { columns: 1, rows: 1, overlap: 0.2, per_picture: 0 }, 1920, 1080), [whole]);
        let six = crops(&Tiling { columns: 3, rows: 2, overlap: 0.2, per_picture: 0 }, 1920, 1080);
        assert_eq!((six.len(), six[0]), (7, whole));
    }

    #[test]
    fn only_inner_edges_cut() {
        let crop = Crop { x: 0, y: 100, width: 200, height: 100 };
        let cut = |rect: [f32; 4]| {
            is_cut(&Rect::new(rect[0], rect[1], rect[2], rect[3]), &crop, 400, 200, (2.0, 2.0))
        };
        assert!(!cut([0.0, 150.0, 50.0, 200.0]), "the left and lower edges are the picture's");
        assert!(cut([150.0, 150.0, 199.0, 180.0]));
        assert!(cut([50.0, 101.0, 80.0, 150.0]));
    }

    #[test]
    fn a_part_falls_to_the_whole_thing_which_takes_its_score() {
        let whole = candidate(0.3, [0.0, 0.0, 100.0, 50.0]);
        let most = candidate(0.8, [0.0, 0.0, 80.0, 50.0]);
        let merged = merge(vec![whole], vec![most], &[0.5; 2]);
        assert_eq!(merged, [Candidate { score: 0.8, ..whole }]);
    }

    #[test]
    fn a_small_part_inside_falls_but_not_to_mere_noise() {
        let part = candidate(0.6, [0.0, 0.0, 20.0, 50.0]);
        let full = candidate(0.5, [0.0, 0.0, 100.0, 50.0]);
        assert_eq!(merge(vec![full], vec![part], &[0.5; 2]), [full]);
        let noise = candidate(0.12, [0.0, 0.0, 100.0, 50.0]);
        assert_eq!(merge(vec![noise], vec![part], &[0.5; 2]), [part, noise]);
        let other = Candidate { class: 1, ..full };
        assert_eq!(merge(vec![other], vec![part], &[0.5; 2]), [part, other]);
    }

    #[test]
    fn a_thing_that_only_slices_saw_stays() {
        let parts = vec![candidate(0.6, [0.0, 0.0, 40.0, 50.0]), candidate(0.5, [60.0, 0.0, 90.0, 50.0])];
        assert_eq!(merge(Vec::new(), parts.clone(), &[0.5; 2]), parts);
    }
}
