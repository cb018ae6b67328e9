//! Scores to connected regions.

use super::plane::Plane;

/// Scores at which a region begins, and down to which it reaches. Chosen on real pairs of satellite pictures
/// of 0.5 m a pixel; they are levels of light times structure, so they mean the same in any picture of 8
/// bits.
pub(super) const STRONG: f32 = 16.0;
pub(super) const WEAK: f32 = 11.0;

/// Connected pixels over the weak limit that hold one over the strong one, each as its indices; at least
/// `least` of them.
pub(super) fn regions(score: &Plane, least: usize) -> Vec<Vec<usize>> {
    let (w, h) = (score.width, score.height);
    let mut seen = vec![false; w * h];
    let mut found = Vec::new();
    for start in 0..w * h {
        if seen[start] || score.data[start] < STRONG {
            continue;
        }
        seen[start] = true;
        let mut region = vec![start];
        let mut next = 0;
        while next < region.len() {
            let i = region[next];
            next += 1;
            let (x, y) = (i % w, i / w);
            let beside = [
                (x > 0).then(|| i - 1),
                (x + 1 < w).then(|| i + 1),
                (y > 0).then(|| i - w),
                (y + 1 < h).then(|| i + w),
            ];
            for j in beside.into_iter().flatten() {
                if !seen[j] && score.data[j] >= WEAK {
                    seen[j] = true;
                    region.push(j);
                }
            }
        }
        if region.len() >= least {
            found.push(region);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_rim_belongs_to_a_strong_middle_and_is_nothing_alone() {
        let mut score = Plane::of(20, 10, |_| 0.0);
        for x in 2..8 {
            score.data[3 * 20 + x] = 12.0;
            score.data[7 * 20 + x] = 12.0;
        }
        score.data[3 * 20 + 5] = 20.0;
        let found = regions(&score, 3);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].len(), 6);
        assert!(regions(&score, 7).is_empty());
    }
}
