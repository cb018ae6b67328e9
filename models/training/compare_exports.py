"""Checks whether two COCO results files contain the same boxes: Lintel's, and those of the
network's own library.

    lintel detect --coco pictures.json --images pictures/ --model mine --out ours.json
    python compare_exports.py --ours ours.json --theirs library.json --coco pictures.json \\
      [--floor 0.3] [--least 0.99]

Reads two lists of COCO results (image_id, category_id, bbox as x, y, width, height in pixels,
score) over the same pictures. Boxes of one picture and class are paired one to one, best overlap
first, down to --iou. A box counts if it or its partner reaches --floor, so 0.301 on one side and
0.299 on the other is no miss. Both files should therefore reach a little below the floor.

Prints a table per class, the largest differences within pairs, and every box without a partner with
its nearest box on the other side. Exits with code 1 if less than --least is paired.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from detector.dataset import iou


@dataclass(frozen=True)
class Box:
    picture: int
    kind: int
    score: float
    corners: tuple[float, float, float, float]


@dataclass(frozen=True)
class Pair:
    ours: Box
    theirs: Box

    @property
    def pixels(self) -> float:
        """The largest difference between corresponding edges, in pixels."""
        return max(abs(a - b) for a, b in zip(self.ours.corners, self.theirs.corners, strict=True))

    @property
    def score(self) -> float:
        return abs(self.ours.score - self.theirs.score)


@dataclass
class Outcome:
    pairs: list[Pair]
    only_ours: list[Box]
    only_theirs: list[Box]

    def of(self, kind: int) -> Outcome:
        """The results of one class."""
        return Outcome(
            [p for p in self.pairs if p.ours.kind == kind],
            [b for b in self.only_ours if b.kind == kind],
            [b for b in self.only_theirs if b.kind == kind],
        )

    @property
    def share(self) -> float:
        """Pairs as a share of all boxes of both sides; 1 if there are none."""
        whole = len(self.pairs) + len(self.only_ours) + len(self.only_theirs)
        return len(self.pairs) / whole if whole else 1.0


def boxes(results: list[dict]) -> list[Box]:
    """COCO results -> boxes."""

    def box(r: dict) -> Box:
        x, y, w, h = r["bbox"]
        return Box(r["image_id"], r["category_id"], r["score"], (x, y, x + w, y + h))

    return [box(r) for r in results]


def compare(ours: list[Box], theirs: list[Box], *, limit: float, floor: float) -> Outcome:
    """Pairs of one class and picture that overlap by at least `limit`, and the unpaired boxes of
    each side.
    """
    there = defaultdict(list)
    for number, b in enumerate(theirs):
        there[b.picture, b.kind].append((number, b))
    near = []
    for number, a in enumerate(ours):
        for other, b in there[a.picture, a.kind]:
            if (overlap := iou(a.corners, b.corners)) >= limit:
                near.append((overlap, -abs(a.score - b.score), number, other))
    taken, given, pairs = set(), set(), []
    for _, _, number, other in sorted(near, reverse=True):
        if number not in taken and other not in given:
            taken.add(number)
            given.add(other)
            pairs.append(Pair(ours[number], theirs[other]))
    return Outcome(
        [p for p in pairs if max(p.ours.score, p.theirs.score) >= floor],
        [b for i, b in enumerate(ours) if i not in taken and b.score >= floor],
        [b for i, b in enumerate(theirs) if i not in given and b.score >= floor],
    )


def table(outcome: Outcome, names: dict[int, str]) -> str:
    """A Markdown table with one row per class found, and a row for all."""
    found = {p.ours.kind for p in outcome.pairs} | {
        b.kind for b in outcome.only_ours + outcome.only_theirs
    }
    rows = [(names.get(kind, str(kind)), outcome.of(kind)) for kind in sorted(found)] + [
        ("all", outcome)
    ]
    lines = [
        "| class | paired | only ours | only theirs | share | pixels apart: median, most "
        "| score apart: median, most |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, part in rows:
        apart = "- | -"
        if part.pairs:
            pixels, scores = [p.pixels for p in part.pairs], [p.score for p in part.pairs]
            apart = f"{statistics.median(pixels):.3f}, {max(pixels):.3f} "
            apart += f"| {statistics.median(scores):.4f}, {max(scores):.4f}"
        counts = f"{len(part.pairs)} | {len(part.only_ours)} | {len(part.only_theirs)}"
        lines.append(f"| {name} | {counts} | {part.share:.3f} | {apart} |")
    return "\n".join(lines)


def nearest(box: Box, others: list[Box], names: dict[int, str]) -> str:
    """A text about the box of the other side that is nearest to `box`."""
    here = [(iou(box.corners, b.corners), b) for b in others if b.picture == box.picture]
    overlap, other = max(here, key=lambda row: (row[0], row[1].score), default=(0.0, None))
    if other is None or overlap == 0.0:
        return "nothing there"
    return f"nearest: {names.get(other.kind, other.kind)} {other.score:.3f}, overlap {overlap:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares two COCO results files box by box.")
    parser.add_argument("--ours", type=Path, required=True, help="results of lintel detect")
    parser.add_argument(
        "--theirs", type=Path, required=True, help="results of the network's own library"
    )
    parser.add_argument("--coco", type=Path, help="the COCO file of the pictures, for names")
    parser.add_argument(
        "--iou", type=float, default=0.9, help="overlap from which two boxes are the same"
    )
    parser.add_argument("--floor", type=float, default=0.1, help="lowest score that counts")
    parser.add_argument("--least", type=float, default=0.0, help="required share of pairs")
    args = parser.parse_args()
    names, files = {}, {}
    if args.coco:
        coco = json.loads(args.coco.read_text(encoding="utf-8"))
        names = {c["id"]: c["name"] for c in coco["categories"]}
        files = {i["id"]: i["file_name"] for i in coco["images"]}
    ours = boxes(json.loads(args.ours.read_text(encoding="utf-8")))
    theirs = boxes(json.loads(args.theirs.read_text(encoding="utf-8")))
    outcome = compare(ours, theirs, limit=args.iou, floor=args.floor)
    print(table(outcome, names))
    for side, alone, others in (
        ("ours", outcome.only_ours, theirs),
        ("theirs", outcome.only_theirs, ours),
    ):
        for b in sorted(alone, key=lambda b: (b.picture, -b.score)):
            place = ", ".join(f"{v:.1f}" for v in b.corners)
            picture = files.get(b.picture, b.picture)
            what = f"{names.get(b.kind, b.kind)} {b.score:.3f} at {place}"
            print(f"only {side}: {picture}: {what}; {nearest(b, others, names)}")
    if outcome.share < args.least:
        sys.exit(f"{outcome.share:.3f} of the boxes are paired; {args.least} are required")


if __name__ == "__main__":
    main()
