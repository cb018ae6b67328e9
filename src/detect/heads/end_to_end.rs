//! Boxes that need no suppression any more: Ultralytics exports with `nms=True` or of models without NMS (YOLOv10 and
//! later), and our own with NMS inside.

use crate::base::Rect;
use crate::detect::OutputError;
use crate::detect::nms::Candidate;
use crate::detect::onnx::Output;

use super::Context;

/// left, top, right, bottom in pixels of the input, score, class.
const COLUMNS: usize = 6;

/// Rows of score 0 fill the tensor up.
pub(super) fn decode(context: &Context, outputs: &[Output<'_>]) -> Result<Vec<Candidate>, OutputError> {
    let needed = "[1, boxes, 6]: left, top, right, bottom, score, class";
    let Some((_, COLUMNS, values)) = outputs.first().and_then(Output::matrix) else {
        let advice = "export with NMS inside, or choose the head.kind of the raw network";
        return Err(context.mismatch(needed, outputs, advice));
    };
    let mut found = Vec::new();
    for row in values.chunks_exact(COLUMNS) {
        let score = row[4];
        if score.is_nan() || score < context.floor {
            continue;
        }
        // Whole numbers as floats; a cast of a wrong one saturates and is refused.
        let class = row[5].round() as usize;
        if row[5].is_nan() || row[5] < -0.5 || class >= context.classes {
            let advice =
                format!("list all classes of the network in [[classes]]: it found number {}", row[5]);
            return Err(context.mismatch(needed, outputs, advice));
        }
        found.push(Candidate { class, score, rect: Rect::new(row[0], row[1], row[2], row[3]) });
    }
    Ok(found)
}
