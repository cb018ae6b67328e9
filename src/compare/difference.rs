//! How much each pixel differs, by colour and by structure.

use super::plane::Plane;
use super::radiometry::Channels;

/// Pixels that a picture may still be off after registration: the best of so many each way counts.
const OFF: isize = 2;
/// Half windows in pixels: of colour, of the local mean gradient, of structure.
const COLOUR: usize = 2;
const LOCAL: usize = 8;
const STRUCTURE: usize = 5;
/// No difference is reported within this many pixels of ground that only one picture shows.
const EDGE: usize = LOCAL;
/// Gradients, in levels a pixel, that are noise; and the weight that keeps flat places alike.
const NOISE: f32 = 9.0;
const CALM: f32 = 0.08;
/// Structure counts up to this: 1 has nothing in common, 2 is the opposite.
const MOST_STRUCTURE: f32 = 1.2;
/// Share of mere brightening against change of any colour: what is built is brighter than ground more often
/// than not.
const BRIGHTER: f32 = 1.0;
const OTHER: f32 = 0.5;

/// Move of colour, brightness left out, that light and season make, and what counts beyond it, in levels.
const TINT: (f32, f32) = (0.10, 260.0);
/// Darker than this colour is noise, levels.
const DARK: f32 = 24.0;

/// What is known of each pixel.
pub(super) struct Difference {
    /// Levels of colour times structure, smoothed over about four pixels.
    pub score: Plane,
    /// Gradient now less gradient then, levels a pixel.
    pub edges: Plane,
}

/// `before` in the light of `after`; pixels that are not `valid`, and those beside them, score nothing.
pub(super) fn difference(before: &Channels, after: &Channels, valid: &[bool]) -> Difference {
    let (a, b) = (before.soft(), after.soft());
    let colour = nearest(&a, &b);
    let (la, lb) = (a.luma(), b.luma());
    let brighter = lb.with(&la, |now, then| now - then).mean(3);
    let (structure, edges) = structure(&la, &lb);
    // Windows that reach over the edge of what both pictures show see nothing there, which is no change.
    let inside = Plane::of(la.width, la.height, |i| f32::from(u8::from(valid[i]))).mean(EDGE);
    let mut score = colour.with(&brighter, |any, up| OTHER * any + BRIGHTER * up.max(0.0));
    score = score.with(&structure, |s, t| s * t.clamp(0.0, MOST_STRUCTURE));
    // Earth on a field may lie in the same furrows: another colour, which no light makes, is enough.
    score = score.with(&tint(&a, &b), |s, t| s.max(TINT.1 * (t - TINT.0)));
    for (value, inside) in score.data.iter_mut().zip(&inside.data) {
        *value = if *inside > 0.999 { *value } else { 0.0 };
    }
    Difference { score: score.soft(3), edges }
}

/// Smallest distance of colour within what registration may be off.
fn nearest(a: &Channels, b: &Channels) -> Plane {
    let (w, h) = (a.0[0].width, a.0[0].height);
    let mut best = vec![f32::MAX; w * h];
    let inside = |v: usize, by: isize, n: usize| (v as isize + by).clamp(0, n as isize - 1) as usize;
    for dy in -OFF..=OFF {
        for dx in -OFF..=OFF {
            let apart = Plane::of(w, h, |i| {
                let j = inside(i / w, dy, h) * w + inside(i % w, dx, w);
                (0..3).map(|c| (a.0[c].data[j] - b.0[c].data[i]).abs()).sum::<f32>() / 3.0
            });
            for (best, value) in best.iter_mut().zip(apart.mean(COLOUR).data) {
                *best = best.min(value);
            }
        }
    }
    Plane { width: w, height: h, data: best }
}

/// How far the shares of red, green and blue moved.
fn tint(a: &Channels, b: &Channels) -> Plane {
    let (w, h) = (a.0[0].width, a.0[0].height);
    let (a, b) = ([0, 1, 2].map(|c| a.0[c].mean(COLOUR)), [0, 1, 2].map(|c| b.0[c].mean(COLOUR)));
    Plane::of(w, h, |i| {
        let of = |p: &[Plane; 3]| [0, 1, 2].map(|c| p[c].data[i].max(0.0));
        let (then, now) = (of(&a), of(&b));
        let (s, t) = (then.iter().sum::<f32>(), now.iter().sum::<f32>());
        if s.min(t) < 3.0 * DARK {
            return 0.0;
        }
        (0..3).map(|c| (then[c] / s - now[c] / t).abs()).sum()
    })
}

/// Likeness of gradients, each divided by the local mean gradient; and where there are more of them now.
/// Gives 1 minus likeness, and the gradient now less that of then.
fn structure(a: &Plane, b: &Plane) -> (Plane, Plane) {
    let normal = |p: &Plane| {
        let [x, y] = p.slopes();
        let square = x.with(&y, |x, y| x * x + y * y);
        let local = square.mean(LOCAL);
        let by = |p: &Plane| p.with(&local, |v, mean| v / (mean + NOISE).sqrt());
        ([by(&x), by(&y)], Plane { data: square.data.iter().map(|v| v.sqrt()).collect(), ..square })
    };
    let (([ax, ay], strength_a), ([bx, by], strength_b)) = (normal(a), normal(b));
    let sum = |p: Plane, q: Plane| p.with(&q, |p, q| p + q).mean(STRUCTURE);
    let dot = sum(ax.with(&bx, |a, b| a * b), ay.with(&by, |a, b| a * b));
    let own = |x: &Plane, y: &Plane| sum(x.with(x, |a, b| a * b), y.with(y, |a, b| a * b));
    let both = own(&ax, &ay).with(&own(&bx, &by), |a, b| a + b);
    let unlike = dot.with(&both, |dot, both| 1.0 - (2.0 * dot + CALM) / (both + CALM));
    (unlike, strength_b.with(&strength_a, |now, then| now - then).mean(7))
}
