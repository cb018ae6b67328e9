//! Input and classes of a network, for the decoder of its head.

use super::looks::{Looks, looks};
use crate::detect::OutputError;
use crate::detect::manifest::HeadKind;
use crate::detect::onnx::{Data, Output};

/// The input of a decoder besides the tensors.
#[derive(Clone, Copy, Debug)]
pub(in crate::detect) struct Context {
    pub kind: HeadKind,
    /// Size of the network's input in pixels.
    pub width: u32,
    pub height: u32,
    pub classes: usize,
    /// Lowest score of a candidate.
    pub floor: f32,
}

impl Context {
    /// The error for outputs of a wrong shape. What they look like is better advice than what this head would need.
    pub(super) fn mismatch(
        &self,
        needed: impl Into<String>,
        outputs: &[Output<'_>],
        advice: impl Into<String>,
    ) -> OutputError {
        let looks = looks((self.width, self.height), Some((self.kind, self.classes)), outputs);
        let other = looks.advice().filter(|_| !matches!(looks, Looks::Like(kind, _) if kind == self.kind));
        let given: Vec<String> = outputs.iter().map(|o| format!("{} {:?}", o.name, o.dims)).collect();
        OutputError::Shape {
            kind: self.kind.as_str(),
            classes: self.classes,
            needed: needed.into(),
            given: given.join(", "),
            advice: other.unwrap_or_else(|| advice.into()),
        }
    }
}

impl<'a> Output<'a> {
    /// Rows, columns and values of a float tensor `[1, rows, columns]`.
    pub(super) fn matrix(&self) -> Option<(usize, usize, &'a [f32])> {
        match (self.dims.as_slice(), &self.data) {
            (&[1, rows, columns], Data::F32(values)) if values.len() == rows * columns => {
                Some((rows, columns, values))
            }
            _ => None,
        }
    }
}
