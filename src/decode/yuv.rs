//! Planar pictures (4:2:0) as decoders output them, and their conversion to RGB.
//!
//! Chroma samples lie where H.264 and H.265 put them by default (chroma_sample_loc_type 0): in line with the
//! even columns, half-way between two rows. They are interpolated linearly in both directions.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::ingest::Orientation;

/// One picture of 8 bits in 4:2:0, planar (I420) or with interleaved chroma (NV12).
#[derive(Clone)]
pub struct Yuv {
    width: u32,
    height: u32,
    luma: Bytes,
    luma_stride: usize,
    /// Blue difference, then red.
    chroma: [Bytes; 2],
    chroma_stride: usize,
    /// Distance of two chroma samples of a plane in bytes: 1, or 2 where both planes are interleaved.
    chroma_step: usize,
    colour: Colour,
    rgb: Arc<OnceLock<Bytes>>,
}

/// The planes of a picture as they lie in memory.
pub struct Layout {
    pub luma: Bytes,
    pub luma_stride: usize,
    pub chroma: [Bytes; 2],
    pub chroma_stride: usize,
    pub chroma_step: usize,
}

/// Coefficients from sample values to RGB of 0..255: `luma = (y - black) * gain`, plus a share of each chroma
/// sample's difference from 128.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Colour {
    pub black: f32,
    pub gain: f32,
    pub red_v: f32,
    pub green_u: f32,
    pub green_v: f32,
    pub blue_u: f32,
}

impl Colour {
    /// `kr` and `kb` of the matrix coefficients in ITU-T H.273 (BT.601: 0.299, 0.114; BT.709: 0.2126,
    /// 0.0722). `full_range`: samples use all of 0..255.
    pub fn new(kr: f32, kb: f32, full_range: bool) -> Self {
        let (black, gain, spread) =
            if full_range { (0.0, 1.0, 1.0) } else { (16.0, 255.0 / 219.0, 255.0 / 224.0) };
        let kg = 1.0 - kr - kb;
        Self {
            black,
            gain,
            red_v: 2.0 * (1.0 - kr) * spread,
            green_u: -2.0 * (1.0 - kb) * kb / kg * spread,
            green_v: -2.0 * (1.0 - kr) * kr / kg * spread,
            blue_u: 2.0 * (1.0 - kb) * spread,
        }
    }
}

impl Yuv {
    /// `None` if a plane is too small for the size.
    pub fn new(width: u32, height: u32, layout: Layout, colour: Colour) -> Option<Self> {
        let Layout { luma, luma_stride, chroma, chroma_stride, chroma_step } = layout;
        let (w, h) = (width as usize, height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let holds = |plane: &Bytes, stride: usize, row: usize, rows: usize| {
            row > 0 && stride >= row && plane.len() >= stride * rows.saturating_sub(1) + row
        };
        let chroma_row = cw.saturating_sub(1) * chroma_step + 1;
        let whole = h > 0
            && chroma_step > 0
            && holds(&luma, luma_stride, w, h)
            && chroma.iter().all(|plane| holds(plane, chroma_stride, chroma_row, ch));
        let rgb = Arc::default();
        whole.then_some(Self {
            width,
            height,
            luma,
            luma_stride,
            chroma,
            chroma_stride,
            chroma_step,
            colour,
            rgb,
        })
    }

    /// Mirrored and turned so that it stands upright. Shares the planes of a picture that does already.
    pub fn upright(self, how: Orientation) -> Self {
        if how == Orientation::default() {
            return self;
        }
        let size = (self.width as usize, self.height as usize);
        let half = (size.0.div_ceil(2), size.1.div_ceil(2));
        let luma = turned(size, how, |x, y| self.luma[y * self.luma_stride + x]);
        let chroma = [0, 1].map(|plane| {
            turned(half, how, |x, y| self.chroma[plane][y * self.chroma_stride + x * self.chroma_step])
        });
        let (width, height) = how.size((self.width, self.height));
        Self {
            width,
            height,
            luma,
            luma_stride: width as usize,
            chroma,
            chroma_stride: width.div_ceil(2) as usize,
            chroma_step: 1,
            colour: self.colour,
            rgb: Arc::default(),
        }
    }

    pub fn width(&self) -> u32 {
        self.width
    }

    pub fn height(&self) -> u32 {
        self.height
    }

    pub fn colour(&self) -> &Colour {
        &self.colour
    }

    /// One row of `width` luma samples. `row` must be below the height.
    pub fn luma_row(&self, row: usize) -> &[u8] {
        &self.luma[row * self.luma_stride..][..self.width as usize]
    }

    /// One row of blue and one of red differences; sample `i` is at `i * chroma_step()`. `row` must be below
    /// half the height, rounded up.
    pub fn chroma_row(&self, row: usize) -> [&[u8]; 2] {
        let length = ((self.width as usize).div_ceil(2) - 1) * self.chroma_step + 1;
        let row = |plane: usize| &self.chroma[plane][row * self.chroma_stride..][..length];
        [row(0), row(1)]
    }

    pub fn chroma_step(&self) -> usize {
        self.chroma_step
    }

    /// Packed RGB, converted once and shared by all clones.
    pub(super) fn rgb(&self) -> Bytes {
        self.rgb.get_or_init(|| self.convert().into()).clone()
    }

    fn convert(&self) -> Vec<u8> {
        let (width, height) = (self.width as usize, self.height as usize);
        let (columns, rows) = (width.div_ceil(2), height.div_ceil(2));
        let fixed = Fixed::of(&self.colour);
        // The two differences of each pixel of one row, times 8.
        let mut differences = [vec![0i32; width], vec![0i32; width]];
        let mut between = vec![0i32; columns];
        let mut rgb = vec![0u8; width * height * 3];
        for (y, out) in rgb.chunks_exact_mut(width * 3).enumerate() {
            let near = y / 2;
            let far = if y % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(rows - 1) };
            let (near, far) = (self.chroma_row(near), self.chroma_row(far));
            for plane in 0..2 {
                let samples = near[plane].iter().step_by(self.chroma_step);
                let others = far[plane].iter().step_by(self.chroma_step);
                for ((out, near), far) in between.iter_mut().zip(samples).zip(others) {
                    *out = 3 * i32::from(*near) + i32::from(*far) - 512;
                }
                widen(&between, &mut differences[plane]);
            }
            let [u, v] = &differences;
            for (((out, luma), u), v) in out.chunks_exact_mut(3).zip(self.luma_row(y)).zip(u).zip(v) {
                let pixel = fixed.rgb(i32::from(*luma), *u, *v);
                out.copy_from_slice(&pixel);
            }
        }
        rgb
    }
}

