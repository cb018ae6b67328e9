"""The second look in numpy and ONNX Runtime: what the product's is checked against.

    python -m look.classify --model ../lintel-look --expected ../../testdata/frames/frames.json

Writes the model's answers for boxes that the detector finds in committed pictures, as
expected.json in the model's folder.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from detector.classes import HERE
from reference import Detector

from . import crops

EXPECTED_FLOOR = 0.4
EXPECTED_MOST = 12


class Classifier:
    """One model folder: manifest and ONNX Runtime session."""

    def __init__(self, folder: Path):
        self.manifest = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.manifest["runtime"]["threads"]
        self.session = onnxruntime.InferenceSession(
            str(folder / self.manifest["file"]), options, providers=["CPUExecutionProvider"]
        )
        self.names = [c["name"] for c in self.manifest["classes"]]

    def __call__(self, picture: np.ndarray, boxes: list) -> np.ndarray:
        """[h, w, 3] uint8 RGB, boxes x1 y1 x2 y2 -> probabilities [n, C]."""
        context = self.manifest["head"]["context"]
        parts = [np.zeros((0, len(self.names)), np.float32)]
        for first in range(0, len(boxes), 16):
            cut = [crops.stretch(crops.cut(picture, b, context)) for b in boxes[first : first + 16]]
            feed = {"images": crops.normalised(np.stack(cut))}
            parts.append(self.session.run(["probabilities"], feed)[0])
        return np.concatenate(parts)


def load(path: Path) -> np.ndarray:
    with Image.open(path) as file:
        return np.asarray(file.convert("RGB"))


def expected(model: Path, frames: Path) -> dict:
    """Boxes of the detector in the committed pictures, and what the model says of each."""
    classifier, detector = Classifier(model), Detector(HERE.parent / "lintel-nano")
    rows = []
    for record in json.loads(frames.read_text(encoding="utf-8"))["images"]:
        picture = load(frames.parent / record["file_name"])
        found, scores, _ = detector.detect(picture, EXPECTED_FLOOR)
        boxes = [[round(float(v), 1) for v in b] for b in found[np.argsort(-scores)]]
        for box, row in zip(boxes, classifier(picture, boxes), strict=True):
            best = int(row.argmax())
            said = {
                name: round(float(p), 4)
                for name, p in zip(classifier.names, row, strict=True)
                if p > 0.005
            }
            answer = {"file": record["file_name"], "box": box, "class": classifier.names[best]}
            rows.append(answer | {"probabilities": said})
    step = max(1, len(rows) // EXPECTED_MOST)
    return {
        "pictures": str(frames.parent.relative_to(HERE.parents[1])),
        "tolerance": 0.02,
        "crops": rows[::step][:EXPECTED_MOST],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--expected", type=Path, required=True, help="COCO file of pictures")
    args = parser.parse_args()
    out = expected(args.model, args.expected.resolve())
    path = args.model / "expected.json"
    path.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
    print(f"{path}: {len(out['crops'])} crops")


if __name__ == "__main__":
    main()
