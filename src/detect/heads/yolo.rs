//! YOLOX, YOLOv5 and YOLOv8: one tensor of anchor points.

use crate::base::Rect;
use crate::detect::OutputError;
use crate::detect::manifest::HeadKind;
use crate::detect::nms::Candidate;
use crate::detect::onnx::Output;

use super::context::Context;

const STRIDES: [u32; 3] = [8, 16, 32];

pub(super) fn decode(context: &Context, outputs: &[Output<'_>]) -> Result<Vec<Candidate>, OutputError> {
    let (rows, columns, values) = shape(context, outputs)?;
    match context.kind {
        HeadKind::Yolov8 => Ok(by_columns(context, columns, values)),
        HeadKind::Yolov5 => Ok(by_rows(context, values, |_, row| [row[0], row[1], row[2], row[3]])),
        _ => {
            let points = anchor_points(context);
            if points.len() != rows {
                let advice = format!(
                    "an input of {}x{} has {} anchor points: correct [input], or export without further heads",
                    context.width,
                    context.height,
                    points.len()
                );
                return Err(context.mismatch(format!("[1, {}, _]", points.len()), outputs, advice));
            }
            Ok(by_rows(context, values, |i, row| {
                let (x, y, stride) = points[i];
                [(row[0] + x) * stride, (row[1] + y) * stride, row[2].exp() * stride, row[3].exp() * stride]
            }))
        }
    }
}

/// The first output, if its width matches the number of classes.
fn shape<'a>(context: &Context, outputs: &[Output<'a>]) -> Result<(usize, usize, &'a [f32]), OutputError> {
    let classes = context.classes;
    let needed = match context.kind {
        HeadKind::Yolov8 => format!("[1, {}, points]", 4 + classes),
        _ => format!("[1, points, {}]", 5 + classes),
    };
    let Some((rows, columns, values)) = outputs.first().and_then(Output::matrix) else {
        return Err(context.mismatch(needed, outputs, "export one float32 tensor with decoded boxes"));
    };
    let (here, other) = match context.kind {
        HeadKind::Yolov8 => (rows == 4 + classes, (columns == 5 + classes).then_some("yolox\" or \"yolov5")),
        _ => (columns == 5 + classes, (rows == 4 + classes).then_some("yolov8")),
    };
    if here {
        return Ok((rows, columns, values));
    }
    let listed = match context.kind {
        HeadKind::Yolov8 => rows.checked_sub(4),
        _ => columns.checked_sub(5),
    };
    let advice = match (other, listed) {
        (Some(kind), _) => format!("it looks like head.kind = \"{kind}\""),
        (None, Some(n)) => format!("list its {n} classes in [[classes]], or correct head.kind"),
        (None, None) => "correct head.kind".to_owned(),
    };
    Err(context.mismatch(needed, outputs, advice))
}

/// `[points, 5 + classes]` with objectness: score = objectness * class.
fn by_rows(context: &Context, values: &[f32], place: impl Fn(usize, &[f32]) -> [f32; 4]) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (i, row) in values.chunks_exact(5 + context.classes).enumerate() {
        // A class probability is at most 1, so this skips most points early.
        if row[4].is_nan() || row[4] < context.floor {
            continue;
        }
        let mut best = (0, f32::NEG_INFINITY);
        for (class, probability) in row[5..].iter().enumerate() {
            let score = row[4] * probability;
            if score > best.1 {
                best = (class, score);
            }
        }
        if best.1 >= context.floor {
            found.push(candidate(best, place(i, row)));
        }
    }
    found
}

/// `[4 + classes, points]` without objectness. Runs along the rows, in memory order.
fn by_columns(context: &Context, points: usize, values: &[f32]) -> Vec<Candidate> {
    let mut scores = vec![f32::NEG_INFINITY; points];
    let mut classes = vec![0u32; points];
    for (class, row) in (0u32..).zip(values[4 * points..].chunks_exact(points.max(1))) {
        for ((value, best), index) in row.iter().zip(&mut scores).zip(&mut classes) {
            let better = *value > *best;
            *best = if better { *value } else { *best };
            *index = if better { class } else { *index };
        }
    }
    let at = |row: usize, i: usize| values[row * points + i];
    let found = (0..points).filter(|&i| scores[i] >= context.floor);
    found
        .map(|i| candidate((classes[i] as usize, scores[i]), [at(0, i), at(1, i), at(2, i), at(3, i)]))
        .collect()
}

fn candidate((class, score): (usize, f32), [cx, cy, w, h]: [f32; 4]) -> Candidate {
    Candidate { class, score, rect: Rect::new(cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0) }
}

/// Column, row and stride of every point, stride by stride and row by row (YOLOX, arXiv 2107.08430).
fn anchor_points(context: &Context) -> Vec<(f32, f32, f32)> {
    let grid = |stride: u32| {
        let (columns, rows) = (context.width / stride, context.height / stride);
        (0..rows).flat_map(move |y| (0..columns).map(move |x| (x as f32, y as f32, stride as f32)))
    };
    STRIDES.into_iter().flat_map(grid).collect()
}