/// Interpolates to full width: samples on the even columns, means of two on the odd ones. Input is scaled by
/// 4, output by 8.
fn widen(samples: &[i32], out: &mut [i32]) {
    let last = samples[samples.len() - 1];
    let next = samples[1..].iter().chain(std::iter::once(&last));
    for ((pair, here), next) in out.chunks_mut(2).zip(samples).zip(next) {
        pair[0] = here * 2;
        if let Some(odd) = pair.get_mut(1) {
            *odd = here + next;
        }
    }
}

/// [`Colour`] in fixed point, for plain luma and differences times 8.
struct Fixed {
    black: i32,
    gain: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl Fixed {
    const BITS: i32 = 16;

    fn of(colour: &Colour) -> Self {
        let one = (1 << Self::BITS) as f32;
        let luma = |v: f32| (v * one).round() as i32;
        let difference = |v: f32| (v * one / 8.0).round() as i32;
        Self {
            black: colour.black as i32,
            gain: luma(colour.gain),
            red_v: difference(colour.red_v),
            green_u: difference(colour.green_u),
            green_v: difference(colour.green_v),
            blue_u: difference(colour.blue_u),
        }
    }

    fn rgb(&self, luma: i32, u: i32, v: i32) -> [u8; 3] {
        let luma = (luma - self.black) * self.gain + (1 << (Self::BITS - 1));
        let value = |v: i32| (v >> Self::BITS).clamp(0, 255) as u8;
        [
            value(luma + self.red_v * v),
            value(luma + self.green_u * u + self.green_v * v),
            value(luma + self.blue_u * u),
        ]
    }
}

/// A plane of this size, mirrored and turned.
fn turned((width, height): (usize, usize), how: Orientation, sample: impl Fn(usize, usize) -> u8) -> Bytes {
    let (columns, rows) = if how.quarter_turns % 2 == 1 { (height, width) } else { (width, height) };
    let mut plane = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        for column in 0..columns {
            let (x, y) = match how.quarter_turns {
                0 => (column, row),
                1 => (row, height - 1 - column),
                2 => (width - 1 - column, height - 1 - row),
                _ => (width - 1 - row, column),
            };
            plane.push(sample(if how.mirrored { width - 1 - x } else { x }, y));
        }
    }
    plane.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BT601: [f32; 2] = [0.299, 0.114];

    fn flat(y: u8, u: u8, v: u8, full: bool) -> [u8; 3] {
        let plane = |v: u8, n: usize| Bytes::from(vec![v; n]);
        let layout = Layout {
            luma: plane(y, 15),
            luma_stride: 5,
            chroma: [plane(u, 6), plane(v, 6)],
            chroma_stride: 3,
            chroma_step: 1,
        };
        let yuv = Yuv::new(5, 3, layout, Colour::new(BT601[0], BT601[1], full)).expect("large enough");
        let rgb = yuv.rgb();
        assert_eq!(rgb.len(), 45);
        assert!(rgb.chunks(3).all(|pixel| pixel == &rgb[..3]), "one colour everywhere");
        [rgb[0], rgb[1], rgb[2]]
    }

