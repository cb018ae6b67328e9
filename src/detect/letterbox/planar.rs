//! Letterboxes planar pictures into the tensor, without a full-size RGB picture.
//!
//! Interpolates luma and both chroma planes first, and then converts to RGB. Both steps are linear, so the
//! result differs only where a colour is clipped to 0..255. It stays within two levels of the conversion
//! through RGB.

use crate::decode::{Colour, Yuv};
use crate::detect::crop::Crop;

use super::resample::{Norm, Tap, round_half_up};

/// Two source rows of one plane, interpolated to the input's columns, and their row numbers.
#[derive(Debug)]
struct RowPair {
    rows: [usize; 2],
    values: [Vec<f32>; 2],
}

/// Row buffers of luma and both chroma planes.
#[derive(Debug)]
pub(super) struct PlanarRows {
    luma: RowPair,
    blue: RowPair,
    red: RowPair,
}

/// The tensor (`[3, height, width]`) and where the picture begins in it, in pixels.
pub(super) struct Target<'a> {
    pub tensor: &'a mut [f32],
    pub size: (usize, usize),
    pub origin: (usize, usize),
}

impl PlanarRows {
    pub fn new(columns: usize) -> Self {
        let pair = || RowPair { rows: [usize::MAX; 2], values: [vec![0.0; columns], vec![0.0; columns]] };
        Self { luma: pair(), blue: pair(), red: pair() }
    }

    /// Fills the picture's part of the tensor. `taps`: sampling positions of columns and rows within the
    /// crop.
    pub fn fill(
        &mut self,
        yuv: &Yuv,
        crop: Crop,
        [column_taps, row_taps]: [&[Tap]; 2],
        norms: &[Norm; 3],
        target: Target<'_>,
    ) {
        self.reset();
        let ((width, height), (origin_x, origin_y)) = (target.size, target.origin);
        let n = column_taps.len();
        let half = |size: u32| (size as usize).div_ceil(2) - 1;
        // Chroma samples are at the even columns, half-way between two rows.
        let columns = chroma_taps(column_taps, crop.x, 0.0, half(yuv.width()));
        let rows = chroma_taps(row_taps, crop.y, 0.5, half(yuv.height()));
        let (left, top) = (crop.x as usize, crop.y as usize);
        let (step, colour) = (yuv.chroma_step(), yuv.colour());
        let mut planes = target.tensor.chunks_exact_mut(width * height);
        let mut planes: [&mut [f32]; 3] = std::array::from_fn(|_| planes.next().unwrap_or_default());
        for (y, (tap, chroma)) in row_taps.iter().zip(&rows).enumerate() {
            let luma = self.luma.at(*tap, column_taps, 1, |row| &yuv.luma_row(top + row)[left..]);
            let blue = self.blue.at(*chroma, &columns, step, |row| yuv.chroma_row(row)[0]);
            let red = self.red.at(*chroma, &columns, step, |row| yuv.chroma_row(row)[1]);
            let start = (origin_y + y) * width + origin_x;
            let [p0, p1, p2] = &mut planes;
            let out = [&mut p0[start..start + n], &mut p1[start..start + n], &mut p2[start..start + n]];
            convert_row(luma, tap.weight, [blue, red], chroma.weight, colour, norms, out);
        }
    }

    fn reset(&mut self) {
        for pair in [&mut self.luma, &mut self.blue, &mut self.red] {
            pair.rows = [usize::MAX; 2];
        }
    }
}

impl RowPair {
    /// The two rows of `tap`, in its order. Interpolates those that are not buffered yet.
    fn at<'a>(
        &mut self,
        tap: Tap,
        columns: &[Tap],
        step: usize,
        row: impl Fn(usize) -> &'a [u8],
    ) -> [&[f32]; 2] {
        if self.rows[1] == tap.low {
            self.values.swap(0, 1);
            self.rows.swap(0, 1);
        }
        if self.rows[0] != tap.low {
            resample_row(row(tap.low), columns, step, &mut self.values[0]);
            self.rows[0] = tap.low;
        }
        if tap.weight > 0.0 && self.rows[1] != tap.high {
            resample_row(row(tap.high), columns, step, &mut self.values[1]);
            self.rows[1] = tap.high;
        }
        let second = usize::from(tap.weight > 0.0);
        [&self.values[0], &self.values[second]]
    }
}

/// Sampling positions of the chroma of each output pixel. `origin`: start of the crop, in pixels of the
/// picture; `shift`: distance from the first luma sample to the first chroma sample, in luma samples.
fn chroma_taps(taps: &[Tap], origin: u32, shift: f32, last: usize) -> Vec<Tap> {
    let tap = |tap: &Tap| {
        let at = (tap.low + origin as usize) as f32 + tap.weight;
        let at = ((at - shift) / 2.0).clamp(0.0, last as f32);
        let low = at.floor();
        Tap { low: low as usize, high: (low as usize + 1).min(last), weight: at - low }
    };
    taps.iter().map(tap).collect()
}

