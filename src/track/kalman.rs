//! Constant-velocity Kalman filter of a box, with the time between pictures as a variable.
//!
//! State and noise follow SORT (Bewley et al. 2016) and ByteTrack (Zhang et al. 2022), on (cx, cy, w, h). The
//! noise is diagonal, so the filter splits into four independent filters of position and velocity. SORT and
//! ByteTrack count frames. Here the noise grows with time (white-noise acceleration), so gaps of 0.1 s and of
//! 4 s both work.

use crate::base::Rect;

/// Standard deviation of a measurement, in sizes of the box.
const MEASUREMENT: f64 = 0.05;
/// Standard deviation of the change of velocity after one second, in sizes a second. A pedestrian starts and
/// stops within one.
const ACCELERATION: f64 = 0.5;
/// The same for width and height, which change slowly.
const GROWTH: f64 = 0.1;
/// Standard deviation of the velocity after the first measurement, in sizes a second.
const FIRST_SPEED: f64 = 2.0;

#[derive(Clone, Debug)]
struct Axis {
    x: f64,
    v: f64,
    /// Covariance: xx, xv, vv.
    p: [f64; 3],
}

impl Axis {
    fn new(x: f64, size: f64) -> Self {
        let (sx, sv) = (2.0 * MEASUREMENT * size, FIRST_SPEED * size);
        Self { x, v: 0.0, p: [sx * sx, 0.0, sv * sv] }
    }

    /// `q`: growth of the velocity's variance per second.
    fn predict(&mut self, dt: f64, q: f64) {
        let [xx, xv, vv] = self.p;
        self.x += self.v * dt;
        self.p = [
            xx + dt * (2.0 * xv + dt * vv) + q * dt.powi(3) / 3.0,
            xv + dt * vv + q * dt * dt / 2.0,
            vv + q * dt,
        ];
    }

    /// `r`: variance of the measurement, above 0.
    fn correct(&mut self, z: f64, r: f64) {
        let [xx, xv, vv] = self.p;
        let (kx, kv) = (xx / (xx + r), xv / (xx + r));
        let off = z - self.x;
        self.x += kx * off;
        self.v += kv * off;
        self.p = [(1.0 - kx) * xx, (1.0 - kx) * xv, vv - kv * xv];
    }
}

/// Filter of one object's centre and size, in normalised coordinates and seconds.
#[derive(Clone, Debug)]
pub(super) struct BoxFilter {
    axes: [Axis; 4],
}

impl BoxFilter {
    pub(super) fn new(rect: &Rect) -> Self {
        let size = size(rect);
        Self { axes: numbers(rect).map(|x| Axis::new(x, size)) }
    }

    /// Predicts the state `dt` seconds ahead.
    pub(super) fn predict(&mut self, dt: f64) {
        let size = size(&self.rect());
        for (i, axis) in self.axes.iter_mut().enumerate() {
            let spread = size * if i < 2 { ACCELERATION } else { GROWTH };
            axis.predict(dt, spread * spread);
        }
    }

    /// Compensates a motion of the camera. `steps`: its Jacobian matrix at the box, row-major; `rect`: the
    /// moved box.
    pub(super) fn compensate(&mut self, rect: &Rect, steps: [[f64; 2]; 2]) {
        let [[a, b], [c, d]] = steps;
        let scale = (a * d - b * c).abs().sqrt();
        let [x, y, ..] = &self.axes;
        let (vx, vy) = (a * x.v + b * y.v, c * x.v + d * y.v);
        // The axes stay independent: the covariance between x and y is dropped.
        let mixed = |s: f64, t: f64| [0, 1, 2].map(|i| s * s * x.p[i] + t * t * y.p[i]);
        let (px, py) = (mixed(a, b), mixed(c, d));
        (self.axes[0].v, self.axes[0].p) = (vx, px);
        (self.axes[1].v, self.axes[1].p) = (vy, py);
        for axis in &mut self.axes[2..] {
            axis.v *= scale;
            axis.p = axis.p.map(|p| p * scale * scale);
        }
        for (axis, value) in self.axes.iter_mut().zip(numbers(rect)) {
            axis.x = value;
        }
    }

    /// Updates the state with a measured box. A low `score` (0 to 1) moves it less.
    pub(super) fn correct(&mut self, rect: &Rect, score: f32) {
        let spread = size(rect) * MEASUREMENT * (2.0 - f64::from(score.clamp(0.0, 1.0)));
        for (axis, z) in self.axes.iter_mut().zip(numbers(rect)) {
            axis.correct(z, spread * spread);
        }
    }

    pub(super) fn rect(&self) -> Rect {
        let [cx, cy, w, h] = [0, 1, 2, 3].map(|i| self.axes[i].x);
        let (w, h) = (w.max(1e-6) / 2.0, h.max(1e-6) / 2.0);
        Rect::new((cx - w) as f32, (cy - h) as f32, (cx + w) as f32, (cy + h) as f32)
    }
}

/// The longer side, never 0.
pub(super) fn size(rect: &Rect) -> f64 {
    f64::from(rect.width().max(rect.height()).max(1e-6))
}

fn numbers(rect: &Rect) -> [f64; 4] {
    let c = rect.center();
    [c.x, c.y, rect.width(), rect.height()].map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32) -> Rect {
        Rect::new(x, 0.4, x + 0.05, 0.5)
    }

    /// An object at constant velocity (0.02 a second) is predicted correctly at any spacing of the pictures.
    #[test]
    fn speed_is_learnt_at_mixed_intervals() {
        for spacing in [&[0.1][..], &[2.0], &[0.1, 4.0, 0.5, 2.0]] {
            let mut filter = BoxFilter::new(&at(0.1));
            let mut x = 0.1;
            for dt in spacing.iter().cycle().take(12) {
                x += 0.02 * dt;
                filter.predict(*dt);
                filter.correct(&at(x as f32), 0.9);
            }
            filter.predict(1.0);
            let off = f64::from(filter.rect().x0) - (x + 0.02);
            assert!(off.abs() < 0.006, "{spacing:?}: {off}");
        }
    }

    #[test]
    fn ten_steps_of_a_tenth_second_spread_as_much_as_one_of_a_second() {
        let (mut fine, mut coarse) = (BoxFilter::new(&at(0.1)), BoxFilter::new(&at(0.1)));
        (0..10).for_each(|_| fine.predict(0.1));
        coarse.predict(1.0);
        for (a, b) in fine.axes.iter().zip(&coarse.axes) {
            for (p, q) in a.p.iter().zip(b.p) {
                assert!((p - q).abs() < 1e-9, "{p} {q}");
            }
        }
    }
}
