"""Exports a checkpoint as a model folder: model.onnx, model.toml and training.json.

    python export.py --checkpoint runs/first/last.pt --out ../lintel-nano

Without --checkpoint it exports the seed: with the detector's classes (untrained, for tests of the
programs around it), or with --coco-classes as published, for comparisons.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import reference
from detector.classes import load_classes, load_sources
from detector.dataset import read_pictures, shared_data, shared_seed
from detector.export import (
    TOLERANCE,
    add_nms,
    export_onnx,
    head_kind,
    keep_classes,
    largest_difference,
)
from detector.manifest import sha256_of, write_manifest
from detector.network import YoloxNano
from detector.seed import COCO_CLASSES, load_teacher, start_from_seed, towards_seed

VERSION = "0.6.0"
NMS_IOU = 0.5
FIRST_THRESHOLD = 0.35  # until evaluate.py has chosen one per class


def input_table(width: int, height: int) -> dict:
    """The manifest's [input] table."""
    return {
        "width": width,
        "height": height,
        "channels": "bgr",
        "scale": 1.0,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "letterbox": "top_left",
        "pad": 114,
    }


def real_inputs(spec: dict, count: int = 4) -> list[np.ndarray]:
    """Network inputs from pictures spread over the dev set."""
    coco = json.loads((shared_data() / "annotations_dev.json").read_text(encoding="utf-8"))
    records = coco["images"][:: len(coco["images"]) // count][:count]
    inputs = []
    for record in records:
        picture = np.asarray(Image.open(shared_data() / record["file_name"]).convert("RGB"))
        canvas, _ = reference.letterbox(picture, spec)
        inputs.append(reference.normalise(canvas, spec))
    return inputs


def training_record(state: dict | None, checkpoint: Path | None) -> dict:
    """The training facts of the model card. Remarks come from remarks.txt beside the checkpoint."""
    sources, classes = load_sources(), load_classes()
    coco = read_pictures(shared_data() / "annotations_train.json", sources)
    names = {c["id"]: c["name"] for c in coco["categories"]}
    source_of = {i["id"]: i["source"] for i in coco["images"]}
    allowed = {name for name, row in sources.items() if row["decision"] == "train"}
    boxes = Counter(
        names[a["category_id"]]
        for a in coco["annotations"]
        if source_of[a["image_id"]] in allowed and not a.get("iscrowd")
    )
    record = {
        "seed_sha256": sha256_of(shared_seed()),
        "pictures": Counter(s for s in source_of.values() if s in allowed),
        "boxes": {name: boxes[name] for name in classes.shipped},
        "generic_boxes": {g["name"]: boxes[g["name"]] for g in classes.generics},
    }
    if state:
        for key in ("step", "epochs", "batch", "rate"):
            record[key] = round(state[key], 4)
        record["minutes"] = round(state["seconds"] / 60, 1)
        steps = [row["step"] for row in state["history"]]
        sizes = Counter()
        for row, length in zip(state["history"], np.diff([0, *steps]), strict=True):
            sizes[f"{row['width']}x{row['height']}"] += int(length)
        record["steps_by_size"] = sizes
        remarks = checkpoint.with_name("remarks.txt")
        if remarks.exists():
            record["remarks"] = remarks.read_text(encoding="utf-8").splitlines()
        record["first_loss"], record["last_loss"] = (
            state["history"][0]["loss"],
            state["history"][-1]["loss"],
        )
    return record


def write_with_nms(folder: Path, names: list[str], spec: dict) -> None:
    """Writes folder-nms: the same model with built-in NMS, checked against the reference's NMS."""
    inside = folder.with_name(folder.name + "-nms")
    inside.mkdir(parents=True, exist_ok=True)
    outside, worst, boxes = reference.Detector(folder), 0.0, 0
    add_nms(
        folder / "model.onnx",
        inside / "model.onnx",
        spec["width"],
        spec["height"],
        kind=outside.manifest["head"]["kind"],
        floor=reference.DEFAULT_FLOOR,
        ious=outside.nms_ious,
        most=reference.MAX_DETECTIONS,
    )
    write_manifest(
        inside,
        name=inside.name,
        version=VERSION,
        input=spec,
        head={"kind": "end_to_end", "nms_iou": NMS_IOU},
        classes=[(name, FIRST_THRESHOLD) for name in names],
        kinds={c["name"]: c["kind"] for c in outside.manifest["classes"] if "kind" in c},
    )
    coco = json.loads((shared_data() / "annotations_dev.json").read_text(encoding="utf-8"))
    inner = reference.Detector(inside)
    for record in coco["images"][:: len(coco["images"]) // 12]:
        picture = np.asarray(Image.open(shared_data() / record["file_name"]).convert("RGB"))
        (_, s0, c0), (_, s1, c1) = outside.detect(picture), inner.detect(picture)
        if len(s0) != len(s1) or (np.sort(c0) != np.sort(c1)).any():
            raise SystemExit(
                f"{inside}: its boxes differ from those with NMS outside in {record['file_name']}"
            )
        if len(s0):
            worst = max(worst, float(np.abs(np.sort(s0) - np.sort(s1)).max()))
        boxes += len(s0)
    print(f"{inside}: {boxes} boxes as with NMS outside, scores differ by {worst:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Exports a checkpoint as a model folder.")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--coco-classes", action="store_true", help="the seed as published")
    parser.add_argument(
        "--towards-seed", type=float, default=0.0, help="share of the seed in the mean of weights"
    )
    parser.add_argument(
        "--with-nms", action="store_true", help="also write OUT-nms, which gives boxes"
    )
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=384)
    args = parser.parse_args()
    classes, state = load_classes(), None
    names, width, height = classes.names, args.width, args.height  # any multiple of 32
    if args.checkpoint:
        state = torch.load(args.checkpoint, weights_only=True)
        names = state["classes"]
        if names != classes.names:
            raise SystemExit(
                f"{args.checkpoint}: its class list differs from classes.toml; train further first"
            )
        network = YoloxNano(classes.of_seed, classes.count - classes.of_seed)
        network.load_state_dict(state["average"])
        network = towards_seed(network, shared_seed(), classes, args.towards_seed)
        network = keep_classes(network, names, classes.shipped)
        names = [n for n in names if n in classes.shipped]
    elif args.coco_classes:
        names, network = COCO_CLASSES, load_teacher(shared_seed())
    else:
        network = start_from_seed(shared_seed(), classes)

    args.out.mkdir(parents=True, exist_ok=True)
    export_onnx(network, args.out / "model.onnx", width, height)
    spec = input_table(width, height)
    difference = largest_difference(network, args.out / "model.onnx", real_inputs(spec))
    if difference > TOLERANCE:
        raise SystemExit(
            f"{args.out / 'model.onnx'}: differs from PyTorch by {difference:.2e}, "
            f"allowed {TOLERANCE}; not usable, look at the export's warnings"
        )
    write_manifest(
        args.out,
        name=args.out.resolve().name,
        version=VERSION,
        input=spec,
        head={"kind": head_kind(network), "nms_iou": NMS_IOU},
        classes=[(name, FIRST_THRESHOLD) for name in names],
        nms_ious=classes.nms_ious,
        kinds=classes.kinds,
    )
    if args.with_nms:
        write_with_nms(args.out, names, spec)
    if not args.coco_classes:
        record = training_record(state, args.checkpoint) | {
            "onnx_difference": difference,
            "towards_seed": args.towards_seed,
        }
        (args.out / "training.json").write_text(
            json.dumps(record, indent=1) + "\n", encoding="utf-8"
        )
    print(f"{args.out}: {len(names)} classes, {width}x{height}, ONNX differs by {difference:.1e}")


if __name__ == "__main__":
    main()
