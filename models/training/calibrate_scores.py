"""How often a detection of a score is right, and a map from scores to that share.

    python calibrate_scores.py --truth annotations_dev.json --results results.json \\
        --model ../lintel-nano [--publish] [--table table.md] [--out confidence.json]

A detection is right if it overlaps a box of its class by half. Only pictures that label a class
count for it. The map of a class is a logistic function of the score's logit with two parameters.
It is fitted by likelihood, and held back towards no change where there is little data.

The figures after the map are from cross-validation: each part of the pictures is told by a map
that was fitted on the other parts. The parts of a class are its sources, or two halves of the
picture clusters of its only source. A class whose Brier score does not fall by this gets no map,
nor does one with too few boxes. --publish writes the maps, fitted on everything, into model.toml.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import tomllib
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pycocotools.cocoeval import COCOeval

from detector.classes import load_classes
from detector.scoring import Truth, prepare

ENOUGH_BOXES = 30  # boxes that a class needs for a map of its own
FLOOR = 0.1  # weaker detections neither begin nor continue a thing
BINS = 10
HOLD = 4.0  # weight of "no change" against the detections, in detections
VEHICLES = ("car", "truck", "bus", "dump_truck")
GROUPS = ("vehicles", "person", "own classes")


@dataclass
class Scored:
    """The detections of one class."""

    scores: np.ndarray
    right: np.ndarray
    part: np.ndarray  # of the pictures, for cross-validation
    boxes: int

    def where(self, chosen: np.ndarray) -> Scored:
        return Scored(self.scores[chosen], self.right[chosen], self.part[chosen], self.boxes)


def group_of(name: str) -> str:
    if name == "person":
        return "person"
    return "vehicles" if name in VEHICLES else "own classes"


def detections(truth: Truth, results: list[dict], name: str) -> Scored:
    """The detections of a class in the pictures that label it, and whether each is right."""
    pictures = truth.labelled[name]
    category = truth.category.get(name)
    wanted = set(pictures)
    own = [r for r in results if r["category_id"] == category and r["image_id"] in wanted]
    own = [r for r in own if r["score"] >= FLOOR]
    boxes = (
        truth.coco.getAnnIds(imgIds=pictures, catIds=[category], iscrowd=False) if category else []
    )
    if not own or not boxes:
        return Scored(np.zeros(0), np.zeros(0, bool), np.zeros(0, int), len(boxes))
    with contextlib.redirect_stdout(io.StringIO()):
        run = COCOeval(truth.coco, truth.coco.loadRes(own), "bbox")
        run.params.imgIds, run.params.catIds = pictures, [category]
        run.params.iouThrs = np.array([0.5])
        run.params.areaRng = run.params.areaRng[:1]
        run.params.areaRngLbl = run.params.areaRngLbl[:1]
        run.evaluate()
    parts = parts_of(truth, pictures)
    scores, right, part = [], [], []
    for picture in filter(None, run.evalImgs):
        counted = ~picture["dtIgnore"][0].astype(bool)
        scores += list(np.array(picture["dtScores"])[counted])
        right += list(picture["dtMatches"][0][counted] > 0)
        part += [parts[picture["image_id"]]] * int(counted.sum())
    return Scored(np.array(scores), np.array(right, bool), np.array(part, int), len(boxes))


def parts_of(truth: Truth, pictures: list[int]) -> dict[int, int]:
    """A number for each picture: that of its source, or of a half of the only source's clusters."""
    images = {i: truth.coco.imgs[i] for i in pictures}
    sources = sorted({image["source"] for image in images.values()})
    if len(sources) > 1:
        return {i: sources.index(image["source"]) for i, image in images.items()}
    return {i: zlib.crc32(str(image["cluster"]).encode()) % 2 for i, image in images.items()}


def logit(scores: np.ndarray) -> np.ndarray:
    p = np.clip(scores, 1e-4, 1 - 1e-4)
    return np.log(p / (1 - p))


def told(scores: np.ndarray, parameters: tuple[float, float]) -> np.ndarray:
    slope, shift = parameters
    return 1 / (1 + np.exp(-(slope * logit(scores) + shift)))


def fit(scored: Scored) -> tuple[float, float]:
    """Slope and shift by Newton's method; a ridge towards (1, 0). The slope is never negative."""
    x = np.stack([logit(scored.scores), np.ones_like(scored.scores)], axis=1)
    y, w, start = scored.right.astype(float), np.array([1.0, 0.0]), np.array([1.0, 0.0])
    for _ in range(100):
        p = 1 / (1 + np.exp(-(x @ w)))
        gradient = x.T @ (p - y) + HOLD * (w - start)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + HOLD * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        w = w - step
        if np.abs(step).max() < 1e-9:
            break
    return max(float(w[0]), 0.05), float(w[1])


