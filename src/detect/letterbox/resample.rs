//! Sampling positions, normalisation and rounding, for the letterboxes of packed and of planar pictures.

use crate::detect::input_spec::{Channels, InputSpec};

/// Two neighbouring source pixels and the weight of the second, 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    pub low: usize,
    pub high: usize,
    pub weight: f32,
}

/// One plane of the tensor: the source channel, and `value * factor + offset`.
pub(super) struct Norm {
    pub source: usize,
    pub factor: f32,
    pub offset: f32,
}

pub(super) fn normalisation(spec: &InputSpec) -> [Norm; 3] {
    std::array::from_fn(|plane| Norm {
        source: match spec.channels {
            Channels::Rgb => plane,
            Channels::Bgr => 2 - plane,
        },
        factor: spec.scale / spec.std[plane],
        offset: -spec.mean[plane] / spec.std[plane],
    })
}

/// Sampling positions of `to` output pixels over `from` source pixels.
pub(super) fn taps(from: u32, to: u32) -> Vec<Tap> {
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

/// Rounds a value of 0..255 to the nearest integer, halves up. Without SSE 4.1 `f32::floor` is a function
/// call.
pub(super) fn round_half_up(value: f32) -> f32 {
    /// From here on 32-bit floats have no fraction.
    const WHOLE: f32 = 8_388_608.0;
    let value = value + 0.5;
    let rounded = (value + WHOLE) - WHOLE;
    if rounded > value { rounded - 1.0 } else { rounded }
}
