//! Decodes network outputs into candidates above a score floor, each with its best class, in pixels of the
//! network's input.

mod context;
mod detr;
mod end_to_end;
mod yolo;

use super::OutputError;
use super::manifest::HeadKind;
use super::nms::Candidate;
use super::onnx::Output;

pub(super) use context::Context;

/// Decodes the outputs of one run.
///
/// # Errors
/// The outputs do not have the head's shape, or the manifest lacks a class.
pub(super) fn decode(context: &Context, outputs: &[Output<'_>]) -> Result<Vec<Candidate>, OutputError> {
    let mut found = match context.kind {
        HeadKind::Yolox | HeadKind::Yolov5 | HeadKind::Yolov8 => yolo::decode(context, outputs)?,
        HeadKind::Detr => detr::decode(context, outputs)?,
        HeadKind::EndToEnd => end_to_end::decode(context, outputs)?,
    };
    found.retain(|c| [c.rect.x0, c.rect.y0, c.rect.x1, c.rect.y1].iter().all(|v| v.is_finite()));
    Ok(found)
}
