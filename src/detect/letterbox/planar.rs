//! The letterbox for pictures as decoders give them: planes -> tensor, without the full-size RGB between.
//!
//! Luma and both differences are interpolated first and only then become RGB. The same arithmetic on whole pictures gives
//! the same values but where a colour leaves 0..255, so results stay within a level or two of the way over RGB.

use crate::decode::{Colour, Yuv};
use crate::detect::manifest::InputSpec;

use super::{Crop, Letterbox, Norm, Tap, nearest, normalisation};

/// Two source rows of one plane, interpolated to the input's columns, and which rows they are.
#[derive(Debug)]
struct Pair {
    rows: [usize; 2],
    values: [Vec<f32>; 2],
}

/// Rows of luma and of both differences.
#[derive(Debug)]
pub(super) struct Lines {
    luma: Pair,
    blue: Pair,
    red: Pair,
}

impl Lines {
    pub fn new(columns: usize) -> Self {
        let pair = || Pair { rows: [usize::MAX; 2], values: [vec![0.0; columns], vec![0.0; columns]] };
        Self { luma: pair(), blue: pair(), red: pair() }
    }

    fn forget(&mut self) {
        for pair in [&mut self.luma, &mut self.blue, &mut self.red] {
            pair.rows = [usize::MAX; 2];
        }
    }
}

impl Pair {
    /// The rows that `tap` names, in its order.
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
            across(row(tap.low), columns, step, &mut self.values[0]);
            self.rows[0] = tap.low;
        }
        if tap.weight > 0.0 && self.rows[1] != tap.high {
            across(row(tap.high), columns, step, &mut self.values[1]);
            self.rows[1] = tap.high;
        }
        let second = usize::from(tap.weight > 0.0);
        [&self.values[0], &self.values[second]]
    }
}

impl Letterbox {
    /// As [`fill`](Self::fill), from a planar picture.
    pub fn fill_planar(&mut self, yuv: &Yuv, crop: Crop, spec: &InputSpec, tensor: &mut [f32]) {
        debug_assert_eq!(self.size, (crop.width, crop.height));
        let (width, height) = (spec.width as usize, spec.height as usize);
        let norms = normalisation(spec);
        self.pad(spec, &norms, tensor);
        let n = self.columns.len();
        let mut lines = self.lines.take().unwrap_or_else(|| Lines::new(n));
        lines.forget();
        let half = |size: u32| (size as usize).div_ceil(2) - 1;
        // In line with the even columns, half-way between two rows.
        let columns = differences(&self.columns, crop.x, 0.0, half(yuv.width()));
        let rows = differences(&self.rows, crop.y, 0.5, half(yuv.height()));
        let left = crop.x as usize;
        let (step, colour) = (yuv.chroma_step(), yuv.colour());
        let mut planes = tensor.chunks_exact_mut(width * height);
        let mut planes: [&mut [f32]; 3] = std::array::from_fn(|_| planes.next().unwrap_or_default());
        for (y, (tap, difference)) in self.rows.iter().zip(&rows).enumerate() {
            let top = crop.y as usize;
            let luma = lines.luma.at(*tap, &self.columns, 1, |row| &yuv.luma_row(top + row)[left..]);
            let blue = lines.blue.at(*difference, &columns, step, |row| yuv.chroma_row(row)[0]);
            let red = lines.red.at(*difference, &columns, step, |row| yuv.chroma_row(row)[1]);
            let place = (self.top + y) * width + self.left;
            let [p0, p1, p2] = &mut planes;
            let out = [&mut p0[place..place + n], &mut p1[place..place + n], &mut p2[place..place + n]];
            pixels(luma, tap.weight, [blue, red], difference.weight, colour, &norms, out);
        }
        self.lines = Some(lines);
    }
}

/// Where the chroma of each output pixel comes from. `origin`: of the crop, in pixels of the picture; `shift`: how far
/// behind the first luma sample the first chroma sample lies.
fn differences(taps: &[Tap], origin: u32, shift: f32, last: usize) -> Vec<Tap> {
    let tap = |tap: &Tap| {
        let at = (tap.low + origin as usize) as f32 + tap.weight;
        let at = ((at - shift) / 2.0).clamp(0.0, last as f32);
        let low = at.floor();
        Tap { low: low as usize, high: (low as usize + 1).min(last), weight: at - low }
    };
    taps.iter().map(tap).collect()
}

fn across(row: &[u8], columns: &[Tap], step: usize, out: &mut [f32]) {
    for (tap, out) in columns.iter().zip(out) {
        let (low, high) = (f32::from(row[tap.low * step]), f32::from(row[tap.high * step]));
        *out = low + (high - low) * tap.weight;
    }
}

/// One row of output pixels. Plain arithmetic over slices of one length, so that it vectorises.
fn pixels(
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
            *out = nearest(value) * norm.factor + norm.offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Layout, Picture, Pixels};
    use crate::detect::manifest::{Channels, LetterboxMode};

    /// Smooth, colourful, all within 0..255 as RGB.
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
    fn planes_give_what_the_way_over_rgb_gives() {
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
            // Twice: nothing of the picture before may stay.
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
