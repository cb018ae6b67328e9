//! Where a line of sight meets the terrain.

use super::dem::Dem;
use super::geodesy::LocalFrame;
use super::view::Ray;

/// Exact coordinates are reckoned at the ends and the middle of so many metres, and interpolated between: off
/// by less than a hundredth of a millimetre.
const SEGMENT_M: f64 = 500.0;
/// Cells from one look at the ground to the next.
const STEP_CELLS: f64 = 0.5;

/// Why a line of sight met no ground.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Miss {
    /// It rises above all ground.
    Sky,
    /// It comes to the terrain model's end, or passes the ground in a hole of it, after so many metres.
    Beyond(f64),
    /// It starts below the ground, so many metres.
    Under(f64),
    /// It is still above the ground where the search ends.
    TooFar,
}

/// Metres along the ray to the first ground that is lifted by `lift` metres.
pub(crate) fn march(dem: &Dem, frame: &LocalFrame, ray: &Ray, lift: f64, range_m: f64) -> Result<f64, Miss> {
    let top = dem.range()[1] + lift;
    let place = |t: f64| {
        let p = frame.to_geodetic(std::array::from_fn(|i| ray.origin[i] + t * ray.direction[i]));
        let [column, row] = dem.to_grid(p.lon, p.lat);
        [column, row, p.alt]
    };
    let mut end = place(0.0);
    let mut walk = Walk::default();
    let mut from = 0.0;
    while from < range_m {
        let length = SEGMENT_M.min(range_m - from);
        let start = end;
        end = place(from + length);
        let segment = Segment::through(from, length, start, place(from + length / 2.0), end);
        let rises = end[2] > start[2];
        let covered = dem.covers(end[0], end[1]);
        if segment.lowest() > top && (rises || covered || !walk.entered) {
            if rises {
                return Err(Miss::Sky);
            }
            walk.pass_over(from + length, covered);
        } else if let Some(hit) = walk.along(&segment, dem, lift)? {
            return Ok(hit);
        }
        from += length;
    }
    Err(if walk.entered { Miss::TooFar } else { Miss::Beyond(range_m) })
}

/// A piece of the ray in the grid's coordinates: column, row, altitude as quadratics of 0..1.
struct Segment {
    from: f64,
    length: f64,
    terms: [[f64; 3]; 3],
}

impl Segment {
    fn through(from: f64, length: f64, p0: [f64; 3], p1: [f64; 3], p2: [f64; 3]) -> Self {
        let term = |i: usize| {
            let (a, b, c) = (p0[i], p1[i], p2[i]);
            [a, -3.0 * a + 4.0 * b - c, 2.0 * (a - 2.0 * b + c)]
        };
        Self { from, length, terms: [term(0), term(1), term(2)] }
    }

    fn at(&self, t: f64) -> [f64; 3] {
        let s = (t - self.from) / self.length;
        self.terms.map(|[a, b, c]| a + s * (b + s * c))
    }

    fn lowest(&self) -> f64 {
        let [_, b, c] = self.terms[2];
        let bottom = if c > 0.0 { (-b / (2.0 * c)).clamp(0.0, 1.0) } else { 0.0 };
        self.at(self.from + bottom * self.length)[2].min(self.at(self.from + self.length)[2])
    }

    /// Metres from one look at the ground to the next.
    fn step(&self) -> f64 {
        let cells = (self.terms[0][1] + self.terms[0][2]).hypot(self.terms[1][1] + self.terms[1][2]);
        (STEP_CELLS / cells * self.length).min(self.length)
    }

    /// How far the ray is above the ground.
    fn clearance(&self, t: f64, dem: &Dem, lift: f64) -> Option<f64> {
        let [column, row, alt] = self.at(t);
        Some(alt - dem.height_at(column, row)? - lift)
    }
}

/// What is known of the last looks.
#[derive(Default)]
struct Walk {
    started: bool,
    /// Has been over the terrain model.
    entered: bool,
    /// Last place and how far it was above the ground, where the ground is known.
    last: Option<(f64, f64)>,
    before: Option<(f64, f64)>,
}

impl Walk {
    /// A piece that is above all ground.
    fn pass_over(&mut self, to: f64, covered: bool) {
        self.started = true;
        self.entered |= covered;
        self.before = None;
        self.last = covered.then_some((to, f64::INFINITY));
    }

    fn along(&mut self, segment: &Segment, dem: &Dem, lift: f64) -> Result<Option<f64>, Miss> {
        let step = segment.step();
        let steps = (segment.length / step).ceil().max(1.0) as usize;
        let first = usize::from(self.started);
        for i in first..=steps {
            let t = segment.from + segment.length * i as f64 / steps as f64;
            let clearance = segment.clearance(t, dem, lift);
            let [column, row, _] = segment.at(t);
            let covered = dem.covers(column, row);
            if self.entered && !covered {
                return Err(Miss::Beyond(t));
            }
            self.entered |= covered;
            let Some(c) = clearance else {
                (self.before, self.last, self.started) = (None, None, true);
                continue;
            };
            if c <= 0.0 {
                return match self.last {
                    Some((above, _)) => Ok(Some(first_touch(segment, dem, lift, above.max(segment.from), t))),
                    None if !self.started => Err(Miss::Under(-c)),
                    None => Err(Miss::Beyond(t)),
                };
            }
            if let Some(hit) = self.graze(segment, dem, lift, t, c) {
                return Ok(Some(hit));
            }
            (self.before, self.last, self.started) = (self.last, Some((t, c)), true);
        }
        Ok(None)
    }

    /// A ridge between three looks that were all above the ground.
    fn graze(&self, segment: &Segment, dem: &Dem, lift: f64, t: f64, c: f64) -> Option<f64> {
        let ((t0, c0), (t1, c1)) = (self.before?, self.last?);
        if c1 > c0 || c1 > c || c1 > dem.cell_m() || t0 < segment.from {
            return None;
        }
        let above = |t: f64| segment.clearance(t, dem, lift).unwrap_or(f64::INFINITY);
        let (mut a, mut b) = (t0, t);
        for _ in 0..12 {
            let (l, r) = (a + (b - a) / 3.0, b - (b - a) / 3.0);
            if above(l) <= above(r) {
                b = r;
            } else {
                a = l;
            }
        }
        let lowest = [t1, (a + b) / 2.0].into_iter().find(|t| above(*t) <= 0.0)?;
        Some(first_touch(segment, dem, lift, t0, lowest))
    }
}

/// Between a place above the ground and one that is not.
fn first_touch(segment: &Segment, dem: &Dem, lift: f64, above: f64, below: f64) -> f64 {
    let (mut a, mut b) = (above, below);
    for _ in 0..48 {
        let middle = (a + b) / 2.0;
        if segment.clearance(middle, dem, lift).is_some_and(|c| c <= 0.0) {
            b = middle;
        } else {
            a = middle;
        }
    }
    b
}
