"""Scores the head on real pairs: alone, beside `lintel compare`, and as a judge of its findings.

    python -m change.score --checkpoint runs/change/last.pt --lintel ../../target/release/lintel

Run it in models/training. Prints a table of pixel F1 and object F1 by data set, counted as in
`tools/scenes/pairs.py`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

from detector.seed import load_teacher

from .network import ChangeHead
from .train import HERE, probabilities

sys.path.append(str(HERE / "../../tools/scenes"))
from pairs import f1, found_in, objects

LIKELY, BELIEVED = 0.5, 0.4


def believed(found, likely):
    """The findings that the head, on average, considers change."""
    count, labels = cv2.connectedComponents(found.astype(np.uint8))
    kept = [labels == i for i in range(1, count) if likely[labels == i].mean() > BELIEVED]
    return np.any(kept, axis=0) if kept else np.zeros_like(found)


def main():
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("--checkpoint", type=Path, required=True)
    ask.add_argument("--lintel", type=Path, required=True)
    args = ask.parse_args()
    shared = Path(os.environ.get("LINTEL_SHARED", HERE / "../../../shared"))
    head = ChangeHead(load_teacher(shared / "weights/yolox_nano.onnx").backbone)
    head.load_state_dict(torch.load(args.checkpoint, weights_only=True)["head"])
    head.eval()
    sums = {}
    for data in sorted(
        p for p in (shared / "data/extra/change_pairs").iterdir() if (p / "A").is_dir()
    ):
        for before in sorted((data / "A").iterdir()):
            after = data / "B" / before.name
            truth = (
                cv2.imread(
                    str(next((data / "label").glob(before.stem + ".*"))), cv2.IMREAD_GRAYSCALE
                )
                > 127
            )
            classical, why = found_in(str(args.lintel), before, after, truth.shape)
            if why:
                raise SystemExit(f"{before}: {why}")
            likely = probabilities(head, cv2.imread(str(before)), cv2.imread(str(after)))
            ways = {
                "lintel compare": classical,
                "head alone": likely > LIKELY,
                "compare, judged by the head": believed(classical, likely),
            }
            for way, found in ways.items():
                pixels, things = sums.setdefault((way, data.name), (np.zeros(3), np.zeros(4)))
                pixels += [(found & truth).sum(), found.sum(), truth.sum()]
                things += [*objects(found, truth), *objects(truth, found)]
    print("| way | set | pixel F1 | object F1 |\n|---|---|---|---|")
    for (way, name), (pixels, things) in sorted(sums.items()):
        print(
            f"| {way} | {name} | {f1(*pixels):.2f} "
            f"| {f1(things[0], things[1], things[3], things[2]):.2f} |"
        )


if __name__ == "__main__":
    main()
