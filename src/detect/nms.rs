//! Non-maximum suppression: keeps the best of several boxes on one object.

use crate::base::Rect;

/// More than this in one picture is noise, which must not load the next stages.
pub const MAX_DETECTIONS: usize = 300;

/// A box from a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Index into the manifest's classes.
    pub class: usize,
    pub score: f32,
    /// In pixels of the network's input, and later of the picture.
    pub rect: Rect,
}

/// Sorts the best first. The sort is stable, so runs are repeatable.
pub fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
}

/// Greedy suppression, class by class: drops a box that overlaps a better one of its class by more than the
/// class's `iou_limits`. Returns at most [`MAX_DETECTIONS`], best first.
pub fn suppress(mut candidates: Vec<Candidate>, iou_limits: &[f32]) -> Vec<Candidate> {
    sort(&mut candidates);
    let mut kept: Vec<Candidate> = Vec::new();
    for c in candidates {
        if kept.len() == MAX_DETECTIONS {
            break;
        }
        if !kept.iter().any(|k| k.class == c.class && k.rect.iou(&c.rect) > iou_limits[c.class]) {
            kept.push(c);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate() -> impl Strategy<Value = Candidate> {
        let side = || 0.0f32..50.0;
        (0..3usize, 0.0f32..1.0, side(), side(), 0.0f32..30.0, 0.0f32..30.0).prop_map(
            |(class, score, x, y, w, h)| Candidate { class, score, rect: Rect::new(x, y, x + w, y + h) },
        )
    }

    proptest! {
        #[test]
        fn what_stays_is_apart_and_what_falls_had_a_better_one(
            all in prop::collection::vec(candidate(), 0..120),
            limits in prop::array::uniform3(0.2f32..0.9),
        ) {
            let kept = suppress(all.clone(), &limits);
            prop_assert!(kept.windows(2).all(|w| w[0].score >= w[1].score));
            for (i, a) in kept.iter().enumerate() {
                prop_assert!(all.contains(a));
                for b in &kept[..i] {
                    prop_assert!(a.class != b.class || a.rect.iou(&b.rect) <= limits[a.class]);
                }
            }
            for gone in all.iter().filter(|c| !kept.contains(c)) {
                let better = |k: &Candidate| {
                    k.class == gone.class && k.score >= gone.score && k.rect.iou(&gone.rect) > limits[gone.class]
                };
                prop_assert!(kept.iter().any(better), "{gone:?} was dropped without a better one");
            }
            prop_assert_eq!(suppress(kept.clone(), &limits), kept);
        }
    }

    #[test]
    fn no_picture_gives_more_than_the_limit_and_the_best_stay() {
        let apart = |i: usize| Candidate {
            class: 0,
            score: i as f32 / 1000.0,
            rect: Rect::new(i as f32 * 10.0, 0.0, i as f32 * 10.0 + 5.0, 5.0),
        };
        let kept = suppress((0..1000).map(apart).collect(), &[0.5]);
        assert_eq!(kept.len(), MAX_DETECTIONS);
        assert_eq!((kept[0].score, kept[MAX_DETECTIONS - 1].score), (0.999, 0.7));
    }
}
