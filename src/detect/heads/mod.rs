//! Decodes network outputs into candidates above a score floor, each with its best class, in pixels of the
//! network's input.

mod context;
mod detr;
mod end_to_end;
mod looks;
mod yolo;

use super::OutputError;
use super::manifest::HeadKind;
use super::nms::Candidate;
use super::onnx::Output;

pub(super) use context::Context;
pub(super) use looks::{Looks, looks};

/// Decodes the outputs of one run.
///
/// # Errors
/// The outputs do not have the head's shape, or the manifest lacks a class.
pub(super) fn decode(context: &Context, outputs: &[Output<'_>]) -> Result<Decoded, OutputError> {
    let mut found = match context.kind {
        HeadKind::Yolox | HeadKind::Yolov5 | HeadKind::Yolov8 => yolo::decode(context, outputs)?,
        HeadKind::Detr => detr::decode(context, outputs)?,
        HeadKind::EndToEnd => end_to_end::decode(context, outputs)?,
    };
    let all = found.len();
    found.retain(|c| is_possible(context, c));
    Ok(Decoded { impossible: all - found.len(), found })
}

/// Candidates of one run.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub found: Vec<Candidate>,
    /// Further ones whose boxes or scores cannot be.
    pub impossible: usize,
}

/// No network that is read rightly gives scores above 1, or boxes without a size, far outside of the picture or
/// many times as large.
fn is_possible(context: &Context, candidate: &Candidate) -> bool {
    const MOST: f32 = 4.0;
    let (rect, size) = (&candidate.rect, context.width.max(context.height) as f32);
    let place = [rect.x0, rect.y0, rect.x1, rect.y1].iter().all(|v| v.is_finite() && v.abs() <= MOST * size);
    place && rect.width() > 0.0 && rect.height() > 0.0 && candidate.score <= 1.05
}

/// As [`decode`] of a first run, on a picture without anything: also refuses outputs of the right shape that are
/// something else.
///
/// # Errors
/// As `decode`, and what the outputs look like.
pub(super) fn check(context: &Context, outputs: &[Output<'_>]) -> Result<Decoded, OutputError> {
    let decoded = decode(context, outputs)?;
    let size = (context.width, context.height);
    let read = |kind: HeadKind| kind == context.kind;
    let wrong = match looks(size, Some((context.kind, context.classes)), outputs) {
        // Layouts of queries differ too little to be sure.
        _ if read(HeadKind::Detr) => None,
        Looks::Like(kind, _) if read(kind) => None,
        guess => guess.advice(),
    };
    match wrong {
        None => Ok(decoded),
        Some(advice) => Err(context.mismatch("other values", outputs, advice)),
    }
}
