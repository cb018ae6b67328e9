"""Checks the whole training path in a few minutes on two cores.

    python smoke.py

1. The native network equals the seed's ONNX file on real pictures (1e-3 on raw outputs).
2. The loss falls in sixty steps at a small size on about 160 pictures.
3. A stopped run resumes at the step where it stopped.
4. The exported ONNX equals PyTorch (1e-3), and so does a run that starts from it (`--initial`).
5. With it, `lintel detect` finds what `reference.py` finds on six pictures: boxes within 1 pixel,
   scores within 0.01. The program is $LINTEL, by default target/debug or target/release/lintel.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import train
from detector.classes import HERE
from detector.dataset import shared_data, shared_seed
from detector.export import TOLERANCE, export_onnx, head_kind, largest_difference
from detector.manifest import write_manifest
from detector.seed import load_teacher, start_from_model
from export import input_table, real_inputs
from reference import Detector, detect_all

WIDTH, HEIGHT, STEPS = 320, 192, 60
FALL = 0.95  # last part of the loss against the first


def check(claim: str, holds: bool) -> None:
    print(("ok    " if holds else "FAILED ") + claim, flush=True)
    if not holds:
        raise SystemExit(1)


def seed_difference() -> float:
    """Largest difference between the native seed and its ONNX file on real pictures."""
    teacher = load_teacher(shared_seed())
    teacher.probabilities = True
    session = onnxruntime.InferenceSession(str(shared_seed()), providers=["CPUExecutionProvider"])
    worst = 0.0
    for pixels in real_inputs(input_table(416, 416), count=2):
        theirs = session.run(None, {"images": pixels})[0]
        worst = max(worst, float(np.abs(teacher(torch.from_numpy(pixels)).numpy() - theirs).max()))
    return worst


def program() -> Path:
    """The path of the lintel program."""
    places = [HERE.parents[1] / "target" / kind / "lintel" for kind in ("release", "debug")]
    places = (
        [Path(os.environ["LINTEL"])]
        if "LINTEL" in os.environ
        else [p for p in places if p.exists()]
    )
    if not places or not places[0].exists():
        raise SystemExit("no lintel program; run `cargo build` or set LINTEL to its path")
    return max(places, key=lambda p: p.stat().st_mtime)


def product_disagrees(folder: Path) -> str:
    """Differences between `lintel detect` and the reference on six dev pictures."""
    coco = json.loads((shared_data() / "annotations_dev.json").read_text(encoding="utf-8"))
    coco["images"], coco["annotations"] = coco["images"][:: len(coco["images"]) // 6][:6], []
    names = {c["name"] for c in coco["categories"]}
    first = max(c["id"] for c in coco["categories"]) + 1
    missing = [n for n in Detector(folder).names if n not in names]
    coco["categories"] += [{"id": first + k, "name": n} for k, n in enumerate(missing)]
    (folder / "six.json").write_text(json.dumps(coco), encoding="utf-8")
    command = [
        program(),
        "detect",
        "--coco",
        folder / "six.json",
        "--images",
        shared_data(),
        "--model",
        folder,
    ]
    subprocess.run([*command, "--min-score", "0.02", "--out", folder / "found.json"], check=True)
    ours = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    reference = detect_all(Detector(folder), coco, shared_data(), 0.02)

    def twin(a, b):
        same = a["image_id"] == b["image_id"] and a["category_id"] == b["category_id"]
        near = max(abs(x - y) for x, y in zip(a["bbox"], b["bbox"], strict=True)) <= 1.0
        return same and near and abs(a["score"] - b["score"]) <= 0.01

    for one, other, side in ((ours, reference, "lintel"), (reference, ours, "the reference")):
        clear = [a for a in one if a["score"] >= 0.03]
        if not clear:
            return f"{side} found nothing"
        lonely = [a for a in clear if not any(twin(a, b) for b in other)]
        if lonely:
            return f"only {side} found {lonely[0]}"
    return ""


def make_trainer(folder: Path, steps: int) -> train.Trainer:
    sizes = f"--width {WIDTH} --height {HEIGHT} --limit 160 --batch 8 --mosaic 0"
    return train.Trainer(train.parse_args(f"--folder {folder} --steps {steps} {sizes}".split()))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        difference = seed_difference()
        check(
            f"native network equals the seed's ONNX file: {difference:.1e}", difference < TOLERANCE
        )

        trainer = make_trainer(folder, STEPS)
        history = trainer.run()
        first, last = history[0]["loss"], min(row["loss"] for row in history[-2:])
        check(f"loss falls: {first:.2f} -> {last:.2f}", last < first * FALL)

        again = make_trainer(folder, STEPS + 5)
        again.resume()
        start = again.step
        again.run()
        check(
            f"resumed at step {start}, went on to {again.step}",
            (start, again.step) == (STEPS, STEPS + 5),
        )

        export_onnx(trainer.average.network, folder / "model.onnx", WIDTH, HEIGHT)
        inputs = real_inputs(input_table(WIDTH, HEIGHT))
        difference = largest_difference(trainer.average.network, folder / "model.onnx", inputs)
        check(f"ONNX equals PyTorch: {difference:.1e}", difference < TOLERANCE)

        write_manifest(
            folder,
            name="smoke",
            version="0.0.0",
            input=input_table(WIDTH, HEIGHT),
            head={"kind": head_kind(trainer.network), "nms_iou": 0.5},
            classes=[(label, 0.35) for label in trainer.classes.names],
        )
        classes = trainer.classes
        again = start_from_model(folder, shared_seed(), classes)
        difference = largest_difference(again, folder / "model.onnx", inputs)
        check(
            f"a run that starts from the exported ONNX has its outputs: {difference:.1e}",
            difference < TOLERANCE,
        )

        disagreement = product_disagrees(folder)
        check(f"lintel detect equals the reference {disagreement}", not disagreement)


if __name__ == "__main__":
    main()
