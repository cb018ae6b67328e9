//! How large vehicles and machines are at each height of a camera's picture, learned from those that were seen.

use crate::base::Rect;

/// The size is known after so many looks.
const LOOKS: f32 = 20.0;
/// Older looks weigh less.
const FADE: f32 = 0.999;
/// A thing may be so much smaller or larger than a usual vehicle.
const RANGE: (f32, f32) = (0.4, 3.0);
/// Limits before the size is known, in heights of the picture.
const UNKNOWN: (f32, f32) = (0.02, 0.4);

/// A line through the sizes by the lower edges, by weighted least squares.
#[derive(Clone, Debug, Default)]
pub(super) struct Sizes {
    n: f32,
    y: f32,
    yy: f32,
    s: f32,
    ys: f32,
}

impl Sizes {
    /// Adds a vehicle or machine. `aspect`: width of the picture by its height.
    pub fn learn(&mut self, rect: &Rect, aspect: f32) {
        let (y, s) = (rect.y1, size(rect, aspect));
        for sum in [&mut self.n, &mut self.y, &mut self.yy, &mut self.s, &mut self.ys] {
            *sum *= FADE;
        }
        self.n += 1.0;
        (self.y, self.yy) = (self.y + y, self.yy + y * y);
        (self.s, self.ys) = (self.s + s, self.ys + y * s);
    }

    /// Can it be a vehicle or machine?
    pub fn fits(&self, rect: &Rect, aspect: f32) -> bool {
        let size = size(rect, aspect);
        match self.usual(rect.y1) {
            Some(usual) => size >= RANGE.0 * usual && size <= RANGE.1 * usual,
            None => size >= UNKNOWN.0 && size <= UNKNOWN.1,
        }
    }

    fn usual(&self, y: f32) -> Option<f32> {
        if self.n < LOOKS {
            return None;
        }
        let (mean_y, mean_s) = (self.y / self.n, self.s / self.n);
        let spread = self.yy / self.n - mean_y * mean_y;
        // Where all stood at one height, their mean size holds everywhere.
        let slope = if spread > 1e-3 { (self.ys / self.n - mean_y * mean_s) / spread } else { 0.0 };
        // Things are not smaller nearer to the camera, and never nothing.
        Some((mean_s + slope.max(0.0) * (y - mean_y)).max(0.2 * mean_s))
    }
}

/// The longer side, in heights of the picture.
fn size(rect: &Rect, aspect: f32) -> f32 {
    (rect.width() * aspect).max(rect.height())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vehicle(y1: f32, height: f32) -> Rect {
        Rect::new(0.4, y1 - height, 0.4 + height, y1)
    }

    #[test]
    fn the_size_follows_the_row() {
        let mut sizes = Sizes::default();
        for n in 0..40 {
            let y = 0.3 + 0.6 * (n as f32 / 40.0);
            sizes.learn(&vehicle(y, 0.2 * y), 1.0);
        }
        assert!(sizes.fits(&vehicle(0.3, 0.06), 1.0) && sizes.fits(&vehicle(0.9, 0.18), 1.0));
        assert!(!sizes.fits(&vehicle(0.9, 0.05), 1.0), "a person in front");
        assert!(!sizes.fits(&vehicle(0.4, 0.35), 1.0), "a house far away");
    }

    #[test]
    fn before_vehicles_were_seen_wide_limits_hold() {
        let sizes = Sizes::default();
        assert!(sizes.fits(&vehicle(0.5, 0.1), 1.0));
        assert!(!sizes.fits(&vehicle(0.5, 0.01), 1.0) && !sizes.fits(&vehicle(0.9, 0.8), 1.0));
    }
}
