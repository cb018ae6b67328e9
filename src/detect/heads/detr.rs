//! The DETR family (RT-DETR arXiv 2304.08069, D-FINE arXiv 2410.13842): a fixed number of queries, no NMS.

use crate::base::Rect;
use crate::detect::OutputError;
use crate::detect::nms::Candidate;
use crate::detect::onnx::{Data, Output};

use super::Context;

pub(super) fn decode(context: &Context, outputs: &[Output<'_>]) -> Result<Vec<Candidate>, OutputError> {
    let by_name = |name: &str| outputs.iter().find(|o| o.name == name);
    match (by_name("labels"), by_name("boxes"), by_name("scores")) {
        (Some(labels), Some(boxes), Some(scores)) => {
            sized(context, labels, boxes, scores).unwrap_or_else(|| {
                let needed = "labels [1, queries], boxes [1, queries, 4], scores [1, queries]";
                Err(context.mismatch(needed, outputs, "export labels as integers, the others as float32"))
            })
        }
        _ => match outputs {
            [only] => fused(context, only, outputs),
            _ => raw(context, outputs),
        },
    }
}

/// `[1, queries, 4 + classes]`: centre and size in fractions of the input, then class probabilities, as Ultralytics
/// exports RT-DETR.
fn fused(
    context: &Context,
    only: &Output<'_>,
    outputs: &[Output<'_>],
) -> Result<Vec<Candidate>, OutputError> {
    let needed = format!("[1, queries, {}], or boxes and logits", 4 + context.classes);
    let Some((_, columns, values)) = only.matrix() else {
        return Err(context.mismatch(needed, outputs, "export as float32"));
    };
    if columns != 4 + context.classes {
        let advice = match columns.checked_sub(4) {
            Some(2) => "list its 2 classes in [[classes]], or, with NMS inside, head.kind = \"end_to_end\""
                .to_owned(),
            Some(n) => format!("list its {n} classes in [[classes]], or correct head.kind"),
            None => "correct head.kind".to_owned(),
        };
        return Err(context.mismatch(needed, outputs, advice));
    }
    let rows = values.chunks_exact(columns).map(|row| {
        let best = best_of(&row[4..]);
        (best, [row[0], row[1], row[2], row[3]])
    });
    Ok(centred(context, rows))
}

/// The first of the largest.
fn best_of(values: &[f32]) -> (usize, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (class, &value) in values.iter().enumerate() {
        if value > best.1 {
            best = (class, value);
        }
    }
    best
}

/// Candidates of ((class, score), centre and size in fractions of the input).
fn centred(context: &Context, rows: impl Iterator<Item = ((usize, f32), [f32; 4])>) -> Vec<Candidate> {
    let (width, height) = (context.width as f32, context.height as f32);
    let mut found = Vec::new();
    for ((class, score), place) in rows {
        if score >= context.floor {
            let (cx, cy, w, h) = (place[0] * width, place[1] * height, place[2] * width, place[3] * height);
            let rect = Rect::new(cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0);
            found.push(Candidate { class, score, rect });
        }
    }
    found
}

/// Class logits and boxes as centre and size, in fractions of the input.
fn raw(context: &Context, outputs: &[Output<'_>]) -> Result<Vec<Candidate>, OutputError> {
    let needed = format!("boxes [1, queries, 4] and logits [1, queries, {}]", context.classes);
    let boxes = outputs.iter().position(|o| o.name.contains("box") && o.dims.last() == Some(&4));
    let logits = outputs.iter().enumerate().find(|(i, _)| Some(*i) != boxes).map(|(_, o)| o);
    let (Some(boxes), Some(logits)) = (boxes.map(|i| &outputs[i]), logits) else {
        let advice = "name the outputs boxes and logits, or labels, boxes and scores";
        return Err(context.mismatch(needed, outputs, advice));
    };
    let (Some((queries, 4, boxes)), Some((rows, columns, logits))) = (boxes.matrix(), logits.matrix()) else {
        return Err(context.mismatch(needed, outputs, "export both as float32"));
    };
    if rows != queries || columns != context.classes {
        let advice = format!("list its {columns} classes in [[classes]]");
        return Err(context.mismatch(needed, outputs, advice));
    }
    let rows = boxes.chunks_exact(4).zip(logits.chunks_exact(columns)).map(|(place, row)| {
        let (class, logit) = best_of(row);
        ((class, 1.0 / (1.0 + (-logit).exp())), [place[0], place[1], place[2], place[3]])
    });
    Ok(centred(context, rows))
}

/// Labels, corners and scores, already in pixels of the input. `None`: not of these shapes.
fn sized(
    context: &Context,
    labels: &Output<'_>,
    boxes: &Output<'_>,
    scores: &Output<'_>,
) -> Option<Result<Vec<Candidate>, OutputError>> {
    let (queries, 4, boxes) = boxes.matrix()? else { return None };
    let (&[1, rows], Data::F32(scores)) = (scores.dims.as_slice(), &scores.data) else { return None };
    if rows != queries || labels.dims != [1, queries] {
        return None;
    }
    let labels: Vec<i64> = match labels.data {
        Data::I64(values) => values.to_vec(),
        Data::I32(values) => values.iter().map(|&v| v.into()).collect(),
        Data::F32(_) => return None,
    };
    let mut found = Vec::new();
    for ((corners, &score), label) in boxes.chunks_exact(4).zip(*scores).zip(labels) {
        if score.is_nan() || score < context.floor {
            continue;
        }
        let Some(class) = usize::try_from(label).ok().filter(|&c| c < context.classes) else {
            return Some(Err(OutputError::Label { label, classes: context.classes }));
        };
        let rect = Rect::new(corners[0], corners[1], corners[2], corners[3]);
        found.push(Candidate { class, score, rect });
    }
    Some(Ok(found))
}
