//! What kind of change a region is, from its colour, shape and texture before and after.

use serde::Serialize;

use super::difference::Difference;
use super::light::Channels;
use super::outline::STRONG;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Roofs, walls, hard standing.
    BuiltUp,
    /// Plants gone, bare earth, a pit.
    Cleared,
    /// A heap of something on open ground.
    Stockpile,
    /// Left out of the findings: of a vehicle's size and shape.
    Vehicle,
    /// Left out of the findings: darker in the same colour.
    Shadow,
}

impl Kind {
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
}

pub(super) fn measure(
    region: &[usize],
    before: &Channels,
    after: &Channels,
    d: &Difference,
    sides: [f64; 2],
    metres_per_pixel: Option<f64>,
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
    }
}

/// Lengths and widths of cars up to lorries, metres, as outlines come out of smoothed scores.
const VEHICLE_M: ([f64; 2], [f64; 2]) = ([2.5, 14.0], [1.2, 4.2]);
const VEHICLE_LONG: (f32, f32) = (1.4, 4.5);
const GREEN: f32 = 0.05;
const WARM: f32 = 0.06;
/// Heaps are rarely wider.
const HEAP_M: f64 = 30.0;

pub(super) fn kind(m: &Measures) -> Kind {
    let darker = m.ratio < -0.22;
    if darker && m.tint < 0.06 && m.edges < 1.0 {
        return Kind::Shadow;
    }
    if let Some([length, width]) = m.sides_m {
        let within = |v: f64, [least, most]: [f64; 2]| v >= least && v <= most;
        let shaped = m.long >= VEHICLE_LONG.0 && m.long <= VEHICLE_LONG.1 && m.full > 0.6;
        if within(length, VEHICLE_M.0) && within(width, VEHICLE_M.1) && shaped {
            return Kind::Vehicle;
        }
    }
    let lost_green = m.green[0] > GREEN && m.green[1] < m.green[0] - 0.03;
    let earth = m.warm > WARM && m.green[1] < GREEN;
    let small = m.sides_m.is_none_or(|[length, _]| length <= HEAP_M);
    match () {
        () if earth && small && !lost_green && m.edges > 0.5 => Kind::Stockpile,
        () if (earth || lost_green && m.edges < 1.0) && m.full < 0.85 => Kind::Cleared,
        () => Kind::BuiltUp,
    }
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
        let shade = Measures { ratio: -0.6, tint: 0.02, edges: -0.4, ..ROOF };
        assert_eq!(kind(&shade), Kind::Shadow);
        assert!(!kind(&shade).stays() && confidence(&ROOF) > 0.8);
        assert!(confidence(&Measures { score: 12.0, pixels: 30, ..ROOF }) < 0.6);
    }
}
