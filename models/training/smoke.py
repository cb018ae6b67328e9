"""Checks the whole training path in a few minutes on two cores.

    python smoke.py

1. The native network equals the seed's ONNX file on a real picture (1e-3 on raw outputs).
2. A hundred steps at a small size on about 160 pictures: the loss must fall.
3. A run that is stopped and resumed goes on at the step where it stopped.
4. The exported ONNX equals PyTorch (1e-3), and `reference.py` runs it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import train
from detector.dataset import shared_seed
from detector.export import TOLERANCE, export_onnx, largest_difference
from detector.manifest import write_manifest
from detector.seed import load_teacher
from export import input_table, real_inputs
from reference import Detector

WIDTH, HEIGHT, STEPS = 320, 192, 100
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


def make_trainer(folder: Path, steps: int) -> train.Trainer:
    sizes = f"--width {WIDTH} --height {HEIGHT} --limit 160 --batch 8 --mosaic 0"
    return train.Trainer(train.parse_args(f"--folder {folder} --steps {steps} {sizes}".split()))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        difference = seed_difference()
        check(f"native network equals the seed's ONNX file: {difference:.1e}", difference < TOLERANCE)

        trainer = make_trainer(folder, STEPS)
        history = trainer.run()
        first, last = history[0]["loss"], min(row["loss"] for row in history[-2:])
        check(f"loss falls: {first:.2f} -> {last:.2f}", last < first * FALL)

        again = make_trainer(folder, STEPS + 5)
        again.resume()
        start = again.step
        again.run()
        check(f"resumed at step {start}, went on to {again.step}", (start, again.step) == (STEPS, STEPS + 5))

        export_onnx(trainer.average.network, folder / "model.onnx", WIDTH, HEIGHT)
        inputs = real_inputs(input_table(WIDTH, HEIGHT))
        difference = largest_difference(trainer.average.network, folder / "model.onnx", inputs)
        check(f"ONNX equals PyTorch: {difference:.1e}", difference < TOLERANCE)

        write_manifest(
            folder,
            name="smoke",
            version="0.0.0",
            input=input_table(WIDTH, HEIGHT),
            head={"kind": "yolox", "nms_iou": 0.5},
            classes=[(label, 0.35) for label in trainer.classes.names],
        )
        boxes, _, _ = Detector(folder).detect(trainer.samples[0].picture[..., ::-1], floor=0.01)
        check(f"the reference detector runs the model: {len(boxes)} boxes", boxes.shape[1] == 4)


if __name__ == "__main__":
    main()
