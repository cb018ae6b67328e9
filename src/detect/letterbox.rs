//! A picture, packed RGB or as decoders give it -> the network's float tensor, in one pass.
//!
//! Bilinear with half-pixel centres and no antialiasing, rounded to whole pixel values (halves up) and only then
//! normalised, because that is what networks are trained on. models/training/reference.py is the yardstick.

mod planar;

use super::manifest::{Channels, InputSpec, LetterboxMode};
use crate::base::Rect;

use planar::Lines;

/// A part of a picture, in whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// Where every input pixel comes from, for crops of one size.
#[derive(Debug)]
pub struct Letterbox {
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    left: usize,
    top: usize,
    scale_x: f32,
    scale_y: f32,
    size: (u32, u32),
    /// Interpolated source rows, `columns * 3` long, and which row each holds.
    held: [Vec<f32>; 2],
    /// The same of planar pictures; made when the first one comes.
    lines: Option<Lines>,
}

/// Two neighbours in the source and the weight of the second.
#[derive(Clone, Copy, Debug)]
struct Tap {
    low: usize,
    high: usize,
    weight: f32,
}

impl Letterbox {
    /// For crops of `width` x `height` pixels, both above 0.
    pub fn new(spec: &InputSpec, width: u32, height: u32) -> Self {
        let (to_w, to_h) = (f64::from(spec.width), f64::from(spec.height));
        let (w, h) = (f64::from(width), f64::from(height));
        let ratio = (to_w / w).min(to_h / h);
        let fit = |size: f64, limit: u32| ((size * ratio + 0.5).floor() as u32).clamp(1, limit);
        let (new_w, new_h) = match spec.letterbox {
            LetterboxMode::Stretch => (spec.width, spec.height),
            LetterboxMode::TopLeft | LetterboxMode::Center => (fit(w, spec.width), fit(h, spec.height)),
        };
        let (left, top) = match spec.letterbox {
            LetterboxMode::Center => ((spec.width - new_w) / 2, (spec.height - new_h) / 2),
            LetterboxMode::TopLeft | LetterboxMode::Stretch => (0, 0),
        };
        Self {
            columns: taps(width, new_w),
            rows: taps(height, new_h),
            left: left as usize,
            top: top as usize,
            scale_x: (f64::from(new_w) / w) as f32,
            scale_y: (f64::from(new_h) / h) as f32,
            size: (width, height),
            held: [vec![0.0; new_w as usize * 3], vec![0.0; new_w as usize * 3]],
            lines: None,
        }
    }

    /// The size of crop that this was made for.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Fills `tensor` (`[3, height, width]`) from `crop` of a picture of `picture_width` columns.
    ///
    /// The crop lies inside the picture and has the size that this was made for.
    pub fn fill(&mut self, rgb: &[u8], picture_width: u32, crop: Crop, spec: &InputSpec, tensor: &mut [f32]) {
        debug_assert_eq!(self.size, (crop.width, crop.height));
        let (width, height) = (spec.width as usize, spec.height as usize);
        let stride = picture_width as usize * 3;
        let start = crop.y as usize * stride + crop.x as usize * 3;
        let source = |row: usize| &rgb[start + row * stride..][..crop.width as usize * 3];
        let planes = normalisation(spec);
        self.pad(spec, &planes, tensor);
        let n = self.columns.len();
        let [mut low, mut high] = std::mem::take(&mut self.held);
        let mut holds = [usize::MAX; 2];
        for (y, tap) in self.rows.iter().enumerate() {
            if holds[1] == tap.low {
                std::mem::swap(&mut low, &mut high);
                holds.swap(0, 1);
            }
            if holds[0] != tap.low {
                across(source(tap.low), &self.columns, &mut low);
                holds[0] = tap.low;
            }
            if holds[1] != tap.high && tap.weight > 0.0 {
                across(source(tap.high), &self.columns, &mut high);
                holds[1] = tap.high;
            }
            let below = if tap.weight > 0.0 { &high } else { &low };
            for (plane, norm) in planes.iter().enumerate() {
                let place = (plane * height + self.top + y) * width + self.left;
                let from = norm.source * n..(norm.source + 1) * n;
                down(&low[from.clone()], &below[from], tap.weight, norm, &mut tensor[place..place + n]);
            }
        }
        self.held = [low, high];
    }

    fn pad(&self, spec: &InputSpec, planes: &[Norm; 3], tensor: &mut [f32]) {
        let (width, height) = (spec.width as usize, spec.height as usize);
        for (plane, n) in tensor.chunks_exact_mut(width * height).zip(planes) {
            let pad = f32::from(spec.pad) * n.factor + n.offset;
            plane[..self.top * width].fill(pad);
            plane[(self.top + self.rows.len()) * width..].fill(pad);
            for row in plane[self.top * width..].chunks_exact_mut(width).take(self.rows.len()) {
                row[..self.left].fill(pad);
                row[self.left + self.columns.len()..].fill(pad);
            }
        }
    }

    /// Input pixels -> pixels of the crop.
    pub fn undo(&self, rect: &Rect) -> Rect {
        let x = |v: f32| (v - self.left as f32) / self.scale_x;
        let y = |v: f32| (v - self.top as f32) / self.scale_y;
        Rect::new(x(rect.x0), y(rect.y0), x(rect.x1), y(rect.y1))
    }
}

/// How one plane of the tensor is made: of which channel of the picture, and `value * factor + offset`.
struct Norm {
    source: usize,
    factor: f32,
    offset: f32,
}

