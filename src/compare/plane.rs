//! One value a pixel, and means over windows of it.

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plane {
    pub width: usize,
    pub height: usize,
    pub data: Vec<f32>,
}

impl Plane {
    pub fn of(width: usize, height: usize, value: impl Fn(usize) -> f32) -> Self {
        Self { width, height, data: (0..width * height).map(value).collect() }
    }

    /// With both planes' values at each pixel.
    pub fn with(&self, other: &Plane, join: impl Fn(f32, f32) -> f32) -> Plane {
        let data = self.data.iter().zip(&other.data).map(|(a, b)| join(*a, *b)).collect();
        Plane { data, ..*self }
    }

    /// Mean over a window of `2 * reach + 1` pixels a side; at the edge over what there is of it.
    pub fn mean(&self, reach: usize) -> Plane {
        let across = lines(&self.data, self.width, reach);
        let turned = transpose(&across, self.width, self.height);
        let down = lines(&turned, self.height, reach);
        Plane { data: transpose(&down, self.height, self.width), ..*self }
    }

    /// Three means in a row are nearly a Gaussian; its deviation is about `reach + 0.5` pixels.
    pub fn soft(&self, reach: usize) -> Plane {
        self.mean(reach).mean(reach).mean(reach)
    }

    /// Slopes across and down, per pixel.
    pub fn slopes(&self) -> [Plane; 2] {
        let (w, h) = (self.width, self.height);
        let at = |x: usize, y: usize| self.data[y * w + x];
        let across = Plane::of(w, h, |i| {
            let (x, y) = (i % w, i / w);
            (at((x + 1).min(w - 1), y) - at(x.saturating_sub(1), y)) / 2.0
        });
        let down = Plane::of(w, h, |i| {
            let (x, y) = (i % w, i / w);
            (at(x, (y + 1).min(h - 1)) - at(x, y.saturating_sub(1))) / 2.0
        });
        [across, down]
    }
}

/// Running means of lines of `n` values.
fn lines(data: &[f32], n: usize, reach: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(data.len());
    for line in data.chunks_exact(n) {
        let mut sum: f64 = line[..reach.min(n)].iter().map(|v| f64::from(*v)).sum();
        let mut count = reach.min(n);
        for x in 0..n {
            if x + reach < n {
                sum += f64::from(line[x + reach]);
                count += 1;
            }
            if x > reach {
                sum -= f64::from(line[x - reach - 1]);
                count -= 1;
            }
            out.push((sum / count as f64) as f32);
        }
    }
    out
}

fn transpose(data: &[f32], width: usize, height: usize) -> Vec<f32> {
    let mut out = vec![0.0; data.len()];
    for (y, line) in data.chunks_exact(width).enumerate() {
        for (x, value) in line.iter().enumerate() {
            out[x * height + y] = *value;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_the_window_and_end_at_the_edge() {
        let plane = Plane::of(4, 3, |i| i as f32);
        let mean = plane.mean(1);
        assert_eq!(mean.data[5], 5.0, "the middle of nine");
        assert_eq!(mean.data[0], 2.5, "of 0, 1, 4 and 5");
        let [across, down] = plane.slopes();
        assert_eq!((across.data[5], down.data[5]), (1.0, 4.0));
        assert!(Plane::of(1, 1, |_| 0.0).soft(3).data.iter().all(|v| *v == 0.0));
    }
}
