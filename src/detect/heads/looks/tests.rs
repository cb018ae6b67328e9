//! Outputs as exports of each kind give them, with the points of an input of 160 x 96.

use super::*;

const SIZE: (u32, u32) = (160, 96);
const POINTS: usize = 20 * 12 + 10 * 6 + 5 * 3;

fn output<'a>(name: &'a str, dims: &[usize], values: &'a [f32]) -> Output<'a> {
    assert_eq!(dims.iter().product::<usize>(), values.len(), "{name}");
    Output { name, dims: dims.to_vec(), data: Data::F32(values) }
}

fn of(dims: &[usize], value: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let columns = *dims.last().expect("a shape");
    (0..dims.iter().product()).map(|i| value(i / columns, i % columns)).collect()
}

/// Of one output; `value` of row and column.
fn guess(dims: &[usize], classes: Option<usize>, value: impl Fn(usize, usize) -> f32) -> Looks {
    let values = of(dims, value);
    looks(SIZE, classes.map(|n| (HeadKind::Yolov8, n)), &[output("output0", dims, &values)])
}

/// Rows of `[4 + classes, points]`: boxes in pixels, small probabilities, and the rest.
fn columns(classes: usize, rest: impl Fn(usize, usize) -> f32) -> impl Fn(usize, usize) -> f32 {
    move |row, column| match row {
        0..4 => 10.0 + column as f32 / 4.0,
        _ if row < 4 + classes => 0.01,
        _ => rest(row, column),
    }
}

#[test]
fn exports_of_yolo_are_told_apart() {
    let boxes = columns(3, |_, _| 0.0);
    assert_eq!(guess(&[1, 7, POINTS], Some(3), &boxes), Looks::Like(HeadKind::Yolov8, Some(3)));
    assert_eq!(guess(&[1, 7, POINTS], None, &boxes), Looks::Like(HeadKind::Yolov8, Some(3)));
    let angle = columns(3, |_, column| column as f32 / 100.0 - 0.78);
    assert_eq!(guess(&[1, 8, POINTS], Some(4), angle), ORIENTED);
    let points = columns(1, |row, _| if row % 3 == 0 { 0.5 } else { 50.0 });
    assert_eq!(guess(&[1, 56, POINTS], Some(1), points), POSE);
    let masks = columns(3, |row, column| (row + column) as f32 % 5.0 - 2.0);
    assert_eq!(guess(&[1, 39, POINTS], Some(3), masks), SEGMENTATION);
    assert_eq!(guess(&[1, 7, POINTS], Some(3), |row, _| if row < 4 { 30.0 } else { -4.0 }), LOGITS);
    assert_eq!(guess(&[1, 7, POINTS], Some(3), |row, _| if row < 4 { 0.4 } else { 0.01 }), FRACTIONS);
    assert_eq!(guess(&[1, POINTS, 7], Some(3), |_, column| if column < 4 { 30.0 } else { 0.01 }), TRANSPOSED);
    assert_eq!(guess(&[1, 7, 60], Some(3), &boxes), Looks::Like(HeadKind::Yolov8, Some(3)), "one stride");
    assert_eq!(guess(&[1, POINTS, 84], None, |_, column| if column < 4 { 30.0 } else { 0.01 }), TRANSPOSED);
}

#[test]
fn decoded_and_raw_rows_are_told_apart() {
    let rows = |place: f32, size: f32| {
        guess(&[1, POINTS, 8], Some(3), move |row, column| match column {
            0 | 1 => place * (row % 20) as f32,
            2 | 3 => size,
            _ => 0.01,
        })
    };
    assert_eq!(rows(8.0, 40.0), Looks::Like(HeadKind::Yolov5, Some(3)));
    assert_eq!(rows(0.05, 1.2), Looks::Like(HeadKind::Yolox, Some(3)));
    assert_eq!(rows(0.0, 0.0), Looks::Unknown, "a network that says nothing");
    let suppressed = |scale: f32| {
        guess(&[1, 300, 6], Some(1), move |row, column| match (row, column) {
            (0..3, 0..4) => scale * (10.0 + 10.0 * column as f32),
            (0..3, 4) => 0.9,
            _ => 0.0,
        })
    };
    assert_eq!(suppressed(1.0), Looks::Like(HeadKind::EndToEnd, None));
    assert_eq!(suppressed(0.01), Looks::Like(HeadKind::Detr, None));
    assert_eq!(guess(&[1, 300, 7], Some(3), |_, _| 0.0), ORIENTED);
}

#[test]
fn exports_of_other_families_are_named() {
    let boxes = of(&[1, POINTS, 4], |_, _| 30.0);
    let scores = of(&[1, POINTS, 3], |_, _| 0.01);
    let fractions = of(&[1, POINTS, 4], |_, _| 0.3);
    let two = |boxes: &[f32]| {
        let outputs =
            [output("pred_boxes", &[1, POINTS, 4], boxes), output("pred_scores", &[1, POINTS, 3], &scores)];
        looks(SIZE, Some((HeadKind::Yolov8, 3)), &outputs)
    };
    assert_eq!(two(&boxes), NAS);
    assert_eq!(two(&fractions), Looks::Like(HeadKind::Detr, Some(3)));
    let scale = [0.1; 24];
    let scales: Vec<Output<'_>> = (0..8).map(|_| output("conv", &[1, 8, 3], &scale)).collect();
    assert_eq!(looks(SIZE, Some((HeadKind::Yolov8, 3)), &scales), SCALES);
    let masks = [0.0; 16];
    let detections = of(&[1, 7, POINTS], columns(3, |_, _| 0.0));
    let outputs = [output("output0", &[1, 7, POINTS], &detections), output("output1", &[1, 1, 4, 4], &masks)];
    assert_eq!(looks(SIZE, Some((HeadKind::Yolov8, 3)), &outputs), SEGMENTATION);
    assert_eq!(guess(&[8, 6], Some(3), |_, _| 1.0), PADDLE);
    assert_eq!(guess(&[3, 7], Some(3), |_, _| 1.0), NUMBERED);
    assert_eq!(guess(&[1, 1000], Some(3), |_, _| 0.001), CLASSIFIER);
    let half = [Output { name: "output0", dims: vec![1, 7, POINTS], data: Data::Other("float16") }];
    assert_eq!(looks(SIZE, Some((HeadKind::Yolov8, 3)), &half), HALF);
    let counted = [output("num_dets", &[1, 1], &[0.0]), output("det_boxes", &[1, 1, 4], &[0.0; 4])];
    assert_eq!(looks(SIZE, Some((HeadKind::Yolov8, 3)), &counted), TENSORRT);
}

#[test]
fn the_advice_names_the_kind_or_what_to_export() {
    let kind = Looks::Like(HeadKind::Yolov5, Some(3)).advice().expect("an advice");
    assert_eq!(kind, "it looks like head.kind = \"yolov5\" with 3 classes");
    assert!(POSE.advice().is_some_and(|text| text.contains("pose") && text.contains("export")));
    assert_eq!(Looks::Unknown.advice(), None);
}
