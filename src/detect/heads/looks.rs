//! What a network's outputs look like, by their shapes and by their values on one picture: for the messages about a
//! wrong `head.kind`, and for `lintel detect --explain`.

use crate::detect::manifest::HeadKind;
use crate::detect::onnx::{Data, Output};

/// A guess at an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::detect) enum Looks {
    /// One that a head reads, and the number of its classes where the shape tells.
    Like(HeadKind, Option<usize>),
    /// One that none reads: what it is, and what to do.
    Foreign(&'static str, &'static str),
    Unknown,
}

const SEGMENTATION: Looks = Looks::Foreign(
    "a segmentation network: it gives masks",
    "export the detection network of its family (yolov8n.pt, not yolov8n-seg.pt)",
);
const ORIENTED: Looks = Looks::Foreign(
    "a network of oriented boxes (OBB): it gives angles",
    "export the detection network of its family (yolov8n.pt, not yolov8n-obb.pt)",
);
const POSE: Looks = Looks::Foreign(
    "a pose network: it gives key points",
    "export the detection network of its family (yolov8n.pt, not yolov8n-pose.pt)",
);
const TRANSPOSED: Looks = Looks::Foreign(
    "YOLOv8 with its rows and columns exchanged",
    "export it without a transposition behind it: [1, 4 + classes, points]",
);
const FRACTIONS: Looks = Looks::Foreign(
    "a network whose boxes are fractions of the input",
    "export it with boxes in pixels of the input",
);
const LOGITS: Looks = Looks::Foreign(
    "a network whose scores are no probabilities",
    "export it with the sigmoid behind its scores",
);
const SCALES: Looks = Looks::Foreign(
    "a raw head, scale by scale (PicoDet, NanoDet, YOLOv5 as it is trained)",
    "export it with the decoding inside: one output for all points",
);
const NAS: Looks = Looks::Foreign(
    "YOLO-NAS: boxes as corners in pixels, and scores apart",
    "join both to one output [1, 4 + classes, points] with boxes as centre and size (head.kind = \"yolov8\")",
);
const PADDLE: Looks = Looks::Foreign(
    "PaddleDetection with NMS inside: class and score stand in front of the box",
    "export it without NMS, or reorder its columns to left, top, right, bottom, score, class (head.kind = \"end_to_end\")",
);
const NUMBERED: Looks = Looks::Foreign(
    "an export with NMS inside whose rows begin with the number of the picture (YOLOv7 end2end)",
    "export it without NMS (head.kind = \"yolov5\")",
);
const TENSORRT: Looks = Looks::Foreign(
    "an export with TensorRT's NMS (EfficientNMS)",
    "export it without NMS, or with NMS for ONNX (Ultralytics: nms=True; head.kind = \"end_to_end\")",
);
const CLASSIFIER: Looks =
    Looks::Foreign("a classification network: it gives no boxes", "take a detection network");
const HALF: Looks = Looks::Foreign(
    "a network with float16 outputs",
    "export with float32 outputs (Ultralytics: half=False; onnxconverter-common: keep_io_types=True)",
);

impl Looks {
    /// For a message; `None` if nothing is known.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Like(kind, None) => Some(format!("it looks like head.kind = \"{}\"", kind.as_str())),
            Self::Like(kind, Some(n)) => {
                Some(format!("it looks like head.kind = \"{}\" with {n} classes", kind.as_str()))
            }
            Self::Foreign(what, advice) => Some(format!("it looks like {what}; {advice}")),
            Self::Unknown => None,
        }
    }
}

/// Looks at the outputs of one run. `manifest`: the kind and number of classes that it names, which decide
/// between layouts of the same shape.
pub(in crate::detect) fn looks(
    size: (u32, u32),
    manifest: Option<(HeadKind, usize)>,
    outputs: &[Output<'_>],
) -> Looks {
    if outputs.iter().any(|o| matches!(o.data, Data::Other("float16" | "bfloat16"))) {
        return HALF;
    }
    let named = |name: &str| outputs.iter().find(|o| o.name == name);
    if ["num_dets", "num_detections", "det_boxes"].iter().any(|name| named(name).is_some()) {
        return TENSORRT;
    }
    if named("labels").is_some() && named("boxes").is_some() && named("scores").is_some() {
        return Looks::Like(HeadKind::Detr, None);
    }
    if outputs.len() >= 6 || outputs.iter().any(|o| o.dims.len() == 5) {
        return SCALES;
    }
    let Some(first) = outputs.first() else { return Looks::Unknown };
    match (first.dims.as_slice(), outputs) {
        (&[1, n], [_]) if n > 7 => return CLASSIFIER,
        (&[_, 6], _) => return PADDLE,
        (&[_, 7], _) => return NUMBERED,
        (&[1, _, _], [a, b]) if b.dims.len() == 3 => return apart(a, b),
        _ => {}
    }
    let Some((rows, columns, values)) = first.matrix() else { return Looks::Unknown };
    let table = Table { rows, columns, values, masks: outputs.iter().any(|o| o.dims.len() == 4) };
    let points = Points::of(size);
    if columns == 6 && rows <= 1000 && !points.count(rows) {
        return table.suppressed();
    }
    // Queries with many classes have the shapes of other layouts too.
    let queries = manifest.is_some_and(|(kind, _)| kind == HeadKind::Detr);
    if rows < columns && !points.count(rows) {
        return if queries && !points.count(columns) { Looks::Unknown } else { table.by_columns() };
    }
    match columns {
        _ if points.count(rows) => table.by_rows(size, manifest),
        _ if queries => Looks::Unknown,
        7 => ORIENTED,
        n if table.masks && n > 6 => SEGMENTATION,
        n if n > 8
            && (n - 6).is_multiple_of(3)
            && rows <= 1000
            && manifest.is_none_or(|(_, c)| n != 4 + c) =>
        {
            POSE
        }
        _ => Looks::Unknown,
    }
}

/// Boxes and class scores in two outputs.
fn apart(a: &Output<'_>, b: &Output<'_>) -> Looks {
    let is_boxes = |o: &Output<'_>| o.dims.last() == Some(&4);
    let (boxes, scores) = if is_boxes(a) { (a, b) } else { (b, a) };
    let (Some((queries, 4, boxes)), Some((rows, classes, _))) = (boxes.matrix(), scores.matrix()) else {
        return Looks::Unknown;
    };
    if rows != queries {
        return Looks::Unknown;
    }
    if boxes.iter().any(|v| *v > 2.0) { NAS } else { Looks::Like(HeadKind::Detr, Some(classes)) }
}

/// Numbers of points of networks with this input.
struct Points(Vec<usize>);

impl Points {
    fn of((width, height): (u32, u32)) -> Self {
        let cells = |stride: u32| (width / stride) as usize * (height / stride) as usize;
        let sets: [&[u32]; 4] = [&[8, 16, 32], &[8, 16, 32, 64], &[4, 8, 16, 32], &[16, 32]];
        let all = sets.iter().map(|set| set.iter().map(|stride| cells(*stride)).sum::<usize>());
        // YOLOv5 has three anchors in each cell.
        Self(all.flat_map(|n| [n, 3 * n]).collect())
    }

    fn count(&self, n: usize) -> bool {
        n > 0 && self.0.contains(&n)
    }
}

struct Table<'a> {
    rows: usize,
    columns: usize,
    values: &'a [f32],
    /// There is an output of four dimensions beside it.
    masks: bool,
}

