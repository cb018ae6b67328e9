//! Network outputs -> candidates above a score floor, each with its best class, in pixels of the network's input.

mod detr;
mod end_to_end;
mod yolo;

use super::OutputError;
use super::manifest::HeadKind;
use super::nms::Candidate;
use super::onnx::{Data, Output};

/// What a head must know beside the tensors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub kind: HeadKind,
    pub width: u32,
    pub height: u32,
    pub classes: usize,
    pub floor: f32,
}

/// # Errors
/// Outputs of another shape than the head's, or a class that the manifest lacks.
pub(super) fn decode(context: &Context, outputs: &[Output<'_>]) -> Result<Vec<Candidate>, OutputError> {
    let mut found = match context.kind {
        HeadKind::Yolox | HeadKind::Yolov5 | HeadKind::Yolov8 => yolo::decode(context, outputs)?,
        HeadKind::Detr => detr::decode(context, outputs)?,
        HeadKind::EndToEnd => end_to_end::decode(context, outputs)?,
    };
    found.retain(|c| [c.rect.x0, c.rect.y0, c.rect.x1, c.rect.y1].iter().all(|v| v.is_finite()));
    Ok(found)
}

impl Context {
    fn mismatch(
        &self,
        needed: impl Into<String>,
        outputs: &[Output<'_>],
        advice: impl Into<String>,
    ) -> OutputError {
        let given: Vec<String> = outputs.iter().map(|o| format!("{} {:?}", o.name, o.dims)).collect();
        OutputError::Shape {
            kind: self.kind.as_str(),
            classes: self.classes,
            needed: needed.into(),
            given: given.join(", "),
            advice: advice.into(),
        }
    }
}

impl<'a> Output<'a> {
    /// The floats of `[1, rows, columns]`.
    fn matrix(&self) -> Option<(usize, usize, &'a [f32])> {
        match (self.dims.as_slice(), &self.data) {
            (&[1, rows, columns], Data::F32(values)) if values.len() == rows * columns => {
                Some((rows, columns, values))
            }
            _ => None,
        }
    }
}