fn resample_row(row: &[u8], columns: &[Tap], step: usize, out: &mut [f32]) {
    for (tap, out) in columns.iter().zip(out) {
        let (low, high) = (f32::from(row[tap.low * step]), f32::from(row[tap.high * step]));
        *out = low + (high - low) * tap.weight;
    }
}

/// Converts one row of output pixels. Plain arithmetic over slices of one length, so that it vectorises.
fn convert_row(
    luma: [&[f32]; 2],
    weight: f32,
    [blue, red]: [[&[f32]; 2]; 2],
    chroma_weight: f32,
    colour: &Colour,
    norms: &[Norm; 3],
    out: [&mut [f32]; 3],
) {
    let n = out[0].len();
    let between = |[low, high]: [&[f32]; 2], weight: f32, i: usize| low[i] + (high[i] - low[i]) * weight;
    let luma = luma.map(|row| &row[..n]);
    let (blue, red) = (blue.map(|row| &row[..n]), red.map(|row| &row[..n]));
    for (plane, norm) in out.into_iter().zip(norms) {
        let (of_blue, of_red) = match norm.source {
            0 => (0.0, colour.red_v),
            1 => (colour.green_u, colour.green_v),
            _ => (colour.blue_u, 0.0),
        };
        for (i, out) in plane[..n].iter_mut().enumerate() {
            let luma = (between(luma, weight, i) - colour.black) * colour.gain;
            let blue = between(blue, chroma_weight, i) - 128.0;
            let red = between(red, chroma_weight, i) - 128.0;
            let value = (luma + blue * of_blue + red * of_red).clamp(0.0, 255.0);
            *out = round_half_up(value) * norm.factor + norm.offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Layout, Picture, Pixels};
    use crate::detect::input_spec::{Channels, InputSpec, LetterboxMode};
    use crate::detect::letterbox::Letterbox;

    /// A smooth, colourful picture within 0..255 as RGB.
    fn yuv(width: u32, height: u32, step: usize) -> Yuv {
        let wave = |x: usize, y: usize, a: f32, b: f32| ((x as f32 * a + y as f32 * b).sin() * 30.0) + 128.0;
        let plane = |w: usize, h: usize, a: f32, b: f32| -> Vec<u8> {
            (0..h).flat_map(|y| (0..w).map(move |x| wave(x, y, a, b) as u8)).collect()
        };
        let (w, h) = (width as usize, height as usize);
        let (u, v) = (
            plane(w.div_ceil(2), h.div_ceil(2), 0.11, 0.05),
            plane(w.div_ceil(2), h.div_ceil(2), 0.04, 0.13),
        );
        let chroma = match step {
            1 => [u.into(), v.into()],
            _ => {
                let both: bytes::Bytes =
                    u.iter().zip(&v).flat_map(|(u, v)| [*u, *v]).collect::<Vec<_>>().into();
                [both.clone(), both.slice(1..)]
            }
        };
        let layout = Layout {
            luma: plane(w, h, 0.07, 0.09).into(),
            luma_stride: w,
            chroma,
            chroma_stride: w.div_ceil(2) * step,
            chroma_step: step,
        };
        Yuv::new(width, height, layout, Colour::new(0.2126, 0.0722, false)).expect("whole")
    }

    fn spec() -> InputSpec {
        InputSpec {
            width: 96,
            height: 64,
            channels: Channels::Bgr,
            scale: 1.0,
            mean: [0.0; 3],
            std: [1.0; 3],
            letterbox: LetterboxMode::Center,
            pad: 114,
        }
    }

    #[test]
    fn planes_give_the_same_as_the_conversion_through_rgb() {
        for (crop, step) in [
            (Crop { x: 0, y: 0, width: 321, height: 179 }, 1),
            (Crop { x: 0, y: 0, width: 321, height: 179 }, 2),
            (Crop { x: 37, y: 51, width: 80, height: 70 }, 1),
            (Crop { x: 38, y: 10, width: 30, height: 25 }, 2),
        ] {
            let yuv = yuv(321, 179, step);
            let picture = Picture {
                width: 321,
                height: 179,
                pixels: Pixels::Yuv(yuv.clone()),
                ..Picture::grey(|_, _| 0)
            };
            let spec = spec();
            let mut letterbox = Letterbox::new(&spec, crop.width, crop.height);
            let (mut ours, mut theirs) = (vec![f32::NAN; 96 * 64 * 3], vec![f32::NAN; 96 * 64 * 3]);
            // Twice: no value of the first picture may remain.
            letterbox.fill_planar(&self::yuv(321, 179, step), Crop { x: 0, y: 0, ..crop }, &spec, &mut ours);
            letterbox.fill_planar(&yuv, crop, &spec, &mut ours);
            letterbox.fill(&picture.rgb(), 321, crop, &spec, &mut theirs);
            let apart: Vec<f32> = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).collect();
            let mean = apart.iter().sum::<f32>() / apart.len() as f32;
            let most = apart.iter().copied().fold(0.0, f32::max);
            assert!(most <= 2.0 && mean < 0.4, "{crop:?}, step {step}: mean {mean}, most {most}");
        }
    }
}
