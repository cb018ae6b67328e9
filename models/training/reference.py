"""Reference detector: picture -> letterbox -> ONNX Runtime -> boxes, in plain numpy.

Tests compare the product's inference with this file: boxes agree within 1 px, scores within 0.01.
Every step is therefore written out, without a library's resize or NMS.

    python reference.py --model models/lintel-nano --coco pictures.json --images DIR \\
      --out results.json

Reads the model's `model.toml` and the pictures listed in a COCO file; writes COCO results
(image_id, category_id, bbox [x, y, w, h] in picture pixels, score). Detections of classes
that the COCO file lacks are left out and counted on stderr.

The steps, which the product repeats:

1.  Decode the picture to RGB, 8 bits.
2.  Letterbox (see `letterbox`): bilinear resize, half-pixel centres, no antialiasing; pad value.
3.  Channel order, then `(pixel * scale - mean) / std` per channel, NCHW float32.
4.  Run the network; decode by head kind (see `decode`). Each candidate (anchor point or query)
    keeps only its best class; the lower index wins a tie.
5.  Drop candidates whose score is below the floor (default 0.1).
6.  Class-aware greedy NMS (see `nms`), not for `detr`; at most `MAX_DETECTIONS`, best first.
7.  Undo the letterbox and clip to the picture. A box without area after clipping is dropped.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

MAX_DETECTIONS = 300
DEFAULT_FLOOR = 0.1


@dataclass(frozen=True)
class Placement:
    """Position of the resized picture in the network input, in input pixels."""

    scale_x: float  # resized width / picture width
    scale_y: float
    left: int
    top: int


def round_half_up(value: float) -> int:
    """Nearest integer, halves upwards."""
    return int(np.floor(value + 0.5))


def resize_bilinear(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """[h, w, 3] uint8 -> [height, width, 3] uint8, bilinear, half-pixel centres, no antialiasing.

    Source coordinate of output column i: (i + 0.5) * w / width - 0.5, clamped to [0, w - 1];
    rows likewise. First along the row, then along the column, in float32; halves round upwards.
    """

    def taps(size_in: int, size_out: int):
        at = (np.arange(size_out, dtype=np.float64) + 0.5) * (size_in / size_out) - 0.5
        at = np.clip(at, 0.0, size_in - 1)
        low = np.floor(at).astype(np.int64)
        high = np.minimum(low + 1, size_in - 1)
        return low, high, (at - low).astype(np.float32)

    h, w = picture.shape[:2]
    left, right, fx = taps(w, width)
    top, bottom, fy = taps(h, height)
    source = picture.astype(np.float32)
    fx, fy = fx[None, :, None], fy[:, None, None]
    rows = source[:, left] * (1 - fx) + source[:, right] * fx
    out = rows[top] * (1 - fy) + rows[bottom] * fy
    return np.floor(out + np.float32(0.5)).astype(np.uint8)


def letterbox(picture: np.ndarray, spec: dict) -> tuple[np.ndarray, Placement]:
    """[h, w, 3] uint8 -> ([H, W, 3] uint8, placement) for the manifest's [input] table.

    top_left, center: r = min(W / w, H / h); new size = round_half_up(w * r), round_half_up(h * r),
    at least 1; center puts floor((W - new_w) / 2) columns of padding on the left, rows likewise.
    stretch: new size = W, H.
    """
    width, height = spec["width"], spec["height"]
    h, w = picture.shape[:2]
    if spec["letterbox"] == "stretch":
        new_w, new_h = width, height
    else:
        r = min(width / w, height / h)
        new_w = min(width, max(1, round_half_up(w * r)))
        new_h = min(height, max(1, round_half_up(h * r)))
    centred = spec["letterbox"] == "center"
    left = (width - new_w) // 2 if centred else 0
    top = (height - new_h) // 2 if centred else 0
    canvas = np.full((height, width, 3), spec["pad"], dtype=np.uint8)
    canvas[top : top + new_h, left : left + new_w] = resize_bilinear(picture, new_w, new_h)
    return canvas, Placement(new_w / w, new_h / h, left, top)


def normalise(canvas: np.ndarray, spec: dict) -> np.ndarray:
    """[H, W, 3] uint8 RGB -> [1, 3, H, W] float32; mean and std are in channel order."""
    pixels = canvas[..., ::-1] if spec["channels"] == "bgr" else canvas
    scaled = pixels.astype(np.float32) * np.float32(spec["scale"])
    scaled = (scaled - np.float32(spec["mean"])) / np.float32(spec["std"])
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], dtype=np.float32)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def corners(cxcywh: np.ndarray) -> np.ndarray:
    """[N, 4] centre and size -> [N, 4] x1, y1, x2, y2."""
    centre, half = cxcywh[:, :2], cxcywh[:, 2:4] / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def decode(kind: str, outputs: dict[str, np.ndarray], width: int, height: int):
    """Network outputs -> (boxes [N, 4] x1 y1 x2 y2 in input pixels, scores [N], classes [N]).

    yolox   [1, N, 5 + C]: offsets, objectness, class probabilities; strides 8, 16, 32, row-major:
            cx = (x + column) * stride, w = exp(w) * stride. Score = objectness * class.
    yolov5  [1, N, 5 + C]: cx, cy, w, h in pixels. Score = objectness * class.
    yolov8  [1, 4 + C, N]: cx, cy, w, h in pixels. Score = class.
    detr    two outputs: boxes [1, Q, 4] cx, cy, w, h as fractions of the input (the output whose
            last dimension is 4 and whose name contains "box"), logits [1, Q, C]; score = sigmoid.
            Or three outputs named labels [1, Q], boxes [1, Q, 4] x1 y1 x2 y2 and scores [1, Q]:
            the network scales boxes itself, by the input `orig_target_sizes` [1, 2] int64 (w, h),
            which gets the network input's size.
            Or one output [1, Q, 4 + C]: cx, cy, w, h as fractions of the input, then class
            probabilities. Or one output [1, Q, 6], best first: cx, cy, w, h, score, class (the
            last column is whole in every row); a query that repeats with another class is skipped.
    end_to_end  [1, N, 6]: x1, y1, x2, y2 in pixels, score, class; already suppressed.
    """
    if kind == "end_to_end":
        rows = next(iter(outputs.values()))[0].astype(np.float32)
        return rows[:, :4], rows[:, 4], np.round(rows[:, 5]).astype(np.int64)
    if kind == "detr":
        if {"labels", "boxes", "scores"} <= outputs.keys():
            return (
                outputs["boxes"][0].astype(np.float32),
                outputs["scores"][0].astype(np.float32),
                outputs["labels"][0].astype(np.int64),
            )
        if len(outputs) == 1:
            rows = next(iter(outputs.values()))[0]
            boxes = corners(rows[:, :4] * np.float32([width, height, width, height]))
            if rows.shape[1] == 6 and (rows[:, 5] == np.abs(np.round(rows[:, 5]))).all():
                first = np.sort(np.unique(rows[:, :4], axis=0, return_index=True)[1])
                return boxes[first], rows[first, 4], rows[first, 5].astype(np.int64)
            classes = rows[:, 4:].argmax(axis=1)
            return boxes, rows[np.arange(len(rows)), 4 + classes], classes
        box_name = next(name for name, v in outputs.items() if "box" in name and v.shape[-1] == 4)
        logits = next(v for name, v in outputs.items() if name != box_name)
        boxes = corners(outputs[box_name][0] * np.float32([width, height, width, height]))
        class_scores = sigmoid(logits[0])
    else:
        rows = next(iter(outputs.values()))[0]
        if kind == "yolov8":
            rows = rows.T
            class_scores = rows[:, 4:]
        else:
            class_scores = rows[:, 4:5] * rows[:, 5:]
        boxes = corners(yolox_to_pixels(rows, width, height) if kind == "yolox" else rows[:, :4])
    classes = class_scores.argmax(axis=1)
    return boxes, class_scores[np.arange(len(classes)), classes], classes


def yolox_to_pixels(rows: np.ndarray, width: int, height: int) -> np.ndarray:
    """Offsets [N, 4+] -> [N, 4] cx, cy, w, h in input pixels."""
    grid = []
    for stride in (8, 16, 32):
        row, column = np.mgrid[0 : height // stride, 0 : width // stride]
        grid.append(np.stack([column, row, np.full_like(row, stride)], axis=-1).reshape(-1, 3))
    points = np.concatenate(grid).astype(np.float32)
    if len(points) != len(rows):
        raise ValueError(
            f"the network has {len(rows)} rows, but a {width}x{height} input has {len(points)} "
            "anchor points; correct [input] width and height in model.toml"
        )
    stride = points[:, 2:]
    centre = (rows[:, :2] + points[:, :2]) * stride
    return np.concatenate([centre, np.exp(rows[:, 2:4]) * stride], axis=1)


def nms(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, iou_limits: np.ndarray
) -> np.ndarray:
    """Indices of the kept boxes, best first. A box is dropped for a better one of its class with
    IoU > iou_limits[class].
    """
    order = np.argsort(-scores, kind="stable")
    area = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    alive = np.ones(len(boxes), dtype=bool)
    kept = []
    for i in order:
        if not alive[i]:
            continue
        kept.append(i)
        low = np.maximum(boxes[i, :2], boxes[:, :2])
        high = np.minimum(boxes[i, 2:], boxes[:, 2:])
        overlap = np.prod(np.maximum(high - low, 0), axis=1)
        union = np.maximum(area[i] + area - overlap, 1e-9)
        alive &= ~((overlap / union > iou_limits[classes[i]]) & (classes == classes[i]))
    return np.array(kept[:MAX_DETECTIONS], dtype=np.int64)


class Detector:
    """One model folder: manifest and ONNX Runtime session."""

    def __init__(self, folder: Path):
        self.manifest = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.manifest["runtime"]["threads"]
        self.session = onnxruntime.InferenceSession(
            str(folder / self.manifest["file"]), options, providers=["CPUExecutionProvider"]
        )
        self.names = [c["name"] for c in self.manifest["classes"]]
        usual = self.manifest["head"].get("nms_iou", 0.5)
        self.nms_ious = np.array([c.get("nms_iou", usual) for c in self.manifest["classes"]])

    def detect(self, picture: np.ndarray, floor: float = DEFAULT_FLOOR):
        """[h, w, 3] uint8 RGB -> (boxes [N, 4] x1 y1 x2 y2 in picture pixels, scores, classes)."""
        spec, head = self.manifest["input"], self.manifest["head"]
        canvas, at = letterbox(picture, spec)
        feed = {self.session.get_inputs()[0].name: normalise(canvas, spec)}
        if len(self.session.get_inputs()) > 1:
            feed["orig_target_sizes"] = np.array([[spec["width"], spec["height"]]], dtype=np.int64)
        names = [o.name for o in self.session.get_outputs()]
        outputs = dict(zip(names, self.session.run(names, feed), strict=True))
        boxes, scores, classes = decode(head["kind"], outputs, spec["width"], spec["height"])
        keep = scores >= floor
        boxes, scores, classes = boxes[keep], scores[keep], classes[keep]
        if head["kind"] in ("detr", "end_to_end"):
            order = np.argsort(-scores, kind="stable")[:MAX_DETECTIONS]
        else:
            order = nms(boxes, scores, classes, self.nms_ious)
        boxes, scores, classes = boxes[order], scores[order], classes[order]
        h, w = picture.shape[:2]
        shift = np.float32([at.left, at.top, at.left, at.top])
        factor = np.float32([at.scale_x, at.scale_y, at.scale_x, at.scale_y])
        boxes = (boxes - shift) / factor
        boxes = np.clip(boxes, 0, np.float32([w, h, w, h]))
        keep = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        return boxes[keep], scores[keep], classes[keep]


def detect_all(detector: Detector, coco: dict, images: Path, floor: float) -> list[dict]:
    """COCO results for every picture of a COCO file; `images`: the folder of its file names."""
    ids = {c["name"]: c["id"] for c in coco["categories"]}
    results, unknown = [], 0
    for record in coco["images"]:
        path = images / record["file_name"]
        if not path.exists():
            raise FileNotFoundError(f"{path}: listed in the COCO file but missing; check --images")
        with Image.open(path) as file:
            picture = np.asarray(file.convert("RGB"))
        for box, score, index in zip(*detector.detect(picture, floor), strict=True):
            name = detector.names[index]
            if name not in ids:
                unknown += 1
                continue
            x1, y1, x2, y2 = (float(v) for v in box)
            results.append(
                {
                    "image_id": record["id"],
                    "category_id": ids[name],
                    "bbox": [round(v, 3) for v in (x1, y1, x2 - x1, y2 - y1)],
                    "score": round(float(score), 5),
                }
            )
    if unknown:
        print(f"{unknown} detections of classes the COCO file lacks were left out", file=sys.stderr)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="folder with model.toml")
    parser.add_argument(
        "--coco", type=Path, required=True, help="COCO file that lists the pictures"
    )
    parser.add_argument(
        "--images", type=Path, help="folder of the pictures (default: the COCO file's)"
    )
    parser.add_argument("--floor", type=float, default=DEFAULT_FLOOR, help="lowest score kept")
    parser.add_argument("--out", type=Path, required=True, help="COCO results file to write")
    args = parser.parse_args()
    coco = json.loads(args.coco.read_text(encoding="utf-8"))
    results = detect_all(Detector(args.model), coco, args.images or args.coco.parent, args.floor)
    args.out.write_text(json.dumps(results, indent=0) + "\n", encoding="utf-8")
    print(f"{len(results)} detections in {len(coco['images'])} pictures -> {args.out}")


if __name__ == "__main__":
    main()
