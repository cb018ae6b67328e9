//! Non-maximum suppression: of several boxes on one thing the best stays.

use crate::base::Rect;

/// More than this in one picture is noise, and noise must not cost the stages below.
pub const MAX_DETECTIONS: usize = 300;

/// A box as a network gave it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Index into the manifest's classes.
    pub class: usize,
    pub score: f32,
    /// In pixels of the network's input, later of the picture.
    pub rect: Rect,
}

/// Best first. Equal scores keep their order, so that runs are repeatable.
pub fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
}

/// Greedy and class by class: a box falls to a better one of its class with an overlap above `iou_limit`.
/// Gives the best first, at most [`MAX_DETECTIONS`].
pub fn suppress(mut candidates: Vec<Candidate>, iou_limit: f32) -> Vec<Candidate> {
    sort(&mut candidates);
    let mut kept: Vec<Candidate> = Vec::new();
    for c in candidates {
        if kept.len() == MAX_DETECTIONS {
            break;
        }
        if !kept.iter().any(|k| k.class == c.class && k.rect.iou(&c.rect) > iou_limit) {
            kept.push(c);
        }
    }
    kept
}
