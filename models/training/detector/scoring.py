"""Average precision and thresholds for pictures in which only some classes are labelled."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from .classes import ClassList

SIZES = ("small", "medium", "large")  # COCO's: below 32^2, below 96^2 pixels of area, above
GRID = np.round(np.arange(0.10, 0.951, 0.01), 2)


@dataclass
class Truth:
    """A COCO file prepared for scoring, and for each class the pictures in which it is labelled."""

    coco: COCO
    category: dict[str, int]
    labelled: dict[str, list[int]]
    viewpoint: dict[int, str]


def prepare(data: dict, classes: ClassList) -> Truth:
    """Adds ignore regions: a generic box ("motor_vehicle") is one for each class it covers."""
    ids = {c["name"]: c["id"] for c in data["categories"]}
    names = {c["id"]: c["name"] for c in data["categories"]}
    covers = {g["name"]: g["covers"] for g in classes.generics}
    annotations = list(data["annotations"])
    for annotation in data["annotations"]:
        for name in covers.get(names[annotation["category_id"]], []):
            if name in ids:
                annotations.append(annotation | {"category_id": ids[name], "iscrowd": 1})
    annotations = [a | {"id": n + 1} for n, a in enumerate(annotations)]
    coco = COCO()
    coco.dataset = data | {"annotations": annotations}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return Truth(
        coco=coco,
        category={name: ids[name] for name in classes.names if name in ids},
        labelled={
            name: [i["id"] for i in data["images"] if name in i["labelled_classes"]]
            for name in classes.names
        },
        viewpoint={i["id"]: i["viewpoint"] for i in data["images"]},
    )


def score_class(truth: Truth, results: list[dict], name: str, pictures: list[int]) -> dict | None:
    """AP, AP50, AP by size, box count and the operating curve of one class over some pictures.

    None if the class has no box there. Detections in other pictures do not count.
    """
    category = truth.category.get(name)
    ids = (
        truth.coco.getAnnIds(imgIds=pictures, catIds=[category], iscrowd=False) if pictures else []
    )
    if category is None or not ids:
        return None
    wanted = set(pictures)
    own = [r for r in results if r["category_id"] == category and r["image_id"] in wanted]
    row = {"boxes": len(ids), "pictures": len(pictures), "detections": len(own)}
    if not own:
        return row | {"ap": 0.0, "ap50": 0.0, "curve": None} | {f"ap_{s}": None for s in SIZES}
    with contextlib.redirect_stdout(io.StringIO()):
        run = COCOeval(truth.coco, truth.coco.loadRes(own), "bbox")
        run.params.imgIds, run.params.catIds = pictures, [category]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"]  # [overlap, recall, class, area, most detections]

    def mean(values):
        values = values[values > -1]
        return round(float(values.mean()), 4) if values.size else None

    row |= {"ap": mean(precision[:, :, 0, 0, 2]), "ap50": mean(precision[0, :, 0, 0, 2])}
    row |= {f"ap_{s}": mean(precision[:, :, 0, 1 + k, 2]) for k, s in enumerate(SIZES)}
    row["curve"] = operating_curve(run, len(ids))
    return row


def operating_curve(run: COCOeval, boxes: int) -> list[tuple[float, float, float]]:
    """(threshold, precision, recall) at an overlap of 0.5, over GRID."""
    scores, hits = [], []
    whole_area = run.params.areaRng[0]
    for picture in run.evalImgs:
        if picture is None or picture["aRng"] != whole_area:
            continue
        counted = ~picture["dtIgnore"][0].astype(bool)
        scores += list(np.array(picture["dtScores"])[counted])
        hits += list(picture["dtMatches"][0][counted] > 0)
    scores, hits = np.array(scores), np.array(hits, dtype=bool)
    curve = []
    for threshold in GRID:
        chosen = scores >= threshold
        if chosen.any():
            right = int(hits[chosen].sum())
            curve.append(
                (float(threshold), round(right / int(chosen.sum()), 4), round(right / boxes, 4))
            )
    return curve


def choose_threshold(curve, *, precision: float, floor: float) -> tuple[float, str]:
    """Lowest threshold from `floor` up that reaches the precision, else that of the best F1."""
    usable = [row for row in curve if row[0] >= floor]
    for threshold, p, _ in usable:
        if p >= precision:
            return threshold, "reached"
    if not usable:
        return floor, "no detections"
    best = max(usable, key=lambda row: 2 * row[1] * row[2] / max(row[1] + row[2], 1e-9))
    return best[0], "not reached"