/// Rounding, and quantised networks.
fn is_probability(v: f32) -> bool {
    (-0.05..=1.05).contains(&v)
}

impl Table<'_> {
    /// `[4 + classes, points]`, and what is behind the classes.
    fn by_columns(&self) -> Looks {
        if self.masks {
            return SEGMENTATION;
        }
        let Some(behind) = self.rows.checked_sub(4).filter(|n| *n > 0) else { return Looks::Unknown };
        let row = |i: usize| &self.values[i * self.columns..(i + 1) * self.columns];
        let classes = (4..self.rows).take_while(|i| row(*i).iter().copied().all(is_probability)).count();
        match behind - classes {
            0 if are_fractions(self.values[..4 * self.columns].iter()) => FRACTIONS,
            0 => Looks::Like(HeadKind::Yolov8, Some(classes)),
            _ if classes == 0 => LOGITS,
            1 => ORIENTED,
            32 => SEGMENTATION,
            _ => POSE,
        }
    }

    /// Box, score and class of what is left after suppression.
    fn suppressed(&self) -> Looks {
        let boxes = self.values.chunks_exact(6).flat_map(|row| &row[..4]);
        let kind = if are_fractions(boxes) { HeadKind::Detr } else { HeadKind::EndToEnd };
        Looks::Like(kind, None)
    }

    /// `[points, 5 + classes]`, decoded or not.
    fn by_rows(&self, size: (u32, u32), manifest: Option<(HeadKind, usize)>) -> Looks {
        let Some(classes) = self.columns.checked_sub(5) else { return Looks::Unknown };
        if self.masks {
            return SEGMENTATION;
        }
        // Without a manifest, 80 classes are COCO's.
        let one_more = |(kind, n)| kind == HeadKind::Yolov8 && n == classes + 1;
        if manifest.map_or(classes + 1 == 80, one_more) {
            return TRANSPOSED;
        }
        let scores = self.values.chunks_exact(self.columns).flat_map(|row| &row[4..]);
        if !scores.copied().all(is_probability) {
            return LOGITS;
        }
        let kind = match Places::of(self.values.chunks_exact(self.columns), size) {
            Places::OfCells => HeadKind::Yolox,
            Places::Pixels => HeadKind::Yolov5,
            Places::Unknown => return Looks::Unknown,
        };
        Looks::Like(kind, Some(classes))
    }
}

/// What the first four numbers of rows are.
enum Places {
    /// Offsets from cells, and logarithms of sizes in cells (YOLOX without decoding).
    OfCells,
    Pixels,
    Unknown,
}

impl Places {
    fn of<'a>(rows: impl Iterator<Item = &'a [f32]>, (width, height): (u32, u32)) -> Self {
        let rows: Vec<&[f32]> =
            rows.map(|row| &row[..4]).filter(|row| row.iter().any(|v| *v != 0.0)).collect();
        if rows.is_empty() {
            return Self::Unknown;
        }
        // No box of a picture is four times as large as the picture, in cells of the finest stride.
        let largest = (4.0 * width.max(height) as f32 / 8.0).ln();
        let near = |row: &&&[f32]| row.iter().all(|v| v.abs() <= 8.0);
        let huge = |row: &&&[f32]| row[2] > largest || row[3] > largest;
        let share = |n: usize| n as f32 / rows.len() as f32;
        if share(rows.iter().filter(huge).count()) > 0.5 {
            Self::Pixels
        } else if share(rows.iter().filter(near).count()) >= 0.9 {
            Self::OfCells
        } else {
            Self::Unknown
        }
    }
}

/// All within 0 to 1, and some above 0.
fn are_fractions<'a>(values: impl Iterator<Item = &'a f32>) -> bool {
    let mut some = false;
    for v in values {
        if !(0.0..=1.0).contains(v) {
            return false;
        }
        some |= *v > 0.0;
    }
    some
}

#[cfg(test)]
mod tests;
