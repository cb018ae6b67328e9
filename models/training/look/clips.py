"""The second look on what the detector finds in clips: shares denied and confirmed, and a sheet.

    python -m look.clips --model ../lintel-look --every 10 CLIP... --out runs/look/clips

Nobody labelled the clips. The sheet shows every denied detection over the detector's threshold, one
of each place, for a person to judge.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from detector.classes import HERE
from detector.dataset import iou
from reference import Detector

from . import crops
from .classify import Classifier
from .draw import sheets
from .score import detector_thresholds, group_of


def frames(path: Path, every: int):
    """Every so many pictures of a clip, RGB."""
    clip, n = cv2.VideoCapture(str(path)), 0
    while True:
        good, picture = clip.read()
        if not good:
            return
        if n % every == 0:
            yield n, np.ascontiguousarray(picture[..., ::-1])
        n += 1


def judged(model: Classifier, detector: Detector, path: Path, every: int) -> tuple[dict, list]:
    """Class -> detections, denied, confirmed; and crops of what was denied."""
    bounds = {c["name"]: c for c in model.manifest["classes"] if c.get("judges")}
    thresholds = detector_thresholds()
    table: dict[str, dict] = {}
    denied: list[tuple] = []
    for _, picture in frames(path, every):
        boxes, scores, classes = detector.detect(picture, min(thresholds.values()))
        rows = [
            (box, detector.names[c])
            for box, s, c in zip(boxes, scores, classes, strict=True)
            if s >= thresholds[detector.names[c]] and detector.names[c] in bounds
        ]
        answers = model(picture, [box for box, _ in rows])
        for (box, name), answer in zip(rows, answers, strict=True):
            said = dict(zip(model.names, answer, strict=True))
            p = sum(said.get(n, 0.0) for n in group_of(name))
            row = table.setdefault(name, {"detections": 0, "denied": 0, "confirmed": 0})
            row["detections"] += 1
            row["confirmed"] += int(p >= bounds[name]["confirm"])
            if p < bounds[name]["deny"]:
                row["denied"] += 1
                if not any(iou(box, other) > 0.5 and name == n for other, n, *_ in denied):
                    denied.append((box, name, crops.stretch(crops.cut(picture, box, 0.5)), p))
    return table, [named(crop, f"{path.stem[:16]} {name} {p:.2f}") for _, name, crop, p in denied]


def named(crop: np.ndarray, text: str) -> Image.Image:
    picture = Image.fromarray(crop)
    ImageDraw.Draw(picture).text((2, 2), text, fill="yellow", stroke_width=2, stroke_fill="black")
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--every", type=int, default=25)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    model, detector = Classifier(args.model), Detector(HERE.parent / "lintel-nano")
    report, shown = {}, []
    for path in args.clips:
        report[path.name], denied = judged(model, detector, path, args.every)
        shown += denied
        print(path.name, json.dumps(report[path.name]), flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    if shown:
        sheets(shown, 8, 6, args.out)
    (args.out / "clips.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
