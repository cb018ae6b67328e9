//! Converts a picture, packed RGB or planar, into the network's float tensor in one pass.
//!
//! Bilinear with half-pixel centres and without antialiasing. Values are rounded to integers (halves up)
//! before they are normalised, because networks are trained that way. models/training/reference.py is the
//! reference.

mod planar;
mod resample;

use super::crop::Crop;
use super::input_spec::{InputSpec, LetterboxMode};
use crate::base::Rect;
use crate::decode::Yuv;

use planar::PlanarRows;
use resample::{Norm, Tap, normalisation, round_half_up, taps};

/// The mapping from crops of one size to the network's input.
#[derive(Debug)]
pub struct Letterbox {
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    left: usize,
    top: usize,
    scale_x: f32,
    scale_y: f32,
    size: (u32, u32),
    /// Buffers for two interpolated source rows, each `columns * 3` long.
    rgb_rows: [Vec<f32>; 2],
    /// The same for planar pictures; allocated at the first one.
    planar_rows: Option<PlanarRows>,
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
        Self::placed((width, height), (new_w, new_h), (left, top))
    }

    /// For crops of one size that fill the part of the input with this size and origin (left, top).
    pub fn placed((width, height): (u32, u32), (new_w, new_h): (u32, u32), (left, top): (u32, u32)) -> Self {
        Self {
            columns: taps(width, new_w),
            rows: taps(height, new_h),
            left: left as usize,
            top: top as usize,
            scale_x: (f64::from(new_w) / f64::from(width)) as f32,
            scale_y: (f64::from(new_h) / f64::from(height)) as f32,
            size: (width, height),
            rgb_rows: [vec![0.0; new_w as usize * 3], vec![0.0; new_w as usize * 3]],
            planar_rows: None,
        }
    }

    /// Width and height in pixels of this letterbox's crops.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Fills `tensor` (`[3, height, width]`) from a crop of packed RGB, `picture_width` pixels wide.
    ///
    /// The crop must lie inside the picture and have this letterbox's [`size`](Self::size).
    pub fn fill(&mut self, rgb: &[u8], picture_width: u32, crop: Crop, spec: &InputSpec, tensor: &mut [f32]) {
        debug_assert_eq!(self.size, (crop.width, crop.height));
        let (width, height) = (spec.width as usize, spec.height as usize);
        let stride = picture_width as usize * 3;
        let first = crop.y as usize * stride + crop.x as usize * 3;
        let source = |row: usize| &rgb[first + row * stride..][..crop.width as usize * 3];
        let planes = normalisation(spec);
        self.pad(spec, &planes, tensor);
        let n = self.columns.len();
        let [mut low, mut high] = std::mem::take(&mut self.rgb_rows);
        let mut held = [usize::MAX; 2];
        for (y, tap) in self.rows.iter().enumerate() {
            if held[1] == tap.low {
                std::mem::swap(&mut low, &mut high);
                held.swap(0, 1);
            }
            if held[0] != tap.low {
                resample_row(source(tap.low), &self.columns, &mut low);
                held[0] = tap.low;
            }
            if held[1] != tap.high && tap.weight > 0.0 {
                resample_row(source(tap.high), &self.columns, &mut high);
                held[1] = tap.high;
            }
            let below = if tap.weight > 0.0 { &high } else { &low };
            for (plane, norm) in planes.iter().enumerate() {
                let start = (plane * height + self.top + y) * width + self.left;
                let from = norm.source * n..(norm.source + 1) * n;
                blend_rows(&low[from.clone()], &below[from], tap.weight, norm, &mut tensor[start..start + n]);
            }
        }
        self.rgb_rows = [low, high];
    }

    /// As [`fill`](Self::fill), from a planar picture.
    pub fn fill_planar(&mut self, yuv: &Yuv, crop: Crop, spec: &InputSpec, tensor: &mut [f32]) {
        debug_assert_eq!(self.size, (crop.width, crop.height));
        let norms = normalisation(spec);
        self.pad(spec, &norms, tensor);
        let n = self.columns.len();
        let mut rows = self.planar_rows.take().unwrap_or_else(|| PlanarRows::new(n));
        let origin = (self.left, self.top);
        let size = (spec.width as usize, spec.height as usize);
        rows.fill(yuv, crop, [&self.columns, &self.rows], &norms, planar::Target { tensor, size, origin });
        self.planar_rows = Some(rows);
    }

    /// Fills the margins around the picture.
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

    /// Maps pixels of the network's input to pixels of the crop.
    pub fn to_crop(&self, rect: &Rect) -> Rect {
        let x = |v: f32| (v - self.left as f32) / self.scale_x;
        let y = |v: f32| (v - self.top as f32) / self.scale_y;
        Rect::new(x(rect.x0), y(rect.y0), x(rect.x1), y(rect.y1))
    }
}

/// Interpolates one source row to the input's columns, into three planes.
fn resample_row(row: &[u8], columns: &[Tap], out: &mut [f32]) {
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

/// Interpolates between two rows, rounds and normalises. Plain arithmetic, so that it vectorises.
fn blend_rows(low: &[f32], high: &[f32], weight: f32, norm: &Norm, out: &mut [f32]) {
    for ((low, high), out) in low.iter().zip(high).zip(out) {
        let value = low * (1.0 - weight) + high * weight;
        *out = round_half_up(value) * norm.factor + norm.offset;
    }
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
    fn agrees_with_the_numpy_reference_in_every_mode() {
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
    fn a_crop_equals_the_same_pixels_alone() {
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
    fn to_crop_restores_the_picture_corners() {
        for case in reference() {
            let letterbox = Letterbox::new(&case.input, case.width, case.height);
            let (columns, rows) = (letterbox.columns.len() as f32, letterbox.rows.len() as f32);
            let (left, top) = (letterbox.left as f32, letterbox.top as f32);
            let whole = letterbox.to_crop(&Rect::new(left, top, left + columns, top + rows));
            assert!(whole.x0.abs() < 1e-3 && whole.y0.abs() < 1e-3);
            assert!(
                (whole.x1 - case.width as f32).abs() < 1e-3 && (whole.y1 - case.height as f32).abs() < 1e-3
            );
        }
    }

    #[test]
    fn halves_are_rounded_upwards() {
        assert_eq!(
            [0.0, 0.49, 0.5, 1.5, 2.5, 254.5, 255.0].map(round_half_up),
            [0.0, 0.0, 1.0, 2.0, 3.0, 255.0, 255.0]
        );
    }
}