def cross_validated(scored: Scored) -> np.ndarray | None:
    """What maps tell of all detections, each fitted without the part it tells. None: one part."""
    parts = np.unique(scored.part)
    if parts.size < 2:
        return None
    out = np.zeros_like(scored.scores)
    for part in parts:
        here = scored.part == part
        out[here] = told(scored.scores[here], fit(scored.where(~here)))
    return out


def brier(values: np.ndarray, right: np.ndarray) -> float:
    return float(((values - right) ** 2).mean())


def helped(classes: dict[str, Scored]) -> dict[str, np.ndarray]:
    """The classes that a map brings nearer to the truth on pictures that it was not fitted on, and
    what it tells of these.
    """
    out = {}
    for name, scored in classes.items():
        values = cross_validated(scored) if scored.boxes >= ENOUGH_BOXES else None
        if values is not None and brier(values, scored.right) < brier(scored.scores, scored.right):
            out[name] = values
    return out


def reliability(values: np.ndarray, right: np.ndarray) -> tuple[list[dict], float | None]:
    """Ten bins with number, mean value and share right; expected calibration error over them."""
    bins, error = [], 0.0
    index = np.minimum((values * BINS).astype(int), BINS - 1)
    for n in range(BINS):
        here = index == n
        count = int(here.sum())
        row = {"from": n / BINS, "count": count, "mean": None, "right": None}
        if count:
            row |= {"mean": float(values[here].mean()), "right": float(right[here].mean())}
            error += count / values.size * abs(row["mean"] - row["right"])
        bins.append(row)
    return bins, error if values.size else None


def report(classes: dict[str, Scored], after: dict[str, np.ndarray]) -> dict:
    out = {}
    for group in GROUPS:
        names = [n for n in classes if group_of(n) == group and classes[n].scores.size]
        if not names:
            continue
        values = np.concatenate([classes[n].scores for n in names])
        right = np.concatenate([classes[n].right for n in names])
        mapped = np.concatenate([after.get(n, classes[n].scores) for n in names])
        before_bins, before = reliability(values, right)
        after_bins, error = reliability(mapped, right)
        out[group] = {"before": before_bins, "after": after_bins, "error": [before, error]}
        out[group] |= {"brier": [brier(values, right), brier(mapped, right)]}
        out[group] |= {"detections": int(values.size)}
    return out


def table(figures: dict) -> str:
    """Reliability before and after in ten bins: the share that is right, and the detections."""
    head = [f"{group}, {when}" for group in figures for when in ("score", "told")]
    lines = ["| bin | " + " | ".join(head) + " |", "|---" * (1 + len(head)) + "|"]
    for n in range(BINS):
        cells = []
        for group in figures.values():
            for when in ("before", "after"):
                row = group[when][n]
                cells.append(f"{row['right']:.2f} ({row['count']})" if row["count"] else "-")
        lines.append(f"| {n / BINS:.1f} to {(n + 1) / BINS:.1f} | " + " | ".join(cells) + " |")
    for label, key in (("expected calibration error", "error"), ("Brier score", "brier")):
        cells = [f"{v:.3f}" for group in figures.values() for v in group[key]]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def with_maps(text: str, maps: dict[str, tuple[float, float]]) -> str:
    """The manifest's text with one `confidence` line in each class that has a map."""
    head, *blocks = re.split(r"(?m)^(?=\[\[classes\]\]$)", text)
    out = []
    for block in blocks:
        name = re.search(r'(?m)^name = "([^"]+)"$', block)[1]
        lines = [ln for ln in block.strip().splitlines() if not ln.startswith("confidence = ")]
        if name in maps:
            slope, shift = maps[name]
            lines.append(f"confidence = {{ slope = {slope:.3f}, shift = {shift:.3f} }}")
        out.append("\n".join(lines))
    return head + "\n\n".join(out) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Maps scores to the share of them that is right.")
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--publish", action="store_true", help="write the maps into model.toml")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    truth = prepare(json.loads(args.truth.read_text(encoding="utf-8")), load_classes())
    results = json.loads(args.results.read_text(encoding="utf-8"))
    path = args.model / "model.toml"
    text = path.read_text(encoding="utf-8")
    names = [c["name"] for c in tomllib.loads(text)["classes"]]
    classes = {n: detections(truth, results, n) for n in names}
    after = helped(classes)
    figures, maps = report(classes, after), {name: fit(classes[name]) for name in after}
    print(table(figures))
    for name, (slope, shift) in maps.items():
        print(f"{name:18} {classes[name].boxes:5} boxes, slope {slope:.3f}, shift {shift:.3f}")
    if args.table:
        args.table.write_text(table(figures), encoding="utf-8")
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if args.publish:
        path.write_text(with_maps(text, maps), encoding="utf-8")


if __name__ == "__main__":
    main()
