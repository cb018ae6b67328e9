//! Matches the brightness and colour of the earlier picture to the later one.

use image::RgbImage;

use super::plane::Plane;

/// The most similar pixels, this share of the picture, count as unchanged.
const ALIKE: f32 = 0.6;
const ROUNDS: usize = 4;
/// Limits of the gain: no change of light exceeds them.
const GAIN: (f32, f32) = (0.4, 2.5);

/// Red, green and blue of one picture, levels 0 to 255.
pub(super) struct Channels(pub [Plane; 3]);

impl Channels {
    pub fn of(image: &RgbImage) -> Self {
        let (w, h) = (image.width() as usize, image.height() as usize);
        let raw = image.as_raw();
        Self([0, 1, 2].map(|c| Plane::of(w, h, |i| f32::from(raw[3 * i + c]))))
    }

    /// As an 8-bit picture.
    pub fn image(&self) -> RgbImage {
        let (w, h) = (self.0[0].width as u32, self.0[0].height as u32);
        let level = |c: usize, i: usize| self.0[c].data[i].round().clamp(0.0, 255.0) as u8;
        RgbImage::from_fn(w, h, |x, y| {
            let i = (y * w + x) as usize;
            image::Rgb([0, 1, 2].map(|c| level(c, i)))
        })
    }

    pub fn luma(&self) -> Plane {
        let [r, g, b] = &self.0;
        Plane::of(r.width, r.height, |i| 0.299 * r.data[i] + 0.587 * g.data[i] + 0.114 * b.data[i])
    }

    pub fn soft(&self) -> Self {
        Self([0, 1, 2].map(|c| self.0[c].mean(1)))
    }

    /// Applies a gain and an offset per channel so that unchanged pixels look as in `after`. To find those
    /// pixels, four rounds leave out the pixels that still differ most.
    pub fn matched_to(&self, after: &Channels, valid: &[bool]) -> Self {
        let mut same = valid.to_vec();
        let mut out = Self(self.0.clone());
        for _ in 0..ROUNDS {
            for (c, plane) in out.0.iter_mut().enumerate() {
                let ((ma, sa), (mb, sb)) = (spread(&self.0[c].data, &same), spread(&after.0[c].data, &same));
                let gain = (sb / sa).clamp(GAIN.0, GAIN.1);
                for (value, old) in plane.data.iter_mut().zip(&self.0[c].data) {
                    *value = gain * (old - ma) + mb;
                }
            }
            let apart = out.apart(after).mean(2);
            let mut known: Vec<f32> =
                apart.data.iter().zip(valid).filter(|(_, v)| **v).map(|(d, _)| *d).collect();
            if known.is_empty() {
                break;
            }
            let n = ((known.len() - 1) as f32 * ALIKE) as usize;
            let (_, limit, _) = known.select_nth_unstable_by(n, f32::total_cmp);
            let limit = *limit;
            same = apart.data.iter().zip(valid).map(|(d, v)| *v && *d <= limit).collect();
        }
        out
    }

    /// Mean absolute difference of the three channels.
    pub fn apart(&self, other: &Channels) -> Plane {
        let [a, b] = [&self.0, &other.0];
        Plane::of(a[0].width, a[0].height, |i| {
            (0..3).map(|c| (a[c].data[i] - b[c].data[i]).abs()).sum::<f32>() / 3.0
        })
    }
}

/// Mean and standard deviation, the latter at least 0.1.
fn spread(data: &[f32], of: &[bool]) -> (f32, f32) {
    let (mut n, mut sum, mut squares) = (0.0f64, 0.0f64, 0.0f64);
    for value in data.iter().zip(of).filter(|(_, of)| **of).map(|(v, _)| f64::from(*v)) {
        (n, sum, squares) = (n + 1.0, sum + value, squares + value * value);
    }
    let mean = sum / n.max(1.0);
    (mean as f32, ((squares / n.max(1.0) - mean * mean).max(0.0).sqrt() as f32).max(0.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evening_light_is_removed_and_a_new_roof_is_not() {
        let before = RgbImage::from_fn(64, 64, |x, y| {
            let v = ((x * 7 + y * 13) % 90) as u8 + 60;
            image::Rgb([v, v + 10, v / 2])
        });
        let after = RgbImage::from_fn(64, 64, |x, y| {
            let image::Rgb([r, g, b]) = *before.get_pixel(x, y);
            let dim = |v: u8, gain: f32| (f32::from(v) * gain + 5.0) as u8;
            if x < 16 && y < 16 {
                image::Rgb([240; 3])
            } else {
                image::Rgb([dim(r, 0.9), dim(g, 0.7), dim(b, 0.6)])
            }
        });
        let (before, after) = (Channels::of(&before), Channels::of(&after));
        let apart = before.matched_to(&after, &[true; 64 * 64]).apart(&after);
        assert!(apart.data[40 * 64 + 40] < 3.0, "{}", apart.data[40 * 64 + 40]);
        assert!(apart.data[8 * 64 + 8] > 50.0);
    }
}