fn normalisation(spec: &InputSpec) -> [Norm; 3] {
    std::array::from_fn(|plane| Norm {
        source: match spec.channels {
            Channels::Rgb => plane,
            Channels::Bgr => 2 - plane,
        },
        factor: spec.scale / spec.std[plane],
        offset: -spec.mean[plane] / spec.std[plane],
    })
}

fn taps(from: u32, to: u32) -> Vec<Tap> {
    let last = f64::from(from - 1);
    let step = f64::from(from) / f64::from(to);
    (0..to)
        .map(|i| {
            let at = ((f64::from(i) + 0.5) * step - 0.5).clamp(0.0, last);
            let low = at.floor();
            Tap {
                low: low as usize,
                high: (low as usize + 1).min(from as usize - 1),
                weight: (at - low) as f32,
            }
        })
        .collect()
}

/// One source row, interpolated to the input's columns, as three planes.
fn across(row: &[u8], columns: &[Tap], out: &mut [f32]) {
    let (red, rest) = out.split_at_mut(columns.len());
    let (green, blue) = rest.split_at_mut(columns.len());
    for (((tap, r), g), b) in columns.iter().zip(red).zip(green).zip(blue) {
        let low = &row[tap.low * 3..][..3];
        let high = &row[tap.high * 3..][..3];
        let (l, h) = (1.0 - tap.weight, tap.weight);
        *r = f32::from(low[0]) * l + f32::from(high[0]) * h;
        *g = f32::from(low[1]) * l + f32::from(high[1]) * h;
        *b = f32::from(low[2]) * l + f32::from(high[2]) * h;
    }
}

/// Between two interpolated rows, rounded to a pixel value and normalised. Plain arithmetic, so that it vectorises.
fn down(low: &[f32], high: &[f32], weight: f32, norm: &Norm, out: &mut [f32]) {
    for ((low, high), out) in low.iter().zip(high).zip(out) {
        let value = low * (1.0 - weight) + high * weight;
        *out = nearest(value) * norm.factor + norm.offset;
    }
}

/// Nearest whole number of `value` in 0..255, halves up. `f32::floor` is a call where SSE 4.1 is not assumed.
fn nearest(value: f32) -> f32 {
    /// Above this, 32-bit floats have no fractions.
    const WHOLE: f32 = 8_388_608.0;
    let value = value + 0.5;
    let rounded = (value + WHOLE) - WHOLE;
    if rounded > value { rounded - 1.0 } else { rounded }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Reference {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        width: u32,
        height: u32,
        rgb: Vec<u8>,
        input: InputSpec,
        tensor: Vec<f32>,
        placement: [f32; 4],
    }

    fn reference() -> Vec<Case> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/letterbox.json");
        let text = std::fs::read_to_string(path).expect("committed reference");
        serde_json::from_str::<Reference>(&text).expect("reference").cases
    }

    fn tensor(spec: &InputSpec) -> Vec<f32> {
        vec![f32::NAN; (spec.width * spec.height * 3) as usize]
    }

    #[test]
    fn agrees_with_the_numpy_reference_in_every_placing() {
        for case in reference() {
            let mut letterbox = Letterbox::new(&case.input, case.width, case.height);
            let [scale_x, scale_y, left, top] = case.placement;
            assert_eq!([letterbox.left as f32, letterbox.top as f32], [left, top]);
            assert_eq!([letterbox.scale_x, letterbox.scale_y], [scale_x, scale_y]);
            let mut tensor = tensor(&case.input);
            let crop = Crop { x: 0, y: 0, width: case.width, height: case.height };
            letterbox.fill(&case.rgb, case.width, crop, &case.input, &mut tensor);
            for (i, (ours, theirs)) in tensor.iter().zip(&case.tensor).enumerate() {
                assert!((ours - theirs).abs() < 1e-4, "{:?}: {i}: {ours}, not {theirs}", case.input);
            }
        }
    }

    #[test]
    fn a_crop_is_as_the_same_pixels_alone() {
        let case = &reference()[1];
        let crop = Crop { x: 5, y: 3, width: 11, height: 9 };
        let mut alone = Vec::new();
        for y in 3..12 {
            alone.extend_from_slice(&case.rgb[(y * 23 + 5) * 3..][..33]);
        }
        let (mut ours, mut theirs) = (tensor(&case.input), tensor(&case.input));
        Letterbox::new(&case.input, 11, 9).fill(&case.rgb, 23, crop, &case.input, &mut ours);
        Letterbox::new(&case.input, 11, 9).fill(
            &alone,
            11,
            Crop { x: 0, y: 0, ..crop },
            &case.input,
            &mut theirs,
        );
        assert_eq!(ours, theirs);
    }

    #[test]
    fn undo_brings_the_picture_corners_back() {
        for case in reference() {
            let letterbox = Letterbox::new(&case.input, case.width, case.height);
            let (columns, rows) = (letterbox.columns.len() as f32, letterbox.rows.len() as f32);
            let (left, top) = (letterbox.left as f32, letterbox.top as f32);
            let whole = letterbox.undo(&Rect::new(left, top, left + columns, top + rows));
            assert!(whole.x0.abs() < 1e-3 && whole.y0.abs() < 1e-3);
            assert!(
                (whole.x1 - case.width as f32).abs() < 1e-3 && (whole.y1 - case.height as f32).abs() < 1e-3
            );
        }
    }

    #[test]
    fn halves_are_rounded_upwards() {
        assert_eq!(
            [0.0, 0.49, 0.5, 1.5, 2.5, 254.5, 255.0].map(nearest),
            [0.0, 0.0, 1.0, 2.0, 3.0, 255.0, 255.0]
        );
    }
}
