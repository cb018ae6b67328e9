//! Boxes that need no suppression: Ultralytics exports with `nms=True` or of models without NMS (YOLOv10 and
//! later), and our own exports with NMS inside.

use crate::base::Rect;
use crate::detect::OutputError;
use crate::detect::nms::Candidate;
use crate::detect::onnx::Output;

use super::context::Context;

/// Left, top, right, bottom in pixels of the input, score, class.
const COLUMNS: usize = 6;

/// Rows of score 0 pad the tensor.
pub(super) fn decode(context: &Context, outputs: &[Output<'_>]) -> Result<Vec<Candidate>, OutputError> {
    let needed = "[1, boxes, 6]: left, top, right, bottom, score, class";
    let Some((_, COLUMNS, values)) = outputs.first().and_then(Output::matrix) else {
        let advice = "export with NMS inside, or choose the head.kind of the raw network";
        return Err(context.mismatch(needed, outputs, advice));
    };
    // Rows of padding are zeros, and no network finds only boxes within one pixel.
    if !values.is_empty()
        && values.chunks_exact(COLUMNS).all(|row| row[..4].iter().all(|&v| v > 0.0 && v <= 1.0))
    {
        let advice = "its boxes are fractions of the input: it looks like head.kind = \"detr\"";
        return Err(context.mismatch(needed, outputs, advice));
    }
    let mut found = Vec::new();
    for row in values.chunks_exact(COLUMNS) {
        let score = row[4];
        if score.is_nan() || score < context.floor {
            continue;
        }
        // Integers as floats. A cast of a wrong one saturates, and the check refuses it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::HeadKind;
    use crate::detect::onnx::Data;

    #[test]
    fn boxes_in_fractions_are_refused_and_zeros_are_no_boxes() {
        let context = Context { kind: HeadKind::EndToEnd, width: 100, height: 50, classes: 3, floor: 0.1 };
        let decoded = |rows: &[[f32; 6]]| {
            let values = rows.concat();
            let output = Output { name: "output0", dims: vec![1, rows.len(), 6], data: Data::F32(&values) };
            decode(&context, &[output]).map(|found| found.len()).map_err(|e| e.to_string())
        };
        assert_eq!(decoded(&[[1.0, 2.0, 30.0, 40.0, 0.9, 2.0], [0.0; 6]]), Ok(1));
        assert_eq!(decoded(&[[0.0; 6], [0.0; 6]]), Ok(0));
        let said = decoded(&[[0.5, 0.5, 0.2, 0.4, 0.9, 2.0], [0.2, 0.5, 0.1, 0.4, 0.05, 0.0]]);
        assert!(said.as_ref().is_err_and(|text| text.contains("\"detr\"")), "{said:?}");
    }
}
