//! What kind of change a region is, from its colour, shape and texture before and after.

use serde::Serialize;

use super::difference::Difference;
use super::outline::STRONG;
use super::radiometry::Channels;
use super::surroundings::Surroundings;
use crate::config::GroundChange;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Roofs, walls, hard standing.
    BuiltUp,
    /// Plants gone, bare earth, a pit.
    Cleared,
    /// A heap of something on open ground.
    Stockpile,
    /// What stood there is gone, and the place looks like the ground around it.
    Removed,
    /// Left out of the findings: of a vehicle's size and shape.
    Vehicle,
    /// Left out of the findings: darker in the same colour.
    Shadow,
}

impl Kind {
    /// What came on the ground; `None`: something left it or passes over it.
    pub fn of_ground(self) -> Option<GroundChange> {
        match self {
            Self::BuiltUp => Some(GroundChange::BuiltUp),
            Self::Cleared => Some(GroundChange::Cleared),
            Self::Stockpile => Some(GroundChange::Stockpile),
            Self::Removed | Self::Vehicle | Self::Shadow => None,
        }
    }

    /// Is it a change of the ground, and not of what passes over it?
    pub fn stays(self) -> bool {
        !matches!(self, Self::Vehicle | Self::Shadow)
    }
}

/// A region's measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measures {
    pub pixels: usize,
    /// Mean score.
    pub score: f32,
    /// Natural logarithm of brightness now by brightness then.
    pub ratio: f32,
    /// How far colour moved, brightness left out.
    pub tint: f32,
    /// (2 g - r - b) / (r + g + b) then and now; leaves are over 0.06.
    pub green: [f32; 2],
    /// (r - b) / (r + g + b) now; earth is over 0.06.
    pub warm: f32,
    /// Gradient now less gradient then, levels a pixel.
    pub edges: f32,
    /// Share of the smallest rectangle around it that it fills.
    pub full: f32,
    /// Longer by shorter side of that.
    pub long: f32,
    /// Both sides in metres, longer first; `None`: no scale.
    pub sides_m: Option<[f64; 2]>,
    /// Square metres that differ by more than half as much as the most of it does: without the rim that
    /// smoothing adds.
    pub body_m2: Option<f64>,
    pub surroundings: Surroundings,
}

impl Measures {
    /// Share of its green that the ground lost, 0 to 1; 0 where there were no leaves.
    pub fn lost_green(&self) -> f32 {
        if self.green[0] <= GREEN { 0.0 } else { (1.0 - self.green[1] / self.green[0]).clamp(0.0, 1.0) }
    }
}

