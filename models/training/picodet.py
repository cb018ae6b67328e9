"""Runs the other candidate seed, PicoDet-S, as published, and writes COCO results.

    python picodet.py --coco annotations_dev.json --images DIR --out results.json

It cannot be trained here, because its network is not rebuilt in PyTorch; this measures whether that
would be worth it. Yu et al., "PP-PicoDet" (2021): per stride class probabilities [1, 80, h, w] or
[1, hw, 80] and distances to four sides as distributions over 8 bins (Li et al., "Generalized Focal
Loss", 2020).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

import reference
from detector.dataset import shared_data
from detector.seed import COCO_CLASSES

SIDE = 416
SPEC = {
    "width": SIDE,
    "height": SIDE,
    "channels": "rgb",
    "scale": 1 / 255,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "letterbox": "top_left",
    "pad": 114,
}
STRIDES, BINS, NMS_IOU = (8, 16, 32, 64), 8, 0.6


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def decode(outputs: list[np.ndarray]):
    """Boxes [N, 4] x1 y1 x2 y2 in input pixels, scores [N, 80]."""
    classes = sorted(
        (o for o in outputs if o.shape[-1] == len(COCO_CLASSES)), key=lambda o: -o.shape[1]
    )
    places = sorted((o for o in outputs if o.shape[-1] == 4 * BINS), key=lambda o: -o.shape[1])
    boxes, scores = [], []
    for stride, s, d in zip(STRIDES, classes, places, strict=True):
        side = -(-SIDE // stride)
        row, column = np.mgrid[0:side, 0:side]
        centre = np.stack([column, row], axis=-1).reshape(-1, 2) * stride + stride / 2
        reach = softmax(d[0].reshape(-1, 4, BINS)) @ np.arange(BINS) * stride
        boxes.append(np.concatenate([centre - reach[:, :2], centre + reach[:, 2:]], axis=1))
        scores.append(s[0])
    return np.concatenate(boxes).astype(np.float32), np.concatenate(scores)


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs the PicoDet-S seed over a COCO file.")
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    path = shared_data().parent / "weights" / "picodet_s_416.onnx"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = (
        3  # the export lists its weights as inputs, and ONNX Runtime warns of each
    )
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    coco = json.loads(args.coco.read_text(encoding="utf-8"))
    ids = {c["name"]: c["id"] for c in coco["categories"]}
    name, results = session.get_inputs()[0].name, []
    for record in coco["images"]:
        picture = np.asarray(Image.open(args.images / record["file_name"]).convert("RGB"))
        canvas, at = reference.letterbox(picture, SPEC)
        outputs = session.run(None, {name: reference.normalise(canvas, SPEC)})
        boxes, scores = decode(outputs)
        best = scores.argmax(axis=1)
        score = scores.max(axis=1)
        keep = score > 0.02
        boxes, score, best = boxes[keep], score[keep], best[keep]
        for k in reference.nms(boxes, score, best, NMS_IOU):
            label = COCO_CLASSES[best[k]]
            if label in ids:
                x1, y1, x2, y2 = (boxes[k] / np.float32([at.scale_x, at.scale_y] * 2)).tolist()
                results.append(
                    {
                        "image_id": record["id"],
                        "category_id": ids[label],
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "score": float(score[k]),
                    }
                )
    args.out.write_text(json.dumps(results), encoding="utf-8")
    print(f"{len(results)} detections in {len(coco['images'])} pictures")


if __name__ == "__main__":
    main()
