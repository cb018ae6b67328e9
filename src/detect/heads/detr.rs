//! The DETR family (RT-DETR arXiv 2304.08069, D-FINE arXiv 2410.13842): a fixed number of queries, no NMS.

use std::collections::HashSet;

use crate::base::Rect;
use crate::detect::OutputError;
use crate::detect::nms::Candidate;
use crate::detect::onnx::{Data, Output};

use super::context::Context;

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

/// Centre, size, score, class.
const WITH_CLASS: usize = 6;

/// `[1, queries, 4 + classes]`: centre and size in fractions of the input, then class probabilities, as
/// Ultralytics exported RT-DETR up to 8.3. Or `[1, queries, 6]`: score and class after the box, as it does
/// since.
fn fused(
    context: &Context,
    only: &Output<'_>,
    outputs: &[Output<'_>],
) -> Result<Vec<Candidate>, OutputError> {
    let probabilities = 4 + context.classes;
    let needed = format!(
        "[1, queries, {probabilities}], or [1, queries, {WITH_CLASS}] of centre, size, score and class, or boxes and logits"
    );
    let Some((_, columns, values)) = only.matrix() else {
        return Err(context.mismatch(needed, outputs, "export as float32"));
    };
    // Class numbers are integers; probabilities are not, at least in some row. If all are 0, both readings
    // agree.
    if columns == WITH_CLASS
        && values.chunks_exact(WITH_CLASS).all(|row| row[5] >= 0.0 && row[5].fract() == 0.0)
    {
        return with_class(context, values).map_err(|advice| context.mismatch(needed, outputs, advice));
    }
    if columns != probabilities {
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

/// Best first. A query that repeats with another class counts once, as in the other layouts. Fails with
/// advice.
fn with_class(context: &Context, values: &[f32]) -> Result<Vec<Candidate>, String> {
    /// Limit of fractions: 1, and a little more for networks that do not bound them.
    const FRACTIONS: f32 = 2.0;
    let rows = || values.chunks_exact(WITH_CLASS);
    if rows().any(|row| row[..4].iter().any(|&v| v > FRACTIONS)) {
        return Err("its boxes are in pixels: it looks like head.kind = \"end_to_end\"".into());
    }
    if let Some(row) = rows().find(|row| row[5] >= context.classes as f32) {
        return Err(format!("list all classes of the network in [[classes]]: it knows number {}", row[5]));
    }
    let mut seen = HashSet::new();
    let rows = rows().map(|row| ((row[5] as usize, row[4]), [row[0], row[1], row[2], row[3]]));
    Ok(centred(context, rows.filter(|(_, place)| seen.insert(place.map(f32::to_bits)))))
}

/// Index of the largest value; the first of equals.
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
            found.push(Candidate { class, score, rect, scale: 0.0 });
        }
    }
    found
}

/// Class logits and boxes as centre and size, in fractions of the input.
fn raw(context: &Context, outputs: &[Output<'_>]) -> Result<Vec<Candidate>, OutputError> {
    let needed = format!("boxes [1, queries, 4] and logits [1, queries, {}]", context.classes);
    let four = |o: &Output<'_>| o.dims.last() == Some(&4);
    let named = outputs.iter().position(|o| o.name.contains("box") && four(o));
    // RF-DETR calls them dets and labels.
    let boxes = named.or_else(|| outputs.iter().position(|o| o.name == "dets" && four(o)));
    let logits = outputs.iter().enumerate().find(|(i, _)| Some(*i) != boxes).map(|(_, o)| o);
    let (Some(boxes), Some(logits)) = (boxes.map(|i| &outputs[i]), logits) else {
        let advice = "name the outputs boxes and logits, or labels, boxes and scores";
        return Err(context.mismatch(needed, outputs, advice));
    };
    let (Some((queries, 4, boxes)), Some((rows, columns, logits))) = (boxes.matrix(), logits.matrix()) else {
        return Err(context.mismatch(needed, outputs, "export both as float32"));
    };
    /// As in [`with_class`].
    const FRACTIONS: f32 = 2.0;
    if boxes.iter().any(|v| *v > FRACTIONS) {
        return Err(context.mismatch(needed, outputs, "its boxes are in pixels: export them as fractions"));
    }
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

/// Labels, corners and scores, in pixels of the input. `None` if the shapes differ.
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
        Data::F32(_) | Data::Other(_) => return None,
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
        found.push(Candidate { class, score, rect, scale: 0.0 });
    }
    Some(Ok(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::HeadKind;

    fn context(classes: usize) -> Context {
        Context { kind: HeadKind::Detr, width: 100, height: 50, classes, floor: 0.1 }
    }

    fn decoded(classes: usize, rows: &[[f32; 6]]) -> Result<Vec<Candidate>, String> {
        let values = rows.concat();
        let output = Output { name: "output0", dims: vec![1, rows.len(), 6], data: Data::F32(&values) };
        decode(&context(classes), &[output]).map_err(|e| e.to_string())
    }

    #[test]
    fn six_columns_are_score_and_class_where_the_last_is_whole() {
        let first = [0.5, 0.5, 0.2, 0.4, 0.9, 4.0];
        let again = [0.5, 0.5, 0.2, 0.4, 0.3, 1.0];
        let second = [0.25, 0.5, 0.1, 0.2, 0.2, 0.0];
        let below = [0.1, 0.1, 0.1, 0.1, 0.05, 0.0];
        let found = decoded(5, &[first, again, second, below]).expect("decoded");
        let expected = [
            Candidate { class: 4, score: 0.9, rect: Rect::new(40.0, 15.0, 60.0, 35.0), scale: 0.0 },
            Candidate { class: 0, score: 0.2, rect: Rect::new(20.0, 20.0, 30.0, 30.0), scale: 0.0 },
        ];
        assert_eq!(found.len(), 2);
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((found.class, found.score), (expected.class, expected.score));
            assert!(found.rect.iou(&expected.rect) > 0.999, "{found:?}");
        }
    }

    #[test]
    fn of_two_classes_the_last_column_tells_whether_it_is_a_probability() {
        let probabilities = decoded(2, &[[0.5, 0.5, 0.2, 0.4, 0.3, 0.8], [0.5, 0.5, 0.2, 0.4, 0.6, 0.0]]);
        let found: Vec<_> = probabilities.expect("decoded").iter().map(|c| (c.class, c.score)).collect();
        assert_eq!(found, [(1, 0.8), (0, 0.6)]);
        let numbers = decoded(2, &[[0.5, 0.5, 0.2, 0.4, 0.8, 1.0], [0.2, 0.5, 0.2, 0.4, 0.6, 0.0]]);
        let found: Vec<_> = numbers.expect("decoded").iter().map(|c| (c.class, c.score)).collect();
        assert_eq!(found, [(1, 0.8), (0, 0.6)]);
    }

    #[test]
    fn six_columns_of_something_else_are_refused_with_what_to_do() {
        let said = |classes, row| decoded(classes, &[row]).expect_err("refused");
        let pixels = said(3, [40.0, 15.0, 60.0, 35.0, 0.9, 1.0]);
        assert!(pixels.contains("end_to_end"), "{pixels}");
        let unknown = said(3, [0.5, 0.5, 0.2, 0.4, 0.9, 3.0]);
        assert!(unknown.contains("list all classes"), "{unknown}");
        let probabilities = said(3, [0.5, 0.5, 0.2, 0.4, 0.9, 0.5]);
        assert!(probabilities.contains("list its 2 classes"), "{probabilities}");
    }
}