pub(super) fn measure(
    region: &[usize],
    before: &Channels,
    after: &Channels,
    d: &Difference,
    sides: [f64; 2],
    metres_per_pixel: Option<f64>,
    surroundings: Surroundings,
) -> Measures {
    let n = region.len().max(1) as f32;
    let mean = |data: &[f32]| region.iter().map(|i| data[*i]).sum::<f32>() / n;
    let rgb = |c: &Channels| [0, 1, 2].map(|k| mean(&c.0[k].data).max(1.0));
    let (then, now) = (rgb(before), rgb(after));
    let shares = |[r, g, b]: [f32; 3]| [r, g, b].map(|v| v / (r + g + b));
    let (s, t) = (shares(then), shares(now));
    let light = |[r, g, b]: [f32; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
    Measures {
        pixels: region.len(),
        score: mean(&d.score.data),
        ratio: (light(now) / light(then)).ln(),
        tint: (0..3).map(|k| (s[k] - t[k]).abs()).sum(),
        green: [s, t].map(|[r, g, b]| 2.0 * g - r - b),
        warm: t[0] - t[2],
        edges: mean(&d.edges.data),
        full: (f64::from(n) / (sides[0] * sides[1]).max(1.0)) as f32,
        long: (sides[0] / sides[1].max(1.0)) as f32,
        sides_m: metres_per_pixel.map(|m| sides.map(|side| side * m)),
        body_m2: metres_per_pixel.map(|m| body(region, before, after) as f64 * m * m),
        surroundings,
    }
}

/// Pixels whose colour moved by more than half of what nearly the most of them did.
fn body(region: &[usize], before: &Channels, after: &Channels) -> usize {
    let apart = |i: &usize| (0..3).map(|c| (after.0[c].data[*i] - before.0[c].data[*i]).abs()).sum::<f32>();
    let mut far: Vec<f32> = region.iter().map(apart).collect();
    if far.is_empty() {
        return 0;
    }
    let n = (far.len() - 1) * 9 / 10;
    let limit = *far.select_nth_unstable_by(n, f32::total_cmp).1 / 2.0;
    far.iter().filter(|v| **v > limit).count()
}

/// Light that a shadow takes at least, natural logarithm; how far it may move colour and gradients; and the
/// share of the ground beside it that must look as it does when the shadow is not there.
const SHADE: f32 = 0.12;
const SHADE_TINT: f32 = 0.07;
const SHADE_EDGES: f32 = 1.0;
const SHADE_LIKE: f32 = 0.25;
/// Longest and widest lorry, metres; outlines come out of smoothed scores, and are wider than the things by
/// about the rim.
const VEHICLE_M: [f64; 2] = [13.0, 3.2];
const RIM_M: f64 = 2.2;
/// Largest car or van with its shadow, square metres, however it lies.
const CAR_M2: f64 = 16.0;
/// Longest of what is taken for a vehicle by its shape alone, off the road.
const CAR_M: f64 = 6.5;
const VEHICLE_LONG: (f32, f32) = (1.4, 4.5);
/// Share of what lies around it that must be paved.
const ON_ROAD: f32 = 0.25;
/// Share of the ground beside it that a place must look like once a thing is gone from it, and how much less
/// it was before.
const BARED_LIKE: f32 = 0.6;
const BARED_MORE: f32 = 0.5;
const GREEN: f32 = 0.05;
const WARM: f32 = 0.06;
/// Heaps are rarely wider.
const HEAP_M: f64 = 30.0;

pub(super) fn kind(m: &Measures) -> Kind {
    if is_shadow(m) {
        return Kind::Shadow;
    }
    if m.sides_m.is_some_and(|sides| is_vehicle(m, sides)) {
        return Kind::Vehicle;
    }
    let lost_green = m.green[0] > GREEN && m.green[1] < m.green[0] - 0.03;
    let earth = m.warm > WARM && m.green[1] < 0.5 * m.warm + 0.5 * GREEN;
    let small = m.sides_m.is_none_or(|[length, _]| length <= HEAP_M);
    match () {
        () if !lost_green && is_removed(m) => Kind::Removed,
        // Rougher than the ground that it lies on.
        () if earth && small && m.edges > 0.8 => Kind::Stockpile,
        () if earth || lost_green && m.warm > 0.0 && m.edges < SHADE_EDGES => Kind::Cleared,
        () => Kind::BuiltUp,
    }
}

/// The same colour and structure, and without the shadow it looks like the ground beside it: one that came
/// darkened such ground, one that left uncovers it.
fn is_shadow(m: &Measures) -> bool {
    let lit = if m.ratio < 0.0 { 0 } else { 1 };
    m.ratio.abs() > SHADE
        && m.tint < SHADE_TINT
        && m.edges.abs() < SHADE_EDGES
        && m.surroundings.like[lit] >= SHADE_LIKE
}

/// It stood out from the ground beside it, and the place does so no more.
fn is_removed(m: &Measures) -> bool {
    m.surroundings.like[1] >= BARED_LIKE && m.surroundings.like[1] - m.surroundings.like[0] >= BARED_MORE
}

fn is_vehicle(m: &Measures, [length, width]: [f64; 2]) -> bool {
    let (length, width) = (length - RIM_M, width - RIM_M);
    let car = m.surroundings.paved >= ON_ROAD && m.body_m2.is_some_and(|body| body <= CAR_M2);
    let fits = length <= VEHICLE_M[0] && width <= VEHICLE_M[1] && m.full > 0.6;
    let shaped = m.long >= VEHICLE_LONG.0 && m.long <= VEHICLE_LONG.1 && length <= CAR_M;
    car || fits && (m.surroundings.paved >= ON_ROAD || shaped)
}

/// 0 to 1: how sure it is that something changed; half at the limit, surer with strength and size.
pub(super) fn confidence(m: &Measures) -> f64 {
    let strength = f64::from(m.score / STRONG);
    let size = (m.pixels as f64 / 400.0).min(1.0);
    (1.0 - (-0.7 * strength).exp() * (1.0 - 0.3 * size)).clamp(0.05, 0.99)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOF: Measures = Measures {
        pixels: 900,
        score: 40.0,
        ratio: 0.4,
        tint: 0.08,
        green: [0.01, 0.0],
        warm: -0.02,
        edges: 3.0,
        full: 0.9,
        long: 1.5,
        sides_m: Some([20.0, 12.0]),
        body_m2: Some(200.0),
        surroundings: Surroundings { like: [0.0, 0.0], paved: 0.1 },
    };

    #[test]
    fn kinds_by_colour_shape_and_texture() {
        assert_eq!(kind(&ROOF), Kind::BuiltUp);
        let field = Measures { green: [0.12, 0.01], warm: 0.12, edges: -0.5, full: 0.7, ..ROOF };
        assert_eq!(kind(&field), Kind::Cleared);
        let heap = Measures { warm: 0.1, edges: 2.0, full: 0.7, sides_m: Some([9.0, 7.0]), ..ROOF };
        assert_eq!(kind(&heap), Kind::Stockpile);
        let car = Measures { sides_m: Some([4.6, 2.0]), long: 2.3, ..ROOF };
        assert_eq!(kind(&car), Kind::Vehicle);
        let gone = Measures {
            green: [0.04, 0.22],
            surroundings: Surroundings { like: [0.0, 0.98], paved: 0.0 },
            ..ROOF
        };
        assert_eq!(kind(&gone), Kind::Removed, "grass as all around");
        let blue = Measures { green: [0.2, 0.04], warm: -0.12, edges: 0.1, ..ROOF };
        assert_eq!(kind(&blue), Kind::BuiltUp, "green was lost to a roof");
    }

    #[test]
    fn shadows_are_known_by_the_ground_beside_them_and_cars_by_the_road() {
        let beside = |then: f32, now: f32, paved: f32| Surroundings { like: [then, now], paved };
        let shade =
            Measures { ratio: -0.6, tint: 0.02, edges: -0.4, surroundings: beside(0.6, 0.0, 0.0), ..ROOF };
        assert_eq!(kind(&shade), Kind::Shadow, "it fell on ground like that beside it");
        let left = Measures { ratio: 0.3, surroundings: beside(0.05, 0.5, 0.0), ..shade };
        assert_eq!(kind(&left), Kind::Shadow, "it uncovers ground like that beside it");
        let white = Measures { ratio: 0.3, surroundings: beside(0.6, 0.0, 0.0), ..shade };
        assert_eq!(kind(&white), Kind::BuiltUp, "a white roof is like nothing around it");
        let van = Measures {
            sides_m: Some([7.2, 6.0]),
            body_m2: Some(12.0),
            long: 1.1,
            surroundings: beside(0.5, 0.2, 0.5),
            ..ROOF
        };
        assert_eq!(kind(&van), Kind::Vehicle);
        assert_eq!(
            kind(&Measures { surroundings: beside(0.5, 0.2, 0.1), ..van }),
            Kind::BuiltUp,
            "in a garden"
        );
        assert!(!kind(&shade).stays() && confidence(&ROOF) > 0.8);
        assert!(confidence(&Measures { score: 12.0, pixels: 30, ..ROOF }) < 0.6);
    }
}
