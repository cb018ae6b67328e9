"""What the shipped detector says of each picture of a COCO file, at a low floor.

    python -m look.proposals --coco annotations_dev.json --out runs/look/dev-proposals.json
    python -m look.proposals --folder pictures/ --tiles 2 --out runs/look/site.json

Writes file name -> list of [x1, y1, x2, y2, class, score, look]; `look` is "whole", or "row,column"
of the slice. Boxes are in pixels of the picture.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from detector.classes import HERE, load_sources
from detector.dataset import shared_data
from reference import Detector

FLOOR = 0.05
OVERLAP = 0.1  # share of a slice that it has in common with its neighbour
SUFFIXES = {".jpg", ".jpeg", ".png"}


def slices(width: int, height: int, tiles: int) -> list[tuple[int, int, int, int, str]]:
    """The whole picture, then tiles x tiles overlapping parts of it: x1, y1, x2, y2, name."""
    looks = [(0, 0, width, height, "whole")]
    if tiles < 2:
        return looks
    w, h = width / (tiles - OVERLAP * (tiles - 1)), height / (tiles - OVERLAP * (tiles - 1))
    for row in range(tiles):
        for column in range(tiles):
            x, y = column * w * (1 - OVERLAP), row * h * (1 - OVERLAP)
            looks.append((int(x), int(y), round(x + w), round(y + h), f"{row},{column}"))
    return looks


def propose(detector: Detector, picture: np.ndarray, floor: float, tiles: int = 1) -> list[list]:
    """[h, w, 3] uint8 RGB -> rows [x1, y1, x2, y2, class, score, look]."""
    rows = []
    height, width = picture.shape[:2]
    for left, top, right, bottom, look in slices(width, height, tiles):
        found = detector.detect(np.ascontiguousarray(picture[top:bottom, left:right]), floor)
        for box, score, index in zip(*found, strict=True):
            x1, y1, x2, y2 = (round(float(v), 1) for v in box)
            place = [
                round(x1 + left, 1),
                round(y1 + top, 1),
                round(x2 + left, 1),
                round(y2 + top, 1),
            ]
            rows.append([*place, detector.names[index], round(float(score), 4), look])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--coco", type=Path, help="COCO file that lists the pictures")
    parser.add_argument("--folder", type=Path, help="or a folder of pictures, with its subfolders")
    parser.add_argument("--only-trained", action="store_true", help="sources that allow training")
    parser.add_argument("--model", type=Path, default=HERE.parent / "lintel-nano")
    parser.add_argument("--floor", type=float, default=FLOOR)
    parser.add_argument("--tiles", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.coco:
        root, sources = args.coco.parent, load_sources()
        records = json.loads(args.coco.read_text(encoding="utf-8"))["images"]
        if args.only_trained:
            records = [r for r in records if sources[r["source"]]["decision"] == "train"]
        names = [r["file_name"] for r in records]
    else:
        root = args.folder or shared_data()
        found = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES)
        names = [p.relative_to(root).as_posix() for p in found]
    detector = Detector(args.model)
    out = {}
    for name in names:
        with Image.open(root / name) as file:
            picture = np.asarray(file.convert("RGB"))
        out[name] = propose(detector, picture, args.floor, args.tiles)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(out), encoding="utf-8")
    print(f"{args.out}: {len(out)} pictures, {sum(map(len, out.values()))} boxes")


if __name__ == "__main__":
    main()