    #[test]
    fn reference_colours_of_the_standard_are_converted() {
        // ITU-R BT.601, 8 bits: black, white, red, blue.
        assert_eq!(flat(16, 128, 128, false), [0, 0, 0]);
        assert_eq!(flat(235, 128, 128, false), [255, 255, 255]);
        assert_eq!(flat(255, 128, 128, true), [255, 255, 255]);
        let near = |ours: [u8; 3], theirs: [u8; 3]| {
            assert!(ours.iter().zip(theirs).all(|(a, b)| a.abs_diff(b) <= 2), "{ours:?}, not {theirs:?}");
        };
        near(flat(81, 90, 240, false), [255, 0, 0]);
        near(flat(41, 240, 110, false), [0, 0, 255]);
        near(flat(76, 85, 255, true), [255, 0, 0]);
    }

    #[test]
    fn interleaved_chroma_is_the_same_picture() {
        let luma: Bytes = (0..64u8).map(|v| v * 3).collect::<Vec<_>>().into();
        let (u, v): (Vec<u8>, Vec<u8>) =
            ((0..16).map(|i| 40 + i * 9).collect(), (0..16).map(|i| 200 - i * 7).collect());
        let both: Bytes = u.iter().zip(&v).flat_map(|(u, v)| [*u, *v]).collect::<Vec<_>>().into();
        let colour = Colour::new(0.2126, 0.0722, false);
        let planar = Layout {
            luma: luma.clone(),
            luma_stride: 8,
            chroma: [u.into(), v.into()],
            chroma_stride: 4,
            chroma_step: 1,
        };
        let interleaved = Layout {
            luma,
            luma_stride: 8,
            chroma: [both.clone(), both.slice(1..)],
            chroma_stride: 8,
            chroma_step: 2,
        };
        let [one, other] = [planar, interleaved].map(|l| Yuv::new(8, 8, l, colour).expect("whole").rgb());
        assert_eq!(one, other);
    }

    #[test]
    fn planes_that_are_too_small_are_refused() {
        let layout = |luma: usize, chroma: usize| Layout {
            luma: vec![0; luma].into(),
            luma_stride: 16,
            chroma: [vec![0; chroma].into(), vec![0; chroma].into()],
            chroma_stride: 8,
            chroma_step: 1,
        };
        let colour = Colour::new(0.299, 0.114, true);
        assert!(Yuv::new(16, 9, layout(144, 40), colour).is_some());
        assert!(Yuv::new(16, 9, layout(143, 40), colour).is_none());
        assert!(Yuv::new(16, 9, layout(144, 39), colour).is_none());
        assert!(Yuv::new(17, 9, layout(200, 60), colour).is_none());
        assert!(Yuv::new(0, 0, layout(0, 0), colour).is_none());
    }

    #[test]
    fn a_picture_is_turned_and_mirrored_to_stand_upright() {
        // 4 x 2: luma 0 to 7, one row of chroma.
        let layout = Layout {
            luma: (0..8).collect::<Vec<u8>>().into(),
            luma_stride: 4,
            chroma: [vec![10, 11].into(), vec![20, 21].into()],
            chroma_stride: 2,
            chroma_step: 1,
        };
        let picture = Yuv::new(4, 2, layout, Colour::new(0.299, 0.114, true)).expect("a picture");
        let luma = |mirrored, quarter_turns| {
            let turned = picture.clone().upright(Orientation { mirrored, quarter_turns });
            let rows = (0..turned.height() as usize).flat_map(|row| turned.luma_row(row).to_vec());
            (turned.width(), turned.height(), rows.collect::<Vec<u8>>())
        };
        assert_eq!(luma(false, 0), (4, 2, vec![0, 1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(luma(false, 1), (2, 4, vec![4, 0, 5, 1, 6, 2, 7, 3]));
        assert_eq!(luma(false, 2), (4, 2, vec![7, 6, 5, 4, 3, 2, 1, 0]));
        assert_eq!(luma(false, 3), (2, 4, vec![3, 7, 2, 6, 1, 5, 0, 4]));
        assert_eq!(luma(true, 0), (4, 2, vec![3, 2, 1, 0, 7, 6, 5, 4]));
        let chroma = picture.upright(Orientation { mirrored: false, quarter_turns: 1 });
        assert_eq!([0, 1].map(|row| chroma.chroma_row(row).map(|c| c[0])), [[10, 20], [11, 21]]);
    }
}
